"""Recipes of the survey's encoders: losses, passes and batches are SASRec's, so that architectures
differ and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqrec_lib.models.encoders.caser import Caser
from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.hstu import HSTU
from seqrec_lib.models.encoders.nextitnet import NextItNet
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.prme import PRME
from seqrec_lib.models.losses import Softmax
from seqrec_lib.models.rankers.surge import SURGE
from seqrec_lib.records.settled import ENCODER, GRU_CE, RANKING, SASREC

# the best of random searches on validation: book/searches/beauty/<name>.csv
# paper: a vector of who asks; here the best draws do without
_caser = Caser.Config(
    height=10, horizontal=32, vertical=8, user=False, dropout=0.7, temperature=0.1
)
_undecayed = replace(ENCODER, learning_rate=2e-3, weight_decay=0.0)
_fpmc = FPMC.Config(embed_dim=128)
_factors = replace(ENCODER, weight_decay=0.0, patience=10)
_hstu = HSTU.Config(num_layers=1, num_heads=1, temperature=0.07)
_faster = replace(ENCODER, learning_rate=2e-3, weight_decay=0.3)
# most users' whole history lies within a year; within 28 days a third of the events has nothing
# ahead to be predicted
_pinnerformer = PinnerFormer.Config(window_s=365 * 86_400)
_surge = SURGE.Config()
_graphs = replace(RANKING, test_users=2000)

SURVEY_RECIPES: dict[str, tuple[Any, ...]] = {
    "fpmc": ("fpmc", _fpmc, _factors),
    "fpmc-last": ("fpmc", replace(_fpmc, user=False), _factors),  # factorised transitions alone
    "mf": ("fpmc", replace(_fpmc, last=False), _factors),  # matrix factorisation: who asks, alone
    "prme": ("prme", PRME.Config(embed_dim=128), _factors),
    "rnn": ("gru", replace(GRU_CE, cell="rnn"), ENCODER),
    "lstm": ("gru", replace(GRU_CE, cell="lstm"), ENCODER),
    "caser": ("caser", _caser, _undecayed),
    "caser-author": ("caser", replace(_caser, user=True, tied=False), _undecayed),
    "caser-user": ("caser", replace(_caser, user=True), _undecayed),
    "caser-whole": ("caser", replace(_caser, pooled=False), _undecayed),
    "caser-vertical": ("caser", replace(_caser, horizontal=0), _undecayed),
    "caser-horizontal": ("caser", replace(_caser, vertical=0), _undecayed),
    "nextitnet": ("nextitnet", NextItNet.Config(dilations=(1, 2), temperature=0.07), _faster),
    "surge": ("surge", _surge, _graphs),
    "surge-unpruned": ("surge", replace(_surge, pruned=False), _graphs),
    "sasrec-unplaced": ("sasrec", replace(SASREC, places="none"), ENCODER),
    "sasrec-absolute": ("sasrec", replace(SASREC, places="absolute"), ENCODER),
    "sasrec-sinusoid": ("sasrec", replace(SASREC, places="sinusoid"), ENCODER),
    "pinnerformer": ("pinnerformer", _pinnerformer, ENCODER),
    # the loss of SASRec, so that the targets alone differ
    "pinnerformer-softmax": (
        "pinnerformer",
        replace(_pinnerformer, objective=Softmax(), learned=False),
        ENCODER,
    ),
    "hstu": ("hstu", _hstu, _faster),
    "hstu-events": ("hstu", replace(_hstu, time="events"), _faster),
    "hstu-asked": ("hstu", replace(_hstu, time="asked"), _faster),
}
