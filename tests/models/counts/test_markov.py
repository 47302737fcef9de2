from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.counts.markov import Markov


def counted(log, positions=None, **config):
    positions = np.arange(len(log)) if positions is None else positions
    model = Markov(Catalogue.learned(log, positions), Markov.Config(**config))
    model.count(log, positions)
    return model


def chances(model, *history):
    """Scores of the items 1..num_items after one history."""
    return model.score_all(Batch(torch.tensor([history or (0,)])))[0, 1:].double().numpy()


@pytest.fixture
def log(log_of):
    """1 is followed by 2 twice and by 3 once; 2, 1 is followed by 3."""
    return log_of([1, 2, 1, 3], [1, 2, 4])


def test_order_one_by_hand(log):
    model = counted(log, order=1, discount=0.5)
    share = np.array([3, 2, 1, 1]) / 7
    # after 1: three events, two kinds; each gives up 1/2, spread by popularity
    expected = np.array([0, 1.5, 0.5, 0]) / 3 + (0.5 * 2 / 3) * share
    np.testing.assert_allclose(chances(model, 1), expected, rtol=1e-6)
    np.testing.assert_allclose(chances(model, 4, 4, 1), expected, rtol=1e-6)  # no more is looked at
    expected = np.array([0.5, 0, 0, 0.5]) / 2 + (0.5 * 2 / 2) * share
    np.testing.assert_allclose(chances(model, 2), expected, rtol=1e-6)


def test_order_two_by_hand(log):
    model = counted(log, order=2, discount=0.5)
    share = np.array([3, 2, 1, 1]) / 7
    after_1 = np.array([0, 1.5, 0.5, 0]) / 3 + (0.5 * 2 / 3) * share
    after_2 = np.array([0.5, 0, 0, 0.5]) / 2 + (0.5 * 2 / 2) * share
    after_2_1 = np.array([0, 0, 0.5, 0]) + 0.5 * after_1  # seen once, followed by 3
    after_1_2 = np.array([0.5, 0, 0, 0.5]) / 2 + (0.5 * 2 / 2) * after_2
    np.testing.assert_allclose(chances(model, 2, 1), after_2_1, rtol=1e-6)
    np.testing.assert_allclose(chances(model, 3, 1, 2), after_1_2, rtol=1e-6)


def test_without_a_discount_it_is_the_toy_chain_of_the_survey(log):
    """That chain keeps a list of what followed and draws from it at random, repeats and all."""
    followed = {}
    for user in range(log.num_users):
        history = log.item[log.offsets[user] : log.offsets[user + 1]].tolist()
        for state, following in zip(history, history[1:], strict=False):
            followed.setdefault(state, []).append(following)
    model = counted(log, order=1, discount=1e-9)
    for state, drawn_from in followed.items():
        frequency = np.array([drawn_from.count(item) for item in range(1, 5)]) / len(drawn_from)
        np.testing.assert_allclose(chances(model, state), frequency, atol=1e-6)
    # memoryless: what was bought before the last item changes nothing
    np.testing.assert_array_equal(chances(model, 2, 1), chances(model, 1))


def test_an_unknown_context_backs_off_to_the_shorter_one(log):
    model = counted(log, order=2)
    np.testing.assert_array_equal(chances(model, 4, 1), chances(model, 1))  # never 4, 1
    assert not np.array_equal(chances(model, 2, 1), chances(model, 1))
    share = np.array([3, 2, 1, 1]) / 7
    for history in [(), (3,), (1, 4)]:  # nothing ever followed
        np.testing.assert_allclose(chances(model, *history), share, rtol=1e-6)


def test_a_smaller_discount_trusts_the_counts_more(log):
    bold, shy = (counted(log, order=1, discount=d) for d in (0.1, 0.9))
    assert chances(bold, 1)[1] > chances(shy, 1)[1]
    assert chances(bold, 1)[0] < chances(shy, 1)[0]


def test_only_training_positions_are_counted(log):
    model = counted(log, np.array([0, 1, 4, 5]), order=2)  # without 2 -> 1 -> 3 and 2 -> 4
    np.testing.assert_allclose(chances(model, 2), [1 / 2, 1 / 2, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(chances(model, 1), [1 / 8, 7 / 8, 0, 0], rtol=1e-6)


def by_definition(histories, num_items, history, order, discount):
    """Interpolated absolute discounting from its definition, with dictionaries."""
    seen = Counter(item for one in histories for item in one)
    chance = {i: seen[i] / seen.total() for i in range(1, num_items + 1)}
    for n in range(1, order + 1):
        context = tuple(history[-n:])
        followers = Counter(
            one[p]
            for one in histories
            for p in range(n, len(one))
            if tuple(one[p - n : p]) == context
        )
        if len(context) < n or not followers:
            break
        total, free = followers.total(), discount * len(followers) / followers.total()
        chance = {i: max(followers[i] - discount, 0) / total + free * chance[i] for i in chance}
    return list(chance.values())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=7), min_size=1, max_size=5),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([0.1, 0.5, 0.9]),
)
def test_scores_are_a_distribution_over_items_as_defined(log_of, drawn, asked, order, discount):
    histories = [*drawn, [1, 2, 3, 4]]  # every item occurs
    found = chances(counted(log_of(*histories), order=order, discount=discount), *asked)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    expected = by_definition(histories, 4, asked, order, discount)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("wrong", [{"order": 0}, {"discount": 0.0}, {"discount": 1.0}])
def test_an_impossible_order_or_discount_is_refused(wrong):
    with pytest.raises(ValueError, match="order must be 1 or more, discount between 0 and 1"):
        Markov(Catalogue(2, np.array([0, 1, 1])), Markov.Config(**wrong))


def test_padding_is_no_item(log):
    scores = counted(log).score_all(Batch(torch.tensor([[1, 2], [3, 0]])))
    assert (scores[:, 0] == -torch.inf).all() and (scores[:, 1:] > 0).all()
