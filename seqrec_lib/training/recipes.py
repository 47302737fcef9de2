"""What the book publishes: settings by name, chosen on Beauty's validation, used on every set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqrec_lib.models.gru import GRU
from seqrec_lib.models.gru4rec import GRU4Rec
from seqrec_lib.models.losses import BCE, GBCE, SampledSoftmax
from seqrec_lib.models.markov import Markov
from seqrec_lib.models.popular import Popular
from seqrec_lib.models.recency import Recency
from seqrec_lib.models.sasrec import SASRec
from seqrec_lib.training.loop import Training

_sasrec = SASRec.Config(temperature=0.07)
_encoder = Training(epochs=40, batch_size=128, weight_decay=0.1, cosine=True)
_slower = replace(_encoder, epochs=100)  # one negative a position teaches little in a pass
_inner = replace(_sasrec, temperature=None)  # inner products, as in the papers of the losses
_sessions = Training(epochs=30, batch_size=128, optimizer="adagrad", learning_rate=0.1, patience=3)

RECIPES: dict[str, tuple[str, Any, Training]] = {
    "popular": ("popular", Popular.Config(), Training()),
    "popular-recent": ("popular", Popular.Config(half_life_days=90.0), Training()),
    "recency": ("recency", Recency.Config(), Training()),
    "markov-1": ("markov", Markov.Config(order=1), Training()),
    "markov": ("markov", Markov.Config(), Training()),
    "gru": ("gru", GRU.Config(temperature=0.07), _encoder),
    "gru4rec": ("gru4rec", GRU4Rec.Config(hidden_dim=128, dropout_embed=0.25), _sessions),
    "sasrec": ("sasrec", _sasrec, _encoder),
    "sasrec-inner": ("sasrec", _inner, _encoder),
    "sasrec-bce": ("sasrec", replace(_inner, objective=BCE()), _slower),
    "sasrec-gbce": ("sasrec", replace(_inner, objective=GBCE()), _encoder),
    "sasrec-sampled": ("sasrec", replace(_sasrec, objective=SampledSoftmax()), _encoder),
}


def recipe(name: str) -> tuple[str, Any, Training]:
    """(model, config, training) published as ``name``; raises ``ValueError`` for another name."""
    if name not in RECIPES:
        raise ValueError(f"{name!r} is not published; use one of {', '.join(RECIPES)}")
    return RECIPES[name]
