"""Tables that studies keep: what is committed is read and added to, and never written."""

import pandas as pd
import pytest

from seqrec_lib.records.tables import Growing, keep, made, table

NAMED = ("trials", "some.csv")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A checkout that has a table of two rows committed."""
    monkeypatch.setattr("seqrec_lib.records.store.root", lambda: tmp_path)
    keep(pd.DataFrame({"model": ["a", "b"], "hits": [1.0, 2.0]}), tmp_path / "book/trials/some.csv")
    return tmp_path


def growing(results="build/results", **how):
    return Growing(results, *NAMED, keys=["model"], **how)


def test_a_study_goes_on_from_what_is_committed_without_writing_it(home):
    committed = (home / "book/trials/some.csv").read_bytes()
    rows = growing()
    assert set(rows.by) == {("a",), ("b",)} and not rows.path.exists()
    rows.add({"model": "c", "hits": 3.0})
    assert (home / "book/trials/some.csv").read_bytes() == committed
    assert rows.path == home / "build/trials/some.csv" and rows.path.exists()
    assert rows.table()["model"].tolist() == ["a", "b", "c"]
    # whoever asks again, and whoever reads, finds all three
    assert set(growing().by) == {("a",), ("b",), ("c",)}
    pd.testing.assert_frame_equal(
        made("some", "build/results", *NAMED, keys=["model"]), rows.table()
    )


def test_what_is_committed_later_counts_before_what_was_made_in_scratch(home):
    growing().add({"model": "c", "hits": 3.0})
    later = pd.DataFrame({"model": ["a", "c", "c"], "hits": [9.0, 7.0, 8.0]})
    keep(later, home / "book/trials/some.csv")
    found = table("build/results", *NAMED, keys=["model"])
    # of c both committed rows and no other; b is left of what scratch had
    assert found.to_dict("list") == {"model": ["a", "c", "c", "b"], "hits": [9.0, 7.0, 8.0, 2.0]}


def test_a_folder_of_ones_own_counts_before_what_is_committed(home):
    growing("mine/results", anew=True).add({"model": "b", "hits": 5.0})
    found = table("mine/results", *NAMED, keys=["model"])
    assert found.to_dict("list") == {"model": ["b", "a"], "hits": [5.0, 1.0]}
    assert table("mine/results", *NAMED).to_dict("list") == {"model": ["b"], "hits": [5.0]}


def test_anew_nothing_is_taken_over_and_only_the_named_folder_written(home):
    rows = growing("book/results", anew=True)
    assert not rows.by
    rows.add({"model": "a", "hits": 4.0})
    assert pd.read_csv(home / "book/trials/some.csv").to_dict("list") == {
        "model": ["a"],
        "hits": [4.0],
    }


def test_a_table_of_now_is_as_one_that_is_read(home):
    rows = growing(float_format="%.2f", keep_default_na=False)
    rows.add({"model": "None", "hits": 1 / 3})
    assert rows.table().equals(pd.read_csv(rows.path, keep_default_na=False))
    assert rows.table()["hits"].tolist() == [1.0, 2.0, 0.33]


def test_without_a_table_it_is_said_what_makes_it(home):
    with pytest.raises(FileNotFoundError, match=r"none.csv: nothing is kept; python -m .*x makes"):
        made("x", "build/results", "trials", "none.csv")
    assert table("build/results", "trials", "none.csv", keys=["model"]).empty
