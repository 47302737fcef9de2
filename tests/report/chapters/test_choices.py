"""Choices between two models: paired, under both protocols, with verdicts made together."""

from dataclasses import replace

import numpy as np
import pytest

from seqrec_lib.report.chapters import choices
from seqrec_lib.report.chapters.results import Row, means

GOOD, POOR = np.r_[np.full(100, 1), np.full(100, 50)], np.r_[np.full(50, 1), np.full(150, 50)]


def row(run, file="a file", model=None, minutes=1.0):
    return Row(
        file,
        model or run.name,
        run,
        means(run),
        float(minutes),
        float(minutes),
        8.0,
        7,
        "CPU, AMD EPYC",
    )


@pytest.fixture
def rows(made):
    better = made("sasrec", *[GOOD] * 3, unmasked=POOR)
    return [
        row(better, minutes=9),
        row(made("gru", *[POOR] * 3), minutes=4),
        row(made("alone", GOOD, model="sasrec")),
    ]


def test_a_choice_is_weighed_under_both_protocols(rows):
    found = choices.weigh({"net": ("a file", "sasrec", "gru")}, rows, {})
    assert list(found) == ["net-m", "net-u"]
    one = found["net-m"]
    assert (one.gain.mean, one.level, one.verdict) == (0.25, 0.25, "higher")
    assert one.percent.mean == pytest.approx(100)
    assert found["net-u"].verdict == "no difference" and found["net-u"].gain.mean == 0
    assert str(found["net-u"]) == "+0.0 % [+0.0, +0.0], no difference"


def test_a_gain_in_words_has_minus_signs_and_what_it_does_not_cover(rows):
    found = choices.weigh({"net": ("a file", "gru", "alone")}, rows, {})
    assert str(found["net-m"]).startswith("−50 % [−")
    alone = choices.weigh({"one": ("a file", "alone", "alone")}, rows, {})["one-m"]
    assert str(alone) == "+0.0 % [+0.0, +0.0], no difference, one seed"


def test_what_has_no_row_is_left_out(rows):
    pairs = {"a": ("a file", "sasrec", "none"), "b": ("no file", "sasrec", "gru")}
    assert choices.weigh(pairs, rows, {}) == {}


def test_verdicts_of_all_choices_are_corrected_together(rows, made):
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(200) < 0.1, 1, POOR)  # a gain that is hardly one
    rows = [*rows, row(made("noisy", *[noisy] * 3, model="sasrec"))]
    pair = {"a": ("a file", "noisy", "gru")}
    alone = choices.weigh(pair, rows, {})["a-m"]
    assert 0.001 < alone.gain.p < 0.05 / 2 or alone.verdict == "higher"
    many = pair | {f"same {i}": ("a file", "gru", "gru") for i in range(300)}
    assert choices.weigh(many, rows, {})["a-m"].verdict == "no difference"


def test_a_weight_decides_which_questions_count(made):
    a, b = made("a", GOOD, GOOD, GOOD, model="sasrec"), made("b", *[POOR] * 3, model="sasrec")
    first = np.r_[np.ones(50), np.zeros(150)]  # where both are right
    gain, level = choices.against(a, b, "masked", first)
    assert (gain.mean, level) == (0, 1)
    gain, level = choices.against(a, b, "masked")
    assert (gain.mean, level) == (0.25, 0.25)


def test_a_level_of_nothing_has_no_percent(made):
    none = np.full(200, 50)
    rows = [row(made("a", *[GOOD] * 3, model="sasrec")), row(made("b", *[none] * 3, model="gru"))]
    one = choices.weigh({"x": ("a file", "a", "b")}, rows, {})["x-m"]
    assert np.isnan(one.percent.mean) and one.gain.mean == 0.5


def test_the_table_has_a_tab_a_protocol(rows):
    found = choices.weigh({"net": ("a file", "sasrec", "gru")}, rows, {})
    masked, unmasked = choices.table(found).values()
    assert masked.loc[0, ["take", "over", "verdict"]].tolist() == ["sasrec", "gru", "higher"]
    assert masked.loc[0, "NDCG@10 of the latter"] == 0.25
    assert masked.loc[0, "change"].startswith("+0.2500 ± 0.0")
    assert masked.loc[0, "minutes of the first"] == "9.0"
    assert unmasked.loc[0, "of the second"] == "4.0" and len(unmasked) == 1


def test_minutes_of_a_gpu_are_named(rows):
    there = [replace(one, device="GPU, H100") if one.model == "gru" else one for one in rows]
    found = choices.weigh({"net": ("a file", "sasrec", "gru")}, there, {})
    masked, _ = choices.table(found).values()
    assert masked.loc[0, "minutes of the first"] == "9.0"
    assert masked.loc[0, "of the second"] == "4.0 (GPU)"


def test_changes_have_a_row_a_choice_and_a_column_a_protocol(rows):
    found = choices.weigh({"net": ("a file", "sasrec", "gru")}, rows, {})
    table = choices.changes(found, {"missing": "not there", "net": "one over the other"})
    assert table.index.tolist() == [("a file", "one over the other")]
    assert table.iloc[0]["M"].mean == pytest.approx(100) and table.iloc[0]["U"].mean == 0
    assert choices.changes({}, {"net": "x"}).empty


def test_answers_cost_seconds_for_a_thousand_questions(rows):
    table = choices.asking(rows[:1])
    assert table.iloc[0].tolist() == [40.0, 7, "CPU, AMD EPYC"]  # 8 s for 200


def test_repeats_are_a_share_of_the_questions_that_count(made):
    run = made("sasrec", np.array([1, 1, 1, 1]))
    run.seeds[0].ranks["repeat"] = [True, False, False, False]
    assert choices.repeats(row(run)) == 25
    assert choices.repeats(row(run), np.array([1, 1, 0, 0])) == 50
