"""Records asked with other histories: what is cut, what is put in, and what stays."""

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.splits import asked_about
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.models.encoders.hstu import HSTU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import provenance, runs, standing, store
from seqrec_lib.records.rankers import TAIL_RECIPES
from seqrec_lib.records.recipes import RECIPES, published
from seqrec_lib.studies import altered
from seqrec_lib.training.settings import Training

DATASET = "simulated-tail"
TRAINING = Training(epochs=2, batch_size=128, max_len=20, precision="fp32", validate="sampled")


@pytest.fixture(scope="module")
def log():
    return datasets.load(DATASET)[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project's folder of its own, in which quick runs have been asked with other histories."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        for module in (runs, standing, provenance, store, files):
            patch.setattr(module, "root", lambda: folder)
        for known in (RECIPES, TAIL_RECIPES):
            patch.setitem(
                known, "sasrec", ("sasrec", SASRec.Config(8, 16, 1, max_len=20), TRAINING)
            )
        altered.study(DATASET, ["markov-1", "sasrec"])
        yield folder


@pytest.mark.parametrize("rate", [0, 0.5, 3])
def test_events_keep_their_order_and_accidents_stand_behind_them(log, rate):
    train = datasets.load(DATASET)[1].train
    noisy, stands = altered.with_accidents(log, train, rate)
    assert (noisy.item[stands] == log.item).all() and (noisy.time[stands] == log.time).all()
    assert (noisy.user_of(stands) == log.user_of(np.arange(len(log)))).all()
    assert noisy.offsets[-1] == len(noisy) and noisy.num_users == log.num_users
    assert (stands[log.offsets[:-1]] == noisy.offsets[:-1]).all()  # none before the first event
    added = len(noisy) - len(log)
    assert added == pytest.approx(rate * len(log), rel=0.1)
    assert (np.diff(noisy.time) >= 0)[np.diff(noisy.user_of(np.arange(len(noisy)))) == 0].all()


def test_an_accident_is_no_item_of_its_user_and_comes_as_often_as_in_training(log):
    train = datasets.load(DATASET)[1].train
    noisy, stands = altered.with_accidents(log, train, 2)
    accident = np.setdiff1d(np.arange(len(noisy)), stands)
    user = noisy.user_of(accident)
    for one in range(0, log.num_users, 17):
        own = log.item[slice(*log.offsets[one : one + 2])]
        assert not np.isin(noisy.item[accident[user == one]], own).any()
    drawn = np.bincount(noisy.item[accident], minlength=log.num_items + 1)
    often = np.bincount(log.item[train], minlength=log.num_items + 1)
    assert set(np.flatnonzero(drawn)) <= set(np.flatnonzero(often))
    assert np.corrcoef(drawn, often)[0, 1] > 0.8


def test_the_same_accidents_are_drawn_for_all_and_without_any_the_log_is_itself(log):
    train = datasets.load(DATASET)[1].train
    one, other = (altered.with_accidents(log, train, 1)[0] for _ in range(2))
    assert (one.item == other.item).all()
    none, stands = altered.with_accidents(log, train, 0)
    assert (none.item == log.item).all() and (stands == np.arange(len(log))).all()
    assert (none.offsets == log.offsets).all()


def test_what_is_whole_is_what_the_record_has(project):
    (run,) = runs.run(DATASET, "sasrec", [0]).seeds
    (found,) = altered.kept(runs.run(DATASET, "sasrec", [0]))
    for protocol in ("masked", "unmasked"):
        own = pd.Series(ndcg(run.ranks[f"rank_{protocol}"].to_numpy(), 10))
        own = own.groupby(run.ranks["user"]).mean()
        assert found[f"whole {protocol}"].to_numpy() == pytest.approx(own, abs=1e-4)


def test_a_chain_of_order_one_loses_nothing_by_a_cut_and_much_by_accidents(project):
    """Under U: masking knows what the whole history held, whatever is read of it."""
    (found,) = altered.kept(runs.run(DATASET, "markov-1", [0]))
    mean = found.mul(found["questions"], axis=0).sum() / found["questions"].sum()
    cut = [name for name in found if name.startswith("last") and name.endswith("unmasked")]
    assert len(cut) > 4
    for name in cut:
        assert (found[name] == found["whole unmasked"]).all()
    noisy = [mean[f"accidents {rate:g} unmasked"] for rate in altered.ACCIDENTS]
    assert mean["whole unmasked"] > noisy[0] > noisy[-1]


def test_a_network_reads_less_where_less_is_left(project):
    (found,) = altered.kept(runs.run(DATASET, "sasrec", [0]))
    assert not np.allclose(found["last 1 unmasked"], found["whole unmasked"])
    log, split = datasets.load(DATASET)
    assert found["questions"].sum() == len(asked_about(log, split, 10).test)


def test_it_scores_on_the_device_that_is_asked_for(project, monkeypatch):
    on, questions = [], asked_about(*datasets.load(DATASET), 10).test

    def asked(model, *_):
        on.append(model.items.weight.device.type)
        return pd.DataFrame({"none": np.zeros(len(questions))})

    monkeypatch.setattr(altered, "resolved", {"cuda": "meta"}.get)
    monkeypatch.setattr(altered, "asked", asked)
    monkeypatch.setattr(altered.by_run, "write", lambda *_: None)
    (spec,) = published(DATASET, "sasrec", [0])
    altered._made(spec, store.SCRATCH, "cuda")
    assert on == ["meta"]


def test_who_reads_more_than_items_is_refused(project):
    log, split = datasets.load(DATASET)
    model = HSTU(Catalogue.learned(log, split.train), HSTU.Config(8, 1, 2, 20, "events"))
    with pytest.raises(ValueError, match="HSTU reads time of each event, which an accident"):
        altered.asked(model, log, split.train, split.test, 20)


def test_nothing_is_made_twice_and_the_command_names_the_files(project, monkeypatch, capsys):
    monkeypatch.setattr(altered, "_made", None)
    altered.main([DATASET, "markov-1", "sasrec"])
    assert capsys.readouterr().out.splitlines() == [
        str(altered.place(DATASET, name, 0)) for name in ("markov-1", "sasrec")
    ]
    path = altered.place(DATASET, "markov-1", 0)
    before = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match="not there; .*studies.altered simulated-tail markov-1"):
        altered.kept(runs.run(DATASET, "markov-1", [0]))
    path.write_bytes(before)


def test_histories_of_several_users_are_not_mixed(log_of):
    log = log_of([1, 2, 3], [4, 5], [6])
    noisy, stands = altered.with_accidents(log, np.arange(len(log)), 1.5, seed=3)
    for one in range(3):
        there = noisy.item[slice(*noisy.offsets[one : one + 2])]
        own = log.item[slice(*log.offsets[one : one + 2])]
        assert there[np.isin(there, own)].tolist() == own.tolist()
        assert len(there) > len(own) or one  # some are put in
