"""What several rankers of candidates are held to."""

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch


@pytest.fixture(scope="session")
def as_by_hand():
    """Are the scores, which differ, those that ``by_hand(row, candidate)`` works out?"""

    def check(found, candidates, by_hand):
        assert found.std() > 1e-2
        for row, asked in enumerate(candidates.tolist()):
            for place, candidate in enumerate(asked):
                expected = by_hand(row, candidate)
                np.testing.assert_allclose(found[row, place], expected, rtol=1e-4, atol=1e-5)

    return check


@pytest.fixture(scope="session")
def as_prefixes():
    """Do candidates of a step score as after the events up to it, read by themselves?"""

    def check(model, histories, step):
        read = model.read(Batch(histories))
        candidates = torch.tensor([[7, 8, 7, 2]] * 3)
        found = model.match(read, candidates, step)
        for row in range(3):
            for place in range(4):
                seen = histories[[row], : int(step[row, place]) + 1]
                alone = model.score(Batch(seen), candidates[[row], place : place + 1])
                torch.testing.assert_close(found[row, place], alone[0, 0])

    return check


@pytest.fixture(scope="session")
def after_every_step():
    """Scores of the same candidates after every event, (B, T, K); NaN where there is padding."""

    def scored(model, read, candidates, real):
        found = torch.full((*real.shape, len(candidates)), torch.nan)
        found[real] = model.match_each(read, candidates, real)
        return found

    return scored


@pytest.fixture(scope="session")
def read_by_itself():
    """Does a model that reads a history as a whole refuse candidates of an earlier step?"""

    def check(model, histories, candidates):
        with pytest.raises(ValueError, match="read it by itself"):
            model.match(model.read(Batch(histories)), candidates, torch.zeros_like(candidates))

    return check
