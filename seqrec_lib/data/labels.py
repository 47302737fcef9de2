"""What is known of each item beside who touched it: domain, category, surface, popularity."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

from seqrec_lib.data import datasets, files, simulator, tecd
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.engine import connect
from seqrec_lib.data.simulator import needs, static

BANDS = (1, 10, 100, 1000)  # training events


def labels(dataset: str | Dataset) -> pd.DataFrame:
    """A row for each of the items 1, 2, ... of ``dataset``.

    Always ``item`` (raw id), ``popularity`` (training events) and its ``band``, ``domain`` and
    ``category``. Of real rows the category stands in marketplace/items, ``not at hand`` without
    that file, and ``surface`` is where the item is seen most often. Simulated items also have the
    finer ``need``, and ``showcased`` if they are shown to everybody. Other data sets have made-up
    labels, so that chapters run on them.
    """
    source = Dataset.parse(dataset).source
    log, split = datasets.load(dataset)
    popularity = Catalogue.learned(log, split.train).frequency[1:]
    table = pd.DataFrame({"item": log.items, "popularity": popularity})
    low = [f"{a}–{b - 1}" for a, b in zip(BANDS, BANDS[1:], strict=False)]
    band = np.array(["0", *low, f"{BANDS[-1]}+"])
    table["band"] = band[np.digitize(popularity, BANDS)]
    number = np.arange(len(table))
    if not Dataset.parse(dataset).is_tecd:
        table["domain"] = np.where(2 * number < len(table), "first half", "second half")
        return table.assign(category=[f"ten {place}" for place in number // 10])
    table["domain"] = np.where(table["item"].str.startswith("fmcg_"), "retail", "marketplace")
    if source == "tecd-sim":
        world, number = simulator.sized(0.1), table["item"].str.extract(r"(\d+)$")[0].astype(int)
        need = np.zeros(len(table), dtype=int)
        for domain in ("marketplace", "retail"):
            own = (table["domain"] == domain).to_numpy()
            need[own] = simulator.need_of(world, number[own].to_numpy(), domain)
            shown = needs.showcased(world, number[own].to_numpy(), domain)
            table.loc[own, "showcased"] = shown
        names = [static.category(one) for one in range(world.num_needs)]
        return table.assign(category=[names[n][0] for n in need], need=[names[n][1] for n in need])
    table["category"] = _categories(table["item"])
    seen = datasets.tecd_table(source, surface=True)
    often = seen.groupby(["item", "surface"]).size().rename("n").reset_index()
    often = often.sort_values(["item", "n", "surface"]).drop_duplicates("item", keep="last")
    return table.merge(often[["item", "surface"]], on="item", how="left")


def _categories(item: pd.Series) -> pd.Series:
    """Categories of marketplace items, if their table is in the data folder."""
    place = files.find("tecd/dataset/small/marketplace/items.pq")
    if place is None:
        return pd.Series("not at hand", index=item.index)
    with connect("duckdb") as engine:
        rows = tecd.read(engine, "marketplace/items", root=place.parents[1])
        found = engine.frame(rows.select("item_id", "category").filter(ibis._.category.notnull()))
    return item.map(found.set_index("item_id")["category"]).fillna("none given")
