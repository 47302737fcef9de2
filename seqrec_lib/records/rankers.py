"""Recipes of target attention: on every data set, on histories of hundreds, and on T-ECD.

Losses and passes are those that a search found for mean pooling on the validation of Beauty and
MovieLens (``book/searches``), so that what is compared is how a history is read. ``tail`` stands
for data sets whose users' last fifth tests (MovieLens, Online Retail): there ten questions
of each user select and test, and all read as many events, but for those that their papers or their
cost hold to fewer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seqrec_lib.models.counts.profile import Profile
from seqrec_lib.models.losses import SampledSoftmax
from seqrec_lib.models.rankers.dien import DIEN
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.eta import ETA
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.rankers.sim_hard import SIMHard
from seqrec_lib.models.rankers.sim_soft import SIMSoft
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.tim import TIM
from seqrec_lib.models.rankers.transact import TransAct
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.rankers.twin_v2 import TWINV2
from seqrec_lib.records.settled import ENCODER, GRU_CE, RANKING, SASREC
from seqrec_lib.records.survey import SURVEY_RECIPES
from seqrec_lib.training.settings import Training

Recipe = tuple[Any, ...]

QUESTIONS = 10  # of each user of a tail
# events read: of MovieLens's test events 53 % have no more before them, of those asked 88 %; with
# 500 it is 69 and 94 %, for 1.5 to 2 times the work
LENGTH = 300
# windows of it hold as many targets as Beauty's, of 128 each, do: 750
WINDOWS = 8
# a ranker learns most from many updates, whose few negatives are drawn by popularity
_updates = replace(RANKING, epochs=8, batch_size=16, learning_rate=0.02)
TARGETS = 94  # of such a batch, and windows of a model that has one a position
# DIN's is the better of two tried on MovieLens's validation; all but TIM, which had two of its own
# tried, have it untried
_attending = replace(_updates, learning_rate=0.01)
_chosen: dict[str, Any] = {"dropout": 0.3, "objective": SampledSoftmax(64, alpha=0.75)}

POOLING, DIN_ = Pooling.Config(**_chosen), DIN.Config(**_chosen)
_dien, _attention = DIEN.Config(**_chosen), TargetAttention.Config(**_chosen)
_sim_hard, _sim_soft = SIMHard.Config(**_chosen), SIMSoft.Config(**_chosen)
_eta, _tim = ETA.Config(**_chosen), TIM.Config(**_chosen)
# how often an item came before is the same in all of a log without repeats
_twin = TWIN.Config(**_chosen, cross=("gap",))
_twin_v2 = TWINV2.Config(**_chosen, cross=("gap",))
# of two tried on MovieLens's validation: with 64 negatives, in as much time, it learns nothing
_transact = replace(TransAct.Config(**_chosen), objective=SampledSoftmax(4, alpha=0.75), share=1.0)
_alone = replace(_attending, batch_size=TARGETS)  # a window a position
# a net or a transformer runs anew for each candidate: few users are ranked
_few = replace(_alone, test_users=2000)
_transformed = replace(_few, max_len=100, learning_rate=1e-3)

# on every data set
RANKER_RECIPES: dict[str, Recipe] = {
    "profile": ("profile", Profile.Config(), Training()),
    "pooling": ("pooling", POOLING, _updates),
    "pooling-sum": ("pooling", replace(POOLING, pooling="sum"), _updates),
    "din": ("din", DIN_, _attending),
    "dien": ("dien", _dien, _few),
    "attention": ("target-attention", _attention, _attending),
    "sim-hard": ("sim-hard", _sim_hard, _attending),
    "sim-soft": ("sim-soft", _sim_soft, _attending),
    "eta": ("eta", _eta, _attending),
    "twin": ("twin", _twin, _attending),
    "twin-v2": ("twin-v2", _twin_v2, _alone),
    "tim": ("tim", _tim, _updates),
    "transact": ("transact", _transact, _transformed),
}

# histories of hundreds
_long = replace(_updates, max_len=LENGTH, batch_size=1)  # as many targets as 16 of Beauty's windows
_read = replace(_attending, max_len=LENGTH, batch_size=1)
_single = replace(_alone, max_len=LENGTH)
_encoder = replace(ENCODER, max_len=LENGTH, batch_size=WINDOWS, patience=10)
_tim_long = replace(_tim, max_len=LENGTH)
_evolving = replace(_alone, test_users=100)
# two seconds a question, and minutes a pass of half of the positions
_transact_long = replace(_transact, share=0.5)
_recent = replace(_transformed, max_len=50, test_users=100, epochs=3)
# variants are compared among shared candidates: no more than a look at their ranks
_aside, _aside_read, _aside_single = (
    replace(one, test_users=100) for one in (_long, _read, _single)
)


def _survey(name: str, **config: int) -> Recipe:
    """An encoder of the survey with Beauty's settings, over windows of a tail."""
    model, settings, training = SURVEY_RECIPES[name]
    windows = replace(training, max_len=LENGTH, batch_size=WINDOWS, patience=10)
    return model, replace(settings, **config), windows


