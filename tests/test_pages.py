"""The pages of prose: numbers as people write them, and what they say of files beside them."""

import csv
import re

import chapters
import pandas as pd
import pytest

BOOK = chapters.ROOT / "book"
PAGES = sorted([*BOOK.glob("*.md"), *BOOK.glob("api/*.md")])
BARE = re.compile(r"(?<![\w.)\]])[-−+±]?\.\d")
HYPHEN = re.compile(r"(?<![\w−–.)\]/])-\d")


def words(text):
    """A page without what is no number of its prose: code, glued keys, addresses."""
    text = re.sub(r"(?ms)^```\w*\n.*?^```", "", text)
    return re.sub(r"\{[\w:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_number_has_a_zero_before_its_point_and_a_minus_for_its_sign(path):
    text = words(path.read_text(encoding="utf-8"))
    assert BARE.findall(text) == [] and HYPHEN.findall(text) == []


@pytest.mark.parametrize("name", ["search.csv", "tried.csv"])
def test_a_number_of_what_was_tried_has_a_zero_too(name):
    text = (BOOK / name).read_text(encoding="utf-8")
    assert BARE.findall(text) == []
    rows = list(csv.reader(text.splitlines()))
    assert len({len(row) for row in rows}) == 1 and len(rows) > 5


@pytest.mark.parametrize("text", ["by .0016", "of −.5", "[.1, .2]", "(.3)"])
def test_a_bare_point_is_seen(text):
    assert BARE.search(words(text))


@pytest.mark.parametrize("text", ["by -0.1", "[-2, 1]"])
def test_a_hyphen_for_a_minus_is_seen(text):
    assert HYPHEN.search(words(text))


def test_rows_of_the_search_lie_as_far_from_their_records_as_the_protocol_says():
    search = pd.read_csv(BOOK / "search.csv").set_index("model")
    kept = search[search["what differs from the published settings"].str.startswith("none (the")]
    apart = []
    for model, run in {"SASRec": "sasrec", "SASRec with attributes": "sasrec-attributed"}.items():
        history = pd.read_csv(BOOK / "results" / "beauty" / run / "s0" / "history.csv")
        best = history.loc[history["valid_ndcg@10"].idxmax()]
        row = kept.loc[model]
        pairs = {"validation HR@10": "valid_hr@10", "validation NDCG@10": "valid_ndcg@10"}
        apart.append([abs(row[ours] - best[theirs]) for ours, theirs in pairs.items()])
    hit, ndcg = (max(column) for column in zip(*apart, strict=True))
    said = f"lies up to {hit:.4f} of HR@10 and {ndcg:.4f} of NDCG@10 away"
    assert said in (BOOK / "protocol.md").read_text(encoding="utf-8")


def test_the_published_settings_are_those_of_the_best_validation():
    search = pd.read_csv(BOOK / "search.csv")
    ours = search["what differs from the published settings"].str.startswith("none (the")
    for model in ("SASRec", "SASRec with one negative (BCE)"):
        rows = search[search["model"] == model]
        assert ours[rows["validation NDCG@10"].idxmax()], model
