"""SIM with hard search: the latest events of the candidate's category, then target attention (Pi et
al., 2020, arXiv:2006.05639).

The search learns nothing: an index by user and category is all that it needs. Items here may have
several attributes, of which a film shares some with half of all films; so there are two rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.rankers import words
from seqrec_lib.models.rankers.search import Asked, Events, Search, places
from seqrec_lib.models.rankers.target_attention import TargetAttention

# paper: an item has one category
RULES = ("any", "same")


class Category(Search):
    """The latest first, among events that have an attribute in common with the candidate.

    By the rule ``"same"`` they have all of them. Of an item without attributes nothing is found.
    """

    rules_out = True
    table: Tensor

    def __init__(self, catalogue: Catalogue, rule: str):
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"rule is {rule!r}; use {' or '.join(map(repr, RULES))}")
        self.rule = rule
        # its width comes from the data, and with a model file from there
        table = torch.zeros(catalogue.num_items + 1, 0, dtype=torch.long)
        if catalogue.attributes is not None:
            table = words.packed(torch.from_numpy(_sets(catalogue.attributes)))
        self.register_buffer("table", table)

    def of_events(
        self, item: Int[Tensor, "B T"], vectors: Float[Tensor, "B T D"]
    ) -> Int[Tensor, "B T W"]:
        if not self.table.shape[1]:
            raise ValueError(
                "hard search compares attributes of items, and this catalogue has none"
            )
        return self.table[item]

    def relevance(self, events: Events, asked: Asked) -> Float[Tensor, "B 1 C T"]:
        of_event, of_candidate = events.kept[:, None], asked.kept[:, :, None]  # type: ignore[index]
        found = words.share(of_event, of_candidate)
        if self.rule == "same":
            found &= words.hamming(of_event, of_candidate) == 0
        # 1 / 0 is infinite: several times as fast as where on a processor
        return (places(events) - found.float().reciprocal_())[:, None]

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Take the size of the stored table before loading."""
        stored = state_dict.get(prefix + "table", self.table)
        self.table = torch.empty_like(stored, device=self.table.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _sets(attributes: Int[np.ndarray, "N A"]) -> np.ndarray:
    """Which attributes each item has, a column an attribute.

    What all items have, such as the root of their categories, tells nothing and is left out, unless
    there is nothing else.
    """
    found = np.zeros((len(attributes), int(attributes.max()) + 1), dtype=bool)
    np.put_along_axis(found, attributes.astype(np.int64), True, 1)
    found = found[:, 1:]  # 0 is none
    telling = found[1:].any(0) & ~found[1:].all(0)
    return found[:, telling] if telling.any() else found


class SIMHard(TargetAttention):
    reads_attributes = True

    @dataclass(frozen=True)
    class Config(TargetAttention.Config):
        k: int | None = 50
        rule: str = "any"  # at least one attribute in common; "same": all of them

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config)
        self.search = Category(catalogue, config.rule)
