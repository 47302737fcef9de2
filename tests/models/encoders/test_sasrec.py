import math

import numpy as np
import pytest
import torch
from torch import nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.sasrec import SASRec, waves


def catalogue(num_items):
    return Catalogue(num_items, np.r_[0, np.ones(num_items, dtype=np.int64)])


def model_of(seed=0, **config):
    """A small model with large random weights, so that every part of it shows."""
    torch.manual_seed(seed)
    small = {"embed_dim": 8, "hidden_dim": 12, "num_heads": 2, "max_len": 6, "dropout": 0.0}
    model = SASRec(catalogue(11), SASRec.Config(**small | config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
        model.items.weight[0] = 0
    return model


BATCH = Batch(torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 0, 0, 0], [8, 0, 0, 0, 0, 0]]))


def torchs_own(model, config):
    """torch.nn's pre-norm encoder with the weights of ``model``."""
    layers = []
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(
            config.embed_dim,
            config.num_heads,
            config.hidden_dim,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        linear = [part for part in block.feed if isinstance(part, nn.Linear)]
        with torch.no_grad():
            layer.self_attn.in_proj_weight.copy_(block.attention.project.weight)
            layer.self_attn.in_proj_bias.copy_(block.attention.project.bias)
        layer.self_attn.out_proj.load_state_dict(block.attention.out.state_dict())
        layer.linear1.load_state_dict(linear[0].state_dict())
        layer.linear2.load_state_dict(linear[1].state_dict())
        layer.norm1.load_state_dict(block.attention_norm.state_dict())
        layer.norm2.load_state_dict(block.feed_norm.state_dict())
        layers.append(layer)
    return nn.ModuleList(layers)


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (2, 3), (4, 2)])
def test_the_encoder_is_torchs_pre_norm_encoder_given_the_same_weights(heads, layers):
    model = model_of(num_heads=heads, num_layers=layers)
    age = (BATCH.length[:, None] - 1 - torch.arange(6)).clamp(min=0)
    x = model.items(BATCH.item) + model.positions(age)
    later = nn.Transformer.generate_square_subsequent_mask(6)
    for layer in torchs_own(model, model.config):
        x = layer(x, src_mask=later, is_causal=True)
    expected = model.norm(x)[BATCH.real]
    assert expected.std() > 0.5
    torch.testing.assert_close(model.encode(BATCH)[BATCH.real], expected, rtol=1e-5, atol=1e-5)


def test_the_large_form_of_seed_001_has_its_number_of_weights():
    config = SASRec.Config(embed_dim=128, hidden_dim=256, num_layers=2, max_len=50, tied=False)
    with torch.device("meta"):
        model = SASRec(catalogue(456_186), config)
    assert len(model.items.weight) == 456_187  # with padding
    assert sum(weight.numel() for weight in model.parameters()) == 117_511_675


def test_places_are_counted_back_from_the_newest_event():
    model, moved = model_of(), model_of()
    with torch.no_grad():
        moved.positions.weight[2] += torch.randn(8)
    for length in range(1, 7):
        batch = Batch(torch.arange(1, length + 1)[None])
        change = (model.encode(batch) - moved.encode(batch)).abs().amax(-1)[0]
        untouched = max(0, length - 3)  # steps before the last but two do not meet its place
        assert (change[:untouched] == 0).all() and (change[untouched:] > 1e-3).all() == (length > 2)


@pytest.mark.parametrize("places", ["none", "absolute", "sinusoid", "back"])
def test_only_places_counted_back_change_when_more_follows(places):
    model, item = model_of(places=places), torch.tensor([[3, 1, 4, 1, 5]])
    early, whole = (model.encode(Batch(part)) for part in (item[:, :3], item))
    change = (whole[:, :3] - early).abs().max()
    assert change > 1e-2 if places == "back" else change < 1e-5


@pytest.mark.parametrize("places", ["none", "absolute", "sinusoid", "back"])
def test_what_the_order_of_earlier_events_changes(places):
    """Without places one layer sees a set; the second sees what the mask let the first one see."""
    for layers in (1, 2):
        model = model_of(places=places, num_layers=layers)
        a, b = (model.state(Batch(torch.tensor([one]))) for one in ([1, 2, 6, 3], [6, 1, 2, 3]))
        change = (a - b).abs().max()
        assert change < 1e-5 if places == "none" and layers == 1 else change > 1e-3


def test_absolute_places_are_counted_from_the_oldest_event():
    model, moved = model_of(places="absolute"), model_of(places="absolute")
    with torch.no_grad():
        moved.positions.weight[2] += torch.randn(8)
    change = (model.encode(BATCH) - moved.encode(BATCH)).abs().amax(-1)
    assert (change[:2, :2] == 0).all() and change[2, 0] == 0
    assert (change[0, 2:] > 1e-3).all() and change[1, 2] > 1e-3


@pytest.mark.parametrize("places", ["none", "sinusoid"])
def test_fixed_places_and_none_have_no_weights(places):
    assert "positions.weight" not in model_of(places=places).state_dict()
    count = [sum(w.numel() for w in model_of(places=p).parameters()) for p in (places, "back")]
    assert count[1] - count[0] == 6 * 8


