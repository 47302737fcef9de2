"""Defects as reported and as found, and the table of costs."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.report.chapters import cleaning

EVENTS, RECEIPTS = "marketplace/events", "payments/receipts"


@pytest.fixture
def account():
    """Two tables of a simulated folder; one row of the receipts was rejected."""
    columns = ["rows", "table", "day", "kind", "rule", "matched", "before", "after"]
    rows = [
        ("simulated", EVENTS, 1, "reject", "no key", 0, 100, 100),
        ("simulated", EVENTS, 1, "mend", "missing subdomain", 4, 100, 100),
        ("simulated", RECEIPTS, 1, "reject", "no key", 0, 50, 50),
        ("simulated", RECEIPTS, 1, "reject", "impossible price", 1, 50, 49),
        ("simulated", RECEIPTS, 1, "mend", "no transaction", 25, 49, 49),
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def reported():
    return pd.read_csv(files.root() / "book/report_defects.csv")


def test_rows_in_are_rows_out_and_rows_rejected(account):
    found = cleaning.sums(account).loc["simulated"]
    assert found.to_dict() == {"rows in": 150, "repairs": 29, "rejected": 1, "rows out": 149}


def test_a_rule_that_matched_nothing_is_left_out(account):
    found = cleaning.by_rule(account)
    assert found["defect"].tolist() == [
        "market events: no surface", "receipts: impossible price", "receipts: shared hash",
    ]  # fmt: skip
    assert found["what is done"].tolist() == ["repaired", "to quarantine", "repaired"]
    assert found["simulated"].tolist() == [4, 1, 25]


def test_the_hash_is_no_defect_of_the_report_and_likes_are_none(account, reported):
    found = cleaning.defects(reported, account)
    assert found.loc[cleaning.HASH, "kind"] == "not in the report"
    assert pd.isna(found.loc[cleaning.HASH, "reported"])
    assert found.loc[cleaning.HASH, "found, %"] == pytest.approx(100 * 25 / 49)
    assert found.loc[(EVENTS, "missing subdomain"), "kind"] == "no defect: likes"
    assert found.loc[(EVENTS, "missing subdomain"), "found, %"] == 4
    assert len(found) == len(reported) + 1
    shares = found["reported, %"].dropna()
    assert shares.is_monotonic_decreasing


def test_every_published_share_has_a_ring(account, reported):
    found = cleaning.defects(reported, account)
    figure, ax = plt.subplots()
    cleaning.draw_defects(ax, found)
    rings = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert sum(len(line.get_xdata()) for line in rings) == found["reported, %"].notna().sum()
    plt.close(figure)


def test_the_costs_of_the_published_benchmark_are_of_named_systems():
    costs = cleaning.growth(report.benchmark("cleaning"))
    table = cleaning.growth_table(costs)
    assert table.index.tolist() == list(cleaning.SYSTEMS.values())
    assert table["seconds, 1 M rows"].notna().all()
    figure, axes = plt.subplots(2, 1)
    cleaning.draw_growth(axes, costs)
    assert [len(ax.lines) for ax in axes] == [4, 4]
    plt.close(figure)


def test_prices_are_drawn_in_percent_of_all_rows():
    figure, ax = plt.subplots()
    cleaning.draw_prices(ax, {RECEIPTS: pd.Series([0.5, 0.5, None, 5.0])})
    heights = ax.patches[0].get_data().values
    assert heights.sum() == pytest.approx(75)
    plt.close(figure)
