import dataclasses
import json
import math
import os
import runpy
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import root
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import SampledSoftmax
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.personalised import Personalised
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.training import loop
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

SCRIPT = Path(__file__).with_name("small_run.py")
SHORT = Training(epochs=2, batch_size=32, max_len=20, precision="fp32")


@pytest.fixture
def model_of(small_catalogue):
    """A small SASRec, or another kind, with weights drawn from ``weights``."""

    def build(weights=0, kind=SASRec, **config):
        torch.manual_seed(weights)
        if kind is SASRec:
            config = {"embed_dim": 8, "hidden_dim": 16, "num_layers": 1, "max_len": 20} | config
        if kind is GRU4Rec:
            config = {"objective": SampledSoftmax(16, alpha=0.5, in_batch=True)} | config
        return kind(small_catalogue, kind.Config(**config))

    return build


@pytest.fixture
def learned(monkeypatch):
    """The learning rates and weights after each update, noted while ``fit`` runs."""
    seen = []
    learn = loop._Run.learn

    def learn_and_note(run, batch):
        count = learn(run, batch)
        rates = {group["lr"] for group in run.optimizer.param_groups}
        seen.append((rates, run.model.items.weight.detach().clone()))
        return count

    monkeypatch.setattr(loop._Run, "learn", learn_and_note)
    return seen


def scripted(monkeypatch, **places):
    """Let validation find the true item at these places, epoch by epoch: ``rank_masked=[9, 4]``."""
    coming = {name: iter(values) for name, values in places.items()}

    def ranks(model, log, positions, length):
        return pd.DataFrame({name: [next(of)] * len(positions) for name, of in coming.items()})

    monkeypatch.setattr(loop, "ranks", ranks)


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    assert a.keys() == b.keys()
    return all(a[name].equal(b[name]) for name in a if isinstance(a[name], torch.Tensor))


# --- one run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SASRec, GRU, GRU4Rec])
def test_runs_from_one_seed_are_identical(model_of, small_log, small_split, kind):
    training = dataclasses.replace(SHORT, epochs=1, batch_size=64)
    models, histories = [], []
    for seed in (5, 5, 6):
        models.append(model_of(kind=kind))
        histories.append(
            fit(models[-1], small_log, small_split, dataclasses.replace(training, seed=seed))
        )
    assert without_seconds(histories[0]) == without_seconds(histories[1])
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])
    assert not same_weights(models[0], model_of(kind=kind))  # something was learned


def test_the_history_has_a_row_an_epoch_that_later_scoring_confirms(
    model_of, small_log, small_split
):
    model = model_of()
    history = fit(model, small_log, small_split, dataclasses.replace(SHORT, epochs=3))
    assert [row["epoch"] for row in history] == [1, 2, 3]
    losses = [row["loss"] for row in history]
    assert losses == sorted(losses, reverse=True) and abs(losses[0] - math.log(40)) < 0.3
    assert history[0]["seconds"] <= history[1]["seconds"] <= history[2]["seconds"]
    found = ranks(model, small_log, small_split.valid, 20)["rank_masked"].to_numpy()
    best = max(history, key=lambda row: row["valid_ndcg@10"])
    assert best["valid_ndcg@10"] == pytest.approx(ndcg(found, 10).mean(), rel=1e-12)
    assert best["valid_hr@10"] == pytest.approx(hr(found, 10).mean(), rel=1e-12)
    assert 0 < best["valid_ndcg@10"] < best["valid_hr@10"] < 1


def test_the_loss_of_an_epoch_is_the_mean_over_positions(model_of, small_log, small_split):
    model = model_of(dropout=0.0)
    frozen = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-30)
    (row,) = fit(model, small_log, small_split, frozen)
    batch = model.training_batch(small_log, small_log.windows(small_split.train, 20))
    with torch.no_grad():
        assert row["loss"] == pytest.approx(model.loss(batch).item(), rel=1e-5)


