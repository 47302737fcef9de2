"""The chapter on regeneration: what a training set written anew changes, and what it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from seqrec_lib import report
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import Interval


def differences(
    ax: Axes, pairs: Mapping[str, tuple[Runs, Runs]]
) -> dict[tuple[str, str], Interval]:
    """NDCG@10 of the first run of each pair minus the second, a row a pair, under both protocols.

    Rows have their names, with what their intervals do not cover; returns the differences by name
    and letter of the protocol.
    """
    gains = {
        name: {protocol: report.gain(*pair, protocol) for protocol in report.PROTOCOLS}
        for name, pair in pairs.items()
    }
    notes = {
        name: next((one.note for one in of.values() if one.note), "") for name, of in gains.items()
    }
    table = pd.DataFrame.from_dict(gains, "index").rename(
        columns=report.WORDS, index=lambda name: f"{name}\n({notes[name]})" if notes[name] else name
    )
    report.forest([ax], {"": table}, "difference in NDCG@10")
    return {
        (name, report.PROTOCOLS[protocol]): one
        for name, of in gains.items()
        for protocol, one in of.items()
    }


def shape(top: Axes, bottom: Axes, lengths: Int[np.ndarray, "N"], sequences: pd.DataFrame) -> None:
    """Lengths of what was written beside those of the originals, and whose items it has.

    ``lengths`` are those of the originals, ``sequences`` as from ``studies.sequences.inspected``.
    """
    for place, (name, values) in enumerate(
        {"originals": lengths, "regenerated": sequences["length"].to_numpy()}.items()
    ):
        share = np.bincount(np.minimum(values, 10), minlength=11)[2:] / max(1, len(values))
        _bars(top, share, place, name)
    top.set_xticks(range(9), [*map(str, range(2, 10)), "10+"])
    top.set_xlabel("items of a sequence")
    for place, (name, column) in enumerate(
        {"its own history": "own", "the one other user who has most": "nearest"}.items()
    ):
        held = np.digitize(sequences[column], (1e-9, 1))  # none, some, all
        _bars(bottom, np.bincount(held, minlength=3) / max(1, len(held)), place, name)
    bottom.set_xticks(range(3), ["none of them", "some", "all"])
    bottom.set_xlabel("items of a regenerated sequence that are held by …")
    for ax in (top, bottom):
        ax.set_ylabel("share of sequences")
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        report.legend_above(ax, own=True)


def _bars(ax: Axes, heights: np.ndarray, place: int, name: str) -> None:
    colours, hatches = ("#9AA5AD", "#1B7F5C"), ("", "///")
    ax.bar(np.arange(len(heights)) + 0.4 * (place - 0.5), heights, 0.38, label=name,
           color=colours[place], hatch=hatches[place], edgecolor="white")  # fmt: skip


def costs(runs: Sequence[Runs], before: Mapping[str, float]) -> pd.DataFrame:
    """Minutes of each run alone and with all that had to run before it, and its memory.

    ``before`` has, by a run's name, the seconds that its card does not count: a regenerated data
    set is read like any other, though somebody had to make it.
    """
    rows = {}
    for run in runs:
        card = run.costs
        passes = [one.history["valid_ndcg@10"].argmax() + 1 for one in run.seeds]
        rows[report.label(run.name)] = {
            "best pass": int(np.median(passes)),
            "training, minutes": card["own_seconds"] / 60,
            "with all before it, minutes": (card["total_seconds"] + before.get(run.name, 0)) / 60,
            "peak GiB": card["peak_bytes"] / 2**30,
        }
    return pd.DataFrame.from_dict(rows, "index")


def by_length(sequences: pd.DataFrame) -> pd.DataFrame:
    """Sequences of each length, in percent whose items and steps they have."""
    heads = {
        "own": "items from its own history",
        "retold": "part of it, in order",
        "known": "steps known",
        "nearest": "items from one other user",
    }
    table = 100 * sequences.groupby("length")[list(heads)].mean().rename(columns=heads)
    table.insert(0, "sequences", sequences["length"].value_counts())
    return table.rename_axis("items")


def facts(
    written: pd.DataFrame, sequences: pd.DataFrame, mined: Collection[tuple[int, ...]]
) -> dict[str, float]:
    """What there is to say of regenerated sequences: counts, and shares in percent.

    ``written`` has a row an item, ``sequences`` a row a sequence
    (``studies.sequences.inspected``); ``mined`` are the patterns of the training histories.
    """
    items = written.groupby("sequence")["item"].agg(tuple)
    shares = {
        "pairs-share": sequences["length"] == 2,
        "known-share": sequences["known"],
        "mined-share": items.isin(mined),
        "pattern-pairs": [len(pattern) == 2 for pattern in mined],
    }
    return {
        "written": float(len(items)),
        "distinct": float(items.nunique()),
        "copies": float(items.value_counts().iloc[0]),
    } | {name: float(100 * np.mean(values)) for name, values in shares.items()}
