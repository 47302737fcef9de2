"""What the comparison shows: claims counted, budgets, costs, and released networks user by user."""

import json

import numpy as np
import pytest

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.records.store import Runs, load_all
from seqrec_lib.report.chapters import comparison, results
from seqrec_lib.statistics.intervals import Interval

LEDGER = """
| claim | verdict | because | what we measured | source |
|---|---|---|---|---|
| A | **holds** |  | 1 | report, line 3 |
| B | **does not hold** | no | 2 | survey, lines 4 and 5 |
| C | **holds** |  | 3 | implied by the pipeline, survey, line 6 |
| D | **not like for like** |  | 4 | {cite:t}`xu2025`'s code |

| another | table | of five | cells | here |
"""


def test_claims_are_counted_by_document_and_verdict():
    found = comparison.ledger(LEDGER)
    assert found.to_numpy().sum() == 4
    assert found.loc["the T-ECD report"].tolist() == [1, 0, 0, 0, 0]
    assert found.loc["the survey"].tolist() == [1, 0, 1, 0, 0]
    assert found.loc["published figures", "not like for like"] == 1


def test_the_ledger_is_read_whole():
    """Its own counts, which stand on top of it and are held to its rows, are the same."""
    text = (files.root() / "book" / "claims.md").read_text(encoding="utf-8")
    for name, row in comparison.ledger().iterrows():
        assert f"| {name} | {' | '.join(map(str, row))} |" in text


def test_a_bar_is_as_long_as_its_claims(ax):
    counts = comparison.ledger(LEDGER)
    comparison.draw_ledger(ax, counts)
    ends = {}
    for bar in ax.patches:
        y = bar.get_y()
        ends[y] = max(ends.get(y, 0), bar.get_x() + bar.get_width())
    assert [ends[y] for y in sorted(ends, reverse=True)] == counts.sum(axis=1).tolist()
    assert [text.get_text() for text in ax.get_yticklabels()][0] == "the T-ECD report (1)"


# --- cost and quality ----------------------------------------------------------------------------


def row(made, name, minutes, masked, seconds=3.0, parameters=0, threads=1):
    ends = {f"NDCG@10 {x}": Interval(masked, masked - 0.01, masked + 0.01) for x in "MU"}
    run = made(name, np.array([1, 2]))
    for one in run.seeds:
        one.card["threads"] = threads
    cells = (ends, minutes, minutes, seconds, parameters, "CPU, AMD EPYC")
    return results.Row("a file", name, run, *cells)


@pytest.fixture
def rows(made):
    return [
        row(made, "popular", 0.0, 0.1),
        row(made, "gru", 10.0, 0.3, parameters=500_000, threads=2),
        row(made, "sasrec", 60.0, 0.4, seconds=8.0, parameters=250_000),
        row(made, "duorec", 70.0, 0.2),
    ]


def test_a_budget_buys_its_share_of_the_best(rows):
    budgets = {"a second": 0.1, "15": 15, "all": 99}
    found = comparison.bought({"a": rows, "nothing counted": rows[1:]}, budgets, "masked")
    assert list(found.index) == ["a"]  # where nothing was counted there is nothing for a second
    assert found.loc["a"].tolist() == pytest.approx([25, 75, 100])


def test_costs_are_of_the_frontier_and_of_one_question(rows):
    found = comparison.costs({"a": rows}, "masked").set_index("model")
    assert list(found.index) == ["popular", "gru", "sasrec"]
    assert found["seeds"].tolist() == [one.seeds for one in rows[:3]]
    assert found["core-minutes"].tolist() == [0, 20, 60]
    asked = len(rows[0].runs.examples)
    assert found["ms an answer"].tolist() == pytest.approx([3e3 / asked, 3e3 / asked, 8e3 / asked])
    assert found["MB"].tolist()[1:] == [2, 1] and np.isnan(found["MB"].iloc[0])
    asked = comparison.costs({"a": rows}, "masked", by_answer=True)
    assert asked["model"].tolist() == ["gru", "sasrec"]  # popularity is as slow, and no better