def test_two_epochs_are_plain_training_written_out(model_of, small_log, small_split):
    nothing = dataclasses.replace(small_split, valid=small_split.valid[:0])
    model = model_of().eval()  # as a model comes from its file
    fit(model, small_log, nothing, dataclasses.replace(SHORT, weight_decay=0.1))
    plain = model_of()
    matrices, vectors = (
        [w for w in plain.parameters() if (w.ndim > 1) == m] for m in (True, False)
    )
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    step = torch.optim.AdamW(groups, lr=SHORT.learning_rate, fused=True)
    torch.manual_seed(0)
    for epoch in range(2):
        rng = np.random.default_rng([0, epoch])
        for batch in plain.training_batches(small_log, small_split.train, 32, 20, rng):
            step.zero_grad()
            plain.loss(batch).backward()
            step.step()
    assert same_weights(model, plain)


def test_a_model_that_counts_is_counted_and_has_no_history(small_catalogue, small_log, small_split):
    model = Popular(small_catalogue, Popular.Config())
    assert fit(model, small_log, small_split, SHORT) == []
    assert model.popularity.tolist() == small_catalogue.frequency.tolist()


def test_early_stopping_keeps_the_weights_of_the_best_epoch(
    model_of, small_log, small_split, learned, monkeypatch
):
    scripted(monkeypatch, rank_masked=[9, 4, 2, 7, 3, 3, 1, 1])
    model = model_of()
    training = dataclasses.replace(SHORT, epochs=8, batch_size=128, patience=3)
    history = fit(model, small_log, small_split, training)
    assert len(history) == 6  # three epochs after the third, none was better
    updates = len(learned) // 6
    assert model.items.weight.equal(learned[3 * updates - 1][1])
    assert not model.items.weight.equal(learned[-1][1])


def test_without_validation_positions_the_last_epoch_is_kept(model_of, small_log, small_split):
    nothing = dataclasses.replace(small_split, valid=small_split.valid[:0])
    model = model_of()
    history = fit(model, small_log, nothing, dataclasses.replace(SHORT, epochs=4, patience=1))
    assert [row["valid_ndcg@10"] for row in history] == [0.0] * 4
    watched = model_of()  # every epoch is the best so far
    best = dataclasses.replace(SHORT, epochs=4)
    scored = iter([0.1, 0.2, 0.3, 0.4])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "ndcg", lambda found, k: np.array([next(scored)]))
        fit(watched, small_log, small_split, best)
    assert same_weights(model, watched)


def test_a_run_of_no_epochs_looks_at_the_data_once(model_of, small_log, small_split, monkeypatch):
    model, seen = model_of(), []
    model.register_buffer("found", torch.zeros(()))
    monkeypatch.setattr(
        model, "begin_pass", lambda *given: (seen.append(given), model.found.add_(1))
    )
    before = model_of()
    assert fit(model, small_log, small_split, dataclasses.replace(SHORT, epochs=0)) == []
    ((log, positions, length),) = seen
    assert log is small_log and positions is small_split.train and length == 20
    assert model.found == 1  # what it took from them stays
    del model.found
    assert same_weights(model, before)


def test_a_loss_that_is_not_a_number_stops_the_run(model_of, small_log, small_split, tmp_path):
    model = model_of()
    model.objective = lambda states, *_: (states * torch.nan).mean()
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1, batch 1; lower"):
        fit(model, small_log, small_split, SHORT, tmp_path / "run.ckpt", checkpoint_seconds=0.0)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_with_loss_and_validation(
    model_of, small_log, small_split, capsys, monkeypatch
):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(model_of(), small_log, small_split, dataclasses.replace(SHORT, batch_size=128))
    shown = capsys.readouterr().err
    assert "SASRec epoch 2" in shown and "pos/s" in shown and "NDCG@10 0." in shown


def test_bfloat16_comes_close_to_single_precision_and_keeps_its_weights(
    model_of, small_log, small_split
):
    losses = {}
    for precision in ("fp32", "bf16"):
        model = model_of(dropout=0.0)
        training = dataclasses.replace(SHORT, precision=precision)
        losses[precision] = fit(model, small_log, small_split, training)[-1]["loss"]
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=5e-3)


