import pytest
import torch

from seqrec_lib.models import layers
from seqrec_lib.models.layers import Dropout, PReLU, running_sums, time_buckets


def test_dropout_does_nothing_when_not_training_or_at_chance_zero():
    x = torch.randn(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_dropout_zeroes_its_share_and_keeps_the_mean(chance):
    torch.manual_seed(0)
    out = Dropout(chance)(torch.ones(401, 501))
    dropped = round(chance * 256) / 256
    assert (out == 0).float().mean().item() == pytest.approx(dropped, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - dropped)))


def test_every_element_is_dropped_on_its_own():
    torch.manual_seed(0)
    dropout = Dropout(0.5)
    masks = torch.stack([dropout(torch.ones(3, 7)) > 0 for _ in range(2000)]).flatten(1).float()
    spread = 4 / 2000**0.5
    assert (masks.mean(0) - 0.5).abs().max() < spread  # no place is favoured
    together = torch.corrcoef(masks.T) - torch.eye(21)
    assert together.abs().max() < 1.25 * spread  # and no two places go together


def test_what_is_dropped_gets_no_gradient():
    torch.manual_seed(0)
    x = torch.randn(50, 9, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach() / x.detach())
    assert (x.grad == 0).any() and (x.grad > 1).any()


def test_the_mask_follows_torchs_seed_and_fits_any_layout():
    x = torch.ones(11, 13)
    masks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(x))
    assert masks[0].equal(masks[1]) and not masks[0].equal(masks[2])
    turned = Dropout(0.5)(torch.ones(13, 11).T)
    assert turned.shape == (11, 13) and 0 < (turned > 0).float().mean() < 1


@pytest.mark.parametrize("chance", [-0.1, 1.0, 1.5])
def test_an_impossible_chance_is_refused(chance):
    with pytest.raises(ValueError, match=f"at least 0 and below 1, not {chance}"):
        Dropout(chance)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_dropout_works_on_a_gpu():
    out = Dropout(0.25)(torch.ones(1000, 100, device="cuda"))
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("shifted", [False, True])
def test_products_of_bfloat16_are_the_same_with_units_for_them_and_without(monkeypatch, shifted):
    torch.manual_seed(0)
    a, b = torch.randn(32, 64).bfloat16(), torch.randn(64, 300).bfloat16()
    shift = torch.randn(300).bfloat16() if shifted else None
    exact = a.double() @ b.double() + (shift.double() if shifted else 0)
    for units in (False, True):
        monkeypatch.setattr(layers, "_BF16_UNITS", units)
        found = layers.product(a, b, shift)
        assert found.dtype == torch.bfloat16
        # rounded once: within half of the last of eight bits, and of single precision's sums
        torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-5)


def test_time_falls_into_buckets_a_third_wide_up_to_the_last():
    elapsed = torch.tensor([-5, 0, 1, 2, 60, 86_400, 10**12])
    # ln 2 / .301 = 2.3, ln 60 / .301 = 13.6, ln 86,400 / .301 = 37.8
    assert time_buckets(elapsed, 70).tolist() == [0, 0, 0, 2, 13, 37, 70]


def test_prelu_learns_as_that_of_torch():
    values = torch.randn(50, 7)
    values[0] = 0
    own, theirs = PReLU(init=0.3), torch.nn.PReLU(init=0.3)
    found = []
    for layer in (own, theirs):
        x = values.clone().requires_grad_()
        y = layer(x)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        found.append((y, x.grad, layer.weight.grad))
    torch.testing.assert_close(*found)
    assert list(own.state_dict()) == list(theirs.state_dict())
    assert torch.equal(PReLU(7)(values), torch.nn.PReLU(7)(values))


@pytest.mark.parametrize("counts", [[1], [31], [32], [33, 0, 2, 100], [3, 5]], ids=str)
def test_running_sums_are_those_of_torch_group_by_group(counts):
    values = torch.randn(sum(counts), 3, 2, dtype=torch.float64, requires_grad=True)
    found = running_sums(values, counts)
    expected = torch.cat([one.cumsum(0) for one in values.split(counts)])
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((weights * one).sum(), values)[0] for one in (found, expected)]
    torch.testing.assert_close(*gradients)
