"""Axes follow from ranks, by arithmetic."""

import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from seqrec_lib import report
from seqrec_lib.data.files import root
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.report import axes


def test_segments_hold_every_user_once(runs, ax):
    lengths = runs[0].examples["history_length"].to_numpy()
    found = report.gains_by(ax, runs, lengths, (0, 1, 50, 120, float("inf")))
    assert found.index.tolist() == ["1–49", "50–119", "120+"]  # one user is no segment
    assert found["users"].tolist() == [49, 70, 80]
    part = hr(runs[1].ranks("masked")[:, 50:120].ravel(), 10).mean()
    assert found.loc["50–119", "SASRec"] == pytest.approx(part)
    assert len(ax.containers) == 2 and ax.get_ylim()[0] == 0


def test_gains_by_segment_are_paired_with_a_base(runs, ax):
    how = (np.arange(200), (0, 100, float("inf")))
    gains = report.gains_by(ax, runs[1:], *how, base=runs[0])
    levels = report.gains_by(ax, runs, *how)
    expected = levels["SASRec"] - levels.iloc[:, 0]
    assert np.allclose(gains["SASRec"], expected) and expected.abs().max() > 0
    itself = report.gains_by(ax, runs[:1], *how, base=runs[0])
    assert (itself.iloc[:, 0] == 0).all()


def test_curves_mark_the_best_epoch(runs, ax):
    report.curves(ax, runs)
    marked = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 1]
    assert marked == [[2]] * 5


def test_curves_say_under_which_protocol_they_were_selected(runs, ax):
    report.curves(ax, runs)
    assert ax.get_ylabel() == "validation NDCG@10, M"
    runs[1].seeds[0].spec["training"] = {"select": "unmasked"}
    report.curves(ax, runs[1:])
    assert ax.get_ylabel() == "validation NDCG@10, U"


def test_costs_are_drawn_at_their_seconds(runs, ax):
    report.cost_quality(ax, runs)
    assert ax.get_xscale() == "log" and [text.get_text() for text in ax.texts] == [
        "Markov chain", "SASRec"
    ]  # fmt: skip
    assert [line.get_xdata()[0] for line in ax.lines[:2]] == [10.0, 10.0]


def test_names_beside_points_cover_neither_points_nor_names(ax):
    near = {"one": (1.0, 1.0, "red"), "a longer name": (1.02, 1.0, "blue"), "c": (1.0, 1.01, "k")}
    far = {"far": (2.0, 2.0, "green")}
    for x, y, _ in (near | far).values():
        ax.plot(x, y, "o")
    axes.beside(ax, near | far, bars=[(2.0, 1.5, 2.0, 2.5), (1.6, 2.0, 2.4, 2.0)])
    boxes = [word.get_window_extent() for word in ax.texts]
    assert [word.get_text() for word in ax.texts] == [*near, *far]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    (x, low), (_, high) = ax.transData.transform([(2.0, 1.5), (2.0, 2.5)])
    assert not any(box.overlaps(Bbox.from_extents(x, low, x + 1, high)) for box in boxes)
    (left, y), (right, _) = ax.transData.transform([(1.6, 2.0), (2.4, 2.0)])
    assert not any(box.overlaps(Bbox.from_extents(left, y, right, y + 1)) for box in boxes)
    spots = ax.transData.transform([(x, y) for x, y, _ in (near | far).values()])
    assert not any(box.contains(x, y) for box in boxes for x, y in spots)
    for box, (x, y) in zip(boxes, spots, strict=True):  # and each is near its own
        assert abs(np.clip(x, box.x0, box.x1) - x) + abs(np.clip(y, box.y0, box.y1) - y) < 45


def test_a_name_that_takes_room_beside_the_axes_moves_no_other_onto_a_point():
    report.style()
    figure, ax = plt.subplots()
    points = {"a name of some words": (0.0, 1.0, "k"), "the longest of all these names":
              (0.8, 1.0, "k"), "third": (1.0, 0.0, "k")}  # fmt: skip
    for x, y, _ in points.values():
        ax.plot(x, y, "o")
    axes.beside(ax, points)
    figure.draw_without_rendering()  # as it is saved
    spots = ax.transData.transform([(x, y) for x, y, _ in points.values()])
    boxes = [word.get_window_extent() for word in ax.texts]
    assert not any(box.padded(4).contains(x, y) for box in boxes for x, y in spots)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x0 > ax.get_window_extent().x0 for box in boxes)
    plt.close(figure)