# --- steps -------------------------------------------------------------------------------------


def test_a_constant_learning_rate_stays(model_of, small_log, small_split, learned):
    fit(model_of(), small_log, small_split, SHORT)
    assert {rate for rates, _ in learned for rate in rates} == {1e-3}


def test_a_cosine_falls_from_the_learning_rate_to_almost_zero(
    model_of, small_log, small_split, learned
):
    fit(model_of(), small_log, small_split, dataclasses.replace(SHORT, cosine=True, epochs=2))
    rates = [rate for (rate,), _ in learned]
    assert rates[0] == 1e-3 and rates == sorted(rates, reverse=True)
    assert rates[len(rates) // 2] == pytest.approx(0.5e-3, rel=1e-9)  # the second epoch begins
    left = math.pi / len(rates)  # about one batch before the end
    assert 0 < rates[-1] < 2 * 1e-3 * (1 - math.cos(left)) / 2


def test_without_a_better_validation_the_learning_rate_falls_to_a_tenth(
    model_of, small_log, small_split, learned, monkeypatch
):
    scripted(monkeypatch, rank_masked=[5, 5, 6, 4, 7, 8, 9, 9])
    training = dataclasses.replace(SHORT, epochs=8, batch_size=128, plateau=2)
    fit(model_of(), small_log, small_split, training)
    updates = len(learned) // 8
    rates = [rate for (rate,), _ in learned]
    # neither of the two epochs after the first was better, nor of the two after the fourth
    expected = np.repeat([1e-3, 1e-4, 1e-5], np.multiply([3, 3, 2], updates))
    assert rates == pytest.approx(expected, rel=1e-9)


def test_a_plateau_of_0_never_cuts_the_learning_rate(
    model_of, small_log, small_split, learned, monkeypatch
):
    scripted(monkeypatch, rank_masked=[1, 2, 3, 4])
    fit(model_of(), small_log, small_split, dataclasses.replace(SHORT, epochs=4, batch_size=128))
    assert {rate for rates, _ in learned for rate in rates} == {1e-3}


@pytest.mark.parametrize(("select", "best"), [("masked", 2), ("unmasked", 3)])
def test_the_best_epoch_is_the_one_of_the_protocol_chosen(
    model_of, small_log, small_split, learned, monkeypatch, select, best
):
    scripted(monkeypatch, rank_masked=[5, 2, 4], rank_unmasked=[5, 6, 3])
    model = model_of()
    training = dataclasses.replace(SHORT, epochs=3, batch_size=128, select=select)
    history = fit(model, small_log, small_split, training)
    assert max(history, key=lambda row: row["valid_ndcg@10"])["epoch"] == best
    updates = len(learned) // 3
    assert model.items.weight.equal(learned[best * updates - 1][1])
    assert not model.items.weight.equal(learned[(5 - best) * updates - 1][1])


def test_averaging_keeps_a_running_mean_of_the_weights(model_of, small_log, small_split, learned):
    model = model_of()
    fit(model, small_log, small_split, dataclasses.replace(SHORT, epochs=1, averaging=0.8))
    expected = learned[0][1]
    for _, weight in learned[1:]:
        expected = 0.8 * expected + 0.2 * weight
    torch.testing.assert_close(model.items.weight.detach(), expected, rtol=1e-5, atol=1e-7)
    assert not model.items.weight.allclose(learned[-1][1], atol=1e-5)


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"epochs": 3}),
        ({}, {"batch_size": 8}),
        ({}, {"max_len": 10}),
        ({}, {"optimizer": "adagrad"}),
        ({}, {"learning_rate": 2e-3}),
        ({}, {"weight_decay": 0.1}),
        ({}, {"cosine": True}),
        ({"epochs": 4, "learning_rate": 1.0}, {"plateau": 1}),
        ({}, {"averaging": 0.5}),
        ({"epochs": 4, "learning_rate": 1.0}, {"patience": 0}),
        ({}, {"precision": "bf16"}),
        ({}, {"seed": 1}),
    ],
)
def test_every_setting_reaches_the_weights(
    model_of, small_log, small_split, monkeypatch, base, change
):
    """``select`` is the best epoch's business, above."""
    users = small_log.user_of(small_split.train) < 40
    few = dataclasses.replace(small_split, train=small_split.train[users])
    models = []
    for settings in (base, base, base | change):
        # the second epoch is the worst; what comes after it is better again
        scripted(monkeypatch, rank_masked=[5, 9, 3, 2])
        models.append(model_of())
        fit(models[-1], small_log, few, dataclasses.replace(SHORT, **settings))
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])


