"""Tables that are closed until somebody asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from seqrec_lib.report.show import Shown

_ARROW = (
    '<span class="sd-summary-state-marker sd-summary-chevron-right"><svg width="1.5em" '
    'height="1.5em" viewBox="0 0 24 24" aria-hidden="true"><path d="M9 6l6 6-6 6" fill="none" '
    'stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></svg></span>'
)


@dataclass(frozen=True)
class Dropdowns:
    """Tables behind their titles, each closed at first; printed as text where there is no page."""

    tables: Mapping[str, Shown]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.tables.values()))

    def _repr_html_(self) -> str:
        # the markup of sphinx-design's dropdowns, whose style every page loads
        return "".join(
            '<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-3">'
            '<summary class="sd-summary-title sd-card-header">'
            f'<span class="sd-summary-text">{escape(title)}</span>{_ARROW}</summary>'
            '<div class="sd-summary-content sd-card-body docutils">'
            f"{table._repr_html_()}</div></details>"
            for title, table in self.tables.items()
        )
