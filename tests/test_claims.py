"""The ledger: five verdicts, counts that add up, and quotations that are the documents' own."""

import csv
import hashlib
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from seqrec_lib.report.chapters.comparison import DOCUMENTS, claims

BOOK = Path(__file__).resolve().parents[1] / "book"
VERDICTS = ("holds", "holds in part", "does not hold", "not like for like", "not tested here")
FILES = {"in-store": "000", "report": "001", "poster": "002", "survey": "003"}


def test_every_row_has_one_of_five_verdicts():
    assert {verdict for *_, verdict in claims()} == {f"**{verdict}**" for verdict in VERDICTS}


def test_the_counts_on_top_are_those_of_the_rows():
    found = Counter((document, verdict.strip("*")) for document, _, _, verdict in claims())
    text = (BOOK / "claims.md").read_text(encoding="utf-8")
    for document, name in DOCUMENTS.items():
        counts = [str(found[document, verdict]) for verdict in VERDICTS]
        assert f"| {name} | {' | '.join(counts)} |" in text


def quotations():
    with (BOOK / "quotations.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_quotation_of_the_ledger_is_listed_with_its_line():
    listed = {(row["document"], row["quotation"]) for row in quotations()}
    quoted = {
        (document, words)
        for document, claim, *_ in claims()
        if document in FILES
        for words in re.findall(r'"([^"]+)"', claim)
    }
    assert quoted == listed


@pytest.mark.parametrize("row", quotations(), ids=lambda row: row["quotation"])
def test_a_quotation_stands_on_its_line(row):
    folder = Path(os.environ.get("SEQREC_DOCUMENTS", BOOK.parents[1] / "shared" / "seeds"))
    found = sorted(folder.glob(f"{FILES[row['document']]}_*.txt"))
    if not found:
        pytest.skip("the documents are not at hand: set SEQREC_DOCUMENTS to their folder")
    line = found[0].read_text(encoding="utf-8").split("\n")[int(row["line"]) - 1]
    assert hashlib.sha256(line.encode()).hexdigest() == row["sha256"]
    assert row["quotation"] in line