def test_names_of_lines_are_tied_to_their_ends_and_stay_above_the_bottom(ax):
    ax.set(xlim=(0, 1), ylim=(0, 1))
    axes.named(ax, {name: (0.01, "blue") for name in "abcd"} | {"e": (0.9, "red")}, 1.0)
    ax.figure.draw_without_rendering()
    assert [word.xy for word in ax.texts] == [(1.0, 0.01)] * 4 + [(1.0, 0.9)]
    assert all(word.arrow_patch is not None for word in ax.texts)
    heights = sorted(word.xyann[1] for word in ax.texts)
    assert heights[0] >= 0 and min(np.diff(heights)) >= 0.0749
    boxes = [Text.get_window_extent(word) for word in ax.texts]  # without their ties
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_legend_stands_above_all_panels_once():
    report.style()
    figure, panels = plt.subplots(2, 1)
    for ax in panels:
        for name in ("one", "another"):
            ax.plot([0, 1], [0, 1], label=name)
        report.legend_above(ax)
    (drawn,) = figure.legends
    figure.draw_without_rendering()
    box = drawn.get_window_extent()
    assert all(ax.get_window_extent().y1 <= box.y0 for ax in panels) and drawn._ncols == 2
    panels[1].plot([0, 1], [1, 0], label="of this panel")
    report.legend_above(panels[1])  # other names: a legend of its own, not upon the first
    assert len(figure.legends) == 1
    figure.draw_without_rendering()
    low = panels[1].get_legend().get_window_extent().y0
    assert panels[1].get_window_extent().y1 <= low < panels[0].get_window_extent().y0
    plt.close(figure)
    plt.rcdefaults()


def test_a_legend_that_is_wider_than_its_figure_takes_rows():
    report.style()
    figure, ax = plt.subplots()
    for number in range(4):
        ax.plot([0, 1], [0, 1], label=f"name {number} of four, not short")
    report.legend_above(ax)
    assert figure.legends[0]._ncols == 2
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
    plt.close(figure)
    plt.rcdefaults()


def test_no_legend_is_drawn_over_the_data():
    places = {"axes.py": 1, "maps.py": 1, "performance.py": 1}  # above, beside, below
    found = {
        name: len(re.findall(r"\.legend\(|\)\.legend\(", code)) for name, code in drawing_code()
    }
    assert {name: count for name, count in found.items() if count} == places


def test_what_is_drawn_of_one_seed_says_so(ax, made):
    single = made("sasrec", np.arange(1, 21))
    report.gains_by(ax, [single], np.arange(20), (0, 10, 20))
    assert ax.get_legend_handles_labels()[1] == ["SASRec, one seed"]
    ax.clear()
    report.cost_quality(ax, [single])
    assert [text.get_text() for text in ax.texts] == ["SASRec, one seed"]


def test_turns_draw_both_protocols_of_each_pair(runs, made):
    figure, ax = plt.subplots()
    first = made("sasrec", np.array([1, 2, 3]), np.array([1, 2, 4]), unmasked=np.array([5, 6, 7]))
    second = made("gru", np.array([2, 2, 3]), np.array([2, 2, 4]), unmasked=np.array([1, 6, 7]))
    found = report.turns(ax, {"Beauty": (first, second)})
    assert found["Beauty", "M"].mean > 0 > found["Beauty", "U"].mean
    assert "SASRec − GRU-CE" in ax.get_ylabel()
    assert "Beauty" in [text.get_text() for text in ax.texts]
    plt.close(figure)


def test_labels_keep_their_distance_around_what_they_name():
    assert axes.spread([1.0, 1.01, 0.0], 0.1) == pytest.approx([0.955, 1.055, 0.0])
    placed = axes.spread([5.0, 1.0, 2.0, 5.0], 1.5)
    assert placed == pytest.approx([4.25, 0.75, 2.25, 5.75])
    assert axes.spread([], 1.0) == []


def test_a_line_that_ends_nowhere_has_no_name(ax):
    axes.named(ax, {"there": (0.5, "black"), "nowhere": (float("nan"), "black")}, 1.0)
    assert [text.get_text() for text in ax.texts] == ["there"]


def test_lines_have_dashes_and_segments_that_are_no_scale_no_lines(made, ax):
    runs = [made(name, np.arange(1, 201), np.arange(1, 201)) for name in ("sasrec", "gru")]
    axes.gains_by(ax, runs, np.arange(200), (0, 50, 200))
    dashes = [look["linestyle"] for look in axes.LOOKS[:2]]
    assert [drawn[0].get_linestyle() for drawn in ax.containers] == dashes
    ax.clear()
    axes.gains_by(ax, runs, np.arange(200), (0, 50, 200), joined=False)
    assert {drawn[0].get_linestyle() for drawn in ax.containers} == {"None"}


def test_a_figure_keeps_to_its_size():
    report.style()
    figure, own = plt.subplots()
    own.set_yticks([0, 1], ["a name as long as a row's", "b"])
    own.annotate("a line that ends here", (1, 0.5), annotation_clip=False)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert figure.get_figwidth() == 5.2 and box.x0 >= 0 and box.x1 <= 5.2
    plt.close(figure)
    plt.rcdefaults()


def drawing_code():
    """Where figures are drawn: the report's files and the cells of the chapters, by name."""
    for path in sorted(Path(report.__file__).parent.rglob("*.py")):
        if path.name != "picture.py":  # the README's, on no page of the book
            yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((root() / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        yield path.name, "\n".join(code)


def test_no_figure_is_wider_and_no_type_smaller_than_a_telephone_shows():
    widths, sizes = {}, {}
    for name, code in drawing_code():
        widths |= {(name, w): float(w) for w in re.findall(r"figsize=\(([\d.]+)", code)}
        sizes |= {(name, s): float(s) for s in re.findall(r"fontsize=([\d.]+)", code)}
    assert len(widths) > 10 and {key: w for key, w in widths.items() if w > 5.2} == {}
    assert sizes and {key: size for key, size in sizes.items() if size < report.SMALL} == {}
