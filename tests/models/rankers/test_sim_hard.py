"""SIM with hard search: which events are of the candidate's category, by both rules."""

import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.models.rankers.sim_hard import RULES, SIMHard
from seqrec_lib.models.rankers.target_attention import TargetAttention

SMALL = SIMHard.Config(embed_dim=8, num_heads=2, hidden=(12, 6), dropout=0.0, k=2)
HISTORY = torch.tensor([[1, 2, 3, 1, 4, 5]])


def made(catalogue, shaken, attributes, **settings):
    torch.manual_seed(0)
    catalogue = dataclasses.replace(catalogue, attributes=attributes)
    return shaken(SIMHard(catalogue, dataclasses.replace(SMALL, **settings)), 0.3)


def attributes(*sets):
    table = np.zeros((41, 3), dtype=np.int32)
    for item, one in enumerate(sets, start=1):
        table[item, : len(one)] = one
    return table


def taken(model, candidate):
    read, asked = model.read(Batch(HISTORY)), model.asked(torch.tensor([[candidate]]))
    return model.chosen(read, asked)[0, 0, 0].nonzero().flatten().tolist()


@torch.no_grad()
def test_the_latest_events_that_share_an_attribute_are_read(small_catalogue, shaken):
    # the history's places are items 1 2 3 1 4 5; item 6 has 1 and 80, item 7 has 9, item 8 nothing
    table = attributes((1, 2), (2,), (2, 1), (80,), (), (1, 80), (9,))
    any_, same = (made(small_catalogue, shaken, table, rule=rule) for rule in RULES)
    assert taken(any_, 6) == [3, 4]  # of 0, 2, 3 by attribute 1 and 4 by 80
    assert taken(any_, 2) == [2, 3]  # of 0, 1, 2, 3
    assert taken(same, 2) == [1]
    assert taken(same, 1) == [2, 3]  # in whatever order they are listed
    assert taken(same, 6) == taken(any_, 7) == taken(any_, 8) == taken(same, 8) == []
    assert taken(any_, 5) == taken(same, 5) == []  # what has no attributes is not even like itself


@torch.no_grad()
def test_a_candidate_of_another_category_than_the_history_scores_as_after_none(
    small_catalogue, shaken
):
    model = made(small_catalogue, shaken, attributes((1,), (1,), (1,), (1,), (1,), (2,)))
    candidates = torch.tensor([[6, 1]])
    found = model.score(Batch(HISTORY), candidates)
    nothing = model.score(Batch(torch.zeros(1, 6, dtype=torch.long)), candidates)
    torch.testing.assert_close(found[0, 0], nothing[0, 0])
    assert (found - nothing)[0, 1].abs() > 1e-3


@torch.no_grad()
def test_where_all_are_of_one_category_it_reads_the_most_recent(small_catalogue, shaken):
    table = np.ones((41, 1), dtype=np.int32)
    table[0] = 0
    model = made(small_catalogue, shaken, table)
    recent = TargetAttention(small_catalogue, TargetAttention.Config(**_shared(SMALL))).eval()
    recent.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(model.score_all(Batch(HISTORY)), recent.score_all(Batch(HISTORY)))


@torch.no_grad()
def test_what_all_items_have_finds_nothing(small_catalogue, shaken):
    own = [(1, 9), (2, 9), (2, 9), (1, 9), (2, 9)]
    table = attributes(*own, *[(9,)] * 35)
    table[0] = 0
    for rule in RULES:
        model = made(small_catalogue, shaken, table, rule=rule)
        plain = made(small_catalogue, shaken, attributes(*[one[:1] for one in own]), rule=rule)
        for candidate in (1, 2, 6):  # 6 has the root alone
            assert taken(model, candidate) == taken(plain, candidate)
        assert taken(model, 2) and not taken(model, 6)


def _shared(config):
    return {name: value for name, value in vars(config).items() if name != "rule"}


def test_without_attributes_it_says_so(small_catalogue, shaken):
    model = made(small_catalogue, shaken, None)
    with pytest.raises(ValueError, match="compares attributes of items"):
        model.score_all(Batch(HISTORY))
    with pytest.raises(ValueError, match="rule is 'brand'"):
        made(small_catalogue, shaken, None, rule="brand")
