"""How to read an interval: levels beside paired differences, seeds, verdicts of one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from seqrec_lib import report
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import Interval, holm, over_seeds, verdicts

HELD, MISSED = "#555555", "#D55E00"


def side_by_side(axes: Sequence[Axes], base: Runs, others: Sequence[Runs], protocol: str) -> None:
    """Above: NDCG@10 of each run with its interval. Below: each paired difference to ``base``.

    Both axes are equally long and the mean of ``base`` stands above zero, so that lengths and
    places can be compared by eye. Beside the differences stand their verdicts, corrected together.
    """
    top, bottom = axes
    levels = {run.name: report.mean(run, protocol) for run in (base, *others)}
    gains = {run.name: report.gain(run, base, protocol) for run in others}
    middle = levels[base.name].mean
    for ax, found in ((top, levels), (bottom, gains)):
        for height, (name, one) in enumerate(found.items()):
            ink = report.colour(name)
            ax.plot([one.low, one.high], [height] * 2, color=ink, lw=2.2, solid_capstyle="butt")
            ax.plot(one.mean, height, report.marker(name), color=ink, ms=7)
        ax.set_yticks(range(len(found)), [report.short(name, base.name) for name in found])
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.xaxis.set_major_locator(MaxNLocator(5))
    ends = [end - middle for one in levels.values() for end in (one.low, one.high)]
    ends += [end for one in gains.values() for end in (one.low, one.high)]
    reach = 1.08 * max(map(abs, ends))
    top.set_xlim(middle - reach, middle + reach)
    bottom.set_xlim(-reach, reach)
    bottom.axvline(0, color="black", lw=0.9)
    for height, verdict in enumerate(verdicts(list(gains.values()))):
        bottom.text(0.98 * reach, height, verdict, ha="right", va="center", fontsize=report.SMALL)
    first = levels[base.name]
    for place, words in ((middle, "mean"), (first.high, "  end of the 95 % interval")):
        top.annotate(words, (place, -0.12), (place, -0.75), fontsize=report.SMALL, va="bottom",
                     ha="left" if place > middle else "right",
                     arrowprops={"arrowstyle": "-", "lw": 0.7}, annotation_clip=False)  # fmt: skip
    letter = report.PROTOCOLS[protocol]
    top.set_xlabel(f"NDCG@10 ({letter})")
    bottom.set_xlabel(f"NDCG@10 ({letter}): change over {report.label(base.name)}, paired")


def studies(
    values: Real[np.ndarray, "seeds users"], count: int = 40, users: int = 1000, seed: int = 0
) -> list[Interval]:
    """Intervals of ``count`` studies that each meet ``users`` people drawn from those in the table.

    The table stands for all people there are, and its trainings are averaged: other users alone
    are met. Raises ``ValueError`` where a study would have fewer than two users.
    """
    if users < 2:
        raise ValueError(f"a study of {users} users has no interval; give 2 or more")
    each, rng = values.mean(0, keepdims=True), np.random.default_rng(seed)
    drawn = rng.integers(0, each.shape[1], (count, users))
    return [over_seeds(each[:, who], learned=False) for who in drawn]


def many(ax: Axes, truth: float, found: Sequence[Interval]) -> int:
    """Draw the intervals of many studies, and what they look for; returns how many hold it."""
    held = [one.low <= truth <= one.high for one in found]
    for height, (one, inside) in enumerate(zip(found, held, strict=True)):
        ink, dashes = (HELD, "-") if inside else (MISSED, (0, (2, 1)))
        ax.plot([one.low, one.high], [height] * 2, color=ink, ls=dashes, lw=1.4 if inside else 2.4)
        ax.plot(one.mean, height, "o" if inside else "D", color=ink, ms=3 if inside else 5)
    ax.axvline(truth, color="#0072B2", lw=1.2)
    ax.set_yticks([])
    ax.set_ylabel(f"{len(found)} studies")
    return sum(held)


def widths(base: Runs, others: Sequence[Runs], protocol: str) -> pd.DataFrame:
    """Half-widths on NDCG@10 of each run and of its difference to ``base``, by two ways.

    As if each of the two had met people and trainings of its own, and paired. ``correlation``: of
    the two runs' values of a user, each the mean over its seeds.
    """
    rows = {}
    own = report.mean(base, protocol).half_width
    for run in others:
        level = report.mean(run, protocol).half_width
        gain = report.gain(run, base, protocol).half_width
        apart = float(np.hypot(own, level))
        rows[report.short(run.name, base.name)] = {
            "level": level,
            f"level of {report.label(base.name)}": own,
            "difference, unpaired": apart,
            "difference, paired": gain,
            "times as narrow": f"{report.ratio(apart, gain):.1f}",
            "correlation over users": f"{_alike(run, base, protocol):.2f}",
        }
    return pd.DataFrame.from_dict(rows, "index")


def _alike(first: Runs, second: Runs, protocol: str) -> float:
    a, b = (report.values(run, protocol).mean(0) for run in (first, second))
    if not (a.std() and b.std()):
        return float("nan")  # one of them finds nothing, or everything
    return float(np.corrcoef(a, b)[0, 1])


def by_seeds(
    first: Runs, second: Runs, counts: Sequence[int], protocol: str = "masked"
) -> pd.DataFrame:
    """The paired difference on the first so many seeds, with the words that a table would have."""
    rows = {}
    for count in sorted({min(count, len(first.seeds), len(second.seeds)) for count in counts}):
        few = [replace(run, seeds=run.seeds[:count]) for run in (first, second)]
        gain = report.gain(few[0], few[1], protocol)
        verdict = verdicts([gain])[0]
        rows[f"{count} seed{'s' * (count > 1)}"] = {
            "difference": f"{gain.mean:+.4f}",
            "words": verdict if gain.note in ("", verdict) else f"{verdict}, {gain.note}",
            "interval": f"[{gain.low:+.4f}, {gain.high:+.4f}]",
            "its length": gain.high - gain.low,
        }
    return pd.DataFrame.from_dict(rows, "index")


def corrected(found: dict[str, Interval]) -> pd.DataFrame:
    """Differences of one table by their p-values, and what Holm's method makes of each.

    ``times``: by how much a p-value is multiplied, as many as have not been dealt with; no
    corrected value is below the one before it.
    """
    order = sorted(found, key=lambda name: found[name].p)
    table = [found[name] for name in order]
    p = holm(np.array([one.p for one in table]))
    return pd.DataFrame(
        {
            "difference": [f"{one:+.4f}" for one in table],
            "p": [_small(one.p) for one in table],
            "times": range(len(table), 0, -1),
            "corrected p": [_small(one) for one in p],
            "verdict": verdicts(table),
        },
        index=order,
    )


def _small(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"
