"""RecBole's FPMC, Caser, NextItNet, DIN and DIEN with weights from GIVEN, compared with what is in
it: scores, states, or what is taken from histories for candidates.

Runs in RecBole's own environment (recbole.txt). Report: one JSON line, the largest difference and
the largest number compared of each model.
"""

import json
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import torch
from recbole.model.layers import SequenceAttLayer
from recbole.model.sequential_recommender import FPMC, Caser
from recbole.model.sequential_recommender.dien import DynamicRNN, InterestExtractorNetwork
from recbole.model.sequential_recommender.nextitnet import ResidualBlock_b
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

given = {key: torch.from_numpy(value) for key, value in np.load(sys.argv[1]).items()}
item, user = given["batch.item"], given["batch.user"]
rows, width = given["fpmc.items.weight"].shape
length = torch.full((len(item),), item.shape[1])
dataset = SimpleNamespace(num=lambda field: {"user_id": len(user) + 1}.get(field, rows))
dataset.user_num, dataset.item_num = len(user) + 1, rows
ABOUT = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "length",
    "NEG_PREFIX": "neg_",
    "MAX_ITEM_LIST_LENGTH": item.shape[1],
    "device": "cpu",
    "embedding_size": width,
    "loss_type": "BPR",
    "dropout_prob": 0.0,
    "reg_weight": 0.0,
}
batch = {"user_id": user, "item_id_list": item, "length": length}


def of(model: str, part: str) -> torch.Tensor:
    return given[f"{model}.{part}"]


def apart(model: str, theirs: torch.Tensor) -> dict[str, float]:
    ours = of(model, "found")
    return {"apart": float((ours - theirs).abs().max()), "largest": float(ours.abs().max())}


def fpmc() -> torch.Tensor:
    model = FPMC(ABOUT, dataset).eval()
    tables = {
        model.UI_emb: "users.vectors.weight",
        model.IU_emb: "liked.weight",
        model.LI_emb: "items.weight",
        model.IL_emb: "next.weight",
    }
    for table, part in tables.items():
        table.weight.copy_(of("fpmc", part))
    return model.full_sort_predict(batch)[:, 1:]


def caser() -> torch.Tensor:
    high, filters = of("caser", "tall.weight").shape[1], of("caser", "tall.weight").shape[0]
    wide = of("caser", "wide.0.weight").shape[0]
    model = Caser(ABOUT | {"nh": wide, "nv": filters}, dataset).eval()
    model.user_embedding.weight.copy_(of("caser", "users.vectors.weight"))
    model.item_embedding.weight.copy_(of("caser", "items.weight"))
    # they have a bias of the vertical filters, and list filters before widths
    model.conv_v.weight.copy_(of("caser", "tall.weight")[:, None, :, None])
    model.conv_v.bias.zero_()
    for h in range(1, high + 1):
        kernel = of("caser", f"wide.{h - 1}.weight").view(wide, 1, h, width)
        model.conv_h[h - 1].weight.copy_(kernel)
        model.conv_h[h - 1].bias.copy_(of("caser", f"wide.{h - 1}.bias"))
    joined = of("caser", "join.weight")
    tall = joined[:, : filters * width].view(width, width, filters)  # ours: width, then filter
    first = tall.transpose(1, 2).flatten(1)
    model.fc1.weight.copy_(torch.cat([first, joined[:, filters * width :]], 1))
    model.fc1.bias.copy_(of("caser", "join.bias"))
    model.fc2.weight.copy_(of("caser", "project.weight"))
    model.fc2.bias.copy_(of("caser", "project.bias"))
    return model.forward(user, item) @ model.item_embedding.weight.T[:, 1:]


def nextitnet() -> torch.Tensor:
    x = torch.nn.functional.embedding(item, of("nextitnet", "items.weight"))
    for i, dilation in enumerate((1, 2, 1, 2)):
        block = ResidualBlock_b(width, width, kernel_size=3, dilation=dilation).eval()
        for conv, norm, name in (
            (block.conv1, block.ln1, "near"),
            (block.conv2, block.ln2, "far"),
        ):
            mix = of("nextitnet", f"blocks.{i}.{name}.mix.weight").view(width, 3, width)
            conv.weight.copy_(mix.transpose(1, 2)[:, :, None])
            conv.bias.copy_(of("nextitnet", f"blocks.{i}.{name}.mix.bias"))
            norm.weight.copy_(of("nextitnet", f"blocks.{i}.{name}_norm.weight"))
            norm.bias.copy_(of("nextitnet", f"blocks.{i}.{name}_norm.bias"))
            norm.eps = 1e-5  # ours is torch's own
        x = block(x)
    return x