def test_a_model_with_fewer_places_than_training_has_is_refused(
    model_of, small_log, small_split, small_catalogue
):
    encoder = SASRec.Config(8, 16, num_layers=1, max_len=5)
    around = (
        Retrieval.Config(encoder),
        Personalised.Config(encoder),
        Ensemble.Config((GRU.Config(), encoder)),
    )
    for config in (encoder, *around):
        with pytest.raises(ValueError, match="tells 5 places apart .*max_len is 20 in training"):
            fit(from_config(small_catalogue, config), small_log, small_split, SHORT)
    fit(model_of(max_len=21), small_log, small_split, dataclasses.replace(SHORT, epochs=0))


def test_averaging_what_has_a_memory_is_refused(small_log, small_split, small_catalogue):
    averaged = dataclasses.replace(SHORT, averaging=0.9)
    for frozen in (True, False):
        model = from_config(small_catalogue, Retrieval.Config(GRU.Config(), frozen=frozen))
        with pytest.raises(ValueError, match="Retrieval cannot be trained with averaging; use 0"):
            fit(model, small_log, small_split, averaged)


# --- sources of chance -------------------------------------------------------------------------


def test_two_epochs_have_different_orders(model_of, small_log, small_split, monkeypatch):
    seen, learn = [], loop._Run.learn

    def learn_and_note(run, batch):
        seen.append((run.at.epoch, tuple(batch.item.flatten().tolist())))
        return learn(run, batch)

    monkeypatch.setattr(loop._Run, "learn", learn_and_note)
    fit(model_of(), small_log, small_split, SHORT)
    first, second = ([items for at, items in seen if at == epoch] for epoch in (0, 1))
    assert len(first) > 5 and not set(first) & set(second)


@pytest.mark.parametrize(("alone", "dropout"), [("order", 0.0), ("dropout", 0.5), ("neither", 0.0)])
def test_the_seed_rules_order_and_dropout_each(
    model_of, small_log, small_split, monkeypatch, alone, dropout
):
    if alone != "order":
        same = np.random.default_rng
        monkeypatch.setattr(loop.np.random, "default_rng", lambda seed: same(0))
    short, models = dataclasses.replace(SHORT, epochs=1), []
    for seed in (3, 3, 4):
        models.append(model_of(dropout=dropout))
        fit(models[-1], small_log, small_split, dataclasses.replace(short, seed=seed))
    assert same_weights(models[0], models[1])
    assert same_weights(models[0], models[2]) == (alone == "neither")


