"""What a search tried, best first (:mod:`seqrec_lib.studies.search`)."""

from __future__ import annotations

import pandas as pd

from seqrec_lib.studies.search import STEPS, kept

CAPTION = (
    "The settings that we began with and the draws from a declared space, best first: one seed "
    "each, as many passes as the table says. Validation decided; no test event was ranked."
)
STEPPED = (
    "The settings that we began with and those tried after them, each for what the ones before "
    "showed, best first: one seed each. Validation decided; no test event was ranked."
)
HEADS = {
    "NDCG@10": "NDCG@10 (M), validation",
    "best pass": "best pass",
    "passes": "passes",
    "loss": "loss",
    "alpha": "sampled by popularity to the power of",
    "embed_dim": "width",
    "hidden_dim": "width",
    "num_layers": "layers",
    "num_heads": "heads",
    "dilations": "dilations",
    "height": "rows seen",
    "horizontal": "horizontal filters",
    "vertical": "vertical filters",
    "user": "knows who asks",
    "mask_share": "share masked",
    "share": "share of the user",
    "dropout": "dropout",
    "dropout_embed": "dropout of items",
    "dropout_hidden": "dropout of the state",
    "temperature": "temperature",
    "kept": "items of each answer",
    "batch_size": "batch",
    "batch_share": "batch, of the first",
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "cosine": "rate falls",
}


def trials(dataset: str, name: str, results: str = "book/results") -> pd.DataFrame:
    """A row a trial, the best first, under heads that a reader knows; the recipe is named."""
    found = kept(dataset, name, results).sort_values("NDCG@10", ascending=False)
    word = "step" if name in STEPS else "draw"
    names = [f"{word} {trial}" if trial else "first settings" for trial in found["trial"]]
    heads = HEADS | ({"share": "share taught"} if "-taught" in name else {})
    shown = found[[key for key in heads if key in found]].rename(columns=heads)
    for name in ("rate falls", "knows who asks"):
        if name in shown:
            shown[name] = shown[name].map({True: "yes", False: "no"})
    return shown.set_axis(names)
