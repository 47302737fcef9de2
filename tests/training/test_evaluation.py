import dataclasses
import math

import numpy as np
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import Recommender
from seqrec_lib.training.candidates import sampled_ranks
from seqrec_lib.training.evaluation import exposure, last, ranks

INF = float("inf")


class Table(Recommender):
    """Scores that depend on the newest item alone, few distinct ones, so that ties abound.

    ``distinct`` is their number, or a list of them.
    """

    def __init__(self, catalogue, distinct, seed=0):
        super().__init__(catalogue)
        chance = torch.Generator().manual_seed(seed)
        size = catalogue.num_items + 1
        values = torch.tensor(distinct if isinstance(distinct, list) else range(distinct))
        table = values[torch.randint(0, len(values), (size, size), generator=chance)].float()
        table[:, 0] = -torch.inf
        self.register_buffer("table", table)

    def score_all(self, batch):
        newest = batch.item.gather(1, (batch.length - 1).clamp(min=0)[:, None])[:, 0]
        return self.table[newest]


def catalogue_of(num_items):
    return Catalogue(num_items, np.r_[0, np.ones(num_items, dtype=np.int64)])


def by_sorting(model, log, position, length):
    """(rank masked, rank unmasked) from a sorted list of all candidates."""
    scores = model.score_all(log.histories(np.array([position]), length))[0].tolist()
    start = log.offsets[log.user_of(np.array([position]))[0]]
    earlier, target = set(log.item[start:position].tolist()), int(log.item[position])
    found = []
    for left_out in (earlier, set()):
        if target in left_out:
            found.append(max(log.num_items, 101))
            continue
        kept = [i for i in range(1, log.num_items + 1) if i not in left_out]
        kept.sort(key=lambda i: -scores[i])
        places = [n for n, i in enumerate(kept, start=1) if scores[i] == scores[target]]
        found.append(math.ceil(sum(places) / len(places)))  # the middle of those tied, rounded up
    return found


def by_argmax(model, log, position, length):
    scores = model.score_all(log.histories(np.array([position]), length))[0]
    return 1 + int(scores[1:].argmax())


@pytest.mark.parametrize("length", [3, 50])  # most histories are longer than 3, or none
@pytest.mark.parametrize("distinct", [2, 10, 10**6])
def test_ranks_are_those_of_a_sort(small_log, small_split, small_catalogue, distinct, length):
    model = Table(small_catalogue, distinct)
    positions = np.r_[small_split.test, small_split.valid[:40], small_log.offsets[:20]]
    found = ranks(model, small_log, positions, length, batch_size=17)
    expected = [by_sorting(model, small_log, p, length) for p in positions]
    masked, unmasked = np.array(expected).T
    np.testing.assert_array_equal(found["rank_masked"], masked)
    np.testing.assert_array_equal(found["rank_unmasked"], unmasked)
    assert found["repeat"].sum() > 10 and len(set(unmasked)) > (3 if distinct == 2 else 30)


@pytest.mark.parametrize(
    "values",
    [[-INF], [INF], [-INF, INF], [-INF, 0.0], [0.0, INF], [-INF, -1.0, 0.0, INF], [-1e38, 1e38]],
)
def test_infinite_scores_are_ranked_like_any_others(log_of, values):
    rng, checked = np.random.default_rng(0), 0
    for seed in range(12):
        num_items = rng.integers(2, 9)
        lengths = rng.integers(1, 7, size=rng.integers(1, 8))
        log = log_of(*(rng.integers(1, num_items + 1, size=size) for size in lengths))
        model = Table(catalogue_of(log.num_items), values, seed)
        positions = rng.permutation(len(log))
        length = int(rng.integers(1, 5))
        found = ranks(model, log, positions, length, batch_size=int(rng.integers(1, 6)))
        expected = [by_sorting(model, log, p, length) for p in positions]
        assert found[["rank_masked", "rank_unmasked"]].to_numpy().tolist() == expected
        best = [by_argmax(model, log, p, length) for p in positions]
        assert found["first"].tolist() == best
        checked += len(positions)
    assert checked > 100


