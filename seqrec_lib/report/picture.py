"""The one picture of the README, drawn from the committed records: `make picture`.

python -m seqrec_lib.report.picture book/_static/masking.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from seqrec_lib import report
from seqrec_lib.data import files
from seqrec_lib.data.files import written_aside
from seqrec_lib.records import store
from seqrec_lib.records.store import Runs
from seqrec_lib.statistics.intervals import Interval

FILES = ("beauty", "toys", "sports")


def committed(dataset: str, name: str, results: Path) -> Runs:
    """All seeds of a run that ``results`` holds. Raises ``FileNotFoundError`` if it holds none."""
    seeds = store.load_all(results / dataset / name)
    if not seeds:
        raise FileNotFoundError(f"{results / dataset / name}: there is no record to draw")
    return Runs(name, dataset, seeds)


def draw(target: Path, results: Path | None = None) -> dict[tuple[str, str], Interval]:
    """Write the picture as an SVG on white, and return the differences that it shows.

    They are those of SASRec less GRU-CE in NDCG@10 by file and protocol, and stand in the file as
    its description too. Equal records give equal bytes.
    """
    results = results or files.root() / "book" / "results"
    pairs = {
        one: (committed(one, "sasrec", results), committed(one, "gru", results)) for one in FILES
    }
    report.style()
    with plt.rc_context({"svg.hashsalt": "seqrec"}):  # ids that do not change
        figure, ax = plt.subplots(figsize=(5.2, 3.4), facecolor="white")
        found = report.turns(ax, {name.capitalize(): pair for name, pair in pairs.items()})
        ax.set_title("Attention or recurrence: masking decides", loc="left", fontsize=11)
        about = {"Title": "SASRec against GRU-CE", "Description": said(found), "Date": None}
        with written_aside(target) as aside:
            figure.savefig(aside, format="svg", metadata=about, facecolor="white")
        plt.close(figure)
    return found


def said(found: dict[tuple[str, str], Interval]) -> str:
    """The differences in words: "Beauty, M: +0.0061 [0.0044, 0.0078]; ..."."""
    return "; ".join(
        f"{name}, {letter}: {one.mean:+.4f} [{one.low:.4f}, {one.high:.4f}]"
        for (name, letter), one in found.items()
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the SVG")
    target = parser.parse_args().target
    print(f"{target}: {said(draw(target))}")