def test_waves_by_hand():
    found = waves(torch.arange(3), 4)
    expected = [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in range(3)]
    torch.testing.assert_close(found, torch.tensor(expected))
    agree = waves(torch.arange(50), 16) @ waves(torch.arange(50), 16).T
    torch.testing.assert_close(agree[:-7, :-7], agree[7:, 7:], rtol=1e-4, atol=1e-4)
    assert (agree.diagonal() > agree.diagonal(5).max() + 0.5).all()
    assert waves(torch.arange(3), 5).shape == (3, 5)


def test_sinusoids_are_added_to_the_items():
    model, item = model_of(places="sinusoid"), torch.tensor([[3, 1, 4]])
    read = model._placed(model.items(item), item > 0)
    torch.testing.assert_close(read - model.items(item), 0.02 * waves(torch.arange(3), 8)[None])


def test_other_places_are_refused():
    with pytest.raises(ValueError, match="places is 'ahead'; use one of none, absolute, back"):
        model_of(places="ahead")


def test_swapping_two_earlier_events_changes_the_state():
    model = model_of()
    a, b = (model.state(Batch(torch.tensor([one]))) for one in ([1, 2, 3], [2, 1, 3]))
    assert (a - b).abs().max() > 1e-2


def test_events_older_than_max_len_share_the_last_place():
    short, long = model_of(max_len=3), model_of(max_len=5)
    weights = short.state_dict()
    weights["positions.weight"] = weights["positions.weight"][[0, 1, 2, 2, 2]]
    batch = Batch(torch.tensor([[1, 2, 3, 4, 5]]))
    assert not short.encode(batch).allclose(long.encode(batch))
    long.load_state_dict(weights)
    torch.testing.assert_close(short.encode(batch), long.encode(batch))


def test_tied_items_score_by_inner_product_with_the_input_table():
    model = model_of()
    expected = model.state(BATCH) @ model.items.weight.T
    torch.testing.assert_close(model.score_all(BATCH)[:, 1:], expected[:, 1:])
    assert expected.std() > 0.5


def test_an_untied_model_has_its_own_output_table_and_bias():
    model = model_of(tied=False)
    expected = model.output(model.state(BATCH))
    torch.testing.assert_close(model.score_all(BATCH)[:, 1:], expected[:, 1:])
    tied = model.state(BATCH) @ model.items.weight.T
    assert (tied - expected).abs().max() > 0.5


@pytest.mark.parametrize("tied", [True, False])
def test_with_a_temperature_scores_are_cosines_over_it(tied):
    model = model_of(temperature=0.1, tied=tied)
    with torch.no_grad():
        if not tied:
            model.output.bias.zero_()
    table = model.items.weight if tied else model.output.weight
    states = model_of(tied=tied).state(BATCH)  # the same weights without a temperature
    cosine = nn.functional.cosine_similarity(states[:, None], table[None, 1:], dim=-1)
    torch.testing.assert_close(model.score_all(BATCH)[:, 1:], cosine / 0.1, rtol=1e-4, atol=1e-5)


def test_weights_start_small_and_padding_at_zero():
    torch.manual_seed(0)
    model = SASRec(catalogue(500), SASRec.Config())
    assert model.items.weight[0].abs().max() == 0
    for weight in (model.items.weight[1:], model.positions.weight, model.blocks[0].feed[0].weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.blocks[0].feed[0].bias.abs().max() == 0


def test_dropout_acts_in_training_only():
    model = model_of(dropout=0.5)
    assert model.encode(BATCH).equal(model.encode(BATCH))
    model.train()
    assert not model.encode(BATCH).equal(model.encode(BATCH))


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (2, 3), (4, 2)])
def test_attention_written_out_gives_the_states_of_the_encoder(heads, layers):
    model = model_of(num_heads=heads, num_layers=layers)
    states, weights = model.attended(BATCH)
    assert weights.shape == (layers, 3, heads, 6, 6)
    torch.testing.assert_close(states, model.encode(BATCH), rtol=1e-5, atol=1e-5)


def test_attention_is_a_share_of_what_came_before():
    _, weights = model_of().attended(BATCH)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert weights.triu(1).abs().max() == 0
    assert (weights[..., 0, 0] == 1).all()  # the first step has only itself
    assert weights.tril().amin() >= 0 and weights[..., 5, :].std() > 0.05


def test_attention_agrees_with_torchs_own():
    model = model_of(num_layers=1)
    layer = torchs_own(model, model.config)[0]
    age = (BATCH.length[:, None] - 1 - torch.arange(6)).clamp(min=0)
    x = layer.norm1(model.items(BATCH.item) + model.positions(age))
    later = nn.Transformer.generate_square_subsequent_mask(6)
    _, expected = layer.self_attn(x, x, x, attn_mask=later, average_attn_weights=False)
    torch.testing.assert_close(model.attended(BATCH)[1][0], expected)


def test_changed_weights_are_the_ones_used_and_returned():
    model = model_of(num_layers=1)
    itself = torch.eye(6)
    states, weights = model.attended(BATCH, lambda found: itself.expand_as(found))
    assert (weights == itself).all()
    alone = Batch(BATCH.item[:, :1])  # a step that sees itself alone; all histories are that long
    x = model.items(alone.item) + model.positions(BATCH.length[:, None] - 1)
    torch.testing.assert_close(states[:, :1], model.norm(model.blocks[0](x)))
    assert (states - model.encode(BATCH))[:, 1:].abs().max() > 1e-2