def _reading(length: int, of: Training = _aside) -> Training:
    """A variant's training on so many events, in windows that hold as many targets together."""
    windows = {50: 2, 100: 2, 1000: 1}
    return replace(of, max_len=length, batch_size=windows[length])


TAIL_RECIPES: dict[str, Recipe] = {
    "profile": ("profile", Profile.Config(), Training(max_len=LENGTH)),
    "gru": ("gru", GRU_CE, _encoder),
    "sasrec": ("sasrec", replace(SASREC, max_len=LENGTH), _encoder),
    "caser": _survey("caser"),
    "nextitnet": _survey("nextitnet"),
    "hstu": _survey("hstu", max_len=LENGTH),
    "pooling": ("pooling", POOLING, _long),
    "din": ("din", DIN_, _read),
    "dien": ("dien", _dien, _evolving),
    "attention": ("target-attention", _attention, _read),
    "sim-hard": ("sim-hard", _sim_hard, _read),
    "sim-soft": ("sim-soft", _sim_soft, _read),
    "eta": ("eta", _eta, _read),
    "twin": ("twin", _twin, _read),
    "twin-v2": ("twin-v2", _twin_v2, _single),
    "tim": ("tim", _tim_long, _long),
    "transact": ("transact", _transact_long, _recent),
    # variants
    "pooling-sum": ("pooling", replace(POOLING, pooling="sum"), _aside),
    "din-mean": ("din", replace(DIN_, pooling="mean"), _aside_read),
    "din-softmax": ("din", replace(DIN_, normalised=True), _aside_read),
    "din-dice": ("din", replace(DIN_, activation="dice"), _aside_read),
    "dien-alone": ("dien", replace(_dien, alpha=0.0), _evolving),
    "dien-half": ("dien", replace(_dien, alpha=0.5), _evolving),
    "dien-released": ("dien", replace(_dien, gate="released"), _evolving),
    "attention-recent": ("target-attention", replace(_attention, k=50), _aside_read),
    "sim-hard-same": ("sim-hard", replace(_sim_hard, rule="same"), _aside_read),
    "sim-soft-drawn": ("sim-soft", replace(_sim_soft, alpha=0.0), _aside_read),
    "eta-32": ("eta", replace(_eta, bits=32), _aside_read),
    "eta-256": ("eta", replace(_eta, bits=256), _aside_read),
    "twin-10": ("twin", replace(_twin, k=10), _aside_read),
    "twin-50": ("twin", replace(_twin, k=50), _aside_read),
    "twin-plain": ("twin", replace(_twin, cross=()), _aside_read),
    "twin-elsewhere": ("twin", replace(_twin, consistent=False), _aside_read),
    "twin-v2-unweighted": ("twin-v2", replace(_twin_v2, counted=False), _aside_single),
    "tim-intervals": ("tim", replace(_tim_long, time="intervals"), _aside),
    "tim-none": ("tim", replace(_tim_long, time="none"), _aside),
    "tim-added": ("tim", replace(_tim_long, product=False), _aside),
    "tim-bare": ("tim", replace(_tim_long, time="none", product=False), _aside),
    "tim-concatenated": ("tim", replace(_tim_long, combine="concatenation"), _aside),
    "transact-open": ("transact", replace(_transact_long, window_s=0.0), _recent),
    **{f"pooling-{n}": ("pooling", POOLING, _reading(n)) for n in (50, 100, 1000)},
    **{f"din-{n}": ("din", DIN_, _reading(n, _aside_read)) for n in (50, 100, 1000)},
    **{f"tim-{n}": ("tim", replace(_tim, max_len=n), _reading(n)) for n in (50, 100, 1000)},
}

# T-ECD: dense gradients of 165,000 items, and as many to rank; nothing tells their categories
_tecd = Training(
    epochs=3, batch_size=128, learning_rate=2e-3, cosine=True, patience=3, select="unmasked",
    validate="sampled", test_users=200, questions=QUESTIONS,
)  # fmt: skip
TECD_RANKERS: dict[str, Recipe] = {
    "pooling": ("pooling", POOLING, _tecd),
    "din": ("din", DIN_, _tecd),
    "sim-soft": ("sim-soft", _sim_soft, _tecd),
    "tim": ("tim", _tim, _tecd),
}
