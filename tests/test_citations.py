"""The list of references is labelled as the text cites, and no two entries alike."""

import importlib.util
import re

import chapters
import pytest
from pybtex.database import parse_string
from pybtex.database.input.bibtex import Parser

BOOK = chapters.ROOT / "book"
SPEC = importlib.util.spec_from_file_location("author_year", BOOK / "_ext" / "author_year.py")
author_year = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(author_year)
ENTRIES = Parser(encoding="utf-8").parse_file(str(BOOK / "references.bib")).entries


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("brian", "Brian, 2025"),
        ("kang2018", "Kang and McAuley, 2018"),
        ("sun2019", "Sun et al., 2019"),
        ("oord2018", "van den Oord et al., 2018"),
    ],
)
def test_an_entry_is_labelled_by_authors_and_year(key, label):
    assert author_year.label(ENTRIES[key]) == label


def test_every_entry_has_a_label_of_its_own():
    labels = author_year.Labels().format_labels(list(ENTRIES.values()))
    assert len(labels) == len(ENTRIES) > 30
    assert all(re.fullmatch(r".+, \d{4}", label) for label in labels)


def test_entries_that_would_be_cited_alike_are_refused():
    twice = "@misc{%s, author = {Doe, Jane}, title = {%s}, year = {2020}}"
    alike = parse_string("\n".join(twice % (key, key) for key in "ab"), "bibtex").entries
    with pytest.raises(ValueError, match=r"cited alike in references.bib: Doe, 2020"):
        author_year.Labels().format_labels(list(alike.values()))


def test_every_entry_is_cited_and_every_citation_has_an_entry():
    texts = [path.read_text(encoding="utf-8") for path in BOOK.rglob("*.md")]
    texts += [path.read_text(encoding="utf-8") for path in chapters.NOTEBOOKS.glob("*.ipynb")]
    cited = {
        key
        for text in texts
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    assert cited == set(ENTRIES)
