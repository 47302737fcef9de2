import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.losses import BPRMax, SampledSoftmax, sampled_items
from seqrec_lib.records.model_file import load_model, save_model


class InOrder:
    """A stand-in for chance that leaves the sessions as they come."""

    @staticmethod
    def permutation(sessions):
        return sessions


@pytest.fixture(scope="module")
def log(log_of):
    return log_of([1, 2, 3], [4, 5], [6, 7, 8, 9], [5, 6])


def model_of(log, seed=0, **config):
    """A small model with large random weights, biases too."""
    torch.manual_seed(seed)
    catalogue = Catalogue.learned(log, np.arange(len(log)))
    model = GRU4Rec(catalogue, GRU4Rec.Config(hidden_dim=5, **config))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * 0.5)
        model.items.weight[0] = 0
    return model


def batches(model, log, positions=None, batch_size=2, rng=InOrder):
    positions = np.arange(len(log)) if positions is None else positions
    return list(model.training_batches(log, positions, batch_size, length=2, rng=rng))


# --- sessions side by side ---------------------------------------------------------------------


def test_sessions_advance_side_by_side_and_a_new_one_takes_the_slot_of_one_that_ended(log):
    steps = [
        (one.item.tolist(), one.target.tolist(), one.previous.tolist())
        for one in batches(model_of(log), log)
    ]
    assert steps == [
        ([[1], [4]], [[2], [5]], [-1, -1]),
        ([[2], [6]], [[3], [7]], [0, -1]),  # the second session had one step
        ([[5], [7]], [[6], [8]], [-1, 1]),  # the first is over, the fourth begins
        ([[8]], [[9]], [1]),  # nothing waits: the batch shrinks, and row 1 goes on as row 0
    ]


@pytest.mark.parametrize("batch_size", [2, 7, 64, 500])
def test_every_pair_of_neighbours_is_learned_from_exactly_once(small_log, small_split, batch_size):
    model = model_of(small_log)
    rng = np.random.default_rng(0)
    steps = list(model.training_batches(small_log, small_split.train, batch_size, 3, rng))
    found = np.concatenate([torch.cat([one.item, one.target], 1).numpy() for one in steps])
    target = small_split.train[small_log.history_length(small_split.train) > 0]
    expected = np.stack([small_log.item[target - 1], small_log.item[target]], 1)
    np.testing.assert_array_equal(
        np.sort(found.view("i8,i8").ravel()),
        np.sort(expected.astype(np.int64).view("i8,i8").ravel()),
    )
    sizes = [len(one.item) for one in steps]
    assert max(sizes) == sizes[0] == min(batch_size, small_log.num_users)
    assert sizes == sorted(sizes, reverse=True)
    assert sum(int((one.previous < 0).sum()) for one in steps) == small_log.num_users


