"""Waiting together: everybody gets their own answer, and nobody waits for nothing."""

import asyncio
import threading
import time

import pytest

from seqrec_lib.serving.batching import ALONE_S, AT_ONCE_S, TURNS, Batcher, Closed, Overloaded
from seqrec_lib.serving.served import Answer, Question, Served


class Slow(Served):
    """Stands for a served model: answers with the question, once it is let go on."""

    def __init__(self):
        self.name = "slow"
        self.go, self.batches = threading.Event(), []

    def answer(self, questions):
        assert self.go.wait(10)
        self.batches.append([one.k for one in questions])
        if any(one.k == 13 for one in questions):
            raise FloatingPointError("unlucky")
        return [Answer(str(one.k), "", {}, 0, 0, 0, [], {}) for one in questions]


async def _started(batcher, ks):
    tasks = [asyncio.create_task(batcher.ask(Question([], k))) for k in ks]
    await asyncio.sleep(0.05)
    return tasks


def test_everybody_gets_their_own_answer_in_batches_of_the_limit():
    async def scene():
        slow = Slow()
        async with Batcher(slow, limit=4, waiting=50) as batcher:
            tasks = await _started(batcher, range(1, 12))
            assert len(batcher) == 7  # four are being answered
            slow.go.set()
            answers = await asyncio.gather(*tasks)
        assert [one.model for one in answers] == [str(k) for k in range(1, 12)]
        assert slow.batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]]
        assert answers[-1].ms["queued"] >= 50 > 0

    asyncio.run(scene())


def test_a_full_queue_refuses_at_once_and_recovers():
    async def scene():
        slow = Slow()
        async with Batcher(slow, limit=4, waiting=3) as batcher:
            tasks = await _started(batcher, [1])
            tasks += await _started(batcher, [2, 3, 4])
            with pytest.raises(Overloaded, match="3 questions wait; ask again later"):
                await asyncio.wait_for(batcher.ask(Question([], 5)), 1)
            slow.go.set()
            assert [one.model for one in await asyncio.gather(*tasks)] == list("1234")
            assert (await batcher.ask(Question([], 6))).model == "6"

    asyncio.run(scene())


def test_who_stops_waiting_leaves_the_queue():
    async def scene():
        slow = Slow()
        async with Batcher(slow, limit=4, waiting=3) as batcher:
            (being, *_), tasks = await _started(batcher, [1]), await _started(batcher, [2, 3, 4])
            tasks[1].cancel()
            being.cancel()
            await asyncio.sleep(0.01)
            assert len(batcher) == 2
            slow.go.set()
            assert [(await one).model for one in (tasks[0], tasks[2])] == ["2", "4"]
        assert slow.batches == [[1], [2, 4]]

    asyncio.run(scene())


def test_one_bad_question_costs_the_others_nothing():
    async def scene():
        slow = Slow()
        async with Batcher(slow, limit=4, waiting=10) as batcher:
            tasks = await _started(batcher, [1, 12, 13, 14])
            slow.go.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [one.model for one in (found[0], found[1], found[3])] == ["1", "12", "14"]
            assert isinstance(found[2], FloatingPointError)
            assert (await batcher.ask(Question([], 15))).model == "15"

    asyncio.run(scene())


def test_who_waits_at_the_end_is_told():
    async def scene():
        slow = Slow()
        batcher = Batcher(slow, limit=1)
        with pytest.raises(Closed):
            await batcher.ask(Question([]))
        async with batcher:
            tasks = await _started(batcher, [1, 2])
            threading.Timer(0.2, slow.go.set).start()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == [Closed, Closed] and not batcher.working

    asyncio.run(scene())


