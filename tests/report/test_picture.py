"""The README's picture shows today's records."""

import re

import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.report import picture

COMMITTED = files.root() / "book" / "_static" / "masking.svg"
NUMBER = re.compile(r"(?<![\w.-])-?\d+\.\d+")  # not within an id


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    target = tmp_path_factory.mktemp("picture") / "masking.svg"
    return picture.draw(target), target.read_text(encoding="utf-8")


def test_the_committed_picture_is_what_the_records_give(drawn):
    """`make picture` draws it anew. Points may lie apart by what another font or make of processor
    moves, and no more."""
    kept = COMMITTED.read_text(encoding="utf-8")
    here, there = ([float(one) for one in NUMBER.findall(svg)] for svg in (kept, drawn[1]))
    assert len(here) > 500 and here == pytest.approx(there, abs=1)


def test_the_committed_picture_says_what_the_records_say(drawn):
    found, kept = drawn[0], COMMITTED.read_text(encoding="utf-8")
    assert len(found) == 6 and picture.said(found) in kept
    pair = [
        picture.committed("toys", name, files.root() / "book/results") for name in ("sasrec", "gru")
    ]
    assert found["Toys", "M"].mean == report.gain(*pair, "masked").mean


def test_the_five_lines_hold_for_the_picture(drawn):
    found = drawn[0]
    assert all(one.low > 0 for (_, letter), one in found.items() if letter == "M")
    assert all(one.high < 0 for (_, letter), one in found.items() if letter == "U")


def test_the_picture_is_small_on_white_and_named_in_the_readme(drawn):
    kept = COMMITTED.read_text(encoding="utf-8")
    assert len(kept) < 100_000 and "fill: #ffffff" in kept
    readme = (files.root() / "README.md").read_text(encoding="utf-8")
    ((alt, address),) = re.findall(r"!\[([^]]*)\]\(([^)]*)\)", readme)
    assert files.root() / address == COMMITTED and len(alt) > 60


def test_a_file_without_records_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="beauty/sasrec: there is no record to draw"):
        picture.draw(tmp_path / "x.svg", tmp_path)
    assert list(tmp_path.iterdir()) == []
