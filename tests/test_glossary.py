"""The glossary: in order, nothing twice, and every name that a reader meets is there."""

import importlib
import pkgutil
import re
from collections import defaultdict

import chapters
import nbformat
import pytest

from seqrec_lib import metrics
from seqrec_lib.models import losses
from seqrec_lib.report import styles

BOOK = chapters.ROOT / "book"
# everybody's words
KNOWN = {
    *("CSV", "GB", "GiB", "JSON", "MB", "README"),
    *("AMD", "GitHub", "NVIDIA", "PyTorch"),
}
# a name of the code -> its term, where they are not one
CALLED = {"macro": "macro precision"}
# no figure of their own
HELPERS = {"nearest", "chance_nearest", "chance_purity", "summary", "measures", "ranks_of_first"}
HELPERS |= {"auc_by_group", "below", "by_question"}


def blocks(text):
    return "\n\n".join(re.findall(r"(?ms)^```\{glossary\}\n(.*?)^```", text))


def entries(text):
    """The terms of each entry, in the order of the page."""
    for part in re.split(r"\n\s*\n", blocks(text).strip()):
        yield [line for line in part.splitlines() if not line.startswith(" ")]


def plain(term):
    """A term as it is compared: without case, signs, and the number of places."""
    return re.sub(r"[^a-z0-9+]", "", term.casefold().removesuffix("@k"))


def order(term):
    return re.sub(r"[^a-z0-9]+", " ", term.casefold()).strip()


PAGE = (BOOK / "glossary.md").read_text(encoding="utf-8")
TERMS = [term for entry in entries(PAGE) for term in entry]
EXPLAINED = {plain(term) for term in TERMS}


def paths():
    """The pages and chapters of the table of contents, but this one and the list of references."""
    named = re.findall(r"(?:root|file): (\S+)", (BOOK.parent / "_toc.yml").read_text())
    for name in named:
        path = BOOK.parent / name
        if path.stem not in ("glossary", "references"):
            yield path.with_suffix(".ipynb" if path.parent.name == "notebooks" else ".md")


def prose(path):
    """What a page says in words: no code, no addresses, no glued keys."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"(?ms)^```\{(literalinclude|bibliography|include)\}.*?^```", "", text)
    text = re.sub(r"(?ms)^```(sh|python|text|bibtex)\n.*?^```", "", text)
    text = re.sub(r"(?m)^:(name|file|pyobject|class|gutter):.*", "", text)
    text = re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`", "", text)
    text = re.sub(r"\](\([^)]*\)|\[[^\]]*\])|(?m:^\[[^\]]*\]: .*)", "]", text)
    return re.sub(r"https?://\S+", "", text)


def abbreviations(text):
    """Words with two capitals or more: NDCG, SASRec, T-ECD."""
    words = re.findall(r"(?<![\w/.$\\])[A-Za-z][\w&+-]*\w\+*", text)
    return {word.rstrip("-") for word in words if sum(letter.isupper() for letter in word) > 1}


def missing(names):
    return sorted(name for name in names if plain(CALLED.get(name, name)) not in EXPLAINED)


def test_entries_stand_in_order():
    first = [order(entry[0]) for entry in entries(PAGE)]
    assert first == sorted(first)


def test_no_term_is_there_twice():
    names = [plain(term) for term in TERMS]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_entry_says_something():
    for entry in re.split(r"\n\s*\n", blocks(PAGE).strip()):
        assert re.search(r"(?m)^  \S.*[.)]$", entry), entry


def test_every_model_of_the_label_table_is_explained():
    labels = {styles.label(name) for name in styles._STYLES}
    heads = {label.split(", ")[0] for label in labels}
    assert len(heads) > 15
    assert missing(heads) == []
    parts = {part for label in labels for part in label.split(", ")[1:]}
    assert missing(word for part in parts for word in abbreviations(part)) == []


def test_every_metric_and_every_loss_is_explained():
    modules = [
        importlib.import_module(f"{metrics.__name__}.{one.name}")
        for one in pkgutil.iter_modules(metrics.__path__)
    ]
    functions = {
        name
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
        if not name.startswith("_") and name[0].islower()
    }
    objectives = {
        name
        for name, value in vars(losses).items()
        if isinstance(value, type) and value.__module__ == losses.__name__
        if hasattr(value, "contrasts_batch") and not name.startswith("_") and name != "Objective"
    }
    assert {"ndcg", "gini"} <= functions and {"Softmax", "BCE"} <= objectives
    assert missing(functions - HELPERS) == [] and missing(objectives) == []


def test_every_abbreviation_of_two_pages_is_explained():
    pages = defaultdict(set)
    for path in paths():
        for word in abbreviations(prose(path)) - KNOWN:
            pages[word].add(path.stem)
    assert len(pages["SASRec"]) > 5
    unexplained = missing(word for word, where in pages.items() if len(where) > 1)
    assert {word: sorted(pages[word]) for word in unexplained} == {}


def test_every_term_that_a_page_refers_to_is_there():
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths()) + PAGE
    used = {one for one in re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", text)}
    assert used and missing(used) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NDCG@10 of T-ECD and the sets of DR4SR+.", {"NDCG", "T-ECD", "DR4SR+"}),
        ("`HR` in https://X.YZ/ABC and [PDF](ABC.md), {glue:text}`AB-c:.4f`.", {"PDF"}),
        ("An A and a User.", set()),
    ],
)
def test_abbreviations_are_found_in_prose_alone(tmp_path, text, found):
    path = tmp_path / "page.md"
    path.write_text(text)
    assert abbreviations(prose(path)) == found


def test_disorder_would_be_seen():
    text = "```{glossary}\nb\n  Of b.\n\na\nB\n  Of a.\n```\n"
    assert list(entries(text)) == [["b"], ["a", "B"]]
