"""The next item as a class to predict: accuracy, macro precision, macro recall, and by group.

``true`` and ``predicted`` are ids from 0, one a position; ``weights`` say how much each counts
(:mod:`seqrec_lib.statistics.populations`). Macro figures are those of scikit-learn with
``zero_division=0``: plain means over the classes that are true or predicted somewhere, where a
class never predicted has precision 0 and a class never true has recall 0.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Real


class Macro(NamedTuple):
    accuracy: float
    precision: float
    recall: float


def macro(
    true: Int[np.ndarray, "P"],
    predicted: Int[np.ndarray, "P"],
    weights: Real[np.ndarray, "P"] | None = None,
) -> Macro:
    """Share of positions predicted right, and mean precision and recall over classes.

    Classes of positions that weigh nothing do not count. Raises ``ValueError`` if none weighs.

    >>> macro(np.array([1, 1, 2]), np.array([1, 2, 3]))
    Macro(accuracy=0.3333333333333333, precision=0.3333333333333333, recall=0.16666666666666666)
    """
    weight = np.ones(len(true)) if weights is None else weights.astype(float)
    inside = weight > 0
    if not inside.any():
        raise ValueError("no position with a weight: is the population empty?")
    true, predicted, weight = true[inside], predicted[inside], weight[inside]
    size = int(max(true.max(), predicted.max())) + 1
    right = true == predicted
    of_true, of_predicted = (np.bincount(c, weight, size) for c in (true, predicted))
    hit = np.bincount(true[right], weight[right], size)
    classes = (of_true > 0) | (of_predicted > 0)
    hit, of_true, of_predicted = hit[classes], of_true[classes], of_predicted[classes]
    precision = np.divide(hit, of_predicted, out=np.zeros(len(hit)), where=of_predicted > 0)
    recall = np.divide(hit, of_true, out=np.zeros(len(hit)), where=of_true > 0)
    return Macro(
        float(weight[right].sum() / weight.sum()), float(precision.mean()), float(recall.mean())
    )
