"""Item vectors from co-occurrence: items seen or bought together lie close (the T-ECD
report, section 4).

An item's vector passes through a small network on both sides of a pair, and InfoNCE
(van den Oord et al., 2018, arXiv:1807.03748, eq. 4) tells the partner from the other partners of
the batch. As a recommender it answers with the neighbours of the last item, whatever came before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.files import written_aside
from seqrec_lib.models.base import SequenceEncoder
from seqrec_lib.models.layers import product
from seqrec_lib.models.losses import Softmax, counted

CHUNK = 256  # anchors whose scores stay in cache


class _InBatch(torch.autograd.Function):
    """InfoNCE over a batch, its gradient taken chunk by chunk as in ``losses.Softmax``.

    Anchor i has the positive in row i; rows j other than i are its negatives, less those that
    ``same`` names. The (P, P) scores never exist at once.
    """

    @staticmethod
    def forward(ctx, anchors, partners, log_expected, same, dtype):
        rows, table = anchors.detach(), partners.detach()
        own = (rows * table).sum(1)
        low, shift = table.to(dtype), -log_expected.to(dtype)
        grad_rows, grad_table = torch.empty_like(rows), torch.zeros_like(table)
        log_mass = torch.empty_like(own)
        for i in range(0, len(rows), CHUNK):
            size = len(rows[i : i + CHUNK])
            # up to a multiple of 32 by rows of zeros: oneDNN keeps a kernel for each shape it meets
            part = F.pad(rows[i : i + CHUNK], (0, 0, 0, -size % 32))
            own_part = F.pad(own[i : i + CHUNK], (0, -size % 32))
            scores = product(part.to(dtype), low.T, shift)
            scores.diagonal(i).fill_(-torch.inf)  # the positive is counted in full precision
            if same is not None:
                scores[same(i, i + size)] = -torch.inf
            top = torch.maximum(scores.amax(1).float(), own_part).to(dtype)
            scores = scores.sub_(top[:, None]).exp_()
            mass = scores.sum(1, dtype=torch.float32) + (own_part - top).exp()
            log_mass[i : i + CHUNK] = (top + mass.log())[:size]
            grad_rows[i : i + CHUNK] = (product(scores, low) / mass[:, None])[:size]
            grad_table += product(scores.T, (part / mass[:, None]).to(dtype))
        lack = (own - log_mass).exp() - 1
        grad_rows.addcmul_(lack[:, None], table)
        grad_table.addcmul_(lack[:, None], rows)
        ctx.save_for_backward(grad_rows, grad_table)
        return (log_mass - own).mean()

    @staticmethod
    def backward(ctx, grad):
        grad_rows, grad_table = ctx.saved_tensors
        scale = grad / len(grad_rows)
        return grad_rows * scale, grad_table * scale, None, None, None


class _Same:
    """Where the partners of a batch are an item of their row: called with a chunk of rows."""

    def __init__(self, partners: Int[Tensor, "P"], *items: Int[Tensor, "P"]):
        in_order, self.column = partners.sort()
        self.spans = [
            (torch.searchsorted(in_order, x), torch.searchsorted(in_order, x, right=True))
            for x in items
        ]

    def __call__(self, begin: int, end: int) -> tuple[Int[Tensor, "H"], Int[Tensor, "H"]]:
        """Row (counted from ``begin``) and column of every hit."""
        rows, columns = [], []
        for first, last in self.spans:
            first, count = first[begin:end], (last - first)[begin:end]
            row = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
            step = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
            rows.append(row)
            columns.append(self.column[first[row] + step])
        return torch.cat(rows), torch.cat(columns)


def info_nce(
    anchors: Float[Tensor, "P D"],
    partners: Float[Tensor, "P D"],
    anchor_items: Int[Tensor, "P"],
    partner_items: Int[Tensor, "P"],
    log_expected: Float[Tensor, "P"] | None = None,
    mask_same: bool = True,
) -> Float[Tensor, ""]:
    """Mean of -log softmax of each anchor's partner among all partners of the batch.

    Scores are inner products. With ``log_expected``, the log of how often each partner's item is
    expected among the negatives, a negative's score is lowered by it (logQ; Bengio & Senécal,
    2008): the sum over negatives then estimates the sum over all items. With ``mask_same``,
    copies of a row's own partner or of its anchor are no negatives. Under ``torch.autocast`` the
    scores of negatives are in its data type (bfloat16); (P, P) scores are never held at once.
    """
    kind = anchors.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    if log_expected is None:
        log_expected = torch.zeros_like(anchors[:, 0])
    same = _Same(partner_items, partner_items, anchor_items) if mask_same else None
    with torch.autocast(kind, enabled=False):
        return _InBatch.apply(anchors.float(), partners.float(), log_expected, same, dtype)


class Item2Vec(SequenceEncoder):
    @dataclass(frozen=True)
    class Config:
        embed_dim: int = 128  # the report
        temperature: float = 0.1  # the report
        logq: bool = True  # lower a negative's score by how often it is one; report: no
        mask_same: bool = True  # copies of the target, and the anchor, are no negatives; seed: no
        projected: bool = True  # vectors are compared after the network; False: before, as the seed

    def __init__(self, catalogue: Catalogue, config: Config):
        super().__init__(catalogue, config.embed_dim, Softmax(), config.temperature)
        self.config = config
        self.project = nn.Sequential(
            nn.Linear(config.embed_dim, config.embed_dim),
            nn.ReLU(),
            nn.Linear(config.embed_dim, config.embed_dim),
        )
        nn.init.xavier_uniform_(self.items.weight)  # the report
        nn.init.zeros_(self.items.weight[0])
        self._unit: tuple[list, Tensor] | None = None

    @property
    def needs_one_process(self) -> str:
        return "a partner is told from the other partners of its batch"

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        learn = batch.target > 0  # type: ignore[operator]
        anchor, partner = batch.item[learn], batch.target[learn]  # type: ignore[index]
        with torch.autocast("cpu", enabled=False):  # as in SequenceEncoder.loss
            x, y = (F.normalize(self.project(self.items(i)), dim=-1) for i in (anchor, partner))
        expected = None
        if self.config.logq:
            whole = counted(self.frequency.sum())  # type: ignore[operator]
            expected = (len(partner) * self.frequency[partner] / whole).log()  # type: ignore[index]
        x = x / self.config.temperature
        return info_nce(x, y, anchor, partner, expected, self.config.mask_same)

    def encode(self, batch: Batch) -> Float[Tensor, "B T D"]:
        vectors = self.items(batch.item)
        return self.project(vectors) if self.config.projected else vectors

    def item_vectors(self) -> tuple[Float[Tensor, "N D"], None]:
        table = self.items.weight
        return (self.project(table) if self.config.projected else table), None

    def compared(
        self, states: Float[Tensor, "... D"]
    ) -> tuple[Float[Tensor, "... D"], Float[Tensor, "N D"], None]:
        if torch.is_grad_enabled():
            return super().compared(states)  # type: ignore[return-value]
        # scoring in chunks, the table of unit vectors is the same until a weight changes
        version = [(weight.data_ptr(), weight._version) for weight in self.parameters()]
        if self._unit is None or self._unit[0] != version:
            self._unit = version, F.normalize(self.item_vectors()[0], dim=-1)
        return self._scaled(states), self._unit[1], None

    @torch.no_grad()
    def vectors(self) -> Float[np.ndarray, "N D"]:
        """The finished table: row 0 (padding) is zero, every other row has length one."""
        table = F.normalize(self.item_vectors()[0], dim=-1)
        table[0] = 0
        return table.cpu().numpy()


def export(model: Item2Vec, items: np.ndarray, folder: Path) -> None:
    """Write ``vectors.npy`` (N, D) and ``items.json``, the raw ids of rows 1, 2, ..., together.

    Raises ``ValueError`` if the ids are not those of the model's items.
    """
    if len(items) != model.num_items:
        raise ValueError(f"{len(items)} raw ids for a model of {model.num_items} items")
    with written_aside(folder) as aside:
        aside.mkdir()
        np.save(aside / "vectors.npy", model.vectors())
        (aside / "items.json").write_text(json.dumps(items.tolist()))
