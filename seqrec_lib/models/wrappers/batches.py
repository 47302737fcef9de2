"""May a wrapper train a model with batches that the wrapper makes?"""

from __future__ import annotations

from seqrec_lib.models.base import Recommender

_MAKING = ("training_batches", "windows", "prepared")


def plain(model: Recommender) -> None:
    """Raise ``ValueError`` for a model that makes what it learns from itself: other batches would
    teach it something else, and nobody would know."""
    own = [name for name in _MAKING if getattr(type(model), name) is not getattr(Recommender, name)]
    if own:
        raise ValueError(
            f"{type(model).__name__} makes its own {' and '.join(own)}, which a wrapper that "
            "trains it would pass by: train it alone, and start the wrapper from it"
        )