# --- released networks ---------------------------------------------------------------------------


@pytest.fixture
def theirs(made, tmp_path, monkeypatch):
    """A released network whose true item is second (M) or third (U), in a repository of its own."""
    run = made("gru", np.array([1, 1, 1, 1]), np.array([2, 2, 1, 1]))
    table = run.seeds[0].ranks[["user", "item"]].assign(rank_masked=2, rank_unmasked=3)
    results = tmp_path / "benchmarks" / "results"
    folder = results / "published" / "wearec-beauty"
    folder.mkdir(parents=True)
    table.to_parquet(folder / "ranks.parquet")
    kept = {"wearec-beauty": {"model": "WEARec", "dataset": "beauty"}}
    (results / "published_quality.json").write_text(json.dumps({"checkpoints": kept}))
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    return run


def test_released_networks_stand_beside_what_was_printed_of_them():
    found = comparison.rescored().reset_index().set_index(["released", "file"])
    assert len(found) == 6
    row = found.loc[("WEARec", "Beauty")]  # by hand, from the file that the benchmark wrote
    assert row["in print"] == "0.1041 / 0.0614 (M)" and row["ours M"] == "0.1041 / 0.0614"
    assert row["ours U"] == "0.0924 / 0.0452" and row["masking adds, %"] == pytest.approx(
        35.8, 0.01
    )
    assert found.loc[("MCLRec", "Beauty"), "in print"].endswith("(U)")


def test_a_difference_is_of_the_same_users(theirs):
    (name, table), *more = comparison.released("beauty").items()
    assert name == "WEARec" and not more and comparison.released("toys") == {}
    for protocol, rank in (("masked", 2), ("unmasked", 3)):
        found = comparison.over(theirs, table, protocol)
        mean = report.values(theirs, protocol).mean() - 1 / np.log2(1 + rank)
        assert found.mean == pytest.approx(mean)
    with pytest.raises(ValueError, match="of other questions"):
        comparison.over(theirs, table.iloc[::-1].reset_index(drop=True), "masked")


def test_all_pairs_stand_under_both_protocols(theirs):
    found = comparison.beside({"beauty": [theirs], "toys": [theirs]})
    assert list(found) == list(report.WORDS.values())
    for table in found.values():
        (line,) = table.to_dict("records")
        assert (line["file"], line["released"]) == ("Beauty", "WEARec")
        assert line["HR@10"].startswith("(+0.0000")  # both have all of them


# --- what the page says --------------------------------------------------------------------------


def recorded(dataset, name):
    folder = files.root() / "book" / "results" / dataset / name
    return Runs(name, dataset, load_all(folder))


def gains(dataset, name, protocol):
    networks = comparison.released(dataset).values()
    return [comparison.over(recorded(dataset, name), one, protocol) for one in networks]


@pytest.mark.parametrize(("dataset", "count"), [("beauty", 4), ("toys", 2)])
def test_no_released_network_is_ahead_of_the_ensemble(dataset, count):
    for protocol in report.PROTOCOLS:
        found = gains(dataset, "ensemble", protocol)
        assert len(found) == count and min(one.low for one in found) > 0


@pytest.mark.parametrize("name", ["sasrec", "sasrec-wide", "gru"])
def test_of_each_single_network_of_ours_one_is_ahead_under_m(name):
    assert min(one.high for one in gains("beauty", name, "masked")) < 0


def test_under_u_one_recurrent_network_of_ours_is_ahead_of_all():
    for dataset in ("beauty", "toys"):
        assert min(one.low for one in gains(dataset, "gru", "unmasked")) > 0


def test_the_one_that_was_taught_is_ahead_of_every_released_network():
    for protocol in report.PROTOCOLS:
        found = gains("beauty", "sasrec-taught", protocol)
        assert len(found) == 4 and min(one.low for one in found) > 0
