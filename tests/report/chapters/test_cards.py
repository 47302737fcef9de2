"""A model's card says what its file, its settings and its records say."""

import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest

from seqrec_lib import report
from seqrec_lib.data.files import root
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import BCE
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.records import provenance
from seqrec_lib.records.recipes import published
from seqrec_lib.records.store import Run, Runs
from seqrec_lib.report.chapters import cards
from seqrec_lib.report.chapters.card_words import USES
from seqrec_lib.training.settings import Training


@pytest.fixture
def recorded(made):
    """``recorded("simulated", "sasrec", ...)``: a run of these seeds as its recipe has it."""

    def build(dataset, name, numbers=(0,), **card):
        seeds = []
        ranks = made(name, *[np.array([1, 2, 30])] * len(numbers)).seeds
        for spec, one in zip(published(dataset, name, numbers), ranks, strict=False):
            versions = {"torch": "2", "numpy": "2", "python": "3"}
            more = {"versions": versions, "date": "2026-11-21T01", "threads": 1, "starts_from": {}}
            more["golden"] = provenance.golden(spec)
            seed = Run(one.folder, spec.as_dict(), one.card | more | card)
            seed.__dict__["ranks"] = one.ranks
            seeds.append(seed)
        return Runs(name, dataset, seeds)

    return build


def test_every_model_has_a_use_and_limits_and_a_file_that_says_what_it_is():
    assert set(USES) == set(MODELS)
    for model in MODELS:
        assert len(cards.idea(model)) > 40 and "\n" not in cards.idea(model)
        assert "``" not in cards.idea(model) and "seed 0" not in cards.idea(model)


def test_sources_are_those_that_the_file_cites():
    assert cards.sources("sasrec") == "Kang & McAuley, 2018, arXiv:1808.09781"
    assert cards.sources("markov") == "Ney, Essen & Kneser, 1994"
    assert cards.sources("popular") == ""


def test_settings_in_words_are_those_beside_the_defaults():
    assert cards.settings(SASRec.Config()) == cards.settings(Training(seed=3)) == ""
    config = StoreEncoder.Config(SASRec.Config(dropout=0.25, objective=BCE()), None, True)
    words = "encoder SASRec (dropout 0.25, objective BCE), pool None, marked yes"
    assert cards.settings(config) == words


def test_what_is_read_is_what_the_model_asks_for(recorded):
    assert cards.reads([recorded("simulated", "sasrec")]) == "items"
    stores = [recorded("omni-small-stores-known", "sasrec-attne")]
    assert cards.reads(stores) == "items, basket, the basket asked about, channel"
    assert "attributes of items" in cards.reads([recorded("simulated", "sasrec-attributed")])


def test_runs_of_the_same_settings_share_a_row(recorded):
    alike = [recorded("simulated", "sasrec"), recorded("simulated-shuffled", "sasrec")]
    found = cards.trained([*alike, recorded("omni-small-stores-none", "sasrec")])
    assert found.index.tolist() == ["SASRec", "SASRec"]
    assert found["on"].tolist()[0] == "400 users; 400 users, shuffled"
    assert "epochs 40" in found.iloc[0, 1] and "epochs 8" in found.iloc[1, 1]


def test_a_golden_run_that_moved_is_told(recorded):
    stands, moved = recorded("simulated", "sasrec"), recorded("simulated", "gru", golden="0")
    found = cards.origin([stands, moved])["golden run"].tolist()
    assert found == ["amazon/sasrec", "amazon/gru, moved since"]


def test_devices_of_all_seeds_are_named_once(recorded):
    run = recorded("simulated", "sasrec", (0, 1, 2))
    run.seeds[2].card["device"] = "a GPU"
    assert cards.origin([run])["device"].tolist() == ["a GPU; a processor"]
    found = cards.machines([run])
    assert found["records"].to_dict() == {"a processor": 2, "a GPU": 1}
    assert found["hours"].sum() == pytest.approx(30 / 3600)


def test_figures_are_means_of_the_ranks_under_their_protocol(recorded):
    run = recorded("simulated", "sasrec", (0, 1))
    tabs = cards.figures([run])
    for (name, table), protocol in zip(tabs.items(), report.PROTOCOLS, strict=True):
        letter = report.PROTOCOLS[protocol]
        assert name.endswith(letter) and table["seeds"].tolist() == ["0, 1"]
        mean = report.mean(run, protocol).mean
        assert table[f"NDCG@10 {letter}"].iloc[0].startswith(f"{mean:.4f} ± ")


def test_logs_that_are_called_alike_keep_their_rows(recorded):
    runs = [recorded("simulated", "sasrec", data_digest=digest * 64) for digest in "abc"]
    runs[2].seeds[0].spec["training"] |= {"test_users": 2}
    own, other, sampled = cards.costs(runs).index
    assert own == "SASRec: 400 users, aaaaaaaaaaaa" and other.endswith("bbbbbbbbbbbb")
    assert sampled == "SASRec: 400 users (3 users asked)"
    assert all(len(table) == 3 for table in cards.figures(runs).values())


def test_a_card_has_its_parts_behind_tabs(recorded):
    shown = cards.of("sasrec", [recorded("simulated", "sasrec")])
    assert list(shown.tables) == [
        "about",
        "settings",
        "figures M",
        "figures U",
        "costs",
        "machines",
    ]
    assert cards.name_of("popular") == "Popularity" and cards.name_of("personalised") == "DR4SR+"


def test_records_are_the_committed_ones_and_those_of_a_folder_of_ones_own(tmp_path):
    committed = cards.records()
    there = list((root() / "book/results").glob("*/*/s*/card.json"))
    assert sum(len(run.seeds) for run in committed) == len(there)
    shutil.copytree(root() / "book/results/toys/popular/s0", tmp_path / "toys/mine/s7")
    own = cards.records(tmp_path)
    assert len(own) == len(committed) + 1 and own[-1].name == "mine"
    assert len(cards.records("build/results")) == len(committed)
    assert sum(map(len, cards.by_model(own).values())) == len(own)


def test_the_drawing_counts_every_record_once(recorded, ax):
    runs = [recorded("beauty", "sasrec", (0, 1)), recorded("toys", "sasrec")]
    runs.append(recorded("omni-small-stores-none", "gru"))
    found = cards.draw(ax, runs)
    assert found.loc["SASRec", "Amazon reviews"] == 3 and found.sum().sum() == 4
    assert sorted(text.get_text() for text in ax.texts) == ["1", "3"]
    plt.close(ax.figure)
