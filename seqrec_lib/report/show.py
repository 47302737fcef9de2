"""Tables as a reader sees them: a caption, names for keys, numbers as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from typing import Any

import pandas as pd

from seqrec_lib.report.styles import label
from seqrec_lib.report.tables import WORDS

EMPTY = "–"  # stands where there is nothing
# "0.1", "+0.1 [0.0, 0.2], 3 common seeds (higher)", "0.10 / 0.05"
NUMBER = re.compile(
    r"none|\(?[−+±≤≥<>]?[\d.,]+ ?(%|± ?[\d.]+|\[[^]]*\]|(/|to) [\d.,]+)?\)?"
    r"(?P<note>(, \d common seeds)?(,? \(?[a-z][^\d]*)?)"
)
PLACES = 4
LONG = 40  # characters of a word that is broken anywhere: digests, paths


def show(
    table: pd.DataFrame | Mapping[str, pd.DataFrame],
    caption: str,
    digits: int | Mapping[str, int] = PLACES,
) -> Shown:
    """A table, or several behind tabs with their names, under a caption that says what is seen.

    Names of models become those of the book; whole numbers get thousands separators, others
    ``digits`` places (by column, where it names some: the rest has four); what is missing is a
    dash. What stands between backticks is set as code. A plain numbering of rows is left out.
    Raises ``ValueError`` for a caption that is empty or no sentence, and for digits of a column
    that no table has.
    """
    if not caption.strip().endswith((".", "?")):
        raise ValueError(f"a caption is a sentence that says what is seen, not {caption!r}")
    tables = {"": table} if isinstance(table, pd.DataFrame) else dict(table)
    if not isinstance(digits, int):
        if unknown := set(digits) - {str(name) for one in tables.values() for name in one}:
            raise ValueError(f"digits for {sorted(unknown)}, which are no columns")
    return Shown({name: _in_words(one, digits) for name, one in tables.items()}, caption.strip())


def by_protocol(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A table with columns of both protocols, as two: those with M in their name, and with U."""
    other = {
        letter: [name for name in table if not re.search(rf"\b{letter}\b", str(name))]
        for letter in "UM"
    }
    names = {WORDS["masked"]: other["U"], WORDS["unmasked"]: other["M"]}
    return {name: table[columns] for name, columns in names.items()}


def written(value: Any, digits: int = PLACES) -> str:
    """A value as it stands in a table or a sentence: 0.0054, −0.0054, 12,101. Zero has no sign.

    >>> written(-0.00541), written(12101.0), written("-.0023 [-.0027, .0072]"), written(None)
    ('−0.0054', '12,101', '−0.0023 [−0.0027, 0.0072]', '–')
    >>> written(-0.00001), written("(-.0000), one seed"), written("+.0000 [-.0000, .0001]")
    ('0.0000', '(0.0000), one seed', '0.0000 [−0.0000, 0.0001]')
    """
    if isinstance(value, str):
        text = label(value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, (list, tuple)):
        text = ", ".join(written(one, digits) for one in value)
    elif pd.isna(value):
        text = EMPTY
    elif isinstance(value, Integral) or isinstance(value, Real) and float(value).is_integer():
        text = f"{int(float(value)):,}"
    elif isinstance(value, Real):
        text = f"{float(value):,.{digits}f}"
    else:
        text = str(value)
    text = re.sub(r"(?<![\w.])([-+−]?)\.(?=\d)", r"\g<1>0.", text)
    # an end of an interval keeps it: −0.0 lies on the other side of zero than +0.0
    text = re.sub(r"^(\(?)[-+−](?=0(\.0+)?( \[|[^\d.\[]*$))", r"\1", text)
    return re.sub(r"(?<![\w)\]])-(?=\d)", "−", text) or EMPTY


