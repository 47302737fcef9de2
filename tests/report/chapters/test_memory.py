"""The search of a memory as tables and axes."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from seqrec_lib.report.chapters import memory


def test_the_heat_map_has_a_figure_in_every_cell():
    figure, ax = plt.subplots()
    change = pd.DataFrame([[0.001, -0.002], [0, 0.003]], index=[0.1, 0.5], columns=[5, 10])
    memory.heat_map(ax, change)
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found == {(0, 0): "+0.0010", (1, 0): "−0.0020", (0, 1): "0.0000", (1, 1): "+0.0030"}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.1", "0.5"]
    plt.close(figure)


def test_of_a_benchmark_the_setting_that_finds_most_stands_for_an_index():
    def row(setting, seconds, recall, **more):
        told = {"setting": setting, "build_seconds": 1.5, "seconds": seconds}
        return told | {"recall": recall} | more

    figures = {"ndcg@10": {"masked": 0.25, "unmasked": 0.125}}
    search = {
        "exact": [row("", 2.0, 1.0, **figures)],
        "ivf": [row("nprobe=1", 0.5, 0.5, **figures)],
    }
    size = {"index": "ivf", "peak_bytes": 2**31}
    grown = [
        row("nprobe=1", 3.0, 0.5, entries=100, **size),
        row("nprobe=2", 2.0, 0.75, entries=100, **size),
        row("nprobe=1", 1.0, 0.25, entries=100, **size),
        row("nprobe=2", 4.0, 0.8, entries=1000, **size),
    ]
    table, best = memory.searched({"beauty": {"search": search}, "grown": grown})
    assert table.loc[("IVF", "1 cells read")].tolist() == [1.5, 0.5, 0.5, 0.25, 0.125]
    assert table.columns.tolist() == ["to make", "seconds", "found", "NDCG@10 M", "NDCG@10 U"]
    assert best.to_numpy().tolist() == [
        ["IVF", 100, 1.5, 2.0, 0.75, 2.0],
        ["IVF", 1000, 1.5, 4.0, 0.8, 2.0],
    ]
    figure, axes = plt.subplots(1, 2)
    memory.growth(*axes, best)
    assert [ax.get_lines()[0].get_ydata().tolist() for ax in axes] == [[2.0, 2.0], [2.0, 4.0]]
    plt.close(figure)


def test_of_neighbours_the_nearest_are_shown_and_those_that_led_to_the_item():
    led = [{"last": ["7", "8"], "next": item} for item in ("1", "2", "3", "4")]
    one = {"before": 41, "after": 5, "history": ["5", "6", "8"], "true": "4", "neighbours": led}
    (row,) = memory.neighbours([one], shown=2).to_dict("records")
    assert row["rank"] == "41 → 5" and row["history ends with"] == "6, 8"
    assert row["neighbours"] == "8 → 1; 8 → 2; 8 → 4"
