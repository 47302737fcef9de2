"""Ways to attend to long histories: limits where all agree, hand arithmetic, and what is kept."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import files
from seqrec_lib.studies import long_histories, long_histories_ways
from seqrec_lib.studies.long_histories_ways import DIM, TOP, WAYS, Asked, History

SEARCHES = ("exact top", "recent", "random", "soft", "SimHash 32", "SimHash 64", "SimHash 256")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def drawn():
    return long_histories_ways.drawn(700, 8, 2.0, rng())


def answered(way, history, asked, seed=0):
    return WAYS[way].answer(WAYS[way].prepare(history, rng(seed)), asked)


def by_hand(history, asked, chosen=None):
    """Attention of each candidate to the events chosen, one by one."""
    found = []
    for row, query in enumerate(asked.queries.astype(float)):
        part = history.events if chosen is None else history.events[chosen[row]]
        weight = [np.exp(query @ (event @ history.projection)) for event in part]
        found.append(sum(w * event for w, event in zip(weight, part, strict=True)) / sum(weight))
    return np.array(found)


@pytest.mark.parametrize("way", ["full", "cached keys"])
def test_attention_to_all_is_as_by_hand(drawn, way):
    assert answered(way, *drawn).pooled == pytest.approx(by_hand(*drawn), abs=1e-4)


@pytest.mark.parametrize("way", SEARCHES)
def test_a_history_no_longer_than_what_is_found_is_attended_to_whole(way):
    history, asked = long_histories_ways.drawn(TOP, 8, 2.0, rng(1))
    answer = answered(way, history, asked)
    assert all(sorted(one) == list(range(TOP)) for one in answer.chosen)
    assert answer.pooled == pytest.approx(by_hand(history, asked), abs=1e-4)


@pytest.mark.parametrize("way", [*SEARCHES, "bucket"])
def test_what_is_found_is_what_is_attended_to(drawn, way):
    answer = answered(way, *drawn)
    met = [row for row, one in enumerate(answer.chosen) if len(one)]
    history, asked = drawn
    asked = Asked(asked.queries[met], asked.topic[met])
    expected = by_hand(history, asked, [answer.chosen[row] for row in met])
    assert len(met) > 4 and answer.pooled[met] == pytest.approx(expected, abs=1e-4)


def test_each_search_finds_what_its_name_says(drawn):
    history, asked = drawn
    logits = asked.queries @ (history.events @ history.projection).T
    for row, found in enumerate(answered("exact top", *drawn).chosen):
        assert set(found) == set(np.argsort(-logits[row])[:TOP])
    assert answered("recent", *drawn).chosen[3].tolist() == list(range(650, 700))
    random = answered("random", *drawn).chosen[0]
    assert len(set(random)) == TOP and random.min() < 100 and random.max() > 600
    for topic, found in zip(asked.topic, answered("bucket", *drawn).chosen, strict=True):
        assert sorted(found) == np.flatnonzero(history.topic == topic).tolist()


def test_of_a_topic_never_met_a_bucket_takes_nothing(drawn):
    history, asked = drawn
    strange = next(t for t in range(200) if t not in history.topic)
    answer = answered("bucket", history, Asked(asked.queries[:1], np.array([strange])))
    assert answer.pooled.tolist() == [[0.0] * DIM] and len(answer.chosen[0]) == 0


@pytest.mark.parametrize("bits", [32, 64, 256])
def test_packed_words_find_the_events_on_the_same_sides_of_most_planes(drawn, bits):
    history, asked = drawn
    keys, _, planes, codes = WAYS[f"SimHash {bits}"].prepare(history, rng())
    assert codes.shape == (max(1, bits // 64), 700) and planes.shape == (DIM, bits)
    sides = [vectors @ planes > 0 for vectors in (asked.queries, keys)]
    alike = (sides[0][:, None] == sides[1]).sum(2)
    for row, found in enumerate(answered(f"SimHash {bits}", *drawn).chosen):
        assert len(set(found)) == TOP
        least = np.sort(alike[row])[-TOP]  # many tie there: any of these may be found
        assert alike[row, found].min() == least
        assert np.isin(np.flatnonzero(alike[row] > least), found).all()


def test_two_vectors_lie_on_one_side_as_often_as_their_angle_says():
    """1 - angle / pi (Charikar, 2002), whatever their lengths: here 60 degrees."""
    a, b = np.zeros((2, 1, DIM), dtype=np.float32)
    a[0, 0], b[0, :2] = 5.0, (0.5, 0.75**0.5)
    planes = rng().normal(size=(DIM, 64 * 500)).astype(np.float32)
    codes = [long_histories_ways._codes(vector, planes) for vector in (a, b)]
    differ = np.bitwise_count(codes[0] ^ codes[1]).sum() / planes.shape[1]
    assert differ == pytest.approx(1 / 3, abs=4 * (2 / 9 / planes.shape[1]) ** 0.5)


def test_a_cluster_of_copies_counts_as_many_with_the_logarithm_and_as_one_without(drawn):
    """n exp(a) = exp(a + ln n)."""
    history, asked = drawn
    few, count = history.events[:6], np.array([1, 2, 3, 5, 40, 9])
    many = History(few.repeat(count, 0), history.topic[:6].repeat(count), history.projection)
    cache = (few @ history.projection, few, np.log(count).astype(np.float32))
    weighted = WAYS["clusters"].answer(cache, asked).pooled
    assert weighted == pytest.approx(by_hand(many, asked), abs=1e-4)
    plain = WAYS["clusters, unweighted"].answer(cache, asked).pooled
    assert plain == pytest.approx(by_hand(many._replace(events=few), asked), abs=1e-4)
    assert np.abs(weighted - plain).max() > 0.1


def test_clusters_are_means_of_all_events_each_once(drawn):
    keys, values, logarithm = WAYS["clusters"].prepare(drawn[0], rng())
    count = np.exp(logarithm)
    assert 30 <= len(count) <= 35 and count.sum() == pytest.approx(700, rel=1e-5)
    assert count @ values == pytest.approx(drawn[0].events.sum(0), abs=1e-2)
    assert keys == pytest.approx(values @ drawn[0].projection, abs=1e-4)


def test_a_state_comes_near_to_attention_that_is_not_sharp(monkeypatch):
    history, asked = long_histories_ways.drawn(60, 8, 0.05, rng())
    history = history._replace(events=history.events / 4)
    asked = asked._replace(queries=asked.queries * 4)
    monkeypatch.setattr(long_histories_ways, "FEATURES", 40_000)
    near = answered("state", history, asked).pooled
    expected = by_hand(history, asked)
    assert near == pytest.approx(expected, abs=0.03)
    shifted = expected - history.events.mean(0)  # what candidates change
    assert np.sum((near - expected) ** 2) < 0.1 * np.sum(shifted**2)


def test_costs_by_hand():
    cost = {way: one.cost(1000, 32, 50.0) for way, one in WAYS.items()}
    assert cost["full"].flops == 2 * 1000 * 64 * 64 + 32 * 1000 * 64 * 4
    assert cost["exact top"].flops == 32 * (1000 * 64 * 2 + 50 * 64 * 4)
    assert cost["soft"].flops == 32 * (16 * (64 + 1000) * 2 + 50 * 64 * 4)
    assert cost["recent"] == cost["bucket"] == cost["clusters"] == (32 * 50 * 64 * 4, 0)
    assert cost["SimHash 32"].word_ops == cost["SimHash 64"].word_ops == 32 * 1000 * 2
    assert cost["SimHash 256"] == (32 * (64 * 256 * 2 + 50 * 64 * 4), 4 * 32 * 1000 * 2)
    of_state = 32 * (64 * 256 * 2 + 256 * 64 * 2 + 256 * 2)
    assert cost["state"] == WAYS["state"].cost(9, 32, 1.0) == (of_state, 0)  # of any length


def test_quality_by_hand():
    """Two events with weights 3 to 1; the heavier one alone was found."""
    events = np.zeros((2, DIM), dtype=np.float32)
    events[0, 0], events[1, 1] = 1, 1
    history = History(events, np.array([0, 1]), np.eye(DIM, dtype=np.float32))
    query = np.zeros((1, DIM), dtype=np.float32)
    query[0, 0] = np.log(3)
    answer = long_histories_ways.Answer(events[:1], [np.array([0])])
    found = long_histories.quality(answer, history, Asked(query, np.array([0])))
    assert found["mass"] == pytest.approx(0.75)
    assert found["recall"] == 0.5  # both are among the fifty of highest weight
    assert found["error"] == pytest.approx((2 * 0.25**2 / (0.75**2 + 0.25**2)) ** 0.5)


def test_the_exact_top_has_all_recall_and_the_more_bits_the_more_is_found(drawn):
    rows = {way: long_histories.quality(answered(way, *drawn), *drawn) for way in WAYS}
    assert rows["full"]["error"] < 1e-5 and np.isnan(rows["full"]["recall"])
    assert rows["exact top"]["recall"] == 1 > rows["SimHash 256"]["recall"]
    recall = [rows[f"SimHash {bits}"]["recall"] for bits in (32, 64, 256)]
    assert recall == sorted(recall) and recall[0] > 1.5 * rows["random"]["recall"]
    # other products than those of attention, but fewer
    assert 1 > rows["soft"]["recall"] > 1.5 * rows["random"]["recall"]
    assert rows["exact top"]["mass"] == max(rows[way]["mass"] for way in SEARCHES)


@pytest.mark.usefixtures("nothing_kept")
def test_a_study_goes_on_where_it_was_left(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    monkeypatch.setattr(long_histories, "_ms", lambda work, repeats, enough_s: 1.5)
    with pytest.raises(FileNotFoundError, match="studies.long_histories makes it"):
        long_histories.kept()
    some = {way: WAYS[way] for way in ("full", "recent")}
    monkeypatch.setattr(long_histories, "WAYS", some)
    first = long_histories.study(lengths=[80], sharpness=[2.0], seeds=1)
    made, real = [], long_histories.row

    def watched(way, history, *rest):
        made.append((way, len(history.events), rest[-1]))
        return real(way, history, *rest)

    monkeypatch.setattr(long_histories, "row", watched)
    monkeypatch.setattr(long_histories, "WAYS", some | {"random": WAYS["random"]})
    again = long_histories.study(lengths=[80], sharpness=[2.0], seeds=2)
    assert made == [("random", 80, 0), ("full", 80, 1), ("recent", 80, 1), ("random", 80, 1)]
    pd.testing.assert_frame_equal(again.iloc[:2], first)
    pd.testing.assert_frame_equal(again, long_histories.kept())
    assert (again["ms"] == 1.5).all()
    assert again["error"].iloc[4] != again["error"].iloc[1] > 0  # another history


def test_all_ways_run_within_seconds(capsys):
    long_histories.main(["--smoke"])
    shown = capsys.readouterr().out
    assert all(way in shown for way in WAYS)
