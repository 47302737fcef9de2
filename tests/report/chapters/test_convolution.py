"""What filters see, as it is drawn, against what the models see."""

import pytest
import torch
from matplotlib.colors import to_rgb

from seqrec_lib.models.encoders.nextitnet import NextItNet
from seqrec_lib.report.chapters import convolution


@pytest.mark.parametrize("dilations", [(1,), (1, 2), (1, 4), (2, 1)])
def test_the_field_that_is_drawn_is_the_models(small_catalogue, dilations):
    model = NextItNet(small_catalogue, NextItNet.Config(8, dilations, 0.0))
    assert max(convolution.reached(dilations)[-1]) + 1 == model.field


def test_the_items_that_are_reached_are_those_that_move_the_state(small_catalogue):
    """Of holes without a layer that fills them, most steps are out of sight."""
    torch.manual_seed(0)
    model = NextItNet(small_catalogue, NextItNet.Config(8, (2,), 0.0)).double()
    vectors = torch.randn(1, model.field + 2, 8, dtype=torch.double, requires_grad=True)
    real = torch.ones(1, model.field + 2, dtype=torch.bool)
    model.run(vectors, real)[0, -1].sin().sum().backward()
    moved = vectors.grad[0].abs().amax(1).flip(0) > 1e-12
    assert set(moved.nonzero().flatten().tolist()) == convolution.reached((2,))[-1]


def test_the_last_state_is_joined_with_what_it_sees(ax):
    said = convolution.field(ax, (1, 2))
    seen = convolution.reached((1, 2))
    dots = [len(drawn.get_offsets()) for drawn in ax.collections]
    assert dots[1::2] == [len(layer) for layer in reversed(seen)]
    assert len(ax.lines) == 3 * sum(len(layer) for layer in seen[:-1])
    ends = {round(-line.get_xdata()[0]) for line in ax.lines if line.get_ydata()[0] == 0}
    assert ends == seen[-1] == set(range(19))
    assert "sees 19 items" in said
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["items", "dilation 1", "dilation 2", "dilation 2", "dilation 4"]


def test_filters_cover_what_those_of_caser_cover(ax):
    said = convolution.filters(ax, height=5, width=8, rows=2)
    cells, frames = ax.patches[:40], ax.patches[40:]
    assert {one.get_width() for one in cells} == {1}
    *across, down = frames
    assert [one.get_y() for one in across] == [0, 1, 2, 3]
    assert all(one.get_height() == 2 and one.get_width() > 8 for one in across)
    assert (down.get_width(), down.get_height()) == (1, 5)
    assert "5 rows" in said and "4 places" in said
    with pytest.raises(ValueError, match="use 1 to 5"):
        convolution.filters(ax, height=5, rows=6)


@pytest.mark.parametrize("ground", ["white", "#121212"])
def test_ink_is_told_apart_from_either_ground(ground):
    def light(name):
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(name)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05

    for name in (convolution.INK, convolution.ACROSS, convolution.DOWN):
        low, high = sorted([light(name), light(ground)])
        assert high / low > 3
