"""The page on citing says what CITATION.cff, the version and the chapters say."""

import re
from pathlib import Path

import chapters
import nbformat
import yaml

import seqrec_lib

ROOT = chapters.ROOT
PAGE = (ROOT / "book" / "citing.md").read_text(encoding="utf-8")
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
YEAR = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["copyright"]


def entries():
    """The BibTeX entries of the page: kind, and fields by name."""
    for kind, body in re.findall(r"(?ms)^@(\w+)\{\w+,\n(.*?)^\}", PAGE):
        fields = re.findall(r"(?ms)^  (\w+) = \{(.*?)\},$", body)
        yield kind, {name: re.sub(r"\s+", " ", value) for name, value in fields}


def authors():
    return " and ".join(one.get("name") or one["family-names"] for one in CFF["authors"])


def test_the_study_is_cited_as_the_file_says():
    found = dict(entries())["software"]
    assert found["author"].strip("{}") == authors()
    assert (found["title"], found["version"]) == (CFF["title"], CFF["version"])
    assert found["version"] == seqrec_lib.__version__ and found["year"] == YEAR
    said = f"> {authors()}. *{CFF['title']}*. Version {CFF['version']}, {YEAR}."
    assert said in PAGE


def test_the_example_is_a_chapter_of_the_book():
    found = dict(entries())["incollection"]
    titles = [
        nbformat.read(path, as_version=4).cells[0].source.splitlines()[1].removeprefix("# ")
        for path in chapters.NOTEBOOKS.glob("*.ipynb")
    ]
    assert found["title"] in titles and found["booktitle"] == CFF["title"]
    assert f"Version {CFF['version']}," in found["note"]


def test_the_changes_are_put_in_whole():
    (name, start) = re.search(r'\{include\} (\S+)\n:start-after: "(.*)"', PAGE).groups()
    text = (ROOT / "book" / name).resolve().read_text(encoding="utf-8")
    assert text.startswith(f"{start}\n")  # the title alone is left out
    assert f"\n## {CFF['version']}" in text
    copied = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^\tcp .*\b{Path(name).name}\b.* build/book/$", copied)
