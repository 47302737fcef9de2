import numpy as np
import pytest
import torch
from torch import nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.nextitnet import CausalConvolution, NextItNet

CATALOGUE = Catalogue(30, np.r_[0, np.ones(30, dtype=np.int64)])


def model_of(dilations):
    torch.manual_seed(0)
    model = NextItNet(CATALOGUE, NextItNet.Config(8, dilations, dropout=0.0)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
        model.items.weight[0] = 0
    return model


@pytest.mark.parametrize("dilation", [1, 2, 5])
@torch.no_grad()
def test_a_convolution_is_torchs_own_shifted_so_that_nothing_later_is_read(dilation):
    ours = CausalConvolution(6, dilation)
    theirs = nn.Conv1d(6, 6, 3, dilation=dilation)
    theirs.weight.copy_(ours.mix.weight.view(6, 3, 6).transpose(1, 2))
    theirs.bias.copy_(ours.mix.bias)
    x = torch.randn(2, 11, 6)
    padded = nn.functional.pad(x.mT, (2 * dilation, 0))
    torch.testing.assert_close(ours(x), theirs(padded).mT)


@pytest.mark.parametrize("dilations", [(1,), (2,), (1, 2), (1, 4, 1)])
@torch.no_grad()
def test_the_last_state_sees_exactly_the_field(dilations):
    model = model_of(dilations)
    steps = model.field + 3
    item = torch.randint(1, 31, (1, steps))
    state = model.encode(Batch(item))[0, -1]
    changed = item.repeat(steps, 1)
    changed[range(steps), range(steps)] = item[0] % 30 + 1
    moved = (model.encode(Batch(changed))[:, -1] - state).abs().amax(1) > 0
    # steps beyond the field change nothing; the oldest in it does
    assert moved.tolist()[:4] == [False, False, False, True]
    assert moved[-1]


@torch.no_grad()
def test_a_block_adds_to_what_it_read():
    model = model_of((1,))
    block = model.blocks[0]
    nn.init.zeros_(block.far_norm.weight)
    nn.init.zeros_(block.far_norm.bias)
    batch = Batch(torch.tensor([[3, 1, 4]]))
    torch.testing.assert_close(model.encode(batch), model.items(batch.item))