@pytest.mark.parametrize("true", [-INF, 0.0, INF])
@pytest.mark.parametrize("seen", [-INF, 0.0, INF])
@pytest.mark.parametrize("other", [-INF, 0.0, INF])
def test_an_item_ties_with_its_equals_wherever_they_are(log_of, true, seen, other):
    log = log_of([1, 2, 4], [3, 1])  # item 4 is asked for; 1 and 2 are seen, 3 is another
    model = Table(catalogue_of(4), 1)
    model.table[:, 1:] = torch.tensor([seen, seen, other, true])
    found = ranks(model, log, np.array([2])).iloc[0]

    def middle(*rivals):
        return 1 + sum(r > true for r in rivals) + math.ceil(sum(r == true for r in rivals) / 2)

    assert found["rank_unmasked"] == middle(seen, seen, other)
    assert found["rank_masked"] == middle(other)


def test_a_row_says_what_was_asked_in_the_order_asked(small_log, small_split, small_catalogue):
    positions = np.random.default_rng(0).permutation(small_split.test)
    found = ranks(Table(small_catalogue, 50), small_log, positions, batch_size=7)
    np.testing.assert_array_equal(found["user"], small_log.user_of(positions))
    np.testing.assert_array_equal(found["item"], small_log.item[positions])
    np.testing.assert_array_equal(found["history_length"], small_log.history_length(positions))
    histories = [
        small_log.item[small_log.offsets[u] : p]
        for u, p in zip(found["user"], positions, strict=True)
    ]
    repeat = [i in h for i, h in zip(found["item"], histories, strict=True)]
    assert found["repeat"].tolist() == repeat
    whole = ranks(Table(small_catalogue, 50), small_log, np.sort(positions), batch_size=1000)
    assert whole.iloc[np.argsort(np.argsort(positions))].reset_index(drop=True).equals(found)


def test_first_is_the_item_at_the_top_with_earlier_items_left_in(
    small_log, small_split, small_catalogue
):
    model = Table(small_catalogue, 10**6)
    positions = np.random.default_rng(0).permutation(small_split.test)
    found = ranks(model, small_log, positions, batch_size=17)
    with torch.inference_mode():
        best = [model.score_all(small_log.histories(positions[i : i + 1], 50)) for i in range(200)]
    assert found["first"].tolist() == [int(scores.argmax()) for scores in best]
    assert ((found["first"] == found["item"]) == (found["rank_unmasked"] == 1)).all()
    start = small_log.offsets[small_log.user_of(positions)]
    pairs = zip(start, positions, found["first"], strict=True)
    assert sum(item in small_log.item[begin:end] for begin, end, item in pairs) > 10


@pytest.mark.parametrize("distinct", [2, 10**6])
def test_the_size_of_a_chunk_changes_no_rank(small_log, small_split, small_catalogue, distinct):
    model = Table(small_catalogue, distinct)
    of_its_own = ranks(model, small_log, small_split.test)
    for batch_size in (1, 16, 199, 256):
        found = ranks(model, small_log, small_split.test, batch_size=batch_size)
        assert found.equals(of_its_own)
    assert of_its_own["rank_unmasked"].nunique() > 2


@pytest.mark.parametrize("steps", [1, 60, 1000])
def test_no_more_steps_are_scored_together_than_a_model_says(
    small_log, small_split, small_catalogue, steps
):
    model, given = Table(small_catalogue, 2), []
    of_its_own = ranks(model, small_log, small_split.test)
    score_all, model.steps_at_once = model.score_all, steps
    model.score_all = lambda batch: given.append(batch.item.shape) or score_all(batch)
    assert ranks(model, small_log, small_split.test).equals(of_its_own)
    assert all(rows * width <= steps or rows == 1 for rows, width in given)
    widest = max(width for _, width in given)
    # nor much fewer: the next history, no longer than the longest, would have been too much
    full = [rows for rows, _ in given[:-1]]
    assert all((rows + 1) * widest > steps or rows == 256 for rows in full)
    assert len({rows for rows, _ in given}) > 1 or steps == 1


@pytest.mark.parametrize("asked", [ranks, exposure])
def test_histories_of_fifty_events_are_scored_unless_told_otherwise(log_of, asked):
    model, lengths = Table(catalogue_of(60), 10), []
    score_all = model.score_all
    model.score_all = lambda batch: lengths.extend(batch.length.tolist()) or score_all(batch)
    asked(model, log_of(np.arange(1, 61)), np.array([59, 10]))
    assert lengths == [10, 50]


