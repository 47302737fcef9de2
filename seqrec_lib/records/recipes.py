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
from seqrec_lib.models.encoders.hierarchical import HRNN
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import BCE, GBCE, SampledSoftmax
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.personalised import Personalised
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.models.wrappers.taught import Taught
from seqrec_lib.records.advice import select_unmasked
from seqrec_lib.records.rankers import QUESTIONS, RANKER_RECIPES, TAIL_RECIPES, TECD_RANKERS
from seqrec_lib.records.receipts import OMNI_RECIPES, STORE_RECIPES, over_receipts
from seqrec_lib.records.settled import ENCODER, GRU_CE, SASREC, SLOWER
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.survey import SURVEY_RECIPES
from seqrec_lib.training.settings import Training

# the best of a random search: book/searches/beauty/gru4rec.csv
_gru4rec = GRU4Rec.Config(hidden_dim=128, dropout_embed=0.25, dropout_hidden=0.5)
_longer = replace(ENCODER, epochs=64)  # of regenerated data 40, as many as SASRec has of originals
_bce = replace(SASREC, objective=BCE())
_inner = replace(SASREC, temperature=None)  # inner products, as in the papers of the losses
_sessions = Training(epochs=80, batch_size=128, optimizer="adagrad", learning_rate=0.1, patience=10)
_duorec = DuoRec.Config(temperature=0.07, cosine=True, contrast_temperature=0.2)
# paper: six tenths masked on Beauty; the encoder, its loss and its schedule are SASRec's, with four
# times as many passes
_bert4rec = BERT4Rec.Config(temperature=0.07, mask_share=0.6, head=False)
_cloze = replace(ENCODER, epochs=160, patience=160)
# the best of a search, with twice its passes; with four times as many validation ends lower
_prefixes = BERT4Rec.Config(
    num_layers=1, temperature=0.07, mask_share=0.2, head=False, prefixes=True
)
_often = replace(ENCODER, epochs=320, patience=320, learning_rate=2e-3, weight_decay=0.3)
_tuning = replace(ENCODER, epochs=2)  # more passes, slower, end alike: book/protocol.md
_asking = Training(epochs=0)  # nothing is learned
_unfrozen = Retrieval.Config(SASREC, frozen=False)
_patterns = Retrieval.Config(SASREC, memory="patterns")
_named: dict[str, Any] = {
    "neighbours": 100,
    "alpha": 1.0,
    "copied": 0.15,
    "num_heads": 1,
    "sharpness": 7.0,
}
_mixed = Ensemble.Config((SASREC, Markov.Config(order=1)), shares=(0.95, 0.05))
_attributed = AttributedSASRec.Config(temperature=0.07)
# what errs differently: attention at two widths, recurrence, and a linear map of whole histories
_wide = replace(SASREC, embed_dim=128)
_members = (SASREC, _wide, GRU_CE, SLIT.Config())
_member_runs = "{0}/sasrec,{0}/sasrec-wide,{0}/gru,{0}/slit"
_taught = Taught.Config(_wide, share=1.0, kept=1024)
_repeating = Ensemble.Config((_taught,), repeats=True)
# the same, and one that knows attributes
_informed = (*_members, _attributed)
_informed_runs = f"{_member_runs},{{0}}/sasrec-attributed"


