import numpy as np
import pytest
import torch

from seqrec_lib.data.log import EventLog
from seqrec_lib.data.partners import mirrored, with_partners
from seqrec_lib.data.splits import Split
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.training.evaluation import ranks


def pairs_of(train, test, num_items=9):
    """A log of pairs in both directions, as ``pairs.as_log`` makes it, and its split."""
    item = np.array([[a, b, b, a] for a, b in train + test], dtype=np.int32).ravel()
    count = len(item) // 2
    target = 2 * np.arange(count) + 1
    log = EventLog(
        item, np.zeros_like(item), 2 * np.arange(count + 1), np.arange(count), np.arange(num_items)
    )
    part = 2 * len(train)
    return log, Split(target[:part], target[:0], target[part:])


LOG, SPLIT = pairs_of(train=[(1, 2), (1, 3), (3, 4)], test=[(1, 4), (5, 3)])


def test_known_partners_of_the_first_item_stand_before_it():
    log, positions = with_partners(LOG, SPLIT)
    histories = np.split(log.item, log.offsets[1:-1])
    # the pairs asked for: 1 and 4, 4 and 1, 5 and 3, 3 and 5
    assert [sorted(one[:-2]) for one in histories] == [[2, 3], [3], [], [1, 4]]
    assert [one[-2:].tolist() for one in histories] == [[1, 4], [4, 1], [5, 3], [3, 5]]
    assert positions.tolist() == [3, 6, 8, 12]
    np.testing.assert_array_equal(log.item[positions], LOG.item[SPLIT.test])
    np.testing.assert_array_equal(log.items, LOG.items)


def test_masked_ranks_are_those_among_items_that_are_not_known(small_catalogue):
    model = Item2Vec(small_catalogue, Item2Vec.Config(embed_dim=6))
    train = [(1, 2), (1, 3), (1, 9), (3, 4)]
    log, split = pairs_of(train, test=[(1, 4), (5, 3)], num_items=40)
    found = ranks(model, *with_partners(log, split), length=1)["rank_masked"].tolist()
    unit = model.vectors()
    for (anchor, target, known), rank in zip(
        [(1, 4, {2, 3, 9}), (4, 1, {3}), (5, 3, set()), (3, 5, {1, 4})], found, strict=True
    ):
        others = [item for item in range(1, 41) if item not in known | {anchor, target}]
        higher = (unit[others] @ unit[anchor] > unit[target] @ unit[anchor]).sum()
        assert rank == 1 + higher
    assert max(found) > 5


def test_mirrored_trains_on_every_tested_pair_the_other_way_round():
    split = mirrored(SPLIT)
    pair = {(LOG.item[p - 1], LOG.item[p]) for p in split.train}
    assert len(split.train) == len(SPLIT.train) + 2 and (np.diff(split.train) > 0).all()
    tested = [(LOG.item[p - 1], LOG.item[p]) for p in split.test]
    assert tested == [(1, 4), (5, 3)]
    assert all((b, a) in pair and (a, b) not in pair for a, b in tested)
    before = {(LOG.item[p - 1], LOG.item[p]) for p in SPLIT.train}
    assert not any((b, a) in before for a, b in tested)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_that_knows_its_pairs_loses_nothing_by_it(seed, small_catalogue):
    """With the known partner nearest, the held-out one is second; filtered it is first."""
    model = Item2Vec(small_catalogue, Item2Vec.Config(embed_dim=6, projected=False))
    log, split = pairs_of([(1, 2)], [(1, 3)], num_items=40)
    torch.manual_seed(seed)
    with torch.no_grad():
        model.items.weight[1:] = -torch.rand(40, 6)
        for item in (1, 2, 3):
            model.items.weight[item] = torch.tensor([9.0, item, 0, 0, 0, 0])
    assert ranks(model, log, split.test[:1])["rank_masked"].tolist() == [2]
    filtered, positions = with_partners(log, split)
    assert ranks(model, filtered, positions[:1], length=1)["rank_masked"].tolist() == [1]