class Even(Recommender):
    """Scores all items alike and notes how many histories it was given at a time."""

    def __init__(self, num_items):
        super().__init__(catalogue_of(num_items))
        self.register_buffer("place", torch.zeros(0))  # tells the device
        self.given = []

    def score_all(self, batch):
        self.given.append(len(batch.item))
        scores = torch.zeros(len(batch.item), self.num_items + 1)
        scores[:, 0] = -torch.inf
        return scores


@pytest.mark.parametrize(
    ("num_items", "given"), [(40, [200]), (2**16, [64, 64, 64, 8]), (10**6, [16] * 12 + [8])]
)
def test_the_larger_the_catalogue_the_fewer_histories_at_a_time(
    small_log, small_split, num_items, given
):
    log = dataclasses.replace(small_log, items=np.arange(num_items))
    model = Even(num_items)
    found = ranks(model, log, small_split.test)
    assert model.given == given
    assert (found["rank_unmasked"] == 1 + num_items // 2).all()


def test_equal_scores_earn_the_middle_of_the_list(log_of):
    log = log_of([1, 2, 3], [4, 5])
    found = ranks(Table(catalogue_of(5), 1), log, np.array([2, 4]))
    assert found["rank_unmasked"].tolist() == [3, 3]  # of five
    assert found["rank_masked"].tolist() == [2, 3]  # of three and of four: 2 and 2.5


def test_masking_never_hurts_but_a_repeat(small_log, small_split, small_catalogue):
    found = ranks(Table(small_catalogue, 10**6), small_log, small_split.test)
    repeat = found["repeat"]
    better = found["rank_unmasked"] - found["rank_masked"]
    assert (better[~repeat] >= 0).all() and (better[~repeat] > 0).any()
    assert (found["rank_masked"][repeat] == 101).all() and repeat.any()


@pytest.mark.parametrize(
    ("num_items", "place"), [(1, 101), (100, 101), (101, 101), (12_101, 12_101)]
)
def test_what_a_list_cannot_have_stands_behind_all_lists(num_items, place):
    assert last(num_items) == place


@pytest.mark.parametrize("measure", [ranks, exposure])
@pytest.mark.parametrize("best", [1.0, INF, -INF])
@pytest.mark.parametrize("where", [0, 1, 7, 40])
def test_a_single_score_that_is_not_a_number_is_refused(
    small_log, small_split, small_catalogue, where, best, measure
):
    model = Table(small_catalogue, 1)
    model.table[:, 1:] = best
    newest = small_log.item[small_split.test[100] - 1]
    model.table[newest, where] = torch.nan
    with pytest.raises(FloatingPointError, match="a score is not a number"):
        measure(model, small_log, small_split.test)


@pytest.mark.parametrize("measure", [ranks, exposure])
@pytest.mark.parametrize("columns", [40, 42])  # without padding, or with a token for a mask
def test_a_table_of_another_width_is_refused(
    small_log, small_split, small_catalogue, columns, measure
):
    model = Table(small_catalogue, 10)
    model.table = torch.zeros(41, columns)
    model.table[:, 0] = -torch.inf
    with pytest.raises(ValueError, match=rf"scores of shape \(200, {columns}\).* 40 items"):
        measure(model, small_log, small_split.test)


@pytest.mark.parametrize("measure", [ranks, exposure])
@pytest.mark.parametrize("score", [-1e38, 0.0, INF])
def test_padding_that_can_be_ranked_is_refused(
    small_log, small_split, small_catalogue, score, measure
):
    model = Table(small_catalogue, 10)
    model.table[small_log.item[small_split.test[100] - 1], 0] = score
    with pytest.raises(ValueError, match="padding is scored: column 0 must be minus infinity"):
        measure(model, small_log, small_split.test)


def test_nothing_to_score_is_refused(small_log, small_catalogue):
    with pytest.raises(ValueError, match="no positions to score"):
        ranks(Table(small_catalogue, 10), small_log, np.array([], dtype=np.int64))


def test_scoring_leaves_the_model_as_it_was(small_log, small_split, small_catalogue):
    model = Table(small_catalogue, 10).train()
    seen, score_all = [], model.score_all
    model.score_all = lambda batch: seen.append(model.training) or score_all(batch)
    ranks(model, small_log, small_split.test)
    assert seen and not any(seen) and model.training
    model.eval()
    ranks(model, small_log, small_split.test)
    assert not model.training


@pytest.mark.parametrize("measure", [ranks, exposure])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("broken", ["a number", "the model"])
def test_a_pass_that_fails_leaves_the_model_as_it_was_too(
    small_log, small_split, small_catalogue, broken, training, measure
):
    model = Table(small_catalogue, 10).train(training)
    if broken == "a number":
        model.table[:, 7] = torch.nan
    else:
        model.score_all = None
    with pytest.raises((FloatingPointError, TypeError)) as error:
        measure(model, small_log, small_split.test)
    assert error.tb and model.training == training


# --- what the lists show -----------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 10])
def test_exposure_counts_what_the_top_of_a_sort_shows(small_log, small_split, small_catalogue, k):
    model = Table(small_catalogue, 10**6)
    shown = exposure(model, small_log, small_split.test, k, batch_size=17)
    expected = {"masked": np.zeros(40), "unmasked": np.zeros(40)}
    for p in small_split.test:
        scores = model.score_all(small_log.histories(np.array([p]), 50))[0]
        earlier = small_log.item[small_log.offsets[small_log.user_of(np.array([p]))[0]] : p]
        for protocol, left_out in (("masked", set(earlier.tolist())), ("unmasked", set())):
            kept = [i for i in range(1, 41) if i not in left_out]
            best = sorted(kept, key=lambda i: -scores[i])[:k]  # noqa: B023
            expected[protocol][np.array(best) - 1] += 1
    for protocol in ("masked", "unmasked"):
        np.testing.assert_array_equal(shown[protocol], expected[protocol])
        assert shown[protocol].sum() == k * 200
    assert not shown["masked"].equals(shown["unmasked"])
    np.testing.assert_array_equal(shown["item"], np.arange(1, 41))


def test_a_list_never_shows_an_item_of_the_whole_history(log_of):
    log = log_of([1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [7, 8, 9, 1])
    model = Table(catalogue_of(9), 10**6)
    shown = exposure(model, log, np.array([5, 11]), k=3, length=2).set_index("item")["masked"]
    assert shown.sum() == 6
    assert shown[[2, 3, 4, 5]].sum() == 0 and shown[[7, 8, 9]].sum() > 0


def test_short_lists_show_what_is_left_and_nothing_else(log_of):
    log = log_of([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    shown = exposure(Table(catalogue_of(5), 10**6), log, np.array([4, 8]), k=3)
    masked = shown.set_index("item")["masked"]
    assert masked.tolist() == [1, 1, 0, 0, 1]  # only 5 is left to user 1; 2 and 1 to user 2
    assert shown["unmasked"].sum() == 6


def test_an_item_that_cannot_be_recommended_fills_no_list(log_of):
    log = log_of([1, 2, 3, 4], [4, 3])
    model = Table(catalogue_of(4), 1)
    model.table[:, 1:] = torch.tensor([0.0, 1.0, -INF, INF])
    shown = exposure(model, log, np.array([2]), k=10)
    assert shown["unmasked"].tolist() == [1, 1, 0, 1]
    assert shown["masked"].tolist() == [0, 0, 0, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_ranks_on_a_gpu_are_the_same(small_log, small_split, small_catalogue):
    model = Table(small_catalogue, 10)
    here = ranks(model, small_log, small_split.test)
    assert ranks(model.to("cuda"), small_log, small_split.test).equals(here)


def test_what_is_context_is_not_masked(log_of):
    """Both protocols rank the same with a store's lines in the history and without them."""
    log = log_of([1, 2, 3, 4])
    joined = dataclasses.replace(
        log_of([1, 3, 4, 2, 3, 4]), context=np.array([0, 1, 1, 0, 0, 0], dtype=bool)
    )
    model = Table(catalogue_of(4), 1)
    model.table[:, 1:] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    alone, beside = ranks(model, log, np.array([3])), ranks(model, joined, np.array([5]))
    assert beside["rank_masked"].tolist() == alone["rank_masked"].tolist() == [1]
    assert beside["rank_unmasked"].tolist() == [4] and not beside["repeat"].any()
    model.table[:, 1:] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert sampled_ranks(model, joined, np.array([5]))["rank_masked"].tolist() == [1]
