"""Tables as a reader sees them."""

import re

import pandas as pd
import pytest

from seqrec_lib import report


def cells(shown):
    page = shown._repr_html_()
    return re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", page)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0054, "0.0054"),
        (-0.0054, "−0.0054"),
        (12101, "12,101"),
        (12101.0, "12,101"),
        (float("nan"), "–"),
        (None, "–"),
        (pd.NA, "–"),
        (pd.NaT, "–"),
        (True, "yes"),
        ("", "–"),
        (".5", "0.5"),
        ("-.0023 [-.0027, .0072]", "−0.0023 [−0.0027, 0.0072]"),
        ("2024-01-02", "2024-01-02"),
        (-0.00004, "0.0000"),
        ("+.0000 [-.0000, +.0001]", "0.0000 [−0.0000, +0.0001]"),
        ("(-0.0 %)", "(0.0 %)"),
        ("-0.05", "−0.05"),
        ("sasrec-attne", "SASRec, attnE"),
        ("GRU4Rec", "GRU4Rec"),
        ([1, 2.5], "1, 2.5000"),
    ],
)
def test_a_value_is_written_as_people_do(value, words):
    assert report.written(value) == words


def test_a_table_has_a_caption_names_and_aligned_numbers():
    table = pd.DataFrame({"n": [1200.0, 3.0], "share": [0.5, None]}, index=["popular", "gru"])
    shown = report.show(table, "What is seen.", digits=2)
    assert cells(shown) == ["", "n", "share", "popularity", "1,200", "0.50", "GRU-CE", "3", "–"]
    page = shown._repr_html_()
    assert "<caption><span>What is seen.</span></caption>" in page
    assert page.count('class="number"') == 6  # two heads and four cells
    assert "What is seen." in repr(shown) and "1,200" in repr(shown)


def test_a_line_ends_within_words_in_brackets_but_not_within_an_interval():
    table = pd.DataFrame({"what": ["of [one (a b); two]", "+0.1 [0.0, 0.2] `f(x)`", "d" * 64]})
    page = report.show(table.assign(why=table["what"]), "What is seen.")._repr_html_()
    assert page.count("[one (a b); two]") == 2
    assert '<td class="words">+0.1\u00a0[0.0,\u00a00.2] <code>f(x)</code></td>' in page
    assert f'<td class="words long">{"d" * 64}</td>' in page


def test_columns_have_places_of_their_own():
    table = pd.DataFrame({"seconds": [1.25, 2.5], "NDCG@10": [0.12345, 0.5]})
    shown = report.show(table, "Both.", digits={"seconds": 1})
    assert cells(shown) == ["seconds", "NDCG@10", "1.2", "0.1235", "2.5", "0.5000"]
    with pytest.raises(ValueError, match="digits for .'second'., which are no columns"):
        report.show(table, "Both.", digits={"second": 1})


def test_a_number_in_brackets_stands_with_the_others():
    shown = report.show(pd.DataFrame({"n": ["a", "b"], "change": ["−3.0 %", "(−2.8 %)"]}), "Both.")
    assert shown._repr_html_().count('class="number"') == 3


def test_a_plain_numbering_of_rows_is_left_out_and_a_named_index_stays():
    assert cells(report.show(pd.DataFrame({"a": ["x"]}), "Rows.")) == ["a", "x"]
    index = pd.MultiIndex.from_tuples([("beauty", "gru")], names=["data set", "model"])
    shown = report.show(pd.DataFrame({"a": [1]}, index=index), "Rows.")
    assert cells(shown) == ["data set", "model", "a", "beauty", "GRU-CE", "1"]


def test_words_of_the_data_are_no_markup():
    page = report.show(pd.DataFrame({"<b>": ["<script>"]}), "A & B.")._repr_html_()
    assert "<script>" not in page and "<b>" not in page and "A &amp; B." in page


def test_tabs_hold_the_protocols_apart():
    table = pd.DataFrame({"seeds": [3], "HR@10 M": [0.1], "HR@10 U": [0.2]}, index=["gru"])
    tabs = report.by_protocol(table)
    assert [list(one.columns) for one in tabs.values()] == [
        ["seeds", "HR@10 M"],
        ["seeds", "HR@10 U"],
    ]
    page = report.show(tabs, "Both.")._repr_html_()
    assert page.count("<table") == 2 and page.count(" checked") == 1


def test_a_caption_is_a_sentence():
    with pytest.raises(ValueError, match="a caption is a sentence"):
        report.show(pd.DataFrame({"a": [1]}), "Results")


def test_a_number_with_a_note_is_a_number_whose_interval_stays_on_a_line():
    said = ["-0.0018 [-0.0034, -0.0002], one seed (lower)", "0.0569 ± 0.0021", ""]
    page = report.show(pd.DataFrame({"by": said}, index=["a", "b", "c"]), "What.")._repr_html_()
    assert page.count('class="number noted"') == 1 and page.count('class="number"') == 3
    assert "−0.0018\u00a0[−0.0034,\u00a0−0.0002], one seed (lower)" in page
    assert "0.0569\u00a0±\u00a00.0021" in page


@pytest.mark.parametrize(
    "cell", ["none", "0.0669 / 0.0433", "−0.0286 [−0.0316, −0.0257], 3 common seeds (lower)"]
)
def test_what_counts_as_a_number_stands_with_the_others(cell):
    table = pd.DataFrame({"name": ["a", "b"], "level": ["0.5", cell]})
    assert 'scope="col" class="number">level' in report.show(table, "Levels.")._repr_html_()
    words = pd.DataFrame({"name": ["a", "b"], "level": ["0.5", "three"]})
    assert 'scope="col" class="words">level' in report.show(words, "Levels.")._repr_html_()


def test_a_head_keeps_the_letter_of_its_protocol_on_its_line():
    table = pd.DataFrame({"name": ["a"], "HR@10 (M)": [0.5], "gain, % U": [1.5]})
    assert cells(report.show(table, "Levels."))[:3] == [
        "name", "HR@10\u00a0(M)", "gain, %\u00a0U"
    ]  # fmt: skip


def test_names_of_columns_are_set_as_code():
    table = pd.DataFrame({"table": ["events"], "column": ["`user_id < 3`"]})
    page = report.show(table, "Columns.")._repr_html_()
    assert "<code>user_id &lt; 3</code>" in page and "<code>events" not in page
