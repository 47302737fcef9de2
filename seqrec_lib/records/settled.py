"""Settings that the recipes of many chapters share, chosen on Beauty's validation."""

from __future__ import annotations

from dataclasses import replace

from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.training.settings import Training

SASREC = SASRec.Config(temperature=0.07)
GRU_CE = GRU.Config(temperature=0.07)
ENCODER = Training(epochs=40, batch_size=128, weight_decay=0.1, cosine=True)
# a whole ranking costs minutes: selected among sampled items
RANKING = replace(
    ENCODER, epochs=12, learning_rate=3e-3, weight_decay=0.01, patience=3, validate="sampled"
)
# a few negatives a position teach little in a pass, and one unevenly
SLOWER = replace(ENCODER, epochs=200, patience=200)
