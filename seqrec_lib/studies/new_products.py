"""Can products that nobody has bought yet be recommended by what they are?

A tenth of the items are taken out: none of their events is there to learn from, and no history has
them, as if they came to the shop tonight. Then questions are asked whose answer is one of them, in
the whole catalogue. ``production/new_products.csv`` beside the results has a row a way, seed, part
(new or old answers), protocol and metric. Ways:

* ``sasrec``: item numbers alone; a new item has the vector that it began with;
* ``attributed``: SASRec whose items are also their attributes; a new item is these alone;
* ``alike``: nothing learned; the share of the last events' attributes that an item has, those rare
  counting more;
* ``popular``: new items were never bought, and tie at the end.

python -m seqrec_lib.studies.new_products beauty --results book/results
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqrec_lib.data import datasets
from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split, leave_last_out
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.attributed import AttributedSASRec
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records.recipes import published
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import Growing, made
from seqrec_lib.statistics.intervals import bootstrap
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import PROTOCOLS, ranks
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

WAYS = ("popular", "alike", "sasrec", "attributed")
LEARNED = {"sasrec": "sasrec", "attributed": "sasrec-attributed"}  # way: recipe
SHARE, SEEDS = 0.1, 3  # of the items that are new
READ = 5  # last events whose attributes count for ``alike``
KEYS = ["dataset", "way", "seed"]
NAMED = ("production", "new_products.csv")


@dataclasses.dataclass(frozen=True)
class Shop:
    """A log without its new items but as answers: these have the numbers beyond ``old``.

    ``learned`` is the same log as it was before they came, with the old items alone.
    """

    log: EventLog
    split: Split
    learned: EventLog
    attributes: Int[np.ndarray, "N A"]
    old: int

    @property
    def new_answers(self) -> np.ndarray:
        """Which test positions ask for a new item."""
        return self.log.item[self.split.test] > self.old


def opened(
    log: EventLog, attributes: Int[np.ndarray, "N A"], share: float = SHARE, seed: int = 0
) -> Shop:
    """The shop on the evening before; a share of the items, drawn by ``seed``, come tomorrow.

    Users who are left with fewer than three events are left out.
    """
    lot = np.random.default_rng(seed).permutation(log.num_items) + 1
    old = log.num_items - round(share * log.num_items)
    # old ones first, each part in the order of the log
    order = np.r_[0, np.sort(lot[:old]), np.sort(lot[old:])]
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    item = number[log.item]
    last = np.zeros(len(log), dtype=bool)
    last[leave_last_out(log).test] = True
    stays = (item <= old) | last
    left = np.add.reduceat(stays, log.offsets[:-1])
    stays &= np.repeat(left >= 3, np.diff(log.offsets))
    count = np.add.reduceat(stays, log.offsets[:-1])
    offsets = np.r_[0, np.cumsum(count[count > 0])].astype(np.int64)
    raw = log.items[order[1:] - 1]
    kept = EventLog(
        item[stays].astype(np.int32), np.asarray(log.time)[stays], offsets,
        log.users[count > 0], raw,
    )  # fmt: skip
    # before the day nobody knows the answers: an old item stands in for those that are new
    known = dataclasses.replace(kept, item=np.minimum(kept.item, old), items=raw[:old])
    return Shop(kept, leave_last_out(kept), known, attributes[order], old)


def trained(way: str, shop: Shop, training: Training, config: SASRec.Config) -> Recommender:
    """A model of the old items, with room for the new ones: of an item number what any begins with,
    of attributes these alone."""
    kind: Any = AttributedSASRec if way == "attributed" else SASRec
    table = shop.attributes if way == "attributed" else None
    old = None if table is None else table[: shop.old + 1]
    torch.manual_seed(training.seed)
    learned = Catalogue.learned(shop.learned, shop.split.train, old)
    model = kind(learned, config).to(resolved("auto"))
    fit(model, shop.learned, shop.split, training)
    torch.manual_seed(training.seed + 1000)
    whole = kind(Catalogue.learned(shop.log, shop.split.train, table), config)
    state, begun = model.cpu().state_dict(), whole.state_dict()
    for name, value in state.items():
        if name in ("attributes", "begins"):
            continue
        if name in ("items.weight", "attribute_vectors.weight"):
            if way == "attributed":
                begun[name].zero_()  # what was never learned says nothing
            begun[name][: len(value)] = value
        else:
            begun[name] = value
    whole.load_state_dict(begun)
    return whole.eval()


class Alike(Recommender):
    """Scores by the attributes that an item shares with the last events, weighed by how few items
    have them; nothing is learned."""

    def __init__(self, catalogue: Catalogue):
        super().__init__(catalogue)
        assert catalogue.attributes is not None
        table = catalogue.attributes
        has = torch.zeros(len(table), int(table.max()) + 1)
        has[np.repeat(np.arange(len(table)), table.shape[1]), table.ravel()] = 1
        has[:, 0] = 0
        rare = torch.log(len(table) / has.sum(0).clamp(min=1))
        vectors = has * rare
        self.vectors: Tensor
        self.register_buffer("vectors", torch.nn.functional.normalize(vectors, dim=1))

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        last = torch.stack(
            [self.vectors[row[max(0, n - READ) : n]].mean(0)
             for row, n in zip(batch.item, batch.length.tolist(), strict=True)]
        )  # fmt: skip
        scores = last @ self.vectors.T
        scores[:, 0] = -torch.inf
        return scores


class Among(Recommender):
    """A model where the ``new`` items of a shop, or the old ones, are the only candidates."""

    def __init__(self, model: Recommender, shop: Shop, new: bool):
        super().__init__(Catalogue.learned(shop.log, shop.split.train))
        self.model, self.steps_at_once = model, model.steps_at_once
        self.others = (torch.arange(self.num_items + 1) > shop.old) != new

    def score_all(self, batch: Batch) -> Float[Tensor, "B N"]:
        return self.model.score_all(batch).masked_fill(self.others, -torch.inf)


def measured(model: Recommender, shop: Shop, length: int) -> list[dict[str, Any]]:
    """A row a part, protocol and metric, with 95 % intervals over users, who have a question each;
    ``among new``, ``among old``: items of the part alone are candidates."""
    test, is_new = shop.split.test, shop.new_answers
    table, found = ranks(model, shop.log, test, length), []
    values: dict[tuple[str, str, str], Float[np.ndarray, "U"]] = {}
    for part, rows in (("new", is_new), ("old", ~is_new)):
        alone = ranks(Among(model, shop, part == "new").eval(), shop.log, test[rows], length)
        for protocol in PROTOCOLS:
            rank = table[f"rank_{protocol}"].to_numpy()[rows]
            values |= {(part, protocol, "HR@10"): hr(rank, 10)}
            values |= {(part, protocol, "NDCG@10"): ndcg(rank, 10)}
            rank = alone[f"rank_{protocol}"].to_numpy()
            values |= {(part, protocol, f"HR@10 among {part}"): hr(rank, 10)}
    for (part, protocol, metric), one in values.items():
        said = bootstrap(one)
        about = {"part": part, "protocol": protocol, "metric": metric, "users": len(one)}
        found.append(about | {"mean": said.mean, "low": said.low, "high": said.high})
    return found


def study(
    dataset: str = "beauty",
    results: str | Path = SCRATCH,
    ways: Sequence[str] = WAYS,
    seeds: int = SEEDS,
    epochs: int | None = None,
) -> pd.DataFrame:
    """The table; what is kept is not made again. Each seed has other new items.

    Raises ``ValueError`` for a data set without attributes, or not split leave-last-out.
    """
    rows = Growing(results, *NAMED, keys=KEYS)
    log, split = datasets.load(dataset)
    attributes = datasets.attributes(dataset)
    if attributes is None:
        raise ValueError(f"{dataset} has no attributes of items; use beauty, toys or sports")
    if not np.array_equal(split.test, leave_last_out(log).test):
        raise ValueError(f"{dataset}: the last event of each user must test")
    for seed in range(seeds):
        shop = None
        for way in ways:
            if (dataset, way, seed) in rows.by:
                continue
            shop = shop or opened(log, attributes, seed=seed)
            model, length = _made(way, shop, dataset, seed, epochs)
            about = dict(zip(KEYS, (dataset, way, seed), strict=True))
            rows.add(*(about | one for one in measured(model, shop, length)))
    return rows.table()


def _made(
    way: str, shop: Shop, dataset: str, seed: int, epochs: int | None
) -> tuple[Recommender, int]:
    """The model of a way, and how much it reads."""
    if way in LEARNED:
        (spec,) = published(dataset, LEARNED[way], [seed], epochs)
        return trained(way, shop, spec.training, spec.config), spec.training.max_len
    catalogue = Catalogue.learned(shop.log, shop.split.train, shop.attributes)
    if way == "alike":
        return Alike(catalogue).eval(), READ
    model = Popular(catalogue, Popular.Config())
    model.count(shop.log, shop.split.train)
    return model.eval(), READ


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The table that was made. Raises ``FileNotFoundError`` if there is none."""
    return made("studies.new_products beauty", results, *NAMED, keys=KEYS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.new_products", description=__doc__.splitlines()[0]
    )
    parser.add_argument("dataset", nargs="?", default="beauty")
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--smoke", action="store_true", help="what learns nothing, one seed")
    chosen = parser.parse_args(arguments)
    how: dict[str, Any] = (
        {"ways": WAYS[:2], "seeds": 1} if chosen.smoke else {"seeds": chosen.seeds}
    )
    print(study(chosen.dataset, chosen.results, **how).round(4).to_string())


if __name__ == "__main__":
    main()
