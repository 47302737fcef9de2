"""How evenly attention is spread."""

import numpy as np
from jaxtyping import Float


def normalised_entropy(weights: Float[np.ndarray, "... T"]) -> Float[np.ndarray, "..."]:
    """Entropy of shares over its largest value, ``-sum p log p / log T``: 0 to 1.

    1 where all T are equal, 0 where one has it all. The exponent ``T ** entropy`` is the number of
    equal shares that have the same entropy. Raises ``ValueError`` for fewer than two shares, a
    negative one, or a sum other than 1.

    >>> normalised_entropy(np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0]]))
    array([1. , 0.5])
    """
    if weights.shape[-1] < 2:
        raise ValueError("the entropy of fewer than two shares has no largest value to divide by")
    if not (weights >= 0).all() or not np.allclose(weights.sum(-1), 1, atol=1e-4):
        raise ValueError("shares are 0 or more and sum to 1; are these weights of attention?")
    weights = weights.astype(float)
    logarithm = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    found = -(weights * logarithm).sum(-1) / np.log(weights.shape[-1])
    return np.asarray(np.maximum(found, 0))  # never -0