@dataclass(frozen=True)
class Shown:
    """One table or several, ready for a page; printed as text where there is none."""

    tables: dict[str, pd.DataFrame]
    caption: str

    def __repr__(self) -> str:
        parts = [f"{name}\n{table}" if name else str(table) for name, table in self.tables.items()]
        return "\n\n".join([self.caption, *parts])

    def _repr_html_(self) -> str:
        if len(self.tables) == 1:
            return _html(next(iter(self.tables.values())), self.caption)
        # the markup of sphinx-design's tabs, whose style every page loads
        group = re.sub(r"\W+", "-", self.caption)[:40]
        tabs = []
        for number, (name, table) in enumerate(self.tables.items()):
            here = f"{group}-{number}"
            tabs.append(
                f'<input id="{here}" name="{group}" type="radio"{" checked" * (number == 0)}>'
                f'<label class="sd-tab-label" for="{here}">{escape(name)}</label>'
                f'<div class="sd-tab-content docutils">{_html(table, self.caption, name)}</div>'
            )
        return f'<div class="sd-tab-set docutils">{"".join(tabs)}</div>'


def _in_words(table: pd.DataFrame, digits: int | Mapping[str, int]) -> pd.DataFrame:
    """The cells and heads as they are printed; floats that are all whole lose their places."""
    rest = digits if isinstance(digits, int) else PLACES
    words = pd.DataFrame(index=range(len(table)))
    if not _plain(table.index):
        named = table.index.to_frame(index=False)
        for place, name in enumerate(named.columns):
            head = "" if name is None or name == place else written(name)
            words.insert(place, (head, place), [written(v, rest) for v in named.iloc[:, place]])
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        values = column.astype(object)
        whole = all(isinstance(v, Real) and (v != v or float(v).is_integer()) for v in values)
        name = table.columns[place]
        head = " ".join(map(written, name)) if isinstance(name, tuple) else written(name)
        places = digits if isinstance(digits, int) else digits.get(str(name), rest)
        words[(head, -1 - place)] = [
            written(f"{v:,.{places}f}" if _fraction(v) and not whole else v, places) for v in values
        ]
    words.columns = [head for head, _ in words.columns]
    return words


def _fraction(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, Integral)) and value == value


def _plain(index: pd.Index) -> bool:
    return isinstance(index, pd.RangeIndex) and index.name is None


def _html(table: pd.DataFrame, caption: str, tab: str = "") -> str:
    numeric = [
        all(NUMBER.fullmatch(cell) or cell == EMPTY for cell in table.iloc[:, place])
        for place in range(table.shape[1])
    ]
    sides = ["number" if yes and place else "words" for place, yes in enumerate(numeric)]
    heads = "".join(
        f'<th scope="col" class="{side}">{head(name)}</th>'
        for name, side in zip(table.columns, sides, strict=True)
    )
    rows = []
    for cells in table.itertuples(index=False):
        first, *rest = cells
        line = f'<th scope="row">{escape(first)}</th>' + "".join(
            f'<td class="{side}{_noted(cell, side)}">{_code(_unbroken(cell))}</td>'
            for cell, side in zip(rest, sides[1:], strict=True)
        )
        rows.append(f"<tr>{line}</tr>")
    return framed(f"{caption} ({tab})" if tab else caption, heads, "".join(rows))


def _noted(cell: str, side: str) -> str:
    """The class of a number with words behind it, which may stand on a line of their own, and of
    words so long that they have to be broken."""
    if side == "words":
        return " long" if max(map(len, cell.split()), default=0) > LONG else ""
    found = NUMBER.fullmatch(cell) if side == "number" else None
    return " noted" if found and found["note"] else ""


def head(name: str) -> str:
    """The markup of a column's name, which no line parts from its protocol's letter or its second.

    >>> head("HR@10 U") == "HR@10\u00a0U", head("cost, s") == "cost,\u00a0s", head("HR gain")
    (True, True, 'HR gain')
    """
    return escape(re.sub(r" (?=\(?[MU]\b)|(?<=,) (?=m?s$)", "\u00a0", name))


def _unbroken(cell: str) -> str:
    """The markup of a cell, in which no line ends within an interval, a count or before its ±."""
    joined = re.sub(r"\[[^]a-z]*\]", lambda found: found[0].replace(" ", "\u00a0"), cell)
    return escape(re.sub(r" (?=[±\[]|common seeds?)|(?<=±) ", "\u00a0", joined))


def _code(markup: str) -> str:
    """What stands between backticks in the font of code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", markup)


def framed(caption: str, heads: str, rows: str) -> str:
    """The markup of a table under its caption, in a container in which it scrolls; ``heads`` and
    ``rows`` are markup too."""
    said = escape(caption)
    return (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{said}">'
        f'<table class="shown"><caption><span>{said}</span></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
