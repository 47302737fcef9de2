"""K and alpha on trial, and examples, on the small simulated world."""

import json

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.studies import retrieval_grid

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The project's folder elsewhere, with a grid of three cells and the examples."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "root", lambda: folder)
        for module in ("runs", "standing", "provenance", "store"):
            patch.setattr(f"seqrec_lib.records.{module}.root", lambda: folder)
        patch.setattr(retrieval_grid, "FOUND", 14)  # of 40 items
        patch.setattr(retrieval_grid, "MISSED", 14)
        few = {"counts": (5, 10), "alphas": (0.5,)}
        grid = retrieval_grid.grid("simulated", **few)
        yield folder, grid, retrieval_grid.examples("simulated"), few


def test_the_grid_has_the_encoder_alone_and_every_cell(made):
    _, grid, _, _ = made
    assert list(zip(grid["neighbours"], grid["alpha"], strict=True)) == [
        (0, 1),
        (5, 0.5),
        (10, 0.5),
    ]
    for name in ("HR@10 M", "NDCG@10 M", "HR@10 U", "NDCG@10 U"):
        assert grid[name].between(0.01, 1).all() and grid[name].nunique() > 1


def test_cells_that_are_kept_are_not_made_again(made, monkeypatch):
    folder, grid, _, few = made
    path = folder / "build" / "neighbours" / "simulated" / "sasrec-retrieval" / "grid.csv"
    calls = []
    monkeypatch.setattr(retrieval_grid, "fit", lambda *given: calls.append(given))
    assert retrieval_grid.grid("simulated", **few).equals(grid) and not calls
    pd.read_csv(path).iloc[:2].to_csv(path, index=False)  # interrupted before the third
    monkeypatch.undo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "root", lambda: folder)
        for module in ("runs", "standing", "provenance", "store"):
            patch.setattr(f"seqrec_lib.records.{module}.root", lambda: folder)
        again = retrieval_grid.grid("simulated", **few)
    pd.testing.assert_frame_equal(again, grid)


def test_examples_are_of_test_histories_that_the_memory_moved(made):
    _, _, kept, _ = made
    examples = kept["examples"]
    log, split = datasets.load("simulated")
    histories = {
        tuple(map(str, log.items[log.item[log.offsets[user] : position] - 1]))
        for user, position in enumerate(split.test)
    }
    assert {one["kind"] for one in examples} == {"found", "lost"}
    for one in examples:
        assert any(tuple(one["history"]) == whole[-8:] for whole in histories)
        good, bad = sorted((one["before"], one["after"]))
        assert good <= retrieval_grid.FOUND <= retrieval_grid.MISSED < bad
        assert (one["after"] < one["before"]) == (one["kind"] == "found")
        cosines = [other["cosine"] for other in one["neighbours"]]
        assert cosines == sorted(cosines, reverse=True)
        places = [other["place"] for other in one["neighbours"]]
        assert places[:5] == [1, 2, 3, 4, 5] and places == sorted(places)
        assert all(other["next"] == one["true"] for other in one["neighbours"][5:])
    assert kept["tests"] == len(split.test) and 0 < kept["own"] < kept["alike"] <= 1
    assert kept["own"] < kept["leading"] < 1
    assert all(
        kept[kind] >= sum(one["kind"] == kind for one in examples) for kind in ("found", "lost")
    )
    assert json.loads(json.dumps(kept)) == kept
