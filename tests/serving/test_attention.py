"""Weights of the last state, held to what makes that state."""

import pytest
import torch

from seqrec_lib.serving.attention import attention, lacks
from seqrec_lib.serving.served import Served


def test_weights_are_those_that_the_last_state_mixes(served):
    model = served("sasrec").model
    found = attention(served("sasrec"), [101, "never", "102", 103])
    assert found.places == [0, 2, 3] and len(found.layers) == len(model.blocks)
    for layer in found.layers:
        assert len(layer) == 3 and sum(layer) == pytest.approx(1, abs=1e-6)
    # by hand: of the first block, over the vectors of these three and their places
    number = [served("sasrec").number[one] for one in ("101", "102", "103")]
    places = model.positions(torch.tensor([2, 1, 0]))
    with torch.no_grad():
        block = model.blocks[0]
        x = block.attention_norm(model.items(torch.tensor(number)) + places)
        query, key, _ = block.attention.project(x).chunk(3, -1)
        by_head = []
        for q, k in zip(query.chunk(2, -1), key.chunk(2, -1), strict=True):
            by_head.append((q[-1] @ k.T / q.shape[-1] ** 0.5).softmax(0))
    assert found.layers[0] == pytest.approx(torch.stack(by_head).mean(0).tolist(), abs=1e-6)


def test_of_a_long_history_the_last_events_are_read_and_of_none_nothing(served):
    found = attention(served("sasrec"), [101, 102, 103, 104, 105, 106, 107, "never"])
    assert found.places == [2, 3, 4, 5, 6]
    assert attention(served("sasrec"), ["never"]).places == []


@pytest.mark.parametrize("name", ["gru", "markov", "retrieval", "reranked"])
def test_a_model_without_weights_says_so(served, name):
    assert "no attention over the history" in lacks(served(name))
    with pytest.raises(ValueError, match="no attention"):
        attention(served(name), [101])


def test_one_that_looks_both_ways_is_not_shown(kept):
    assert "mask" in lacks(Served.load(kept("bert4rec")[0]))
