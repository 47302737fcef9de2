"""What a convolution over a history sees: a filter of Caser, and a stack with holes (NextItNet).

Both draw on axes of their own and return the sentence for readers who do not see them. Colours are
told apart on white and on black.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from seqrec_lib.models.encoders.nextitnet import KERNEL
from seqrec_lib.report import LOOKS, SMALL
from seqrec_lib.report.axes import bare

INK, PALE = "#767676", "#B0B0B0"
ACROSS, DOWN = LOOKS[0]["color"], LOOKS[1]["color"]


def filters(ax: Axes, height: int = 5, width: int = 8, rows: int = 2) -> str:
    """The last ``height`` items as the rows of a picture, and one filter of Caser of each kind.

    Across, the whole width of ``rows`` items, which slides from place to place; down, one weight an
    item, the same for every column. Raises ``ValueError`` for a filter higher than the picture.
    """
    if not 1 <= rows <= height:
        raise ValueError(f"rows is {rows}; use 1 to {height}, the height of the picture")
    for row in range(height):
        for column in range(width):
            ax.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=PALE, lw=0.6))
    places = height - rows + 1
    for place in range(places):
        first = place == 0
        ax.add_patch(
            Rectangle(
                (-0.1 - 0.12 * place, place), width + 0.2 + 0.24 * place, rows, fill=first,
                facecolor=ACROSS + "40", edgecolor=ACROSS, lw=2 if first else 0.8,
                ls="-" if first else ":",
            )
        )  # fmt: skip
    ax.add_patch(Rectangle((width - 2, 0), 1, height, facecolor=DOWN + "40", edgecolor=DOWN, lw=2))
    ax.text(width + 0.9, rows / 2, f"across: {rows} items,\n{places} places, the highest",
            color=ACROSS, va="center", fontsize=SMALL)  # fmt: skip
    ax.text(width + 0.9, height - 0.6, "down: a weight an item,\nevery column alike", color=DOWN,
            va="center", fontsize=SMALL)  # fmt: skip
    ticks = ["last item" if ago == 0 else f"{ago} before" for ago in reversed(range(height))]
    ax.set_yticks([row + 0.5 for row in range(height)], ticks, fontsize=SMALL, color=INK)
    ax.set(xlim=(-0.8, width + 6), ylim=(height + 0.2, -0.2), xticks=[])
    ax.set_xlabel("coordinates of an item's vector", color=INK, loc="left", fontsize=SMALL)
    bare(ax)
    return (
        f"A grid of {height} rows, the last {height} items, oldest on top. A frame over the whole "
        f"width of {rows} rows can slide to {places} places; another over one column is as high as "
        f"the grid."
    )


def reached(dilations: Sequence[int]) -> list[set[int]]:
    """How many steps back each layer is read by the last state, from it down to the items.

    ``dilations`` are those of the blocks of NextItNet, each of which has two layers.
    """
    layers = [{0}]
    for dilation in reversed(_holes(dilations)):
        layers.append({back + tap * dilation for back in layers[-1] for tap in range(KERNEL)})
    return layers


def field(ax: Axes, dilations: Sequence[int] = (1, 4)) -> str:
    """Which items the last state of NextItNet sees, layer by layer: those that a line leads to."""
    layers = reached(dilations)
    steps = max(layers[-1]) + 1
    for level, seen in enumerate(reversed(layers)):
        places = range(steps)
        ax.scatter([-p for p in places], [level] * steps, s=9, color=PALE, zorder=2)
        ax.scatter([-p for p in seen], [level] * len(seen), s=22, color=DOWN, zorder=3)
    for level, (upper, holes) in enumerate(
        zip(reversed(layers[:-1]), _holes(dilations), strict=True)
    ):
        for back in upper:
            for tap in range(KERNEL):
                ax.plot([-back - tap * holes, -back], [level, level + 1], color=DOWN, lw=0.7,
                        alpha=0.6, zorder=1)  # fmt: skip
    names = ["items", *(f"dilation {holes}" for holes in _holes(dilations))]
    ax.set_yticks(range(len(names)), names, fontsize=SMALL, color=INK)
    ax.set(ylim=(-0.5, len(names) - 0.5), xlim=(-steps + 0.3, 0.7))
    ax.set_xticks([-steps + 1, 0], [f"{steps - 1} before", "last item"], fontsize=SMALL, color=INK)
    bare(ax)
    return (
        f"{len(names)} rows of dots, the items below and a layer a row above. Lines go from the "
        f"last state down, {KERNEL} from each dot, ever closer together: it sees {steps} items and "
        f"none before."
    )


def _holes(dilations: Sequence[int]) -> list[int]:
    """The dilation of each layer, from the items up."""
    return [dilation * more for dilation in dilations for more in (1, 2)]