RECIPES: dict[str, tuple[Any, ...]] = {
    "popular": ("popular", Popular.Config(), Training()),
    "popular-recent": ("popular", Popular.Config(half_life_days=90.0), Training()),
    "recency": ("recency", Recency.Config(), Training()),
    "markov-1": ("markov", Markov.Config(order=1), Training()),
    "markov": ("markov", Markov.Config(), Training()),
    "markov-3": ("markov", Markov.Config(order=3), Training()),
    "slit": ("slit", SLIT.Config(), Training()),
    "gru": ("gru", GRU_CE, ENCODER),
    "gru4rec": ("gru4rec", _gru4rec, _sessions),
    "sasrec": ("sasrec", SASREC, ENCODER),
    "sasrec-longer": ("sasrec", SASREC, _longer),
    "sasrec-wide": ("sasrec", _wide, ENCODER),
    "sasrec-attributed": ("sasrec-attributed", _attributed, ENCODER),
    "duorec": ("duorec", _duorec, ENCODER),
    **over_receipts(SASREC, GRU_CE, ENCODER, SLOWER, marked=False),
    "bert4rec": ("bert4rec", _bert4rec, _cloze),
    "bert4rec-prefixes": ("bert4rec", _prefixes, _often),
    **RANKER_RECIPES,
    "sasrec-personalised": ("personalised", Personalised.Config(SASREC), ENCODER),
    "sasrec-retrieval": ("retrieval", Retrieval.Config(SASREC), _tuning, "{0}/sasrec"),
    "sasrec-unfrozen": ("retrieval", _unfrozen, _tuning, "{0}/sasrec"),
    "sasrec-patterns": ("retrieval", _patterns, _tuning, "{0}/sasrec"),
    # nothing learned: the memory alone is given the validation pairs, as in the released RaSeRec
    "sasrec-banked": ("retrieval", Retrieval.Config(SASREC), _asking, "{1}/sasrec-retrieval"),
    "duorec-retrieval": ("retrieval", Retrieval.Config(_duorec), _tuning, "{0}/duorec"),
    # no attention over the neighbours: their items by name (kNN-LM)
    "sasrec-neighbours": ("retrieval", Retrieval.Config(SASREC, **_named), _asking, "{0}/sasrec"),
    "duorec-neighbours": ("retrieval", Retrieval.Config(_duorec, **_named), _asking, "{0}/duorec"),
    "gru-neighbours": ("retrieval", Retrieval.Config(GRU_CE, **_named), _asking, "{0}/gru"),
    "gru-retrieval": ("retrieval", Retrieval.Config(GRU_CE), _tuning, "{0}/gru"),
    "gru4rec-retrieval": ("retrieval", Retrieval.Config(_gru4rec), _tuning, "{0}/gru4rec"),
    # what a memory of single steps knows: the share is that of the best validation
    "sasrec-markov": ("ensemble", _mixed, _asking, "{0}/sasrec,{0}/markov-1"),
    "ensemble": ("ensemble", Ensemble.Config(_members), _asking, _member_runs),
    "ensemble-repeats": ("ensemble", Ensemble.Config(_members, True), _asking, _member_runs),
    "ensemble-attributed": ("ensemble", Ensemble.Config(_informed), _asking, _informed_runs),
    # one network that was taught what the ensemble expects (settings: book/searches/beauty);
    # another one, taught by all five; and the first with who repeats counted
    "sasrec-taught": ("taught", _taught, ENCODER, _member_runs),
    "sasrec-taught-twice": ("taught", _taught, ENCODER, _member_runs + ",{0}/sasrec-taught"),
    "sasrec-taught-repeats": ("ensemble", _repeating, _asking, "{0}/sasrec-taught"),
    **SURVEY_RECIPES,
    "sasrec-inner": ("sasrec", _inner, ENCODER),
    "sasrec-bce": ("sasrec", _bce, SLOWER),
    "sasrec-gbce": ("sasrec", replace(_inner, objective=GBCE()), ENCODER),
    "sasrec-sampled": ("sasrec", replace(SASREC, objective=SampledSoftmax()), SLOWER),
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

_hrnn = HRNN.Config(hidden_dim=256, temperature=0.07, objective=_sampled)

TECD_RECIPES: dict[str, tuple[Any, ...]] = {
    "gru": ("gru", _tecd_gru, _tecd),
    "gru-pretrained": ("gru", _tecd_gru, _tecd, "{pairs}/item2vec"),
    "gru-leaking": ("gru", _tecd_gru, _tecd, "{leaking}/item2vec"),
    "hrnn": ("hrnn", _hrnn, _tecd),
    "hrnn-fed": ("hrnn", replace(_hrnn, fed=True), _tecd),
    "hrnn-actions": ("hrnn", replace(_hrnn, actions=True), _tecd),
    "sasrec": ("sasrec", _tecd_sasrec, _tecd),
    "sasrec-pretrained": ("sasrec", _tecd_sasrec, _tecd, "{pairs}/item2vec"),
    "sasrec-leaking": ("sasrec", _tecd_sasrec, _tecd, "{leaking}/item2vec"),
    "item2vec": ("item2vec", _item2vec, _pairs),
    "item2vec-256": ("item2vec", _item2vec, replace(_pairs, batch_size=256)),
    "item2vec-8192": ("item2vec", _item2vec, replace(_pairs, batch_size=8192)),
    "item2vec-report": ("item2vec", _report, _report_training),
    "svd": ("svd", SVD.Config(), Training()),
    "sasrec-200": ("sasrec", replace(_tecd_sasrec, max_len=200), replace(_tecd, max_len=200)),
    **TECD_RANKERS,
}


# the data sets of what a run starts from
KIN: dict[str, Callable[[Dataset], Dataset]] = {
    "0": lambda dataset: dataset,
    "1": lambda dataset: dataset.but(with_validation=False),
    "pairs": lambda dataset: dataset.but(pairs="apart"),
    "leaking": lambda dataset: dataset.but(pairs="leaking"),
}


def recipe(name: str, dataset: str | Dataset = "simulated") -> tuple[Any, ...]:
    """(model, config, training) published as ``name``, of T-ECD, of simulated worlds with stores
    and of data sets of ours whose users' last fifth tests other than of the rest.

    A fourth value, if there is one, names the runs that it starts from, ``{0}`` for the data set,
    ``{1}`` for that without its validation part in training, ``{pairs}`` and ``{leaking}`` for its
    pairs. Raises ``ValueError`` for another name.
    """
    dataset = Dataset.parse(dataset)
    known = RECIPES | TECD_RECIPES if dataset.is_tecd else TECD_RECIPES | RECIPES
    if dataset.stores:
        known = known | (OMNI_RECIPES if dataset.about.omni else STORE_RECIPES)
    if tail := dataset.split == "tail" and not dataset.is_file:
        known = known | TAIL_RECIPES
    if name not in known:
        raise ValueError(f"{name!r} is not published; use one of {', '.join(known)}")
    model, config, training, *start = known[name]
    if tail:  # the same questions to all
        training = replace(training, questions=QUESTIONS)
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

    Of a log with many repeats that no chapter studies, ``select`` is unmasked. Other ``epochs``
    than the recipe's are those of the runs that it starts from, too.
    """
    dataset = Dataset.parse(dataset)
    model, config, training, *start = recipe(name, dataset)
    counted = issubclass(MODELS[model], CountModel)  # without passes or seeds
    trial = f"@{epochs}" if epochs not in (None, training.epochs) else ""
    if epochs is not None and training.epochs and not counted:  # who learns nothing stays so
        training = replace(training, epochs=epochs)
    if select_unmasked(dataset):
        training = replace(training, select="unmasked")
    if counted:
        seeds = (0,)
    pretrained = None
    if start:
        pretrained = re.sub(r"{(\w+)}", lambda one: folder(KIN[one[1]](dataset)), start[0])
        pretrained = pretrained.replace(",", f"{trial},") + trial
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
        name, _, epochs = name.partition("@")
        kin = (of(own) for of in KIN.values())
        dataset = next((its for its in kin if folder(its) == shelf), None) or Dataset.parse(shelf)
        # of the same seed; of pairs, which are a data set of their own, that of seed 0
        seed = 0 if dataset.pairs else spec.training.seed
        found += published(dataset, name, [seed], int(epochs) if epochs else None)
    return found
