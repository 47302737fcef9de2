import pytest
import torch

from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import BCE, SampledSoftmax
from seqrec_lib.models.registry import MODELS
from seqrec_lib.training.loop import fit
from seqrec_lib.training.optimizers import optimizer
from seqrec_lib.training.settings import Training


@pytest.fixture
def model_of(small_catalogue):
    """A small SASRec, or a GRU, that learns from sampled negatives."""

    def build(kind=SASRec, **config):
        torch.manual_seed(0)
        config = {"embed_dim": 8, "hidden_dim": 16, "objective": SampledSoftmax(4)} | config
        return kind(small_catalogue, kind.Config(**config))

    return build


@pytest.mark.parametrize(("name", "decay"), [("adamw", 0.1), ("adamw", 0.0), ("adagrad", 0.0)])
def test_the_first_step_goes_by_the_sign_of_the_gradient(model_of, name, decay):
    model = model_of()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer(model, name, 0.01, decay).step()
    for name, weight in model.named_parameters():
        kept = 1 - 0.01 * decay if weight.ndim > 1 else 1  # norms and biases do not decay
        expected = before[name] * kept - 0.01 * weight.grad.sign()
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_step_is_fused_where_torch_can(model_of, device):
    model = model_of().to(device)  # a device without a fused Adagrad, as a GPU is
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    stepping = optimizer(model, "adagrad", 0.01, 0.0)
    assert stepping.defaults["fused"] == (device == "cpu")
    stepping.step()


def test_another_optimizer_is_refused_with_the_names_there_are(model_of, small_log, small_split):
    with pytest.raises(ValueError, match="'sgd' is not known; use one of adamw, adagrad, sparse-"):
        fit(model_of(), small_log, small_split, Training(epochs=1, optimizer="sgd"))


def test_decay_shrinks_every_entry_by_a_share_of_itself(model_of):
    """With gradients of zero nothing else moves: the large and the small by the same factor."""
    model = model_of()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer(model, "adamw", 0.01, 0.5).step()
    for name, weight in model.named_parameters():
        kept = 1 - 0.01 * 0.5 if weight.ndim > 1 else 1
        torch.testing.assert_close(weight.detach(), before[name] * kept, rtol=1e-6, atol=0)


def test_a_decay_that_adagrad_would_take_for_a_gradient_is_refused(model_of):
    with pytest.raises(ValueError, match="weight_decay is 0.5: adagrad has no decoupled decay"):
        optimizer(model_of(), "adagrad", 0.01, 0.5)


@pytest.mark.parametrize("name", ["retrieval", "ensemble", "personalised", "sasrec-attributed"])
def test_tables_with_dense_gradients_are_refused_before_a_step(
    small_catalogue, small_log, small_split, name
):
    model = MODELS[name](small_catalogue, MODELS[name].Config())
    training = Training(epochs=1, optimizer="sparse-adam")
    words = f"item tables of {type(model).__name__} have dense gradients; use adamw"
    with pytest.raises(ValueError, match=words):
        fit(model, small_log, small_split, training)


# --- Adam that leaves rows alone ---------------------------------------------------------------


def gradient(rows, num_rows=41, embed_dim=8):
    """Of these rows and no others."""
    values = torch.randn(len(rows), embed_dim)
    size = (num_rows, embed_dim)
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, size, check_invariants=True)


def test_sparse_adam_is_adam_by_hand_on_the_rows_touched(model_of):
    model = model_of()
    table = model.items.weight
    step = optimizer(model, "sparse-adam", 0.01, weight_decay=0.1)
    expected = table.detach().double().clone()
    mean, square = torch.zeros_like(expected), torch.zeros_like(expected)
    for number, rows in enumerate([[3, 5], [5, 7], [3], [5, 3]], start=1):
        table.grad = gradient(rows)
        step.step()
        slope = table.grad.to_dense().double()[rows]
        mean[rows] = 0.9 * mean[rows] + 0.1 * slope
        square[rows] = 0.999 * square[rows] + 0.001 * slope**2
        # moments of rows that were left alone have not moved; the number of steps is the table's
        rate = 0.01 * (1 - 0.999**number) ** 0.5 / (1 - 0.9**number)
        expected[rows] -= rate * mean[rows] / (square[rows].sqrt() + 1e-8)
    torch.testing.assert_close(table.detach().double(), expected, rtol=1e-5, atol=1e-7)
    moved = (table.detach() != model_of().items.weight).any(1).nonzero()[:, 0]
    assert moved.tolist() == [3, 5, 7]


