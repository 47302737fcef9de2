"""What the book publishes: settings by name, chosen on Beauty's validation, used on every set."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.datasets import folder
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.counts.recency import Recency
from seqrec_lib.models.counts.slit import SLIT
from seqrec_lib.models.counts.svd import SVD
from seqrec_lib.models.encoders.attributed import AttributedSASRec
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.duorec import DuoRec
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import BCE, GBCE, SampledSoftmax
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.stores.pools import Attention, DeepSets, Mean, SetTransformer
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.personalised import Personalised
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.records.advice import select_unmasked
from seqrec_lib.records.spec import Spec
from seqrec_lib.training.loop import Training

_sasrec = SASRec.Config(temperature=0.07)
_gru = GRU.Config(temperature=0.07)
_gru4rec = GRU4Rec.Config(hidden_dim=128, dropout_embed=0.25)
_encoder = Training(epochs=40, batch_size=128, weight_decay=0.1, cosine=True)
_longer = replace(_encoder, epochs=64)  # of regenerated data 40, as many as SASRec has of originals
# a few negatives a position teach little in a pass, and one unevenly
_slower = replace(_encoder, epochs=200, patience=200)
_bce = replace(_sasrec, objective=BCE())
_inner = replace(_sasrec, temperature=None)  # inner products, as in the papers of the losses
_sessions = Training(epochs=30, batch_size=128, optimizer="adagrad", learning_rate=0.1, patience=3)
_duorec = DuoRec.Config(temperature=0.07, cosine=True, contrast_temperature=0.2)
# paper: six tenths masked on Beauty; the encoder, its loss and its schedule are SASRec's, with two
# thirds as many passes, each of as many targets
_bert4rec = BERT4Rec.Config(temperature=0.07, mask_share=0.6, head=False)
_cloze = replace(_encoder, epochs=24)
# a whole ranking costs minutes: selected among sampled items
_ranking = replace(
    _encoder, epochs=12, learning_rate=3e-3, weight_decay=0.01, patience=3, validate="sampled"
)
_tuning = replace(_encoder, epochs=2)  # more passes, slower, end alike: book/protocol.md
_asking = Training(epochs=0)  # nothing is learned
_unfrozen = Retrieval.Config(_sasrec, frozen=False)
_patterns = Retrieval.Config(_sasrec, memory="patterns")
_named: dict[str, Any] = {
    "neighbours": 100,
    "alpha": 1.0,
    "copied": 0.15,
    "num_heads": 1,
    "sharpness": 7.0,
}
_mixed = Ensemble.Config((_sasrec, Markov.Config(order=1)), shares=(0.95, 0.05))
_attributed = AttributedSASRec.Config(temperature=0.07)
# what errs differently: attention at two widths, recurrence, and a linear map of whole histories
_wide = replace(_sasrec, embed_dim=128)
_members = (_sasrec, _wide, _gru, SLIT.Config())
_member_runs = "{0}/sasrec,{0}/sasrec-wide,{0}/gru,{0}/slit"
# the same, and one that knows attributes
_informed = (*_members, _attributed)
_informed_runs = f"{_member_runs},{{0}}/sasrec-attributed"


def _over_receipts(
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


RECIPES: dict[str, tuple[Any, ...]] = {
    "popular": ("popular", Popular.Config(), Training()),
    "popular-recent": ("popular", Popular.Config(half_life_days=90.0), Training()),
    "recency": ("recency", Recency.Config(), Training()),
    "markov-1": ("markov", Markov.Config(order=1), Training()),
    "markov": ("markov", Markov.Config(), Training()),
    "slit": ("slit", SLIT.Config(), Training()),
    "gru": ("gru", _gru, _encoder),
    "gru4rec": ("gru4rec", _gru4rec, _sessions),
    "sasrec": ("sasrec", _sasrec, _encoder),
    "sasrec-longer": ("sasrec", _sasrec, _longer),
    "sasrec-wide": ("sasrec", _wide, _encoder),
    "sasrec-attributed": ("sasrec-attributed", _attributed, _encoder),
    "duorec": ("duorec", _duorec, _encoder),
    **_over_receipts(_sasrec, _gru, _encoder, _slower, marked=False),
    "bert4rec": ("bert4rec", _bert4rec, _cloze),
    "pooling": ("pooling", Pooling.Config(dropout=0.1), _ranking),
    "pooling-sum": ("pooling", Pooling.Config(dropout=0.1, pooling="sum"), _ranking),
    "din": ("din", DIN.Config(dropout=0.1), _ranking),
    "sasrec-personalised": ("personalised", Personalised.Config(_sasrec), _encoder),
    "sasrec-retrieval": ("retrieval", Retrieval.Config(_sasrec), _tuning, "{0}/sasrec"),
    "sasrec-unfrozen": ("retrieval", _unfrozen, _tuning, "{0}/sasrec"),
    "sasrec-patterns": ("retrieval", _patterns, _tuning, "{0}/sasrec"),
    # nothing learned: the memory alone is given the validation pairs, as in the released RaSeRec
    "sasrec-banked": ("retrieval", Retrieval.Config(_sasrec), _asking, "{1}/sasrec-retrieval"),
    "duorec-retrieval": ("retrieval", Retrieval.Config(_duorec), _tuning, "{0}/duorec"),
    # no attention over the neighbours: their items by name (kNN-LM)
    "sasrec-neighbours": ("retrieval", Retrieval.Config(_sasrec, **_named), _asking, "{0}/sasrec"),
    "duorec-neighbours": ("retrieval", Retrieval.Config(_duorec, **_named), _asking, "{0}/duorec"),
    "gru-neighbours": ("retrieval", Retrieval.Config(_gru, **_named), _asking, "{0}/gru"),
    "gru-retrieval": ("retrieval", Retrieval.Config(_gru), _tuning, "{0}/gru"),
    "gru4rec-retrieval": ("retrieval", Retrieval.Config(_gru4rec), _tuning, "{0}/gru4rec"),
    # what a memory of single steps knows: the share is that of the best validation
    "sasrec-markov": ("ensemble", _mixed, _asking, "{0}/sasrec,{0}/markov-1"),
    "ensemble": ("ensemble", Ensemble.Config(_members), _asking, _member_runs),
    "ensemble-repeats": ("ensemble", Ensemble.Config(_members, True), _asking, _member_runs),
    "ensemble-attributed": ("ensemble", Ensemble.Config(_informed), _asking, _informed_runs),
    "sasrec-inner": ("sasrec", _inner, _encoder),
    "sasrec-bce": ("sasrec", _bce, _slower),
    "sasrec-gbce": ("sasrec", replace(_inner, objective=GBCE()), _encoder),
    "sasrec-sampled": ("sasrec", replace(_sasrec, objective=SampledSoftmax()), _slower),
}


# T-ECD: many items, many repeats. Settings chosen on the validation part of tecd-marketplace.
_sampled = SampledSoftmax(1024, alpha=0.5)
_tecd_sasrec = SASRec.Config(dropout=0.2, temperature=0.07, objective=_sampled)
_tecd_gru = GRU.Config(hidden_dim=256, temperature=0.07, objective=_sampled)
_tecd = Training(
    epochs=5, batch_size=128, optimizer="sparse-adam", learning_rate=2e-3, cosine=True,
    patience=3, select="unmasked",
)  # fmt: skip

# pairs: settings chosen on the validation pairs of tecd-marketplace-pairs
_pairs = Training(
    epochs=3, batch_size=2048, optimizer="sparse-adam", learning_rate=3e-3, cosine=True,
    patience=3, select="unmasked",
)  # fmt: skip
_item2vec = Item2Vec.Config(embed_dim=64, logq=False)
# seed 001, section 4: nothing masked, and what it exports is the table before the network
_report = Item2Vec.Config(logq=False, mask_same=False, projected=False)
_report_training = Training(epochs=5, batch_size=8192, plateau=1, select="unmasked")

TECD_RECIPES: dict[str, tuple[Any, ...]] = {
    "gru": ("gru", _tecd_gru, _tecd),
    "gru-pretrained": ("gru", _tecd_gru, _tecd, "{pairs}/item2vec"),
    "gru-leaking": ("gru", _tecd_gru, _tecd, "{leaking}/item2vec"),
    "sasrec": ("sasrec", _tecd_sasrec, _tecd),
    "sasrec-pretrained": ("sasrec", _tecd_sasrec, _tecd, "{pairs}/item2vec"),
    "sasrec-leaking": ("sasrec", _tecd_sasrec, _tecd, "{leaking}/item2vec"),
    "item2vec": ("item2vec", _item2vec, _pairs),
    "item2vec-256": ("item2vec", _item2vec, replace(_pairs, batch_size=256)),
    "item2vec-8192": ("item2vec", _item2vec, replace(_pairs, batch_size=8192)),
    "item2vec-report": ("item2vec", _report, _report_training),
    "svd": ("svd", SVD.Config(), Training()),
    "sasrec-200": ("sasrec", replace(_tecd_sasrec, max_len=200), replace(_tecd, max_len=200)),
}


# logs of two channels
STORE_RECIPES = _over_receipts(_sasrec, _gru, _encoder, _slower, marked=True)

# simulated worlds with stores: settings chosen on the validation part of omni-100-stores-none, the
# world without its stores: few items, each seen often. Windows hold nearly all histories whole,
# with store lines and without
_omni_sasrec = replace(_sasrec, dropout=0.2, max_len=100)
_omni_gru = replace(_gru, dropout=0.2)
_omni = replace(_encoder, epochs=8, max_len=100, select="unmasked")
_omni_slower = replace(_omni, epochs=40, patience=40)
_unmarked = StoreEncoder.Config(_omni_sasrec, Attention.Config())

OMNI_RECIPES: dict[str, tuple[Any, ...]] = {
    "sasrec": ("sasrec", _omni_sasrec, _omni),
    "gru": ("gru", _omni_gru, _omni),
    "sasrec-bce": ("sasrec", replace(_omni_sasrec, objective=BCE()), _omni_slower),
    "sasrec-attne-unmarked": ("store-encoder", _unmarked, _omni),
    **_over_receipts(_omni_sasrec, _omni_gru, _omni, _omni_slower, marked=True),
}


# the data sets of what a run starts from
KIN: dict[str, Callable[[Dataset], Dataset]] = {
    "0": lambda dataset: dataset,
    "1": lambda dataset: dataset.but(with_validation=False),
    "pairs": lambda dataset: dataset.but(pairs="apart"),
    "leaking": lambda dataset: dataset.but(pairs="leaking"),
}


def recipe(name: str, dataset: str | Dataset = "simulated") -> tuple[Any, ...]:
    """(model, config, training) published as ``name``, of T-ECD and of simulated worlds with stores
    other than of the rest.

    A fourth value, if there is one, names the runs that it starts from, ``{0}`` for the data set,
    ``{1}`` for that without its validation part in training, ``{pairs}`` and ``{leaking}`` for its
    pairs. Raises ``ValueError`` for another name.
    """
    dataset = Dataset.parse(dataset)
    known = RECIPES | TECD_RECIPES if dataset.is_tecd else TECD_RECIPES | RECIPES
    if dataset.stores:
        known = known | (OMNI_RECIPES if dataset.about.omni else STORE_RECIPES)
    if name not in known:
        raise ValueError(f"{name!r} is not published; use one of {', '.join(known)}")
    model, config, training, *start = known[name]
    if dataset.regenerated and not dataset.pairs:
        # so many times as many steps to learn, in windows so many times as short (Beauty): there as
        # many updates of as many steps, and the same schedule; on other files about as many (ratios
        # in book/deviations.md); two passes of tuning stay two
        ratios = {"every": (1.6, 2.8), "distinct": (1.3, 2.12), "released": (2.73, 2.04)}
        more, shorter = ratios[dataset.regenerated]
        epochs, windows = round(training.epochs / more), round(training.batch_size * shorter)
        training = replace(
            training, epochs=max(epochs, min(training.epochs, 2)), batch_size=windows
        )
    return model, config, training, *start


def published(
    dataset: str | Dataset, name: str, seeds: Sequence[int], epochs: int | None = None
) -> list[Spec]:
    """The specs behind :func:`seqrec_lib.records.runs.run`, one a seed.

    Of a log with many repeats that no chapter studies, ``select`` is unmasked.
    """
    dataset = Dataset.parse(dataset)
    model, config, training, *start = recipe(name, dataset)
    if epochs is not None and training.epochs:  # one that learns nothing stays so
        training = replace(training, epochs=epochs)
    if select_unmasked(dataset):
        training = replace(training, select="unmasked")
    if issubclass(MODELS[model], CountModel):
        seeds = (0,)
    pretrained = None
    if start:
        pretrained = re.sub(r"{(\w+)}", lambda one: folder(KIN[one[1]](dataset)), start[0])
    text = str(dataset)
    return [
        Spec(text, name, model, config, replace(training, seed=seed), pretrained) for seed in seeds
    ]


def asked(stored: dict[str, Any]) -> Spec:
    """The spec that a stored one's data set, name and seed ask for today."""
    (spec,) = published(stored["dataset"], stored["name"], [stored["training"]["seed"]])
    return spec


def sources_of(spec: Spec) -> list[Spec]:
    """The specs of the runs that ``spec`` starts from."""
    found, own = [], Dataset.parse(spec.dataset)
    for one in (spec.pretrained or "").split(",") if spec.pretrained else ():
        shelf, name = one.rsplit("/", 1)
        kin = (of(own) for of in KIN.values())
        dataset = next((its for its in kin if folder(its) == shelf), None) or Dataset.parse(shelf)
        # of the same seed; of pairs, which are a data set of their own, that of seed 0
        seed = 0 if dataset.pairs else spec.training.seed
        found += published(dataset, name, [seed])
    return found