def test_the_order_of_sessions_follows_the_generator(small_log, small_split):
    model, train = model_of(small_log), small_split.train
    first, again, other = (
        batches(model, small_log, train, 8, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert all(a.item.equal(b.item) for a, b in zip(first, again, strict=True))
    assert not first[0].item.equal(other[0].item)


@torch.no_grad()
def test_the_hidden_state_is_that_of_a_gru_run_over_the_whole_session(small_log, small_split):
    model = model_of(small_log, num_layers=2)
    sessions, rows = {}, []  # of (item, state) pairs
    for batch in batches(model, small_log, small_split.train, 16, np.random.default_rng(0)):
        found = model.encode(batch)[:, 0]
        previous = batch.previous.tolist()
        rows = [[] if p < 0 else rows[p] for p in previous]
        for row, item, state in zip(rows, batch.item[:, 0].tolist(), found, strict=True):
            row += [(item, state)]
        sessions |= {id(row): row for row in rows}
    assert len(sessions) == small_log.num_users
    assert max(map(len, sessions.values())) > 20
    for pairs in sessions.values():
        items, carried = zip(*pairs, strict=True)
        whole, _ = model.gru(model.items(torch.tensor([items])))
        torch.testing.assert_close(torch.stack(carried), whole[0], rtol=1e-5, atol=1e-6)


def test_scoring_neither_uses_nor_changes_the_carried_state(log):
    model = model_of(log)
    model.loss(batches(model, log)[0])
    carried = model.carried.clone()
    fresh = model_of(log)
    history = Batch(torch.tensor([[1, 2], [4, 0]]))
    assert model.score_all(history).equal(fresh.score_all(history))
    assert model.carried.equal(carried) and carried.abs().max() > 0.01


def test_the_gradient_does_not_flow_through_time(log):
    model = model_of(log)
    first, second, *_ = batches(model, log)
    model.encode(first)
    assert not model.carried.requires_grad
    model.encode(second)[0].sum().backward()  # the session 1, 2, ...
    gradient = model.items.weight.grad.abs().sum(1)
    assert gradient[2] > 0.01 and gradient[1] == 0


def test_the_carried_state_survives_a_checkpoint(log, tmp_path):
    model, first_two = model_of(log), batches(model_of(log), log)[:2]
    model.encode(first_two[0])
    torch.save(model.state_dict(), tmp_path / "checkpoint.pt")
    expected = model.encode(first_two[1])
    resumed = model_of(log, seed=1)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert resumed.encode(first_two[1]).equal(expected)
    forgetful = model_of(log)  # the same weights, nothing carried
    begins = Batch(first_two[1].item, previous=torch.tensor([-1, -1]))
    assert not forgetful.encode(begins)[0].allclose(expected[0])
    assert forgetful.encode(begins)[1].allclose(expected[1])  # the session that just began


def test_a_model_file_holds_no_half_finished_session(log, tmp_path):
    model = model_of(log)
    model.encode(batches(model, log)[0])
    spec = {"model": "gru4rec", "config": {"hidden_dim": 5}}
    save_model(model, spec, log.items, tmp_path / "model.safetensors")
    loaded, _ = load_model(tmp_path / "model.safetensors")
    history = Batch(torch.tensor([[1, 2, 3]]))
    assert loaded.score_all(history).equal(model.eval().score_all(history))


def test_the_gates_start_smaller_than_in_the_official_code_and_the_items_alike(
    small_log, small_split
):
    """At width 100 each gate there is uniform in +-sqrt(6 / 200); see book/deviations.md."""
    torch.manual_seed(0)
    config = GRU4Rec.Config(hidden_dim=100)
    model = GRU4Rec(Catalogue.learned(small_log, small_split.train), config)
    gates = [*model.gru.weight_ih_l0.chunk(3), *model.gru.weight_hh_l0.chunk(3)]
    for gate in gates:
        assert gate.shape == (100, 100)
        assert 0.95 < gate.abs().max() / 0.122474 <= 1  # theirs: .173205
        assert gate.std().item() == pytest.approx(0.0707, rel=0.05)  # theirs: .1
    assert 0.95 < model.items.weight.abs().max() / 0.206284 <= 1  # 41 rows: sqrt(6 / 141)
    assert model.items.weight[0].abs().max() == 0


@pytest.mark.parametrize("where", ["dropout_embed", "dropout_hidden"])
def test_dropout_acts_in_training_only(log, where):
    model, batch = model_of(log, **{where: 0.5}), Batch(torch.tensor([[1, 2, 3]]))
    assert not model.encode(batch).equal(model.encode(batch))
    model.eval()
    assert model.encode(batch).equal(model.encode(batch))


# --- two steps in plain numpy ------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(weight, item, hidden):
    """One step of a gated recurrent unit for each row."""
    given = weight["items.weight"][item] @ weight["gru.weight_ih_l0"].T + weight["gru.bias_ih_l0"]
    kept = hidden @ weight["gru.weight_hh_l0"].T + weight["gru.bias_hh_l0"]
    size = hidden.shape[1]
    reset, update = (sigmoid(given[:, i : i + size] + kept[:, i : i + size]) for i in (0, size))
    new = np.tanh(given[:, 2 * size :] + reset * kept[:, 2 * size :])
    return (1 - update) * new + update * hidden


def cross_entropy(scores, targets, sampled, frequency):
    """Softmax over the own target and the negatives, each as rare as it is expected to be."""
    weight = np.where(np.arange(len(frequency)) > 0, frequency**0.5, 0)
    expected = len(sampled) * weight / weight.sum() + len(targets) * frequency / frequency.sum()
    losses = []
    for row, own in zip(scores, targets, strict=True):
        negatives = [i for i in [*sampled, *targets] if i != own]
        mass = np.exp(row[own]) + sum(np.exp(row[i]) / expected[i] for i in negatives)
        losses.append(-np.log(np.exp(row[own]) / mass))
    return np.mean(losses)


def bpr_max(scores, targets, sampled, _):
    """-log of the softmax-weighted chance to beat a negative, and the weighted square of scores."""
    losses = []
    for row, own in zip(scores, targets, strict=True):
        r = np.array([row[i] for i in [*sampled, *targets] if i != own])
        s = np.exp(r - r.max()) / np.exp(r - r.max()).sum()
        losses.append(-np.log((s * sigmoid(row[own] - r)).sum()) + 0.5 * (s * r**2).sum())
    return np.mean(losses)


@pytest.mark.parametrize(
    ("objective", "formula"),
    [
        (SampledSoftmax(6, alpha=0.5, in_batch=True), cross_entropy),
        (SampledSoftmax(0, alpha=0.5, in_batch=True), cross_entropy),
        (BPRMax(6, alpha=0.5, regularisation=0.5), bpr_max),
        (BPRMax(0, alpha=0.5, regularisation=0.5), bpr_max),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_the_loss_of_two_steps_is_that_of_a_plain_numpy_version(log, objective, formula):
    model = model_of(log, objective=objective)
    weight = {name: value.detach().numpy() for name, value in model.named_parameters()}
    frequency = np.bincount(log.item, minlength=10).astype(float)
    hidden = np.zeros((2, 5))
    for number, batch in enumerate(batches(model, log)[:2]):
        torch.manual_seed(number)
        sampled, _ = sampled_items(objective.num_negatives, 0.5, model.frequency)
        torch.manual_seed(number)
        loss = model.loss(batch).item()
        hidden = np.where(batch.previous.numpy()[:, None] < 0, 0, hidden)  # slots stay in place
        hidden = step(weight, batch.item[:, 0].numpy(), hidden)
        scores = hidden @ weight["items.weight"].T + weight["bias"]
        expected = formula(scores, batch.target[:, 0].tolist(), sampled.tolist(), frequency)
        assert expected > 0.1
        assert loss == pytest.approx(expected, rel=1e-5)


def test_a_state_that_is_read_back_goes_where_the_items_are(small_catalogue):
    """A device that holds no values stands for a GPU: a checkpoint is read on the CPU."""
    model = GRU4Rec(small_catalogue, GRU4Rec.Config(hidden_dim=8)).to("meta")
    model.set_extra_state({"carried": torch.zeros(1, 4, 8)})
    assert model.carried.device.type == "meta"
    model.set_extra_state({"carried": None})
    assert model.carried is None


def test_events_that_are_context_are_refused_since_every_event_is_learned(small_catalogue, log_of):
    log = dataclasses.replace(log_of([1, 2, 3]), context=np.array([False, True, False]))
    batches = GRU4Rec(small_catalogue, GRU4Rec.Config()).training_batches(
        log, log.questions, 2, 10, np.random.default_rng(0)
    )
    with pytest.raises(ValueError, match="it can have no context: use gru"):
        next(batches)
