"""Recipes of encoders whose steps are sets: receipts, or baskets of any kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import BCE
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.stores.pools import Attention, DeepSets, Mean, SetTransformer
from seqrec_lib.records.settled import ENCODER, GRU_CE, SASREC, SLOWER
from seqrec_lib.training.settings import Training


def over_receipts(
    sasrec: SASRec.Config, gru: GRU.Config, training: Training, slower: Training, marked: bool
) -> dict[str, tuple[Any, ...]]:
    """Encoders whose steps are sets: receipts, or baskets of any kind; ``marked`` by channel."""
    bce = replace(sasrec, objective=BCE())
    inside: dict[str, tuple[Any, Any, Training]] = {
        "sasrec-lines": (sasrec, None, training),  # each line a step of its own
        "gru-lines": (gru, None, training),
        "sasrec-avge": (sasrec, Mean.Config(), training),
        "sasrec-attne": (sasrec, Attention.Config(), training),
        "sasrec-deepsets": (sasrec, DeepSets.Config(), training),
        "sasrec-settransformer": (sasrec, SetTransformer.Config(), training),
        "gru-avge": (gru, Mean.Config(), training),
        "gru-attne": (gru, Attention.Config(), training),
        "sasrec-attne-bce": (bce, Attention.Config(), slower),  # seed 000's own loss
    }
    return {
        name: ("store-encoder", StoreEncoder.Config(encoder, pool, marked), how)
        for name, (encoder, pool, how) in inside.items()
    }


# logs of two channels
STORE_RECIPES = over_receipts(SASREC, GRU_CE, ENCODER, SLOWER, marked=True)

# simulated worlds with stores: settings chosen on the validation part of omni-100-stores-none, the
# world without its stores: few items, each seen often. Windows hold nearly all histories whole,
# with store lines and without
_omni_sasrec = replace(SASREC, dropout=0.2, max_len=100)
_omni_gru = replace(GRU_CE, dropout=0.2)
_omni = replace(ENCODER, epochs=8, max_len=100, select="unmasked")
_omni_slower = replace(_omni, epochs=40, patience=40)
_unmarked = StoreEncoder.Config(_omni_sasrec, Attention.Config())

OMNI_RECIPES: dict[str, tuple[Any, ...]] = {
    "sasrec": ("sasrec", _omni_sasrec, _omni),
    "gru": ("gru", _omni_gru, _omni),
    "sasrec-bce": ("sasrec", replace(_omni_sasrec, objective=BCE()), _omni_slower),
    "sasrec-attne-unmarked": ("store-encoder", _unmarked, _omni),
    **over_receipts(_omni_sasrec, _omni_gru, _omni, _omni_slower, marked=True),
}
