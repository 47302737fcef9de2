"""Cross features by hand."""

import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.cross_features import CrossFeatures, count, gap


def test_a_gap_is_the_power_of_two_of_its_seconds():
    time = torch.tensor([[100, 100, 101, 104, 104 + 2**20, 104 + 2**20 + 2**60]])
    assert gap(time).tolist() == [[0, 1, 2, 3, 21, 32]]
    assert gap(torch.tensor([[9, 0]])).tolist() == [[0, 1]]  # padding has time 0
    assert gap(torch.tensor([[9]])).tolist() == [[0]]


def test_a_count_is_that_of_the_item_up_to_the_event():
    item = torch.tensor([[7, 2, 7, 7, 2, 7, 7, 7, 7, 7], [2, 7, 2, 0, 0, 0, 0, 0, 0, 0]])
    # of item 7 it is 1 2 3 4 5 6 7 8, of item 2 it is 1 2
    assert count(item)[0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 3]
    assert count(item)[1, :3].tolist() == [0, 0, 1]
    assert count(torch.ones(1, 2**17 + 1, dtype=torch.long)).max() == 16


@torch.no_grad()
def test_features_stand_side_by_side_and_know_nothing_of_what_follows():
    torch.manual_seed(0)
    model = CrossFeatures(("gap", "count"))
    for table in model.tables.values():
        assert not table.weight.any()  # a bucket that is never met stays silent
        torch.nn.init.normal_(table.weight)
    item, time = torch.tensor([[7, 2, 7, 7]]), torch.tensor([[5, 6, 9, 99]])
    found = model(Batch(item, time=time))
    expected = [model.tables["gap"](gap(time)), model.tables["count"](count(item))]
    torch.testing.assert_close(found, torch.cat(expected, -1))
    torch.testing.assert_close(model(Batch(item[:, :3], time=time[:, :3])), found[:, :3])


def test_features_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match=r"cross is \['price'\]"):
        CrossFeatures(("gap", "price"))
