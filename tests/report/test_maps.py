import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from seqrec_lib.report import maps


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    kind = np.repeat([f"kind {i}" for i in range(10)], [90, 80, 70, 60, 50, 40, 30, 20, 10, 5])
    return pd.DataFrame(
        {
            "item": [f"nfmcg_{i}" for i in range(len(kind))],
            "x": rng.normal(size=len(kind)),
            "y": rng.normal(size=len(kind)),
            "popularity": rng.integers(1, 1000, len(kind)),
            "category": kind,
        }
    )


def inside(page):
    """The points of an interactive map, as its script reads them."""
    document = html.unescape(re.search(r'srcdoc="([^"]*)"', page)[1])
    return json.loads(re.search(r"const d=(\{.*?\}), n=", document)[1]), document


def test_the_frequent_labels_have_a_colour_and_a_shape_of_their_own_and_the_rest_is_grey(
    points, ax
):
    maps.by_label(ax, points, "category")
    drawn = {one.get_label(): one for one in ax.collections}
    assert list(drawn) == ["other", *(f"kind {i}" for i in range(6, -1, -1))]
    assert [len(drawn[f"kind {i}"].get_offsets()) for i in range(7)] == [90, 80, 70, 60, 50, 40, 30]
    assert len(drawn["other"].get_offsets()) == 35
    own = [tuple(drawn[f"kind {i}"].get_facecolor()[0][:3]) for i in range(7)]
    assert own == [to_rgb(look[0]) for look in maps.LOOKS[:7]]
    assert len({shape for _, shape in maps.LOOKS}) == len({c for c, _ in maps.LOOKS}) == 8
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[0] == "kind 0" and texts[-1] == "other"


def test_popular_items_lie_on_top(points, ax):
    maps.by_popularity(ax, points)
    (drawn,) = ax.collections
    assert (np.diff(drawn.get_array()) >= 0).all()
    top = points.loc[points["popularity"].idxmax(), ["x", "y"]].to_numpy(float)
    np.testing.assert_allclose(drawn.get_offsets()[-1], top)


def test_the_interactive_map_holds_every_point_and_loads_nothing(points):
    page = maps.interactive(points, "category")
    data, document = inside(page)
    assert data["item"] == points["item"].tolist()
    assert data["popularity"] == points["popularity"].tolist()
    assert [data["kinds"][at] for at in data["kind"]] == points["category"].tolist()
    assert [data["names"][at] for at in data["group"]] == [
        name if name in data["names"] else "other" for name in points["category"]
    ]
    np.testing.assert_allclose(data["x"], points["x"], atol=0.005)
    assert not re.search(r"https?:|//\w|\bsrc=|\bhref=|@import|url\(", document)
    assert page.count("<iframe") == 1 and len(page) < 60_000


def test_a_label_cannot_break_out_of_the_map(points):
    evil = '</script><img src=x onerror="alert(1)">'
    data, document = inside(maps.interactive(points.assign(category=evil), "category"))
    assert data["kinds"] == [evil]
    assert evil not in document and document.count("</script>") == 1
    _, document = inside(maps.interactive(points.assign(**{"a<b": "c"}), "a<b"))
    assert '<option value="group">a&lt;b</option>' in document


def test_the_interactive_map_opens_on_what_the_figure_shows(points, ax):
    far = points.assign(x=points["x"].where(points.index > 0, 1e4))
    data, _ = inside(maps.interactive(far, "category"))
    maps.by_label(ax, far, "category")
    np.testing.assert_allclose(data["frame"], [ax.get_xlim(), ax.get_ylim()], atol=0.006)
    assert data["frame"][0][1] < 10 and max(data["x"]) == 1e4


def test_the_wheel_alone_scrolls_the_page_and_not_the_map(points):
    _, document = inside(maps.interactive(points, "category"))
    wheel = document[document.index('"wheel"') :]
    assert wheel.index("if(!e.ctrlKey&&!e.metaKey)return") < wheel.index("preventDefault")


def test_the_interactive_map_answers_fingers_and_keys_and_has_a_name(points):
    page = maps.interactive(points, "category")
    _, document = inside(page)
    assert "onpointerdown" in document and "onmouse" not in document
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", '"+"', '"-"'):
        assert key in document
    assert 'tabindex="0"' in document and '"aria-label"' in document
    assert re.search(r'<iframe title="Map of \d+ items by category"', page)


def test_the_interactive_map_has_the_colours_of_its_page(points):
    _, document = inside(maps.interactive(points, "category"))
    assert "prefers-color-scheme: dark" in document and "data-theme" in document
    assert "background:#fff" not in document
