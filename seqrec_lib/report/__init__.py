"""What the book shows of runs: tables and axes, and in ``chapters`` what one chapter shows."""

from seqrec_lib.report.axes import both_protocols, cost_quality, curves, gains_by, style
from seqrec_lib.report.styles import colour, label, marker
from seqrec_lib.report.tables import (
    PROTOCOLS,
    Metric,
    by_dataset,
    costs,
    figures,
    gain,
    mean,
    paired_seeds,
    popularity_of,
    published,
    table,
    values,
)

__all__ = [
    "PROTOCOLS",
    "Metric",
    "both_protocols",
    "by_dataset",
    "colour",
    "cost_quality",
    "costs",
    "curves",
    "figures",
    "gain",
    "gains_by",
    "label",
    "marker",
    "mean",
    "paired_seeds",
    "popularity_of",
    "published",
    "style",
    "table",
    "values",
]
