import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files, labels, simulator
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import need_of, sized
from seqrec_lib.data.simulator.needs import numbers, showcased
from seqrec_lib.data.simulator.static import category
from seqrec_lib.data.splits import Split


@pytest.fixture
def rows_of(monkeypatch):
    """Labels of made-up rows ``(item, surface)``, the first ``trained`` of them for training."""

    def build(dataset, rows, trained):
        table = pd.DataFrame(rows, columns=["item", "surface"])
        table = table.assign(user=1, time=np.arange(len(table)), action="view", domain="?")
        log = EventLog.build(table)
        everything = np.arange(len(log))
        split = Split(everything[:trained], everything[:0], everything[trained:])
        monkeypatch.setattr(datasets, "load", lambda name: (log, split))
        monkeypatch.setattr(datasets, "tecd_table", lambda name, surface: table)
        return labels.labels(dataset)

    return build


def test_popularity_counts_training_events_alone(rows_of):
    rows = [("nfmcg_2", "main")] * 12 + [("nfmcg_1", "main")] * 3 + [("nfmcg_3", "main")]
    table = rows_of("tecd-marketplace", rows, trained=13)
    assert table["item"].tolist() == ["nfmcg_1", "nfmcg_2", "nfmcg_3"]
    assert table["popularity"].tolist() == [1, 12, 0]
    assert table["band"].tolist() == ["1–9", "10–99", "0"]


def test_a_real_item_belongs_to_the_surface_where_it_is_seen_most(rows_of, monkeypatch):
    monkeypatch.setattr(files, "find", lambda name: None)
    rows = [("fmcg_7", "cart"), ("nfmcg_1", "search"), ("nfmcg_1", "main"), ("nfmcg_1", "main")]
    table = rows_of("tecd-marketplace", rows, trained=4)
    assert table["surface"].tolist() == ["cart", "main"]
    assert table["domain"].tolist() == ["retail", "marketplace"]
    assert set(table["category"]) == {"not at hand"}


def test_real_categories_are_read_where_their_table_is(rows_of, monkeypatch, tmp_path):
    place = tmp_path / "small" / "marketplace" / "items.pq"
    place.parent.mkdir(parents=True)
    simulator.write(sized(0.00005), tmp_path / "small", range(1), ("marketplace/items",))
    known = pd.read_parquet(place, columns=["item_id", "category"]).dropna()
    monkeypatch.setattr(files, "find", lambda name: place)
    chosen, word = known.iloc[3]
    table = rows_of("tecd-marketplace", [(chosen, "main"), ("nfmcg_0", "main")], trained=2)
    assert dict(zip(table["item"], table["category"], strict=True)) == {
        chosen: word,
        "nfmcg_0": "none given",
    }


def test_a_simulated_item_has_the_category_of_its_need(rows_of):
    world = sized(0.1)
    ids = numbers("retail", np.array([3, 12_345]))
    rows = [(f"fmcg_{number}", "main") for number in ids]
    table = rows_of("tecd-sim", rows, trained=2).set_index("item")
    for number in ids:
        row = table.loc[f"fmcg_{number}"]
        need = int(need_of(world, np.array([number]), "retail")[0])
        assert (row["category"], row["need"]) == category(need)
        assert row["domain"] == "retail"
        assert bool(row["showcased"]) == bool(showcased(world, np.array([number]), "retail")[0])
    assert table["showcased"].astype(bool).tolist().count(True) == 1


def test_other_data_sets_have_labels_to_run_on():
    table = labels.labels("simulated")
    assert table["domain"].value_counts().tolist() == [20, 20]
    assert table["category"].nunique() == 4 and table["popularity"].min() > 0
    assert table["item"].tolist() == list(range(1, 41))
