"""What the book shows of runs: tables and axes, and in ``chapters`` what one chapter shows."""

from seqrec_lib.report.axes import both_protocols, cost_quality, curves, gains_by, style
from seqrec_lib.report.benchmarks import benchmark
from seqrec_lib.report.parameters import begin
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.report.tables import (
    HOLM,
    PROTOCOLS,
    Metric,
    by_dataset,
    costs,
    counts,
    figures,
    gain,
    interval,
    judged,
    marked,
    mean,
    paired_seeds,
    popularity_of,
    published,
    ratio,
    table,
    values,
)

__all__ = [
    "HOLM",
    "PROTOCOLS",
    "Metric",
    "begin",
    "benchmark",
    "both_protocols",
    "by_dataset",
    "colour",
    "cost_quality",
    "costs",
    "counts",
    "curves",
    "figures",
    "gain",
    "gains_by",
    "interval",
    "judged",
    "label",
    "marked",
    "marker",
    "mean",
    "paired_seeds",
    "popularity_of",
    "published",
    "ratio",
    "style",
    "table",
    "values",
]
