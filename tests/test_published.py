"""Released checkpoints: what is kept of them is what their authors print, and the pass is right."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.records.store import load, summarise

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
KEPT = json.loads((RESULTS / "published_quality.json").read_text())["checkpoints"]


def ranks(name):
    return pd.read_parquet(RESULTS / "published" / name / "ranks.parquet")


@pytest.mark.parametrize("name", KEPT)
def test_the_ranks_give_the_figures_that_the_authors_print(name):
    found = summarise(ranks(name))
    assert found == KEPT[name]["summary"]
    printed = dict(KEPT[name]["printed"])
    protocol = printed.pop("protocol")
    assert len(printed) == 6 and min(printed.values()) > 0.01
    for metric, value in printed.items():
        assert abs(found[protocol][metric] - value) <= 1e-4


@pytest.mark.parametrize("name", [name for name in KEPT if KEPT[name]["dataset"] == "beauty"])
def test_they_are_of_the_test_events_that_our_records_have(name):
    ours = load(ROOT / "book" / "results" / "beauty" / "popular" / "s0").ranks
    theirs = ranks(name)
    np.testing.assert_array_equal(theirs["user"], ours["user"])
    np.testing.assert_array_equal(theirs["item"], ours["item"])
    assert not theirs["rank_masked"].equals(ours["rank_masked"])


@pytest.mark.parametrize("newest_last", [True, False])
@torch.no_grad()
def test_the_attention_is_torchs_own_given_the_same_weights(monkeypatch, newest_last):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from published.attention import Attention

    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, 12, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    )
    theirs = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    first = torch.nn.LayerNorm(8, eps=1e-12)
    weights = {f"LayerNorm.{kind}": getattr(first, kind) for kind in ("weight", "bias")}
    weights["item_embeddings.weight"] = torch.randn(8, 8)  # six items, padding and a mask
    weights["position_embeddings.weight"] = torch.randn(50, 8)
    for number, one in enumerate(theirs.layers):
        for part in one.parameters():
            part.normal_()
        named = {
            "attention.dense": one.self_attn.out_proj,
            "attention.LayerNorm": one.norm1,
            "intermediate.dense_1": one.linear1,
            "intermediate.dense_2": one.linear2,
            "intermediate.LayerNorm": one.norm2,
        }
        parts = {f"{n}.{kind}": getattr(p, kind) for n, p in named.items() for kind in KINDS}
        for kind in KINDS:
            split = getattr(one.self_attn, f"in_proj_{kind}").chunk(3)
            for called, value in zip(("query", "key", "value"), split, strict=True):
                parts[f"attention.{called}.{kind}"] = value
        weights |= {f"item_encoder.layer.{number}.{n}": value for n, value in parts.items()}
    ours = Attention(Catalogue(6, np.zeros(7, dtype=np.int64)), weights, newest_last)
    batch = Batch(torch.tensor([[3, 1, 4, 2], [5, 6, 0, 0]]))
    for row, length in enumerate((4, 2)):
        item, place = batch.item[row, :length], torch.arange(length)
        place = place + 50 - length if newest_last else place
        x = first(weights["item_embeddings.weight"][item] + ours.places_weight[place])
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        state = theirs(x[None], mask=ahead)[0, -1]
        torch.testing.assert_close(ours.state(batch)[row], state, rtol=1e-5, atol=1e-5)
        expected = weights["item_embeddings.weight"][:7] @ state
        torch.testing.assert_close(ours.score_all(batch)[row, 1:], expected[1:])


KINDS = ("weight", "bias")


@torch.no_grad()
def test_wearec_with_nothing_to_filter_normalises_what_it_read_twice_over(monkeypatch):
    """Frequencies as they are and differences as they are: both views are the history itself."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from published.wearec import WEARec

    torch.manual_seed(0)
    block, weights = "item_encoder.blocks.0.", {}
    for name in ("LayerNorm", block + "layer.LayerNorm", block + "feed_forward.LayerNorm"):
        weights |= {f"{name}.weight": torch.ones(8), f"{name}.bias": torch.zeros(8)}
    shapes = {
        "layer.adaptive_mlp.0": (8, 8),
        "layer.adaptive_mlp.2": (2 * 26 * 2, 8),
        "feed_forward.dense_1": (12, 8),
        "feed_forward.dense_2": (8, 12),
    }
    for name, (out, into) in shapes.items():
        weights |= {f"{block}{name}.weight": torch.zeros(out, into)}
        weights |= {f"{block}{name}.bias": torch.zeros(out)}
    weights[block + "layer.base_filter"] = torch.ones(2, 26, 1)
    weights[block + "layer.base_bias"] = torch.zeros(2, 26, 1)
    weights[block + "layer.complex_weight"] = torch.ones(1, 2, 25, 4)
    weights["item_embeddings.weight"] = torch.randn(7, 8)
    weights["position_embeddings.weight"] = torch.randn(50, 8)
    catalogue = Catalogue(6, np.zeros(7, dtype=np.int64))
    batch = Batch(torch.tensor([[3, 1, 4], [5, 0, 0]]))
    read = weights["item_embeddings.weight"][[4, 5]] + weights["position_embeddings.weight"][-1]
    expected = torch.nn.functional.layer_norm(read, (8,))
    found = WEARec(catalogue, weights, share=0.3).state(batch)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # without differences each event is the mean of its pair: the newest and the one before it
    weights[block + "layer.complex_weight"] = torch.zeros(1, 2, 25, 4)
    changed = WEARec(catalogue, weights, share=0.0).state(batch)
    x = torch.nn.functional.layer_norm(
        weights["item_embeddings.weight"][[1, 4]] + weights["position_embeddings.weight"][-2:], (8,)
    )
    expected = torch.nn.functional.layer_norm(x[1] + x.mean(0), (8,))
    torch.testing.assert_close(changed[0], expected, rtol=1e-4, atol=1e-4)
