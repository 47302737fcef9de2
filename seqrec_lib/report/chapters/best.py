"""The best of what we have beside what is in print: how good it is, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes

from seqrec_lib import report
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import verdicts

# of an ensemble its members, of a mixture what stands under it: all have to run
MEMBERS = {
    "ensemble": ("sasrec", "sasrec-wide", "gru", "slit"),
    "ensemble-attributed": ("sasrec", "sasrec-wide", "gru", "slit", "sasrec-attributed"),
    "sasrec-neighbours": ("sasrec",),
    "sasrec-markov": ("sasrec", "markov"),
}


def spent(run: Runs, of: Mapping[str, Runs]) -> tuple[float, float]:
    """Minutes to train a run with all that it is made of, and seconds to score all test users.

    ``of`` has the runs by name. Each is the median over its seeds that the commonest device
    trained.
    """
    parts = [run, *(of[name] for name in MEMBERS.get(run.name, ()))]
    return (
        sum(float(part.costs["own_seconds"]) for part in parts) / 60,
        float(run.costs["scoring_seconds"]),
    )


def with_costs(shown: Sequence[str], of: Mapping[str, Runs]) -> pd.DataFrame:
    """NDCG@10 of the runs of one data set under both protocols, and what they take."""
    rows = {}
    for name in shown:
        minutes, seconds = spent(of[name], of)
        row: dict[str, Any] = {
            f"NDCG@10 {letter}": _with_half_width(of[name], protocol)
            for protocol, letter in report.PROTOCOLS.items()
        }
        row |= {"training, minutes": minutes, "scoring, seconds": seconds}
        rows[report.label(name)] = row
    return pd.DataFrame.from_dict(rows, "index")


def _with_half_width(run: Runs, protocol: str) -> str:
    found = report.mean(run, protocol)
    words = f"{found.mean:.4f} ± {(found.high - found.low) / 2:.4f}"
    return f"{words}, {found.note}" if found.note else words


def against_print(
    ax: Axes,
    found: Mapping[str, Mapping[str, Runs]],
    shown: Sequence[str],
    in_print: Mapping[str, tuple[float, float]],
) -> pd.DataFrame:
    """NDCG@10 (M) relative to the best row in print, in percent, with what each run takes.

    ``found`` has by data set the runs by name, ``in_print`` the (HR@10, NDCG@10) of a data set;
    one that has none is held against the first of ``shown``. Returns the ends of the intervals.
    """
    rows, names, height = {}, [], 0.0
    for dataset, of in found.items():
        first = report.mean(of[shown[0]], "masked").mean
        base = in_print[dataset][1] if dataset in in_print else first
        ax.text(0.02, height, dataset.capitalize(), weight="bold", va="center",
                transform=ax.get_yaxis_transform())  # fmt: skip
        names.append((height, ""))
        for place, name in enumerate((one for one in shown if one in of), start=1):
            mean = report.mean(of[name], "masked")
            middle, low, high = (
                100 * (report.ratio(value, base) - 1) for value in (mean.mean, mean.low, mean.high)
            )
            ink, mark = report.colour(name), report.marker(name)
            ax.plot([low, high], [height + place] * 2, color=ink, lw=1.8)
            ax.plot(middle, height + place, mark, color=ink, ms=7)
            minutes, seconds = spent(of[name], of)
            ax.text(1.02, height + place, f"{minutes:.0f} min, {seconds:.0f} s", va="center",
                    fontsize=9, transform=ax.get_yaxis_transform())  # fmt: skip
            short = report.label(name).replace(f"{report.label(shown[0])}, ", "+ ")
            names.append((height + place, short))
            rows[dataset, name] = {"mean": middle, "low": low, "high": high}
        height = names[-1][0] + 1.2
    ax.axvline(0, color="black", lw=0.9)
    ax.text(1.02, names[0][0], "cost", weight="bold", va="center", fontsize=9,
            transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set_yticks(*zip(*names, strict=True))
    ax.set_ylim(height - 0.5, -0.7)  # the first on top
    ax.set_xlabel("NDCG@10 (M), % above or below the best in print")
    return pd.DataFrame.from_dict(rows, "index")


def gains(pairs: Mapping[Any, Sequence[Runs]]) -> pd.DataFrame:
    """NDCG@10 of each pair's first run, and its paired gain over the second.

    A gain that is no difference is in brackets, the verdicts of the table corrected together.
    """
    found = {
        (name, protocol): report.gain(one, base, protocol)
        for name, (one, base) in pairs.items()
        for protocol in report.PROTOCOLS
    }
    said = dict(zip(found, verdicts(list(found.values())), strict=True))
    rows: dict[Any, dict[str, str]] = {name: {} for name in pairs}
    for (name, protocol), gain in found.items():
        letter = report.PROTOCOLS[protocol]
        level = report.mean(pairs[name][0], protocol).mean
        words = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
        words = words if said[name, protocol] in ("higher", "lower") else f"({words})"
        rows[name][f"NDCG@10 {letter}"] = f"{level:.4f}"
        rows[name][f"change {letter}"] = f"{words}, {gain.note}" if gain.note else words
    return pd.DataFrame.from_dict(rows, "index")


def taken_before(log: EventLog, split: Split) -> Bool[np.ndarray, "S"]:
    """Which test steps, from the last item to the true one, stand in some training history."""
    learned = split.train[log.history_length(split.train) > 0]
    taken, asked = (
        log.item[positions - 1].astype(np.int64) * (log.num_items + 1) + log.item[positions]
        for positions in (learned, split.test)
    )
    return np.isin(asked, taken)
