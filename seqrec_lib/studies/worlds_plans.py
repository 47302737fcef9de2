"""Which models meet in which small world, what each is denied there, and what is searched of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqrec_lib.data.worlds import (
    clock,
    complements,
    drift,
    noise,
    reach,
    staleness,
    threads,
    union,
)
from seqrec_lib.data.worlds.base import World
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.counts.slit import SLIT
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.caser import Caser
from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.hstu import HSTU
from seqrec_lib.models.encoders.nextitnet import NextItNet
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.prme import PRME
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import SampledSoftmax, Softmax
from seqrec_lib.models.rankers.dien import DIEN
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.eta import ETA
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.rankers.sim_hard import SIMHard
from seqrec_lib.models.rankers.sim_soft import SIMSoft
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.tim import TIM
from seqrec_lib.models.rankers.twin import TWIN

# answers alone are drawn: what is no answer was never a target
NEGATIVES = SampledSoftmax(4, alpha=1.0)
FOUND = 8  # events by a search: those of one category where there are eight of each
LEARNED: dict[str, tuple[Any, ...]] = {
    "learning_rate": (0.003, 0.01),
    "dropout": (0.0, 0.2),
    "item_std": (0.02, 0.3),  # of item vectors before training
}


@dataclass(frozen=True)
class Family:
    """A model's settings by its width, the longest history and what was drawn from ``space``; it
    makes ``more`` times as many passes as the world's plan says."""

    config: Callable[..., Any]
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    more: int = 1


@dataclass(frozen=True)
class Plan:
    """A world and who meets there: by model the name of what it is denied (``World.limits``)."""

    draw: Callable[..., World]
    kinds: tuple[str, ...]
    levels: tuple[float | int, ...]
    models: Mapping[str, str]
    passes: int  # of every model, so that a training takes seconds
    hardest: frozenset[str] = frozenset()  # models of the last level alone: minutes a training


def _sasrec(width: int, length: int, num_layers: int, dropout: float) -> Any:
    return SASRec.Config(width, 2 * width, num_layers, 2, length, dropout)


def _bert4rec(width: int, length: int, num_layers: int, dropout: float, mask_share: float) -> Any:
    return BERT4Rec.Config(width, 2 * width, num_layers, 2, length, dropout, mask_share=mask_share)


def _pinnerformer(width: int, length: int, num_layers: int, dropout: float) -> Any:
    return PinnerFormer.Config(
        width, 2 * width, num_layers, 2, length, dropout, temperature=None, learned=False,
        objective=Softmax(), window_s=staleness.WINDOW * staleness.DAY_S,
    )  # fmt: skip


def _hstu(time: str) -> Callable[..., Any]:
    def config(width: int, length: int, num_layers: int, dropout: float) -> Any:
        return HSTU.Config(width, num_layers, 2, length, time, dropout)

    return config


def _gru(cell: str) -> Callable[..., Any]:
    def config(width: int, length: int, dropout: float) -> Any:
        return GRU.Config(width, 2 * width, dropout=dropout, cell=cell)

    return config


def _caser(width: int, length: int, height: int, horizontal: int, dropout: float) -> Any:
    return Caser.Config(width, height, horizontal, user=False, dropout=dropout)


def _nextitnet(width: int, length: int, dilations: str, dropout: float) -> Any:
    return NextItNet.Config(width, tuple(map(int, dilations.split())), dropout)


def _pooling(width: int, length: int, pooling: str, dropout: float) -> Any:
    return Pooling.Config(width, pooling, (2 * width, width), dropout, NEGATIVES)


def _din(width: int, length: int, pooling: str, dropout: float) -> Any:
    return DIN.Config(width, pooling, (2 * width, width), dropout, NEGATIVES)


def _dien(gate: str) -> Callable[..., Any]:
    def config(width: int, length: int, alpha: float, dropout: float) -> Any:
        return DIEN.Config(
            width, alpha, gate=gate, share=1.0, hidden=(2 * width, width), dropout=dropout,
            objective=NEGATIVES,
        )  # fmt: skip

    return config


def _tim(width: int, length: int, dropout: float) -> Any:
    return TIM.Config(
        width, max_len=length, hidden=(2 * width, width), dropout=dropout, objective=NEGATIVES
    )


def _attending(kind: Any, **more: Any) -> Callable[..., Any]:
    """Two heads, and a search that finds so few events that what it finds decides."""

    def config(width: int, length: int, dropout: float) -> Any:
        return kind.Config(
            **{"embed_dim": width, "num_heads": 2, "k": FOUND, "hidden": (2 * width, width),
               "dropout": dropout, "objective": NEGATIVES} | more
        )  # fmt: skip

    return config


