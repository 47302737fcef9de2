"""What the page on families shows: each model by its family, its cost, its level elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from seqrec_lib import report
from seqrec_lib.records.store import Runs

# in the order of the survey, with what a model keeps of a history
FAMILIES: dict[str, tuple[str, ...]] = {
    "counts": ("markov-1", "markov"),
    "factors": ("mf", "fpmc-last", "fpmc", "prme"),
    "recurrence": ("gru4rec", "gru"),
    "convolution": ("caser", "nextitnet"),
    "self-attention": ("sasrec", "hstu"),
    "filling in": ("bert4rec", "bert4rec-prefixes"),
}
# rows in print that much else is compared with, by the model of ours: who, with which loss
PRINTED: dict[str, tuple[str, str]] = {
    "gru": ("GRU4Rec", "one negative"),
    "caser": ("Caser", "one negative"),
    "bert4rec": ("BERT4Rec", "filling in"),
    "sasrec": ("SASRec", "one negative"),
    "hstu": ("HSTU", "sampled softmax"),
}
FAMILY = {model: family for family, models in FAMILIES.items() for model in models}


def table(runs: Sequence[Runs]) -> pd.DataFrame:
    """A row a model, under its family: NDCG@10 with half-widths, what masking adds, what it took.

    Raises ``KeyError`` for a model of no family.
    """
    level = report.table(runs)[["seeds", "NDCG@10 M", "NDCG@10 U"]]
    added = report.masking(runs)[["added by masking, %"]].round(0)
    took = report.costs(runs)[["parameters", "own minutes"]]
    found = level.join(added).join(took.rename(columns={"own minutes": "minutes"}))
    kinds = [FAMILY[run.name] for run in runs]
    return found.set_axis(
        pd.MultiIndex.from_arrays([kinds, found.index], names=["family", "model"])
    )


def beside_print(runs: Mapping[str, Runs], dataset: str) -> pd.DataFrame:
    """HR@10 and NDCG@10 (M) of the rows :data:`PRINTED` and of the same networks here; first the
    chain of order 1, of which nothing is in print."""
    columns = ["HR@10 M", "NDCG@10 M"]
    here = report.table([runs[name] for name in ("markov-1", *PRINTED)])[columns]
    of_dataset = [report.in_print(who, loss=loss).get(dataset) for who, loss in PRINTED.values()]
    printed = pd.DataFrame(
        [one or (float("nan"),) * 2 for one in of_dataset], here.index[1:], columns
    )
    losses = pd.Series([loss for _, loss in PRINTED.values()], printed.index, name="loss in print")
    return here.add_suffix(" here").join([losses, printed.add_suffix(" in print")])


def elsewhere(files: Mapping[str, Sequence[Runs]]) -> dict[str, pd.DataFrame]:
    """NDCG@10 with half-widths by protocol: a row a model, a column a file; empty where a model
    was not trained."""
    return {
        way: pd.DataFrame(
            {
                file: {
                    report.label(one.name): report.with_half_width(report.mean(one, protocol))
                    for one in runs
                }
                for file, runs in files.items()
            }
        )
        for protocol, way in report.WORDS.items()
    }


def kept(before: Sequence[Runs], after: Sequence[Runs]) -> pd.DataFrame:
    """NDCG@10 before and after a file was changed, and by how much it fell, by model and protocol.

    Models are paired by place. Raises ``ValueError`` where names differ.
    """
    rows = {}
    for one, other in zip(before, after, strict=True):
        if one.name != other.name:
            raise ValueError(f"{one.name} is compared with {other.name}; pair models by name")
        row: dict[str, float] = {}
        for protocol, letter in report.PROTOCOLS.items():
            first, second = (report.mean(run, protocol).mean for run in (one, other))
            row |= {f"as it is {letter}": first, f"changed {letter}": second}
            row[f"lost {letter}, %"] = 100 * (1 - report.ratio(second, first))
        rows[report.label(one.name)] = row
    return pd.DataFrame.from_dict(rows, "index")
