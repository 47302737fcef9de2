import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.patterns import mine
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.wrappers.memory import Memory
from seqrec_lib.models.wrappers.retrieval import CrossAttention, Retrieval
from seqrec_lib.training import loop
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

SASREC = SASRec.Config(embed_dim=8, hidden_dim=12, num_layers=1, max_len=20, dropout=0.2)
CONFIG = Retrieval.Config(SASREC, neighbours=5, num_heads=2)


def around(log, split, config=CONFIG, seed=0):
    """A retrieval around an encoder with large random weights, its memory filled."""
    torch.manual_seed(seed)
    catalogue = Catalogue.learned(log, split.train)
    model = Retrieval(catalogue, config)
    source = type(model.encoder)(catalogue, config.encoder)
    with torch.no_grad():
        for weight in source.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
        source.items.weight[0] = 0
    model.start_from(source)
    model.fill(log, split.train, 20)
    return model


def first_batch(model, log, split):
    return next(model.training_batches(log, split.train, 32, 20, np.random.default_rng(0)))


# --- what a state reads ------------------------------------------------------------------------


def test_at_first_the_attention_is_a_nearest_neighbour_mean():
    torch.manual_seed(0)
    attention = CrossAttention(8, 2, 0.0, sharpness=3.0)
    state, keys = F.normalize(torch.randn(4, 8), dim=-1), F.normalize(torch.randn(4, 6, 8), dim=-1)
    # both heads see the same cosine, so that they weigh alike
    keys, state = keys[..., :4].repeat(1, 1, 2), state[..., :4].repeat(1, 2)
    values = torch.randn(4, 6, 8)
    weight = torch.softmax(3 * torch.einsum("pd,pkd->pk", state, keys), 1)
    expected = torch.einsum("pk,pkd->pd", weight, values)
    torch.testing.assert_close(attention(state, keys, values), expected)