def test_a_cosine_ends_at_zero_where_only_last_steps_are_targets(
    model_of, small_log, small_split, learned, monkeypatch
):
    model = model_of()
    monkeypatch.setattr(model, "every_step", False)
    fit(model, small_log, small_split, dataclasses.replace(SHORT, cosine=True))
    rates = [rate for (rate,), _ in learned]
    assert rates[0] == 1e-3 and rates == sorted(rates, reverse=True)
    assert rates[len(rates) // 2] == pytest.approx(0.5e-3, rel=1e-9)
    assert 0 < rates[-1] < 0.05e-3


def test_losses_that_wait_are_summed_and_checked_as_if_read_at_once(
    model_of, small_log, small_split, monkeypatch
):
    """As on a GPU, where reading a loss waits for the device."""
    expected = without_seconds(fit(model_of(), small_log, small_split, SHORT))
    read, waited = loop._Run.read, []

    def read_four(run, at_end=False):
        if at_end or len(run.unread) == 4:
            waited.append(len(run.unread))
            read(run)

    finish = loop._Run.finish_epoch
    monkeypatch.setattr(loop._Run, "read", read_four)
    monkeypatch.setattr(
        loop._Run, "finish_epoch", lambda run: (read_four(run, True), finish(run))[1]
    )
    assert without_seconds(fit(model_of(), small_log, small_split, SHORT)) == expected
    assert waited.count(4) > 2
    model = model_of()
    objective, calls = model.objective, iter(range(100))
    model.objective = lambda *given: objective(*given) * (torch.nan if next(calls) == 5 else 1.0)
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1, batch 6; lower"):
        fit(model, small_log, small_split, SHORT)
    assert next(calls) == 8  # it was read with the eighth


# --- checkpoints -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed_runs(tmp_path_factory):
    """The checkpoints of two runs that were killed in their second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    environment = os.environ | {"PYTHONPATH": str(root()), "OMP_NUM_THREADS": "1"}
    until = {"sasrec": 45, "gru4rec": 80, "sparse": 45}
    paths = {model: folder / f"{model}.ckpt" for model in until}
    words = [str(word) for model in until for word in (model, paths[model], until[model])]
    done = subprocess.run(
        [sys.executable, SCRIPT, *words], env=environment, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [-signal.SIGKILL] * 3, done.stderr[-3000:]
    for model, path in paths.items():
        at = torch.load(path, weights_only=True)["at"]
        assert at["updates"] == until[model] - 1 and at["epoch"] == 1 and at["step"] > 3
    return paths


@pytest.mark.parametrize("model", ["sasrec", "gru4rec", "sparse"])
def test_a_killed_run_resumes_and_ends_as_if_never_interrupted(killed_runs, model):
    prepare = runpy.run_path(str(SCRIPT))["prepare"]
    whole, *rest = prepare(model)
    expected = fit(whole, *rest)
    torch.manual_seed(99)  # a new process draws other weights, and they do not matter
    resumed, *rest = prepare(model)
    with torch.no_grad():
        resumed.items.weight.normal_()
    history = fit(resumed, *rest, checkpoint=killed_runs[model])
    assert without_seconds(history) == without_seconds(expected)
    assert same_weights(resumed, whole)
    assert expected[0]["loss"] != expected[1]["loss"]


def test_the_seconds_of_a_run_add_up_over_epochs_and_an_interruption(
    model_of, small_log, small_split, tmp_path, monkeypatch
):
    now, stops, learn = [0.0], [], loop._Run.learn

    def learn_for_a_second(run, batch):
        if run.at.updates in stops:
            raise KeyboardInterrupt
        now[0] += 1
        return learn(run, batch)

    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop._Run, "learn", learn_for_a_second)
    whole = fit(model_of(), small_log, small_split, SHORT)
    assert [row["seconds"] for row in whole] == [now[0] / 2, now[0]]
    stops.append(now[0] // 2 + 3)
    with pytest.raises(KeyboardInterrupt):
        fit(model_of(), small_log, small_split, SHORT, tmp_path / "run.ckpt", 0.0)
    stops.clear()
    now[0] += 1000  # nobody was there
    assert fit(model_of(), small_log, small_split, SHORT, tmp_path / "run.ckpt") == whole


def test_a_finished_run_is_read_from_its_checkpoint(
    model_of, small_log, small_split, tmp_path, learned
):
    path = tmp_path / "deep" / "run.ckpt"
    first = model_of()
    history = fit(first, small_log, small_split, SHORT, path)
    updates = len(learned)
    again = model_of(weights=1)
    assert fit(again, small_log, small_split, SHORT, path) == history
    assert len(learned) == updates > 0 and same_weights(first, again)
    assert [one.name for one in path.parent.iterdir()] == ["run.ckpt"]


def test_a_checkpoint_of_another_run_is_refused_in_words(
    model_of, small_log, small_split, tmp_path
):
    path = tmp_path / "run.ckpt"
    short = dataclasses.replace(SHORT, epochs=1, batch_size=128)
    fit(model_of(), small_log, small_split, short, path)
    kept = path.read_bytes()
    fewer = dataclasses.replace(small_split, train=small_split.train[1:])
    for model, split, training, named in (
        (model_of(), small_split, dataclasses.replace(short, learning_rate=0.1), "training"),
        (model_of(dropout=0.1), small_split, short, "config"),
        (model_of(embed_dim=16), small_split, short, "config, shapes"),
        (model_of(kind=GRU), small_split, short, "model, config, shapes"),
        (model_of(), fewer, short, "positions"),
    ):
        words = rf"run.ckpt: the checkpoint is another run's \({named} differ\); delete it"
        with pytest.raises(ValueError, match=words):
            fit(model, small_log, split, training, path)
    assert path.read_bytes() == kept


def test_a_setting_that_came_later_does_not_orphan_a_checkpoint(
    model_of, small_log, small_split, tmp_path
):
    path = tmp_path / "run.ckpt"
    kept = fit(model_of(), small_log, small_split, dataclasses.replace(SHORT, epochs=1), path)

    def with_one_more(kind, name, default):
        later = dataclasses.make_dataclass(
            kind.__name__, [(name, type(default), default)], bases=(kind,), frozen=True
        )
        later.__qualname__ = kind.__qualname__
        return later

    later = with_one_more(type(SHORT), "later", 0)
    settings = later(**dataclasses.asdict(dataclasses.replace(SHORT, epochs=1)))
    model = model_of(weights=1)
    model.config = with_one_more(type(model.config), "later", "as before")(
        **{f.name: getattr(model.config, f.name) for f in dataclasses.fields(model.config)}
    )
    assert fit(model, small_log, small_split, settings, path) == kept
    with pytest.raises(ValueError, match="training differ"):
        fit(model, small_log, small_split, dataclasses.replace(settings, later=1), path)


def test_a_model_of_one_s_own_goes_on_whatever_its_settings_are(small_log, small_split, tmp_path):
    class Own(Recommender):
        def __init__(self):
            super().__init__(Catalogue.learned(small_log, small_split.train))
            self.weight = torch.nn.Parameter(torch.zeros(small_log.num_items + 1))

        def loss(self, batch):
            return -self.weight.log_softmax(0)[batch.target[batch.target > 0]].mean()

        def score_all(self, batch):
            scores = self.weight.repeat(len(batch.item), 1)
            scores[:, 0] = -torch.inf  # padding
            return scores

    @dataclasses.dataclass(frozen=True)
    class Width:
        width: int  # without a default

    path, short = tmp_path / "run.ckpt", dataclasses.replace(SHORT, epochs=1)
    for config in ({}, {"config": {"width": 8}}, {"config": Width(8)}):
        first, again = Own(), Own()
        for model in (first, again):
            vars(model).update(config)
        kept = fit(first, small_log, small_split, short, path)
        assert fit(again, small_log, small_split, short, path) == kept
        assert torch.equal(again.weight, first.weight) and first.weight.any()
        path.unlink()


# --- on a GPU ----------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", [SASRec, GRU, GRU4Rec])
@pytest.mark.parametrize("optimizer", ["adamw", "adagrad"])
def test_a_run_on_a_gpu_learns_and_resumes(
    model_of, small_log, small_split, tmp_path, kind, optimizer
):
    training = dataclasses.replace(SHORT, precision="bf16", optimizer=optimizer)
    model = model_of(kind=kind).to("cuda")
    history = fit(model, small_log, small_split, training, tmp_path / "run.ckpt")
    assert history[1]["loss"] < history[0]["loss"]
    again = model_of(weights=1, kind=kind).to("cuda")
    assert fit(again, small_log, small_split, training, tmp_path / "run.ckpt") == history
    assert same_weights(model, again)
