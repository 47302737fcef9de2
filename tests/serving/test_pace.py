"""The clock of a replay: it stands, runs at any factor, and goes on by single decisions."""

import asyncio
import time

import pytest

from seqrec_lib.serving.pace import Pace


def scene_of(scene):
    return asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_clock_that_runs_reaches_what_is_due_and_says_when_it_was():
    async def scene():
        pace = Pace()
        pace.begin()
        start = asyncio.get_running_loop().time()
        first = await pace.reach(0.1, False)
        await asyncio.sleep(0.2)  # behind by now: the second was due before
        second = await pace.reach(0.15, False)
        return first - start, second - start, asyncio.get_running_loop().time() - start

    first, second, now = scene_of(scene)
    assert first == pytest.approx(0.1, abs=0.01) and second == pytest.approx(0.15, abs=0.01)
    assert now > 0.29


def test_a_factor_counts_from_when_it_changes():
    async def scene():
        pace = Pace()
        pace.begin()
        begun = time.monotonic()
        waiting = asyncio.create_task(pace.reach(100.05, False))
        await asyncio.sleep(0.05)
        pace.change(factor=500.0)  # the hundred seconds that are left take a fifth of one
        await waiting
        return time.monotonic() - begun

    assert 0.2 < scene_of(scene) < 5


def test_a_clock_that_stands_goes_on_where_it_stood():
    async def scene():
        pace = Pace(paused=True)
        pace.begin()
        waiting = asyncio.create_task(pace.reach(0.0, False))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        pace.change(paused=False)
        at = await waiting
        later = asyncio.create_task(pace.reach(0.2, False))
        pace.change(paused=True)
        await asyncio.sleep(0.4)
        assert not later.done()
        pace.change(paused=False)
        return await later - at

    assert scene_of(scene) > 0.55


def test_a_step_lasts_until_an_event_decides_and_jumps_over_days():
    async def scene():
        pace, passed = Pace(paused=True), []
        pace.begin()

        async def playing():
            for number, decides in enumerate([False, False, True, False, True, True]):
                await pace.reach(86_400.0 * number, decides)
                passed.append(number)

        task = asyncio.create_task(playing())
        seen = []
        for _ in range(2):
            pace.change(step=True)
            await asyncio.sleep(0.1)
            seen.append(list(passed))
        pace.change(step=True)
        await task
        return seen

    assert scene_of(scene) == [[0, 1, 2], [0, 1, 2, 3, 4]]