def test_attention_is_torchs_own_given_the_same_weights():
    torch.manual_seed(0)
    ours = CrossAttention(8, 2, 0.0, sharpness=0.5 / 4**0.5)  # two heads, each 4 wide
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        for weight in ours.parameters():
            if weight.ndim:  # but the sharpness
                weight.normal_()
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        # a bias of the keys moves all neighbours alike: ours has none, theirs any
        biases = (ours.query.bias, torch.randn(8), ours.value.bias)
        theirs.in_proj_bias.copy_(torch.cat(biases))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    state, keys, values = torch.randn(4, 8), torch.randn(4, 6, 8), torch.randn(4, 6, 8)
    expected = theirs(state[:, None], keys, values)[0][:, 0]
    torch.testing.assert_close(ours(state, keys, values), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("temperature", [None, 0.1])
@torch.no_grad()
def test_with_all_weight_on_its_own_state_it_scores_as_its_encoder(
    small_log, small_split, temperature
):
    encoder = dataclasses.replace(SASREC, temperature=temperature)
    config = dataclasses.replace(CONFIG, encoder=encoder, alpha=1.0)
    model = around(small_log, small_split, config).eval()
    batch = small_log.histories(small_split.test, 20)
    torch.testing.assert_close(model.score_all(batch), model.encoder.score_all(batch))
    mixed = dataclasses.replace(config, alpha=0.5)
    other = around(small_log, small_split, mixed).eval().score_all(batch)
    assert not torch.allclose(other, model.encoder.score_all(batch), atol=0.1)


@torch.no_grad()
def test_the_mixture_by_hand(small_log, small_split):
    config = dataclasses.replace(CONFIG, alpha=0.3, beta=0.6, num_heads=1, sharpness=2.0)
    model = around(small_log, small_split, config).eval()
    batch = small_log.histories(small_split.test[:3], 20)
    table, memory = model.encoder.items.weight, model.memory
    states = model.encoder.state(batch)
    neighbours = memory.nearest(F.normalize(states, dim=1), 5)  # of equal ones, the same
    for state, chosen, scores in zip(states, neighbours, model.score_all(batch), strict=True):
        unit = F.normalize(state, dim=0)
        keys, values = memory.keys[chosen], table[memory.items[chosen]]
        items = torch.softmax(2 * keys @ unit, 0) @ values
        states = torch.softmax(2 * values @ unit, 0) @ keys
        mixed = 0.3 * state + 0.7 * (0.6 * items + 0.4 * states)
        torch.testing.assert_close(scores[1:], table[1:] @ mixed, rtol=1e-4, atol=1e-5)


# --- what is remembered ------------------------------------------------------------------------


def test_the_memory_holds_every_training_history_with_its_item(small_log, small_split):
    model = around(small_log, small_split)
    held = small_split.train[small_log.history_length(small_split.train) > 0]
    memory = model.memory
    assert memory.positions.tolist() == held.tolist()
    assert memory.items.tolist() == small_log.item[held].tolist()
    assert memory.owners.tolist() == small_log.user_of(held).tolist()
    state = model.encoder.eval().state(small_log.histories(held[50:51], 20))
    torch.testing.assert_close(memory.keys[50], F.normalize(state[0], dim=0).detach())


def test_a_memory_of_patterns_holds_what_completes_them(small_log, small_split):
    model = around(small_log, small_split, dataclasses.replace(CONFIG, memory="patterns"))
    patterns = mine(small_log, small_split.train)
    assert sorted(model.memory.items.tolist()) == sorted(row[-2] for row in patterns)
    assert (model.memory.owners == -1).all(1).any()


def test_in_training_no_step_reads_a_pattern_that_its_own_user_made(small_log, small_split):
    config = dataclasses.replace(CONFIG, memory="patterns")
    model = around(small_log, small_split, config)
    first_batch(model, small_log, small_split)
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    owners = model.memory.owners.numpy()[model._neighbours[asked]]
    assert not (owners == small_log.user_of(asked)[:, None, None]).any()
    free = model.memory.nearest(F.normalize(model.states(small_log, asked, 20), dim=1), 5)
    owners = model.memory.owners.numpy()[free]
    assert (owners == small_log.user_of(asked)[:, None, None]).any()  # else nothing was tested


def test_in_training_no_step_reads_what_was_written_from_its_own_user(small_log, small_split):
    """The last third of the users made into sequences written from the first third's."""
    users, third = small_log.num_users, small_log.num_users // 3
    sources = np.r_[: users - third, :third]
    log = dataclasses.replace(small_log, sources=sources)
    model = around(log, small_split)
    first_batch(model, log, small_split)
    asked = small_split.train[log.history_length(small_split.train) > 0]
    found = model.memory.positions.numpy()[model._neighbours[asked]]
    own = sources[log.user_of(found.ravel())].reshape(found.shape) == log.source_of(asked)[:, None]
    same = log.user_of(found.ravel()).reshape(found.shape) == log.user_of(asked)[:, None]
    assert (own == same).all() and same.any()
    assert (found < asked[:, None])[same].all()


def test_in_training_no_step_reads_its_own_present_or_future(small_log, small_split):
    model = around(small_log, small_split)
    where = model.memory.positions.numpy()
    owner = model.memory.owners.numpy()
    for batch in model.training_batches(
        small_log, small_split.train, 32, 20, np.random.default_rng(0)
    ):
        assert batch.extra["neighbours"].shape == (*batch.item.shape, 5)
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    found = model._neighbours[asked]
    assert (found >= 0).all() and len(found) > 100
    own = owner[found] == small_log.user_of(asked)[:, None]
    assert (where[found] < asked[:, None])[own].all() and own.any()


def test_each_step_gets_the_neighbours_of_its_own_target(small_log, small_split):
    model = around(small_log, small_split)
    batch = first_batch(model, small_log, small_split)
    model.eval()
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    start, position = small_log.offsets[small_log.user_of(asked)], {}
    for first, place in zip(start, asked, strict=True):
        key = (tuple(small_log.item[first:place].tolist()), int(small_log.item[place]))
        position.setdefault(key, []).append(place)
    for row in range(5):
        for step in range(int(batch.length[row])):
            key = (tuple(batch.item[row, : step + 1].tolist()), int(batch.target[row, step]))
            if key not in position:  # a window that does not begin with its user
                continue
            found = batch.extra["neighbours"][row, step].tolist()
            assert any(found == model._neighbours[p].tolist() for p in position[key])


# --- what learns -------------------------------------------------------------------------------


def test_a_frozen_encoder_stays_and_the_attention_learns(small_log, small_split):
    model = around(small_log, small_split).train()
    model.loss(first_batch(model, small_log, small_split)).backward()
    assert all(weight.grad is None for weight in model.encoder.parameters())
    assert model.items_read.value.weight.grad.abs().max() > 0
    assert not model.encoder.training and model.training  # no dropout in what stays


def test_an_encoder_that_is_not_frozen_learns_with_it(small_log, small_split):
    config = dataclasses.replace(CONFIG, frozen=False)
    model = around(small_log, small_split, config).train()
    before = model.memory.keys.clone()
    batch = first_batch(model, small_log, small_split)
    model.loss(batch).backward()
    assert all(weight.grad.abs().max() > 0 for weight in model.encoder.parameters())
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    first_batch(model, small_log, small_split)  # another pass
    assert not torch.allclose(model.memory.keys, before, atol=0.1)
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    kept = model.memory.keys.clone()
    assert model.eval().train().memory.keys.equal(kept)  # a change of mode fills nothing
    model.begin_scoring(small_log, small_split.train, 20)  # scored with what the encoder is now
    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    states = model.states(small_log, asked, 20)
    torch.testing.assert_close(model.memory.keys, torch.nn.functional.normalize(states, dim=-1))


def test_it_goes_around_gru4rec(small_log, small_split):
    config = Retrieval.Config(GRU4Rec.Config(hidden_dim=8), neighbours=5)
    model = around(small_log, small_split, config)
    batch = first_batch(model, small_log, small_split)
    model.loss(batch).backward()
    with torch.no_grad():
        scores = model.eval().score_all(Batch(batch.item))
    assert scores[:, 1:].isfinite().all() and (scores[:, 0] == -torch.inf).all()


def test_a_memory_may_be_given_later_positions_than_its_attention_learned_from(
    small_log, small_split
):
    """As in the released RaSeRec, which remembers the validation pairs at test."""
    source = around(small_log, small_split)
    learned = np.sort(np.concatenate([small_split.train, small_split.valid]))
    split = dataclasses.replace(small_split, train=learned, valid=learned[:0])
    model = Retrieval(Catalogue.learned(small_log, learned), CONFIG)
    model.start_from(source)
    fit(model, small_log, split, Training(epochs=0, max_len=20))
    with_history = learned[small_log.history_length(learned) > 0]
    assert len(model.memory) == len(source.memory) + len(small_split.valid)
    assert model.memory.positions.tolist() == with_history.tolist()
    states = F.normalize(source.states(small_log, with_history, 20), dim=-1)
    torch.testing.assert_close(model.memory.keys, states)
    for one, other in zip(model.parameters(), source.parameters(), strict=True):
        assert one.equal(other)


def test_what_would_learn_another_model_than_it_scores_is_refused(small_log, small_split):
    model = around(small_log, small_split, dataclasses.replace(CONFIG, copied=0.1)).train()
    with pytest.raises(ValueError, match="copied is 0.1: a share by name is asked, not learned"):
        model.loss(first_batch(model, small_log, small_split))


def test_an_encoder_of_other_settings_is_refused(small_log, small_split):
    model = around(small_log, small_split)
    catalogue = Catalogue.learned(small_log, small_split.train)
    other = SASRec(catalogue, dataclasses.replace(SASREC, embed_dim=16))
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.start_from(other)


def test_another_kind_of_memory_is_refused(small_catalogue):
    with pytest.raises(ValueError, match="memory is 'all'; use 'histories' or 'patterns'"):
        Retrieval(small_catalogue, dataclasses.replace(CONFIG, memory="all"))


def test_an_encoder_that_looks_both_ways_cannot_learn_along(small_catalogue):
    config = dataclasses.replace(CONFIG, encoder=BERT4Rec.Config(embed_dim=8, max_len=20))
    Retrieval(small_catalogue, config)
    with pytest.raises(ValueError, match="BERT4Rec sees what it would learn from; use frozen=True"):
        Retrieval(small_catalogue, dataclasses.replace(config, frozen=False))


def test_neighbours_may_be_shared_by_those_that_need_as_many_or_fewer(small_log, small_split):
    wide = around(small_log, small_split, dataclasses.replace(CONFIG, neighbours=9))
    wide.begin_pass(small_log, small_split.train, 20)
    narrow = Retrieval(Catalogue.learned(small_log, small_split.train), CONFIG)
    narrow.start_from(wide.encoder)
    narrow.share(wide, small_log)
    alone = around(small_log, small_split)
    a, b = (first_batch(model, small_log, small_split) for model in (narrow, alone))
    a_keys, b_keys = (
        model.memory.keys[batch.extra["neighbours"][batch.target > 0]]
        for model, batch in ((narrow, a), (alone, b))
    )
    torch.testing.assert_close(a_keys, b_keys)  # equal histories have equal keys, in any order
    assert a.extra["states"].equal(b.extra["states"])
    with pytest.raises(ValueError, match="5 neighbours were looked for, 9 are needed"):
        wide.share(narrow, small_log)


@torch.no_grad()
def test_what_is_consulted_is_what_is_read(small_log, small_split):
    """With the projections of an untrained attention, the weighted mean of the items found."""
    model = around(small_log, small_split).eval()
    batch = small_log.histories(small_split.test[:6], 20)
    found, weights = model.consulted(batch)
    assert found.shape == weights.shape == (6, 5)
    torch.testing.assert_close(weights.sum(1), torch.ones(6))
    unit = F.normalize(model.encoder.state(batch), dim=-1)
    cosine = torch.einsum("bd,bkd->bk", unit, model.memory.keys[found])
    assert (cosine.diff(dim=1) <= 1e-6).all()  # nearest first
    with_one_head = dataclasses.replace(CONFIG, num_heads=1)
    alone = around(small_log, small_split, with_one_head).eval()
    found, weights = alone.consulted(batch)
    torch.testing.assert_close(
        weights,
        torch.softmax(
            CONFIG.sharpness * torch.einsum("bd,bkd->bk", unit, alone.memory.keys[found]), 1
        ),
    )


@torch.no_grad()
def test_a_share_of_the_chance_goes_to_the_items_found(small_log, small_split):
    plain = around(small_log, small_split).eval()
    copying = around(small_log, small_split, dataclasses.replace(CONFIG, copied=0.25)).eval()
    batch = small_log.histories(small_split.test[:8], 20)
    expected = 0.75 * plain.score_all(batch).softmax(1)
    for row, (entries, weights) in enumerate(zip(*plain.consulted(batch), strict=True)):
        for entry, weight in zip(entries, weights, strict=True):
            expected[row, plain.memory.items[entry]] += 0.25 * weight
    torch.testing.assert_close(copying.score_all(batch).exp(), expected)


@pytest.mark.parametrize("update", [1, 4])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_run_stopped_in_its_second_pass_ends_as_if_never_stopped(
    small_log, small_split, tmp_path, frozen, update, monkeypatch
):
    config = dataclasses.replace(CONFIG, frozen=frozen)
    training = Training(epochs=2, batch_size=64, max_len=20)
    whole = around(small_log, small_split, config)
    torch.manual_seed(1)
    expected = fit(whole, small_log, small_split, training)

    stopped, learn = around(small_log, small_split, config), loop._Run.learn

    def until_then(run, batch):
        if run.at.epoch == 1 and run.at.step + 1 == update:
            raise KeyboardInterrupt
        return learn(run, batch)

    monkeypatch.setattr(loop._Run, "learn", until_then)
    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, small_log, small_split, training, tmp_path / "run.ckpt", 0.0)
    monkeypatch.undo()

    again = around(small_log, small_split, config, seed=2)
    again.memory = Memory(8)  # nothing remembered yet
    history = fit(again, small_log, small_split, training, tmp_path / "run.ckpt")
    assert [row["loss"] for row in history] == [row["loss"] for row in expected]
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, rtol=0, atol=0)