FAMILIES: dict[str, Family] = {
    "popular": Family(lambda width, length: Popular.Config()),
    "markov-1": Family(lambda width, length: Markov.Config(order=1)),
    "markov": Family(lambda width, length: Markov.Config(order=2)),
    "slit": Family(
        lambda width, length, **drawn: SLIT.Config(length, ahead=1, **drawn),
        {"decay": (2.0, 5.0, 20.0, 1000.0), "regularisation": (0.1, 1.0, 10.0)},
    ),
    # no user of training is asked again
    "fpmc": Family(
        lambda width, length, dropout: FPMC.Config(width, user=False, dropout=dropout), LEARNED
    ),
    "prme": Family(
        lambda width, length, dropout: PRME.Config(width, share=0.0, dropout=dropout), LEARNED
    ),
    "pooling": Family(_pooling, LEARNED | {"pooling": ("mean", "sum")}),
    "din": Family(_din, LEARNED | {"pooling": ("mean", "sum")}),
    "dien": Family(_dien("paper"), LEARNED | {"alpha": (0.0, 1.0)}),
    "dien-released": Family(_dien("released"), LEARNED | {"alpha": (0.0, 1.0)}),
    "tim": Family(_tim, LEARNED),
    "attention": Family(_attending(TargetAttention, k=None), LEARNED),
    "attention-recent": Family(_attending(TargetAttention), LEARNED),
    "sim-hard": Family(_attending(SIMHard), LEARNED),
    "sim-soft": Family(_attending(SIMSoft), LEARNED),
    "eta": Family(_attending(ETA), LEARNED),
    "twin": Family(_attending(TWIN, cross=()), LEARNED),
    "caser": Family(_caser, LEARNED | {"height": (7, 9), "horizontal": (4, 16)}),
    "caser-8": Family(_caser, LEARNED | {"height": (8,), "horizontal": (0, 4, 16)}),
    "nextitnet": Family(_nextitnet, LEARNED | {"dilations": ("1 2", "1 4")}),
    "nextitnet-31": Family(_nextitnet, LEARNED | {"dilations": ("1 4",)}),  # sees 31 steps
    "gru": Family(_gru("gru"), LEARNED),
    "lstm": Family(_gru("lstm"), LEARNED),
    "rnn": Family(_gru("rnn"), LEARNED),
    "sasrec": Family(_sasrec, LEARNED | {"num_layers": (1, 2)}),
    # a pass asks it for a fifth of the steps, or two, where the others learn from each
    "bert4rec": Family(
        _bert4rec, LEARNED | {"num_layers": (1, 2), "mask_share": (0.2, 0.4)}, more=5
    ),
    "pinnerformer": Family(_pinnerformer, LEARNED | {"num_layers": (1, 2)}),
    "hstu": Family(_hstu("none"), LEARNED | {"num_layers": (1, 2)}),
    "hstu-events": Family(_hstu("events"), LEARNED | {"num_layers": (1, 2)}),
    "hstu-asked": Family(_hstu("asked"), LEARNED | {"num_layers": (1, 2)}),
}
FREE = ""  # of no limit
PLANS: dict[str, Plan] = {
    "union": Plan(
        union.draw, union.KINDS, union.LEVELS,
        {
            "popular": "nothing", "markov-1": "last 1", "markov": "last 2", "fpmc": "last 1",
            "prme": "last 1", "slit": "sum", "pooling": FREE, "din": FREE, "caser": FREE,
            "nextitnet": FREE, "gru": FREE, "sasrec": FREE, "hstu": FREE,
        },
        passes=30,
    ),
    "noise": Plan(
        noise.draw, noise.KINDS, noise.LEVELS,
        {
            "popular": "nothing", "markov-1": "last 1", "fpmc": "last 1", "prme": "nearest",
            "slit": FREE, "din": FREE, "dien": FREE, "dien-released": FREE, "tim": FREE,
            "caser": FREE, "nextitnet": FREE, "gru": FREE, "sasrec": FREE, "hstu": FREE,
        },
        passes=30, hardest=frozenset({"din", "dien", "dien-released", "tim"}),
    ),
    "threads": Plan(
        threads.draw, threads.KINDS, threads.LEVELS,
        {
            "popular": "nothing", "markov-1": "last 1", "fpmc": "last 1", "pooling": FREE,
            "gru": FREE, "sasrec": FREE, "hstu": FREE, "bert4rec": FREE,
        },
        passes=12,
    ),
    "drift": Plan(
        drift.draw, drift.KINDS, drift.LEVELS,
        {
            "popular": "nothing", "markov-1": "last 1", "pooling": "set", "din": "set",
            "slit": FREE, "dien": FREE, "dien-released": FREE, "tim": FREE, "caser": FREE,
            "gru": FREE, "sasrec": FREE, "hstu": FREE,
        },
        passes=15,
    ),
    "clock": Plan(
        clock.draw, clock.KINDS, clock.LEVELS,
        {
            "popular": "nothing", "gru": FREE, "sasrec": FREE, "hstu": FREE,
            "hstu-events": FREE, "hstu-asked": FREE,
        },
        passes=20,
    ),
    "reach": Plan(
        reach.draw, reach.KINDS, reach.LEVELS,
        {
            "markov-1": "last 1", "caser-8": "last 8", "nextitnet-31": "last 31", "rnn": FREE,
            "lstm": FREE, "gru": FREE, "sasrec": FREE, "hstu": FREE,
        },
        passes=25,
    ),
    "staleness": Plan(
        staleness.draw, staleness.KINDS, staleness.LEVELS,
        {
            "popular": "nothing", "markov-1": "last 1", "gru": FREE, "sasrec": FREE,
            "hstu": FREE, "pinnerformer": FREE,
        },
        passes=13,
    ),
    "complements": Plan(
        # of 16 events a category a training takes minutes, since every step of a window is learned
        complements.draw, complements.KINDS, complements.LEVELS[:2],
        {
            "popular": "nothing", "markov-1": "last 1", "gru": FREE, "sim-hard": "own category",
            "eta": FREE, "attention-recent": FREE, "attention": FREE, "sim-soft": FREE,
            "twin": FREE,
        },
        passes=20,
    ),
}  # fmt: skip
