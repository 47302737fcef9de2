"""A few ratings, in days, that can be reckoned by hand."""

import pytest
import torch

from seqrec_lib.data.ratings import DAY_S, Ratings


@pytest.fixture
def ratings_of():
    """``ratings_of((user, item, day, rating), ...)``."""

    def build(*rows):
        user, item, day, rating = zip(*rows, strict=True)
        time = (torch.tensor(day, dtype=torch.float64) * DAY_S).long()
        return Ratings(torch.tensor(user), torch.tensor(item), time, torch.tensor(rating).float())

    return build


@pytest.fixture
def some(ratings_of):
    """3 users, 4 items, on days 0 to 9; item 4 and user 2 have one rating each."""
    return ratings_of(
        (0, 1, 0, 4), (0, 2, 0, 5), (0, 3, 3, 3), (0, 4, 9, 1),
        (1, 1, 1, 2), (1, 2, 4, 4), (1, 3, 9, 5), (2, 1, 5, 3),
    )  # fmt: skip
