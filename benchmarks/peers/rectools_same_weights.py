"""RecTools' HSTU layers with weights from GIVEN, compared with the states in it.

Runs in RecTools' own environment (rectools.txt). Report: one JSON line, the largest difference and
the largest number compared of each case.
"""

import json
import sys
from importlib.metadata import version

import numpy as np
import torch
from rectools.models.nn.transformers.hstu import STULayers

given = {key: torch.from_numpy(value) for key, value in np.load(sys.argv[1]).items()}
item, time, asked_at = (given[f"batch.{key}"] for key in ("item", "time", "asked_at"))
steps = item.shape[1]


def states(case: str, timed: bool) -> torch.Tensor:
    own = {k.removeprefix(f"{case}."): v for k, v in given.items() if k.startswith(f"{case}.")}
    width = own["items.weight"].shape[1]
    layers = STULayers(2, width, 2, width // 2, width // 2, steps, timed, True, epsilon=1e-5)
    for i, block in enumerate(layers.eval().stu_blocks):
        block.uvqk_proj.copy_(own[f"blocks.{i}.project.weight"].T)
        block.output_mlp.weight.copy_(own[f"blocks.{i}.out.weight"])
        block.output_mlp.bias.copy_(own[f"blocks.{i}.out.bias"])
        for theirs, ours in ((block.norm_input, "norm"), (block.norm_attn_output, "gathered_norm")):
            theirs.weight.copy_(own[f"blocks.{i}.{ours}.weight"])
            theirs.bias.copy_(own[f"blocks.{i}.{ours}.bias"])
        # theirs by place of what is looked at, less that of what looks, from -(steps - 1)
        block.rel_attn.pos_weights.zero_()
        block.rel_attn.pos_weights[:steps] = own[f"blocks.{i}.distance"].flip(0)
        if timed:
            block.rel_attn.time_weights.copy_(own[f"blocks.{i}.elapsed"])
    back = torch.arange(steps - 1, -1, -1)
    x = torch.nn.functional.embedding(item, own["items.weight"]) + own["places.weight"][back]
    batch = {"x": item, "unix_ts": torch.cat([time, asked_at[:, -1:]], 1)}
    later = torch.ones(steps, steps, dtype=torch.bool).triu(1)
    return layers(x, torch.ones(*item.shape, 1), later, None, batch=batch)


with torch.no_grad():
    found = {}
    for case, timed in (("hstu-none", False), ("hstu-asked", True)):
        ours = given[f"{case}.found"]
        apart = (ours - states(case, timed)).abs().max()
        found[case] = {"apart": float(apart), "largest": float(ours.abs().max())}
print(json.dumps({"version": version("rectools")} | found))
