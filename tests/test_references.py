"""Chapters are named by label: a number or a file name is wrong as soon as one is put between."""

import re
from pathlib import Path

import chapters
import nbformat
import pytest

import seqrec_lib

ROOT = chapters.ROOT
SOURCES = sorted(Path(seqrec_lib.__file__).parent.rglob("*.py"))
PAGES = sorted((ROOT / "book").glob("*.md"))
NOTEBOOKS = sorted(chapters.NOTEBOOKS.glob("*.ipynb"))
NUMBERED = re.compile(r"chapters?[\s-]+\d|\]\([^)]*\.ipynb\)", re.IGNORECASE)


def prose(path):
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", [*SOURCES, *PAGES, *NOTEBOOKS], ids=lambda path: path.stem)
def test_a_text_names_chapters_by_label_alone(path):
    assert NUMBERED.findall(prose(path)) == []


@pytest.mark.parametrize(
    "text", ["see chapter 8", "Chapters 3", "[x](../notebooks/06_counts.ipynb)"]
)
def test_a_number_or_a_file_name_is_found(text):
    assert NUMBERED.search(text)


def test_every_label_that_a_text_links_to_is_that_of_a_chapter():
    texts = [prose(path) for path in (*PAGES, *NOTEBOOKS)]
    labels = {label for text in texts for label in re.findall(r"(?m)^\((chapter-[\w-]+)\)=", text)}
    linked = {label for text in texts for label in re.findall(r"\]\((chapter-[\w-]+)\)", text)}
    assert len(labels) == len(NOTEBOOKS) and linked <= labels
