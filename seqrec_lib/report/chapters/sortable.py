"""The table of all results as a page shows it: sorted and filtered there, or taken as a file.

What sorts and filters is ``book/_static/results.js``. Without it every row stands there, in order.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from seqrec_lib.report.cells import with_half_width
from seqrec_lib.report.chapters.results import Row, raw
from seqrec_lib.report.show import framed, head, written
from seqrec_lib.statistics.intervals import TOO_FEW, Interval

FIGURES = ("HR@10 M", "NDCG@10 M", "HR@10 U", "NDCG@10 U")
COSTS = ("minutes, own", "minutes, in all", "seconds to score", "parameters")
FEW = "*"  # beside a figure whose seeds are too few for an interval


@dataclass(frozen=True)
class Sortable:
    """Rows under a caption, those of the file ``shown`` first seen; printed as text elsewhere."""

    rows: Sequence[Row]
    caption: str
    shown: str = ""

    def table(self) -> pd.DataFrame:
        """The cells in words."""
        lines = [dict(zip(self._heads(), self._words(row), strict=True)) for row in self.rows]
        return pd.DataFrame(lines, columns=self._heads())

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        heads = "".join(
            f'<th scope="col" class="{_class(name)}">{head(name)}</th>' for name in self._heads()
        )
        lines = "".join(self._line(row) for row in self.rows)
        return f'<div class="results">{self._controls()}{framed(self.caption, heads, lines)}</div>'

    def link(self) -> str:
        """The address of all rows as CSV; it holds the file itself and needs no network."""
        content = raw(self.rows).to_csv(index=False).encode()
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(content).decode()}"

    def _controls(self) -> str:
        """What chooses rows, hidden until the script is there to do it, and the file."""
        names = dict.fromkeys(row.file for row in self.rows)
        options = "".join(
            f"<option{' selected' * (name == self.shown)}>{escape(name)}</option>" for name in names
        )
        return (
            '<form class="results-controls" hidden>'
            f'<label>File <select name="file"><option value="">all</option>{options}</select>'
            '</label><label>Protocol <select name="protocol"><option value="">M and U</option>'
            "<option>M</option><option>U</option></select></label>"
            '<label>Model contains <input type="text" name="text"></label>'
            '<output aria-live="polite"></output></form>'
            f'<p class="results-file"><a download="results.csv" href="{self.link()}">'
            f"Download all {len(self.rows)} rows</a> (CSV, with the ends of all intervals)</p>"
        )

    def _heads(self) -> list[str]:
        return ["model", "file", "seeds", *FIGURES, *COSTS, "trained on"]

    def _words(self, row: Row) -> list[str]:
        found = [_figure(row.found[name], "NDCG" in name) for name in FIGURES]
        costs = [f"{value:,.1f}" for value in self._costs(row)[:3]]
        costs.append(written(row.parameters))
        return [row.model, row.file, row.seeds, *found, *costs, row.device.split(",")[0]]

    def _costs(self, row: Row) -> tuple[float, ...]:
        return row.own, row.minutes, row.seconds, float(row.parameters)

    def _line(self, row: Row) -> str:
        values = ["", "", str(len(row.runs.seeds))]
        values += [f"{row.found[name].mean:.6f}" for name in FIGURES]
        values += [f"{value:.6g}" for value in self._costs(row)] + [""]
        cells = []
        for name, words, value in zip(self._heads(), self._words(row), values, strict=True):
            by = f' data-value="{value}"' if value else ""
            if name == "model":
                cells.append(f'<th scope="row">{escape(words)}</th>')
            else:
                cells.append(f'<td class="{_class(name)}"{by}>{escape(words)}</td>')
        return f"<tr>{''.join(cells)}</tr>"


def _figure(one: Interval, wide: bool) -> str:
    """A mean, and if there is room its half-width; marked where seeds are too few for one."""
    if not wide:
        return f"{one.mean:.4f}"
    return with_half_width(one, notes=()) + FEW * (one.note == TOO_FEW)


def _class(name: str) -> str:
    """On which side a column is set, and the protocol that it is of."""
    side = "words" if name in ("model", "file", "trained on") else "number"
    return f"{side} {name[-1].lower()}" if name in FIGURES else side
