"""No data set that a record names is without a row of its licence."""

import re
from pathlib import Path

import pytest

from seqrec_lib.data.sources import SOURCES

ROOT = Path(__file__).parents[1]


def named(text):
    """The data sets of the first column of the table, without their variants."""
    rows = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def without_a_row(datasets, text):
    known = named(text)
    return [one for one in datasets if not any(re.fullmatch(rf"{k}(-.+)?", one) for k in known)]


@pytest.mark.parametrize(
    "place", ["results", "regenerated", "maps", "attention", "neighbours", "stores"]
)
def test_everything_derived_from_data_has_a_row(place):
    folders = [path.name for path in (ROOT / "book" / place).iterdir() if path.is_dir()]
    assert folders, f"book/{place} has moved"
    assert without_a_row(folders, (ROOT / "DATA_LICENCES.md").read_text()) == []


def test_every_source_has_a_row_and_the_test_notices_one_that_is_missing():
    text = (ROOT / "DATA_LICENCES.md").read_text()
    assert without_a_row(SOURCES, text) == []
    for source in SOURCES.keys() & named(text):
        missing = without_a_row(SOURCES, text.replace(f"`{source}`", "`another`"))
        assert source in missing and all(one.startswith(source) for one in missing)


def test_of_data_only_what_may_be_passed_on_lies_in_the_repository():
    folders = [path.name for path in (ROOT / "book" / "data").iterdir()]
    assert folders == ["movielens_small"]
    terms = (ROOT / "book" / "data" / "movielens_small" / "README.md").read_text()
    for word in ("endorses", "10.1145/2827872", "same conditions", "No commercial use", "warranty"):
        assert word in terms


def test_a_data_set_without_a_row_is_found():
    text = "| data | licence |\n|---|---|\n| `beauty`, with variants | none |\n"
    assert without_a_row(["beauty", "beauty-regenerated", "beautyful", "hm"], text) == [
        "beautyful",
        "hm",
    ]
