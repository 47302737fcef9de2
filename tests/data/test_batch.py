import torch

from seqrec_lib.data.batch import Batch

ITEM = torch.tensor([[5, 3, 0], [7, 0, 0], [1, 2, 3]])


def test_real_events_are_those_that_are_not_padding():
    batch = Batch(ITEM)
    assert batch.real.tolist() == [[True, True, False], [True, False, False], [True] * 3]
    assert batch.length.tolist() == [2, 1, 3]


def test_a_batch_moves_with_all_its_parts():
    batch = Batch(ITEM, target=ITEM + 1, time=ITEM + 2, previous=torch.tensor([-1, 0, 1]))
    moved = batch.to("meta")
    for name in ("item", "target", "time", "previous"):
        assert getattr(moved, name).device.type == "meta"
        assert getattr(moved, name).shape == getattr(batch, name).shape
    copied = batch.to("cpu")
    assert copied.time.equal(ITEM + 2) and copied.previous.tolist() == [-1, 0, 1]


def test_what_a_batch_lacks_it_lacks_elsewhere_too():
    moved = Batch(ITEM).to("meta")
    assert moved.target is None and moved.time is None and moved.previous is None
