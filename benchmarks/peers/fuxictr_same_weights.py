"""FuxiCTR's DIN, DIEN and SIM with weights from GIVEN, compared with what ours takes of histories.

Runs in FuxiCTR's own environment (fuxictr.txt). Its models want a feature map; their forward passes
are called on what they need of one. Its SIM takes padding among the events found where a history is
shorter than k, its latest events have the mask of those one step before, and its DIEN drops the
axis of a single row: histories here are full, and several.
Report: one JSON line, the largest difference and the largest number compared of each model.
"""

import json
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import torch
from fuxictr.pytorch.layers import DIN_Attention, MultiHeadTargetAttention
from model_zoo.LongCTR.DIEN.DIEN import DIEN, AttentionLayer, DynamicGRU
from model_zoo.LongCTR.SIM.SIM import SIM
from torch import nn

given = {key: torch.from_numpy(value) for key, value in np.load(sys.argv[1]).items()}
item, asked = given["batch.item"], given["batch.asked"]
mask = torch.ones_like(item)


def of(model: str, part: str) -> torch.Tensor:
    return given[f"{model}.{part}"]


def apart(model: str, theirs: torch.Tensor) -> dict[str, float]:
    ours = of(model, "found")
    return {"apart": float((ours - theirs).abs().max()), "largest": float(ours.abs().max())}


def embedded(model: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of the events and of the candidates."""
    table = of(model, "items.weight")
    return table[item], table[asked]


def din(model: str, softmax: bool) -> torch.Tensor:
    events, candidates = embedded(model)
    own, event, both = (of(model, f"unit.{part}.weight") for part in ("item", "event", "both"))
    bend = nn.PReLU()
    bend.weight.copy_(of(model, "unit.out.0.weight"))
    layer = DIN_Attention(own.shape[1], [len(own)], [bend], use_softmax=softmax).eval()
    first, last = (one for one in layer.attention_layer.mlp if isinstance(one, nn.Linear))
    # theirs reads the difference too: here it says what is taken off the other two
    first.weight.copy_(torch.cat([own - both, event + both, both, both], 1))
    first.bias.copy_(of(model, "unit.item.bias"))
    last.weight.copy_(of(model, "unit.out.1.weight"))
    last.bias.copy_(of(model, "unit.out.1.bias"))
    return torch.stack([layer(one, events, mask) for one in candidates.unbind(1)], 1)


def dien() -> torch.Tensor:
    events, candidates = embedded("dien")
    width = events.shape[2]
    extract, attention = nn.GRU(width, width, batch_first=True), AttentionLayer(width)
    evolve = DynamicGRU(width, width, gru_type="AUGRU")
    for name, weight in extract.named_parameters():
        weight.copy_(of("dien", f"extract.{name}"))
    attention.W_kernel.copy_(of("dien", "relevance.weight").T)
    # theirs: what is taken, reset, candidate; ours: reset, what is kept, candidate
    for theirs, ours in ((evolve.gru_cell.x2h, "input"), (evolve.gru_cell.h2h, "state")):
        for name in ("weight", "bias"):
            reset, keep, new = of("dien", f"evolve.{ours}.{name}").chunk(3)
            getattr(theirs, name).copy_(torch.cat([-keep, reset, new]))
    self = SimpleNamespace(
        gru_type="AUGRU", extraction_modules=[extract], evolving_modules=[evolve],
        attention_modules=[attention],
    )  # fmt: skip
    packed, states = DIEN.interest_extraction(self, 0, events, mask)
    found = [
        DIEN.interest_evolution(self, 0, packed, states, one, mask) for one in candidates.unbind(1)
    ]
    return torch.stack(found, 1)


def sim() -> torch.Tensor:
    """What the search sums up by itself, beside what the second stage makes of what it found."""
    table, found = of("sim-soft", "items.weight"), []
    width = table.shape[1]
    exact = MultiHeadTargetAttention(width, width, int(given["sim-soft.heads"])).eval()
    for theirs, ours in (("W_q", "query"), ("W_k", "key"), ("W_v", "value"), ("W_o", "out")):
        getattr(exact, theirs).weight.copy_(of("sim-soft", f"{ours}.weight"))
    search = {"W_a": "candidate", "W_b": "event"}
    linear = {name: nn.Linear(width, width, bias=False) for name in search}
    for name, ours in search.items():
        linear[name].weight.copy_(of("sim-soft", f"search.{ours}.weight"))
    self = SimpleNamespace(
        get_inputs=lambda inputs: inputs, embedding_layer=lambda row, flatten_emb: table[row],
        item_info_dim=width, short_seq_len=5, short_attention=exact, long_attention=exact,
        topk=int(given["sim-soft.k"]), dnn_aux=lambda x: x, dnn=lambda x: x, **linear,
    )  # fmt: skip
    for one in asked.unbind(1):
        told = SIM.forward(self, ({}, torch.cat([item, one[:, None]], 1), mask))
        found.append(torch.cat([told["y_aux"][:, width:], told["y_pred"][:, 2 * width :]], 1))
    return torch.stack(found, 1)


with torch.no_grad():
    found = {
        "din": apart("din", din("din", softmax=False)),
        "din-softmax": apart("din-softmax", din("din-softmax", softmax=True)),
        "dien": apart("dien", dien()),
        "sim-soft": apart("sim-soft", sim()),
    }
print(json.dumps({"version": version("fuxictr")} | found))
