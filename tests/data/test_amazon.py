"""The Amazon sets are the published ones, whichever edition they are read from."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from seqrec_lib.data import amazon, files
from seqrec_lib.data.events import EventError

TOTALS = {
    "beauty": (22_363, 12_101, 198_502),
    "toys": (19_412, 11_924, 167_597),
    "sports": (35_598, 18_357, 296_337),
}


def real(name):
    """A real file's path; without the data the test is skipped."""
    path = files.find(name)
    if path is None:
        pytest.skip(f"needs {name} in a data folder")
    return path


def totals(log):
    return log["user"].nunique(), log["item"].nunique(), len(log)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that SEQREC_DATA names, and no network."""
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(amazon, "S3REC", "http://127.0.0.1:1/")
    return tmp_path


@pytest.fixture
def small(folder, monkeypatch):
    """A text of two users in the place of Beauty."""
    text = b"1 1 2 3\n2 3 1\n"
    edition = amazon.Edition("Beauty.txt", hashlib.sha256(text).hexdigest(), "", 2, 3, 5)
    monkeypatch.setitem(amazon.EDITIONS, "beauty", edition)
    path = folder / "amazon" / "raw" / "Beauty.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    return path


def parquet(text, rows=5):
    """The events of the small text with time stamps, or the first of them."""
    columns = {"user_id": [1, 1, 1, 2, 2], "item_id": [1, 2, 3, 3, 1], "timestamp": [5, 5, 9, 4, 4]}
    pd.DataFrame(columns)[:rows].to_parquet(text.parents[1] / "beauty.parquet")


def test_the_names_are_the_three_sets():
    assert amazon.NAMES == ("beauty", "toys", "sports")


@pytest.mark.parametrize("name", amazon.NAMES)
def test_the_text_is_the_published_set_line_by_line(name):
    path = real(f"amazon/raw/{amazon.EDITIONS[name].file}")
    log = amazon.read_s3rec(name)
    assert totals(log) == TOTALS[name]
    lines = log["item"].astype(str).groupby(log["user"], sort=False).agg(" ".join)
    written = "".join(f"{user} {items}\n" for user, items in lines.items())
    assert written.encode() == path.read_bytes().rstrip(b"\n") + b"\n"


@pytest.mark.parametrize("name", amazon.NAMES)
def test_the_parquet_file_has_the_item_sequences_of_the_text(name):
    real(f"amazon/{name}.parquet")
    real(f"amazon/raw/{amazon.EDITIONS[name].file}")
    log = amazon.read(name)
    assert totals(log) == TOTALS[name]
    assert_frame_equal(log[["user", "item"]], amazon.read_s3rec(name)[["user", "item"]])


@pytest.mark.parametrize("name", amazon.NAMES)
def test_the_parquet_file_has_days_and_the_published_places(name):
    path = real(f"amazon/{name}.parquet")
    log = amazon.read(name)
    assert (log["time"] % 86_400 == 0).all()
    assert pd.to_datetime(log["time"], unit="s").dt.year.between(1999, 2014).all()
    places = pd.read_parquet(path)["position"].to_numpy()
    assert (log.groupby("user").cumcount() == places).all()
    assert (log.groupby("user").size() >= 5).all() and (log.groupby("item").size() >= 5).all()


def test_without_the_parquet_file_the_text_is_read_and_time_is_the_place(small):
    log = amazon.read("beauty")
    assert_frame_equal(log, amazon.read_s3rec("beauty"))
    assert log.values.tolist() == [[1, 1, 0], [1, 2, 1], [1, 3, 2], [2, 3, 0], [2, 1, 1]]


def test_the_parquet_file_goes_before_the_text(small):
    parquet(small)
    assert amazon.read("beauty")["time"].tolist() == [5, 5, 9, 4, 4]


def test_a_parquet_file_with_part_of_the_set_is_refused_and_not_passed_over(small):
    parquet(small, rows=4)
    with pytest.raises(EventError, match=r"beauty.parquet: .*\(2, 3, 4\), published .*\(2, 3, 5\)"):
        amazon.read("beauty")


def test_a_text_with_wrong_content_is_refused(small):
    small.write_text("1 1 2 3\n2 3 1 1\n")
    with pytest.raises(ValueError, match="Beauty.txt: wrong content"):
        amazon.read("beauty")


@pytest.mark.parametrize("name", amazon.NAMES)
def test_with_neither_file_nor_network_the_error_says_where_the_text_goes(folder, name):
    with pytest.raises(ConnectionError, match="SEQREC_DATA") as caught:
        amazon.read(name)
    assert str(folder / "amazon" / "raw" / amazon.EDITIONS[name].file) in str(caught.value)
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def attributed(small, monkeypatch):
    """The small set with attributes; returns how to write them as a Parquet file or as JSON."""
    table = np.array([[0, 0], [4, 7], [7, 0], [2, 7]], dtype="<i4")
    edition = amazon.EDITIONS["beauty"]._replace(
        attributes=hashlib.sha256(table.tobytes()).hexdigest()
    )
    monkeypatch.setitem(amazon.EDITIONS, "beauty", edition)
    folder = files.data_folders()[0] / "amazon"
    rows = [[7, 4, 7], [7], [2, 7]]

    def write_attributes(kind, rows=rows):
        (folder / "raw").mkdir(parents=True, exist_ok=True)
        if kind == "json":
            content = {str(item): row for item, row in enumerate(rows, start=1)}
            (folder / "raw" / "Beauty_item2attributes.json").write_text(json.dumps(content))
        else:
            items = range(1, len(rows) + 1)
            content = {"item_id": items, "asin": "B", "attribute_ids": rows}
            pd.DataFrame(content).to_parquet(folder / "beauty_items.parquet")
        return table

    return write_attributes


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_attributes_are_read_once_each_and_filled_up(attributed, kind):
    table = attributed(kind)
    np.testing.assert_array_equal(amazon.attributes("beauty"), table)


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_other_attributes_are_refused(attributed, kind):
    attributed(kind, [[7, 4], [7], [2, 6]])
    with pytest.raises(EventError, match="not the published attributes"):
        amazon.attributes("beauty")


@pytest.mark.parametrize("text", ['{"1": [7', "[[7], [7]]"])
def test_a_damaged_file_of_attributes_is_refused(attributed, text):
    attributed("json")
    path = files.find("amazon/raw/Beauty_item2attributes.json")
    path.write_text(text)
    with pytest.raises(EventError, match="not attributes by item"):
        amazon.attributes("beauty")


def test_an_items_file_of_other_items_is_refused(attributed):
    attributed("parquet", [[7, 4], [7]])
    with pytest.raises(EventError, match=r"items are not 1\.\.3"):
        amazon.attributes("beauty")


def test_without_attributes_and_network_the_error_says_where_they_go(attributed):
    with pytest.raises(ConnectionError, match="amazon/raw/Beauty_item2attributes.json"):
        amazon.attributes("beauty")


def test_attributes_that_no_folder_has_are_fetched_and_kept(attributed, tmp_path, monkeypatch):
    table = attributed("json")
    path = files.find("amazon/raw/Beauty_item2attributes.json")
    served = path.rename(tmp_path / path.name)
    fetched = []

    def fetch(self, url, to, pooch):
        fetched.append(url)
        shutil.copy(served, to)

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", fetch)
    for _ in range(2):
        np.testing.assert_array_equal(amazon.attributes("beauty"), table)
    assert fetched == [f"{amazon.S3REC}Beauty_item2attributes.json"] and path.exists()


@pytest.mark.parametrize(("name", "most"), [("beauty", 637), ("toys", 1027), ("sports", 2277)])
def test_published_attributes_are_those_of_the_files(name, most):
    real(f"amazon/{name}_items.parquet")
    table = amazon.attributes(name)
    assert table.shape[0] == TOTALS[name][1] + 1 and table.max() == most
    assert not table[0].any() and table[1:].any(axis=1).all()


READERS = [amazon.read, amazon.read_s3rec, amazon.product_numbers, amazon.attributes]


@pytest.mark.parametrize("reader", READERS)
def test_an_unknown_set_is_refused_with_the_known_ones(reader):
    with pytest.raises(ValueError, match="no Amazon set 'Beauty'; there are beauty, toys, sports"):
        reader("Beauty")


# ---- reviews


def review(user, item, time, **more):
    fields = {"reviewerID": user, "asin": item, "reviewText": 'é\n"', "unixReviewTime": time}
    return json.dumps(fields | more)


REVIEWS = [
    review("B", "0205616461", 86_400),
    review("A", "b", 86_400),
    review("B", "a", 0),
    review("A", "a", 86_400, overall=5.0),
]


def write(path, lines):
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


@pytest.fixture
def reviews(tmp_path):
    return write(tmp_path / "reviews_Beauty_5.json.gz", REVIEWS)


def test_reviews_are_sorted_by_user_and_time_and_ties_stay_in_file_order(reviews):
    assert amazon.read_reviews(reviews).values.tolist() == [
        ["A", "b", 86_400],
        ["A", "a", 86_400],
        ["B", "a", 0],
        ["B", "0205616461", 86_400],
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from("abcdef"), st.integers(0, 9)),
        min_size=1,
        unique=True,
    )
)
def test_any_reviews_are_read_in_a_stable_order(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("reviews") / "reviews_5.json.gz"
    log = amazon.read_reviews(write(path, [review(*row) for row in rows]))
    expected = sorted(rows, key=lambda row: (row[0], row[2]))
    assert [tuple(row) for row in log.values.tolist()] == expected


def test_reviews_cut_off_anywhere_are_refused(reviews):
    whole = reviews.read_bytes()
    for size in range(len(whole)):
        reviews.write_bytes(whole[:size])
        with pytest.raises(EventError, match="5.json.gz: (cannot be read beyond line|no events)"):
            amazon.read_reviews(reviews)


def test_reviews_damaged_anywhere_are_refused(reviews):
    whole = reviews.read_bytes()
    for place in range(10, len(whole)):  # the first ten bytes hold a date and the like
        damaged = bytearray(whole)
        damaged[place] ^= 255
        reviews.write_bytes(damaged)
        with pytest.raises(EventError, match="5.json.gz: (cannot be read|line . is not a review)"):
            amazon.read_reviews(reviews)


def test_the_last_whole_line_of_a_long_truncated_file_is_named(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.bytes(500).hex() for _ in range(2000)]
    lines = [review(f"U{n:05}", "a", n, reviewText=noise[n]) for n in range(2000)]
    path = write(tmp_path / "reviews_5.json.gz", lines)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(EventError, match=r"beyond line \d{3,4} .*truncated") as caught:
        amazon.read_reviews(path)
    line = int(str(caught.value).split("beyond line ")[1].split()[0])
    assert 800 < line < 1200


BAD_LINES = {
    "no JSON": ("{'reviewerID': 'A'}", "Expecting property name"),
    "an empty line": ("", "Expecting value"),
    "no object": ("[1, 2]", "it is list, not an object"),
    "no user": (json.dumps({"asin": "a", "unixReviewTime": 5}), "its reviewerID is None, not str"),
    "no time": (review("A", "a", None), "its unixReviewTime is None, not int"),
    "a time in words": (review("A", "a", "5"), "its unixReviewTime is '5', not int"),
    "a number as item": (review("A", 5, 5), "its asin is 5, not str"),
}


@pytest.mark.parametrize("name", BAD_LINES)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_bad_line_is_named(tmp_path, name, place):
    line, words = BAD_LINES[name]
    path = write(tmp_path / "reviews_5.json.gz", [*REVIEWS[:place], line, *REVIEWS[place:]])
    with pytest.raises(EventError, match=f"line {place + 1} is not a review .*{words}") as caught:
        amazon.read_reviews(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_a_bad_line(tmp_path):
    path = tmp_path / "reviews_5.json.gz"
    path.write_bytes(gzip.compress(f"{REVIEWS[0]}\n".encode() + b'{"asin": "\xff"}\n'))
    with pytest.raises(EventError, match="line 2 is not a review"):
        amazon.read_reviews(path)


def test_a_file_that_is_not_gzip_is_refused(tmp_path):
    path = tmp_path / "reviews_5.json.gz"
    path.write_text("\n".join(REVIEWS))
    with pytest.raises(EventError, match="beyond line 0 .*not gzip"):
        amazon.read_reviews(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EventError, match="absent.json.gz: no such file"):
        amazon.read_reviews(tmp_path / "absent.json.gz")


def test_a_review_in_milliseconds_is_refused(tmp_path):
    path = write(tmp_path / "reviews_5.json.gz", [review("A", "a", 1_318_896_000_000)])
    with pytest.raises(EventError, match="'time', row 0 .*milliseconds"):
        amazon.read_reviews(path)


def test_a_review_written_twice_is_refused_or_dropped(tmp_path):
    path = write(tmp_path / "reviews_5.json.gz", [*REVIEWS, REVIEWS[1]])
    with pytest.raises(EventError, match="row 4 .*drop_duplicates=True"):
        amazon.read_reviews(path)
    assert len(amazon.read_reviews(path, drop_duplicates=True)) == 4


def test_a_long_read_shows_its_progress_and_a_short_one_is_silent(reviews, capsys, monkeypatch):
    amazon.read_reviews(reviews)
    assert capsys.readouterr().err == ""

    class Eager(amazon.tqdm):
        def __init__(self, *args, delay, **kwargs):
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(amazon, "tqdm", Eager)
    amazon.read_reviews(reviews)
    shown = capsys.readouterr().err
    assert Path(reviews).name in shown and "100%" in shown
