"""What the top-k lists show of the catalogue, from each item's exposure.

Exposure is the number of lists an item appears in, one count for every item of the catalogue
(padding is not an item): items never shown count too. A negative or missing count, an empty
catalogue or a table of zeros raises ``ValueError``.
"""

import numpy as np
from jaxtyping import Float, Real


def coverage(exposure: Real[np.ndarray, " items"]) -> float:
    """Share of the catalogue that appears in some list, in (0, 1].

    >>> coverage(np.array([6, 2, 0, 0]))
    0.5
    """
    return float((_checked(exposure) > 0).mean())


def gini(exposure: Real[np.ndarray, " items"]) -> float:
    """Inequality of exposure: 0 if all N items are shown equally often, 1 - 1/N if one has it all.

    The mean absolute difference between two items drawn at random, over twice the mean.

    >>> gini(np.array([5, 5, 5, 5]))
    0.0
    >>> gini(np.array([6, 2, 0, 0]))
    0.625
    """
    ascending = np.sort(_checked(exposure))
    num_items = ascending.size
    place = 2 * np.arange(num_items) + 1 - num_items  # items below it less items above it
    return float((place * ascending).sum() / (num_items * ascending.sum()))


def _checked(exposure: Real[np.ndarray, " items"]) -> Float[np.ndarray, " items"]:
    if exposure.size == 0:
        raise ValueError("exposure is empty: it has one count per item of the catalogue")
    bad = ~(exposure >= 0)  # so written, it is true of NaN
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"exposure of item {first} (counted from 0) is {exposure[first]}; it is 0 or more"
        )
    if not exposure.any():
        raise ValueError("exposure is 0 for every item: no list was counted")
    return exposure.astype(float)
