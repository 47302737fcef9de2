"""Hierarchical k-means: sizes, purity, and that nothing beside a group changes it."""

import pytest
import torch

from seqrec_lib.models.rankers.clusters import _means, clusters


def drawn(*sizes, apart=20.0):
    """Vectors around as many points, far apart."""
    torch.manual_seed(0)
    points = torch.randn(len(sizes), 4) * apart
    return torch.cat([p + torch.randn(n, 4) for p, n in zip(points, sizes, strict=True)])


def zeros(x):
    return torch.zeros(len(x), dtype=torch.long)


@pytest.mark.parametrize("largest", [1, 2, 7, 20])
def test_no_cluster_is_larger_than_it_may_be(largest):
    x = torch.cat([drawn(90), drawn(3, 40)])
    group = torch.tensor([0] * 90 + [4] * 43)
    label = clusters(x, group, largest)
    assert label.bincount().max() <= largest and label.bincount().min() > 0
    for one in label.unique():  # within one group each
        assert len(group[label == one].unique()) == 1
    assert (label.diff()[group.diff() == 0] != 0).any() and label[:90].max() < label[90:].min()


def test_groups_that_are_small_enough_stay_whole():
    assert clusters(drawn(5, 5), zeros(range(10)), 10).tolist() == [0] * 10


def test_what_lies_together_is_one_cluster():
    x = drawn(12, 9, 14)
    label = clusters(x, zeros(x), 14)
    for begin, end in ((0, 12), (12, 21), (21, 35)):
        assert len(label[begin:end].unique()) == 1
    assert len(label.unique()) == 3


def test_alike_vectors_are_cut_by_order():
    x = torch.cat([torch.ones(50, 4), torch.full((1, 4), 3.0), torch.ones(50, 4)])
    label = clusters(x, zeros(x), 40)
    assert label.bincount().sort().values.tolist() == [1, 20, 40, 40]
    same = label[torch.arange(101) != 50]
    assert (same == same[0]).tolist() == [True] * 40 + [False] * 60
    assert (same == same[40]).sum() == 40 and (same[80:] == same[80]).all()
    assert clusters(x, zeros(x), 1).unique().numel() == 101


def test_alike_vectors_of_two_groups_are_cut_in_each():
    group = torch.tensor([0, 1] * 30)
    label = clusters(torch.ones(60, 4), group, 20)
    assert label.bincount().tolist() == [20, 10, 20, 10]
    assert set(label[group == 0].tolist()) == {0, 1}


@pytest.mark.parametrize("size, wanted", [(11, 2), (40, 3), (1024, 8)])
def test_a_group_of_n_is_split_into_n_to_the_power_of_three_tenths(size, wanted, monkeypatch):
    asked = []

    def kept(x, group, wanted, weight):
        asked.append(wanted.tolist())
        return _means(x, group, wanted, weight)

    monkeypatch.setattr("seqrec_lib.models.rankers.clusters._means", kept)
    clusters(drawn(size), zeros(range(size)), size - 1)
    assert asked == [[wanted]]


def test_k_means_moves_nothing_that_is_at_its_nearest_mean():
    x = drawn(30, 30, 30, apart=2.0)
    label = _means(x, zeros(x), torch.tensor([3]), zeros(x) + 1)
    means = torch.stack([x[label == one].mean(0) for one in range(3)])
    assert torch.cdist(x, means).argmin(1).equal(label)


def test_what_is_beside_a_group_changes_nothing():
    x, y = drawn(30, 30, apart=2.0), drawn(200)
    alone = clusters(x, zeros(x), 5)
    both = clusters(torch.cat([x, y]), torch.tensor([1] * 60 + [3] * 200), 5)
    assert both[:60].equal(alone)
    turned = torch.tensor([3] * 200 + [5] * 60)
    assert clusters(torch.cat([y, x]), turned, 5)[200:].unique(return_inverse=True)[1].equal(alone)


@pytest.mark.parametrize("largest", [1, 3, 20])
def test_an_item_that_comes_often_weighs_as_its_events_do(largest):
    torch.manual_seed(1)
    table, item = torch.randn(40, 4), torch.randint(40, (600,))
    group = torch.randint(3, (600,))
    said, found = (clusters(table[item], group, largest, one) for one in (item, None))
    pairs = torch.stack([said, found]).unique(dim=1)
    assert pairs.shape[1] == len(said.unique()) == len(found.unique())  # under other numbers


def test_no_events_no_clusters():
    assert len(clusters(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 5)) == 0
    with pytest.raises(ValueError, match="largest is 0"):
        clusters(torch.zeros(2, 4), torch.zeros(2, dtype=torch.long), 0)