def test_sparse_adam_is_adamw_for_all_but_the_table(model_of):
    found = []
    for name in ("sparse-adam", "adamw"):
        model = model_of()
        step = optimizer(model, name, 0.01, weight_decay=0.1)
        torch.manual_seed(1)
        for _ in range(3):
            for weight in model.parameters():
                weight.grad = torch.randn_like(weight)
            if name == "sparse-adam":
                model.items.weight.grad = model.items.weight.grad.to_sparse(1)
            step.step()
        found.append({name: weight.detach() for name, weight in model.named_parameters()})
    ours, theirs = found
    assert len(ours) > 10
    assert [name for name in ours if not ours[name].equal(theirs[name])] == ["items.weight"]


@pytest.mark.parametrize("temperature", [None, 0.5])
@pytest.mark.parametrize("kind", [SASRec, GRU])
def test_an_update_moves_the_rows_it_compared_and_no_others(
    model_of, small_log, small_split, kind, temperature
):
    model = model_of(kind, temperature=temperature, objective=BCE())
    before = model.items.weight.detach().clone()
    step = optimizer(model, "sparse-adam", 0.01, 0.0)
    batch = model.training_batch(small_log, small_log.windows(small_split.train[1:7], 20)[:1])
    seen = set(batch.item.flatten().tolist()) | set(batch.target.flatten().tolist())
    loss = model(batch)
    step.zero_grad()
    loss.backward()
    assert model.items.weight.grad.is_sparse
    step.step()
    moved = set((model.items.weight.detach() != before).any(1).nonzero()[:, 0].tolist())
    assert seen <= moved | {0} and 0 not in moved
    assert len(moved) <= len(seen) + batch.target.numel() < 30  # a negative for each target


@pytest.mark.parametrize("kind", [SASRec, GRU])
def test_an_output_table_of_its_own_is_stepped_sparsely_too(model_of, small_log, small_split, kind):
    model = model_of(kind, tied=False)
    before = model.item_vectors()[0].detach().clone()
    dense, sparse = optimizer(model, "sparse-adam", 0.01, 0.0).parts
    assert [len(group["params"]) for group in sparse.param_groups] == [2]
    training = Training(epochs=1, optimizer="sparse-adam", learning_rate=0.01, max_len=20)
    (row,) = fit(model, small_log, small_split, training)
    assert 0 < row["loss"] < 4
    assert (model.item_vectors()[0] != before)[1:].any(1).all()
    stepped = {id(w) for part in (dense, sparse) for g in part.param_groups for w in g["params"]}
    assert stepped == {id(weight) for weight in model.parameters()}


def test_parts_that_step_together_are_stored_and_read_back_together(model_of):
    def stepped(model, step, rows):
        for row in rows:
            torch.manual_seed(row)
            for weight in model.parameters():
                weight.grad = torch.randn_like(weight)
            model.items.weight.grad = gradient([row, 9])
            step.step()

    def new(model):
        return optimizer(model, "sparse-adam", 0.01, 0.1)

    whole, broken = model_of(), model_of()
    stepped(whole, new(whole), [1, 2, 3, 4])
    first = new(broken)
    stepped(broken, first, [1, 2])
    second = new(broken)
    second.load_state_dict(first.state_dict())
    stepped(broken, second, [3, 4])
    forgetful = model_of()
    stepped(forgetful, new(forgetful), [1, 2])
    stepped(forgetful, new(forgetful), [3, 4])
    for name, weight in whole.named_parameters():
        assert weight.equal(broken.get_parameter(name))
        assert not weight.equal(forgetful.get_parameter(name))