def din() -> torch.Tensor:
    events, candidates = (of("din", "items.weight")[one] for one in (item, given["batch.asked"]))
    own, event, both = (of("din", f"unit.{part}.weight") for part in ("item", "event", "both"))
    size = [4 * own.shape[1], len(own)]
    places = torch.arange(item.shape[1])[None]
    layer = SequenceAttLayer(places, size, "sigmoid", False, return_seq_weight=False).eval()
    first = layer.att_mlp_layers.mlp_layers[1]
    first.weight.copy_(torch.cat([own - both, event + both, both, both], 1))
    first.bias.copy_(of("din", "unit.item.bias"))
    bend = nn.PReLU()
    bend.weight.copy_(of("din", "unit.out.0.weight"))
    layer.att_mlp_layers.mlp_layers[2] = bend
    layer.dense.weight.copy_(of("din", "unit.out.1.weight"))
    layer.dense.bias.copy_(of("din", "unit.out.1.bias"))
    found = torch.cat([layer(one, events, length) for one in candidates.unbind(1)], 1)
    return found * own.shape[1] ** 0.5  # theirs divides weights by that


def dien() -> torch.Tensor:
    """The states of its first net, and the last state of its second one by our attention: theirs
    is DIN's."""
    extract, events = extractor(), of("dien", "items.weight")[item]
    states, _ = extract.gru(events)
    evolve, found = DynamicRNN(states.shape[2], states.shape[2], gru="AUGRU"), []
    # theirs: reset, what is taken, candidate; ours: what is kept in the middle
    for theirs, ours in (("ih", "input"), ("hh", "state")):
        for name in ("weight", "bias"):
            reset, keep, new = of("dien", f"evolve.{ours}.{name}").chunk(3)
            getattr(evolve.rnn, f"{name}_{theirs}").copy_(torch.cat([reset, -keep, new]))
    for attention in of("dien", "attention").unbind(1):
        packed = [pack_padded_sequence(one, length, True) for one in (states, attention)]
        found.append(pad_packed_sequence(evolve(*packed), True)[0][:, -1])
    return torch.stack(found, 1)


def extractor() -> InterestExtractorNetwork:
    width = of("dien", "items.weight").shape[1]
    extract = InterestExtractorNetwork(width, width, [2 * width, width, 1]).eval()
    for name, weight in extract.gru.named_parameters():
        weight.copy_(of("dien", f"extract.{name}"))
    follows = of("dien", "follows.layers.0.weight"), of("dien", "follows.layers.2.weight")
    biases = of("dien", "follows.layers.0.bias"), of("dien", "follows.layers.2.bias")
    layers = [one for one in extract.auxiliary_net.mlp_layers if isinstance(one, nn.Linear)]
    for layer, weight, bias in zip(layers, follows, biases, strict=True):
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    bend = nn.PReLU()
    bend.weight.copy_(of("dien", "follows.layers.1.weight"))
    extract.auxiliary_net = nn.Sequential(layers[0], bend, layers[1])
    return extract


def auxiliary() -> dict[str, float]:
    """The auxiliary loss, which theirs takes half of."""
    table, extract = of("dien", "items.weight"), extractor()
    _, loss = extract(table[item], length, table[of("dien", "other")])
    ours = of("dien", "loss")
    return {"apart": float((ours - 2 * loss).abs()), "largest": float(ours)}


with torch.no_grad():
    models = {"fpmc": fpmc, "caser": caser, "nextitnet": nextitnet, "din": din, "dien": dien}
    found = {name: apart(name, model()) for name, model in models.items()}
    found["dien-auxiliary"] = auxiliary()
print(json.dumps({"version": version("recbole")} | found))
