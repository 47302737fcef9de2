"""Records asked in other ways: what is kept is what is asked, of the record as it is now."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from seqrec_lib.data import candidates, datasets, files
from seqrec_lib.data.splits import asked_about
from seqrec_lib.metrics.candidates import measures
from seqrec_lib.metrics.ranking import ndcg
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.records import provenance, runs, standing, store
from seqrec_lib.records.rankers import TAIL_RECIPES
from seqrec_lib.records.recipes import RECIPES, published
from seqrec_lib.studies import altered, protocols
from seqrec_lib.training.candidates import scores_of
from seqrec_lib.training.settings import Training

DATASET = "simulated-tail"
TRAINING = Training(epochs=2, batch_size=128, max_len=20, precision="fp32", validate="sampled")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project's folder of its own, in which quick runs have been asked in other ways."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        for module in (runs, standing, provenance, store, files, protocols):
            patch.setattr(module, "root", lambda: folder)
        for known in (RECIPES, TAIL_RECIPES):
            patch.setitem(
                known, "sasrec", ("sasrec", SASRec.Config(8, 16, 1, max_len=20), TRAINING)
            )
            patch.setitem(known, "pooling", ("pooling", Pooling.Config(8), TRAINING))
        protocols._lists.cache_clear()
        protocols.study(DATASET, ["popular", "pooling", "sasrec"], [0, 1])
        yield folder
        protocols._lists.cache_clear()


def of(name, seeds=(0,)):
    return runs.run(DATASET, name, seeds)


def test_a_file_a_run_and_seed_with_a_row_a_user(project):
    found = sorted(path.name for path in project.glob("build/protocols/*/*"))
    assert found == [
        *("pooling-s0.parquet", "pooling-s1.parquet", "popular-s0.parquet"),
        *("sasrec-s0.parquet", "sasrec-s1.parquet"),
    ]
    one, other = protocols.kept(of("pooling", (0, 1)))
    log, split = datasets.load(DATASET)
    split = asked_about(log, split, 10)
    user = log.user_of(split.test)
    assert one["user"].tolist() == np.unique(user).tolist()
    assert one["questions"].tolist() == np.bincount(user)[np.unique(user)].tolist()
    mean = pd.Series(log.history_length(split.test)).groupby(user).mean()
    assert one["history_length"].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-3)
    shared = ["user", "questions", "history_length"]
    assert one[shared].equals(other[shared]) and not one.equals(other)


@pytest.mark.parametrize("law", candidates.LAWS)
def test_means_over_users_are_the_measures_of_all_questions(project, law):
    (found,) = protocols.kept(of("pooling"))
    model, _ = runs.load_model(runs.model_file(of("pooling").seeds[0].folder))
    log, split = datasets.load(DATASET)
    split = asked_about(log, split, 10)
    asked = candidates.shared(log, split.train, split.test, law)
    scores = scores_of(model, log, split.test, asked, 20)
    for name, value in measures(scores, log.user_of(split.test)).items():
        mean = np.average(found[f"{law} {name}"], weights=found["questions"])
        assert mean == pytest.approx(value, abs=1e-5)


def test_behind_itself_an_encoder_has_its_own_ranks_up_to_the_end_of_the_list(project):
    (found,), (record,) = protocols.kept(of("sasrec")), of("sasrec").seeds
    for protocol in ("masked", "unmasked"):
        own = pd.Series(ndcg(record.ranks[f"rank_{protocol}"].to_numpy(), 10))
        own = own.groupby(record.ranks["user"]).mean()
        assert found[f"reranked {protocol} NDCG@10"].to_numpy() == pytest.approx(own, abs=1e-4)


def test_nothing_is_made_twice_and_what_is_of_another_record_is_refused(project, monkeypatch):
    monkeypatch.setattr(protocols, "_made", None)
    (path,) = protocols.study(DATASET, ["pooling"], [1])
    about = json.loads(pq.read_schema(path).metadata[b"about"])
    assert about["behind"] == store.ranks_digest(of("sasrec").seeds[0].ranks)
    before = path.read_bytes()
    for name in ("ranks", "behind"):
        table = pq.read_table(path)
        changed = {"about": json.dumps(about | {name: "another"})}
        pq.write_table(table.replace_schema_metadata(changed), path)
        with pytest.raises(
            ValueError, match=r"another record or by other questions; .* pooling --seeds 1 makes it"
        ):
            protocols.kept(of("pooling", (1,)))
        path.write_bytes(before)
    path.unlink()
    with pytest.raises(ValueError, match="is not there; .*protocols simulated-tail pooling"):
        protocols.kept(of("pooling", (1,)))
    path.write_bytes(before)


def test_it_scores_on_the_device_that_is_asked_for(project, monkeypatch):
    on = []

    def first(model, *_):
        on.append(model.items.weight.device.type)
        return {}

    def among(model, *_):
        return first(model) or (pd.DataFrame(), {})

    monkeypatch.setattr(protocols, "resolved", {"cuda": "meta"}.get)
    monkeypatch.setattr(protocols, "first", first)
    monkeypatch.setattr(protocols, "among_candidates", among)
    monkeypatch.setattr(protocols, "behind", lambda model, *_: pd.DataFrame(first(model)))
    monkeypatch.setattr(protocols.by_run, "by_user", lambda *_: None)
    monkeypatch.setattr(protocols.by_run, "write", lambda *_, **__: None)
    specs = [published(DATASET, name, [0])[0] for name in ("pooling", "sasrec")]
    protocols._made(*specs, store.SCRATCH, "cuda")
    protocols._lists.cache_clear()
    assert on == ["meta"] * 3


def test_alone_nothing_stands_behind_a_list(project, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(protocols, "_lists", None)
    path = protocols.place(DATASET, "popular", 0)
    before = path.read_bytes()
    path.unlink()
    protocols.main([DATASET, "popular", "--alone"])
    assert capsys.readouterr().out.strip() == str(path)
    assert not [name for name in pd.read_parquet(path) if name.startswith("reranked")]
    path.write_bytes(before)


def test_what_was_made_alone_is_made_again_where_a_list_is_asked_for(project):
    path = protocols.place(DATASET, "popular", 0)
    before = pd.read_parquet(path)
    path.unlink()
    protocols.study(DATASET, ["popular"], reranks=False)
    alone = path.read_bytes()
    protocols.study(DATASET, ["popular"], reranks=False)
    assert path.read_bytes() == alone
    protocols.study(DATASET, ["popular"])
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


def test_what_was_asked_among_other_candidates_is_refused(project, monkeypatch):
    monkeypatch.setattr(protocols, "_digests", lambda dataset: {"uniform": "another"})
    with pytest.raises(ValueError, match="was made of another record or by"):
        protocols.kept(of("popular"))


@pytest.mark.parametrize("module", [protocols, altered])
def test_a_log_is_read_as_the_command_line_says(module, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(module, "study", lambda *given: asked.append(given) or [])
    how = ["--columns", "user=who", "--sort", "--split", "tail", "--epochs", "2"]
    module.main([str(tmp_path / "shop.csv"), "popular", *how])
    (given,) = asked
    assert str(given[0]) == f"{tmp_path}/shop.csv?columns=user:who&sort&split=tail"
    assert given[1] == ["popular"] and given[-1] == 2


def test_a_run_of_other_epochs_is_asked_for_by_these(project, tmp_path, capsys):
    results = str(tmp_path / "results")
    runs.run(DATASET, "sasrec", epochs=1, results=results)
    with pytest.raises(
        SystemExit, match=r"\(1 stored, 2 asked\); pass .* or epochs=1 \(--epochs 1"
    ):
        protocols.main([DATASET, "sasrec", "--alone", "--results", results])
    protocols.main([DATASET, "sasrec", "--alone", "--results", results, "--epochs", "1"])
    assert "sasrec-s0.parquet" in capsys.readouterr().out
