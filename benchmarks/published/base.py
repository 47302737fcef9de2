"""What a released checkpoint needs to be ranked by: its weights by name, and a state a history."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.base import CountModel

LENGTH = 50  # of all histories that these models read
EPS = 1e-12


class Published(CountModel):
    """Released weights; items score by inner product with the state.

    ``names`` says what our names are called in the file. A row of the item table beyond the
    catalogue is a mask, and no candidate. Raises ``ValueError`` if the table has fewer rows.
    """

    def __init__(self, catalogue: Catalogue, weights: dict[str, Tensor], names: dict[str, str]):
        super().__init__(catalogue)
        for theirs, value in weights.items():
            name = theirs
            for called, ours in names.items():
                name = name.replace(called, ours)
            self.register_buffer(name.replace(".", "_"), value)
        self.items_weight: Tensor
        self.places_weight: Tensor
        rows = len(self.items_weight)
        if rows <= catalogue.num_items:
            raise ValueError(
                f"the table has {rows} rows for {catalogue.num_items} items and padding"
            )

    def state(self, batch: Batch) -> Tensor:
        """The state after each history, (B, D)."""
        raise NotImplementedError

    def score_all(self, batch: Batch) -> Tensor:
        scores = self.state(batch) @ self.items_weight[: self.num_items + 1].T
        scores[:, 0] = -torch.inf
        return scores

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, *self._pair(name))

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self._pair(name), EPS)

    def fed(self, x: Tensor, layer: str) -> Tensor:
        """The position-wise net of a layer, added to what it read, then normalised."""
        inner = F.gelu(self.linear(x, f"{layer}_feed_dense_1"))
        return self.norm(x + self.linear(inner, f"{layer}_feed_dense_2"), f"{layer}_feed_norm")

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")


def read(path: Path) -> dict[str, Tensor]:
    """The weights of a file of ``torch.save``, by name; nothing in it is executed."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return stored.get("state_dict", stored)
