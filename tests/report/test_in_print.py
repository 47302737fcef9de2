"""Rows in print: one file, each row with a source that a reader can follow."""

import re

import pandas as pd
import pytest

from seqrec_lib.data import files
from seqrec_lib.report.in_print import in_print

TABLE = pd.read_csv(files.root() / "book" / "in_print.csv")


def test_every_row_has_a_source_in_the_references_or_an_address():
    keys = set(re.findall(r"@\w+{(\w+),", (files.root() / "book" / "references.bib").read_text()))
    lost = [s for s in TABLE["source"] if s not in keys and not s.startswith("https://")]
    assert lost == [] and TABLE.notna().all(axis=None)


def test_figures_are_shares_and_a_discounted_gain_is_no_higher_than_the_hits():
    assert TABLE["HR@10"].between(0.01, 0.2).all()
    assert (TABLE["NDCG@10"] < TABLE["HR@10"]).all()


def test_rows_are_found_by_model_protocol_and_loss():
    assert in_print("WEARec", "ICSRec") == {
        "beauty": (0.1041, 0.0614),
        "sports": (0.0631, 0.0367),
        "toys": (0.1055, 0.0657),
    }
    assert in_print("GRU-CE in RecBole", protocol="unmasked") == {"beauty": (0.0623, 0.0342)}


@pytest.mark.parametrize("model", ["SASRec", "nobody"])
def test_none_and_several_are_refused(model):
    with pytest.raises(ValueError, match=f"rows of {model} .*in_print.csv"):
        in_print(model)