def test_work_aside_is_bounded_and_an_answer_says_how_long_it_waited():
    async def scene():
        slow = Slow()

        def work():
            return slow.answer([Question([], 7)])[0]

        async with Batcher(slow, waiting=2) as batcher:
            tasks = [asyncio.create_task(batcher.answer(work)) for _ in range(2)]
            await asyncio.sleep(0)
            assert len(batcher) == 2
            await asyncio.sleep(0.05)
            with pytest.raises(Overloaded, match="slow: 2 questions wait; ask again later"):
                await batcher.answer(work)
            slow.go.set()
            first, second = await asyncio.gather(*tasks)
            assert len(batcher) == 0
        assert 0 <= first.ms["queued"] < second.ms["queued"] and second.ms["queued"] >= 45

    asyncio.run(scene())


def test_a_limit_is_one_or_more():
    with pytest.raises(ValueError, match="use 1 or more"):
        Batcher(Slow(), limit=0)


class Busy(Served):
    """Takes so much processor time a question, and says which thread computed."""

    def __init__(self, each_s=0.0):
        self.name, self.each_s, self.threads = "busy", each_s, []

    def answer(self, questions):
        self.threads.append(threading.current_thread().name)
        until = time.thread_time() + self.each_s * len(questions)
        while time.thread_time() < until:
            pass
        return [Answer("", "", {}, 0, 0, 0, [], {}) for _ in questions]


def threads(served, questions):
    """The threads that computed each of the questions, asked one after the other."""

    async def scene():
        async with Batcher(served) as batcher:
            for one in questions:
                await batcher.ask(one)

    asyncio.run(scene())
    return [name.partition("_")[0] for name in served.threads]


def test_what_is_over_at_once_has_no_thread_but_the_first_time():
    assert threads(Busy(), [Question([])] * 3) == ["busy", "MainThread", "MainThread"]
    assert threads(Busy(2 * AT_ONCE_S), [Question([])] * 3) == ["busy"] * 3


def test_long_histories_and_lists_are_left_to_the_thread():
    long = [Question([]), Question([1] * 6000), Question([], k=10**6), Question([])]
    assert threads(Busy(), long) == ["busy", "busy", "busy", "MainThread"]


def test_nothing_is_computed_at_once_while_the_thread_is_at_work():
    async def scene():
        served, go = Busy(), threading.Event()
        async with Batcher(served) as batcher:
            await batcher.ask(Question([]))
            aside = asyncio.create_task(batcher.aside(lambda: go.wait(10)))
            await asyncio.sleep(0)
            asked = asyncio.create_task(batcher.ask(Question([])))
            await asyncio.sleep(0.05)
            assert len(served.threads) == 1  # it waits behind what is computed aside
            go.set()
            await asyncio.gather(aside, asked)
        assert all(name.startswith("busy") for name in served.threads)

    asyncio.run(scene())


def test_others_have_their_turn_between_batches_that_are_computed_at_once():
    async def scene():
        served = Busy(AT_ONCE_S / 10)
        async with Batcher(served, limit=2) as batcher:
            await batcher.ask(Question([]))
            count = round(5 * ALONE_S / served.each_s)
            asked = [asyncio.create_task(batcher.ask(Question([]))) for _ in range(count)]
            turns = 0
            while not all(one.done() for one in asked):
                turns += 1
                await asyncio.sleep(0)
        assert turns >= 4 * TURNS and set(served.threads[1:]) == {"MainThread"}
        return count, turns

    count, turns = asyncio.run(scene())
    assert turns < count / 2  # but not between all: each batch that waits is answered first


def test_what_comes_while_answers_leave_is_answered_together():
    """One more question comes in each turn of the loop: what is there already does not go alone."""

    async def scene(limit):
        slow = Slow()
        slow.go.set()

        async def late(turns, k):
            for _ in range(turns):
                await asyncio.sleep(0)
            return await batcher.ask(Question([], k))

        async with Batcher(slow, limit, waiting=50) as batcher:
            await batcher.ask(Question([], 20))
            await asyncio.gather(*(late(k, k) for k in range(1, 12)))
        return slow.batches

    assert asyncio.run(scene(32)) == [[20], list(range(1, 12))]
    assert [len(one) for one in asyncio.run(scene(4))][:3] == [1, 4, 4]
