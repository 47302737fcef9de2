"""What the chapter on one's own log shows: a made-up shop's export with everything wrong that
exports have wrong, what the reader says of it, and where its rows went."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqrec_lib.data import events, splits, ties
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.options import arguments_of, reading_of
from seqrec_lib.data.tables import File, Format
from seqrec_lib.data.worlds.stores import StoreWorld
from seqrec_lib.data.worlds.stores_draw import draw
from seqrec_lib.models.base import Recommender
from seqrec_lib.report.parameters import ParameterError

MADE_UP = "simulated"  # the DATASET for which the chapter writes a file of its own
# a need each: what is bought for it is called by its name and a number
KINDS = (
    *("tea", "coffee", "jam", "bread", "soap", "towel", "lamp", "candle", "paper", "pen"),
    *("kettle", "pan", "plate", "glass", "chair", "rug", "seeds", "pot", "gloves", "rake"),
)
SHOP = StoreWorld(
    num_users=400, num_days=80, num_needs=len(KINDS), items_per_need=15, fewest=1,
    num_staples=1, visit_rate=0.0,  # a shop without stores
)  # fmt: skip
TWICE = 60  # rows that the export has once more
NOTES = ("", "", "", "gift", "leave at the door")
# in which order a reader of a file meets what asks for them
ORDER = (
    *("separator", "header", "encoding", "columns", "quotes", "unit", "time_format"),
    *("sort", "drop_duplicates", "fewest", "most"),
)
OPEN = '"please ring twice'  # somebody typed a quote and no second one


def export(path: Path) -> Path:
    """Write what the made-up shop exports, with its defects, and give its path.

    Semicolons between columns of other names, milliseconds, one note with a quote that nobody
    closed, rows in no order, some of them twice, customers with one or two events. The same bytes
    every time.
    """
    drawn, rng = draw(SHOP).events, np.random.default_rng(0)
    need, place = np.divmod(drawn["item"].to_numpy() - 1, SHOP.items_per_need)
    rows = pd.DataFrame(
        {
            "customer": [f"C{user:03}" for user in drawn["user"]],
            "sku": [f"{KINDS[k]}-{i:02}" for k, i in zip(need, place + 1, strict=True)],
            "bought_at": drawn["time"].to_numpy() * 1000 + rng.integers(1000, size=len(drawn)),
            "note": rng.choice(NOTES, len(drawn)),
        }
    )
    again = rows.iloc[rng.choice(len(rows), TWICE, replace=False)]
    rows = pd.concat([rows, again]).iloc[rng.permutation(len(rows) + TWICE)]
    lines = [";".join(map(str, row)) for row in rows.itertuples(index=False)]
    lines[11] = lines[11].rpartition(";")[0] + ";" + OPEN
    path.write_text("\n".join([";".join(rows), *lines, ""]))
    return path


class Brought(NamedTuple):
    """The file that a chapter is about."""

    path: Path
    answers: dict[str, Any]  # arguments of events.read
    dataset: Dataset  # both, as runs are asked for
    results: str | Path


def brought(
    dataset: str, answers: Mapping[str, Any], results: str | Path, folder: str | Path
) -> Brought:
    """A reader's file with the options that came with it, or, for ``MADE_UP``, the made-up shop's
    export with these ``answers``; it is written into ``folder``, and so are its records.

    Raises ``ParameterError`` for another of our own data sets: this chapter reads a file.
    """
    if dataset == MADE_UP:
        folder = Path(folder)
        path = export(folder / "shop.csv")
        made = Dataset.parse(f"{path}").but(reading=reading_of(answers))
        return Brought(path, dict(answers), made, folder / "results")
    found = Dataset.parse(dataset)
    if not found.is_file:
        raise ParameterError(
            f"DATASET is {dataset!r}: this chapter reads a file. Use the path of one, such as "
            f"shop.csv, or {MADE_UP!r} for the one that it makes itself"
        )
    answers = arguments_of(found.reading)
    answers = {name: answers[name] for name in ORDER if name in answers}
    return Brought(Path(found.source), answers, found, results)


def first_lines(path: Path, number: int = 5) -> str:
    """The file's first lines as they stand there; of what is not text, the names of its columns."""
    if path.is_dir() or path.suffix.lower() in (".parquet", ".pq"):
        return f"{path.name}: columns {', '.join(File(path, Format()).names)}"
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as stream:
        return "".join(line.decode(errors="replace") for line in islice(stream, number))


def refusals(path: Path, answers: Mapping[str, Any], split: str = "") -> pd.DataFrame:
    """What is said of a file that is read and split with the first none, one, two ... of the
    ``answers``, and the answer that comes next. Where nothing is said, the cell is empty.

    Raises what reading and splitting with all of them raises.
    """

    def attempt(**options: Any) -> None:
        splits.named(EventLog.build(events.read(path, **options)), split)

    rows, given = [], dict[str, Any]()
    with heard():
        for name, value in answers.items():
            said = None
            try:
                attempt(**given)
            except ValueError as error:
                said = str(error).replace(f"{path.parent}/", "")
            rows.append({"what is said of the file": said, "the answer": f"{name}={value!r}"})
            given[name] = value
        attempt(**given)
    return pd.DataFrame(rows, columns=["what is said of the file", "the answer"])


def account(path: Path, answers: Mapping[str, Any]) -> pd.DataFrame:
    """Where the rows of a file went: all of them, those left out and why, those that were read."""
    how = {k: answers[k] for k in ("separator", "header", "encoding", "quotes") if k in answers}
    file = File(path, Format(**how))
    rows = len(file.read(file.names[:1], file.names[:1]))
    bounds = {name: answers[name] for name in ("fewest", "most") if name in answers}
    whole = events.read(path, **{k: v for k, v in answers.items() if k not in bounds})
    kept = events.bounded(whole, **bounds)
    parts = {
        "rows in the file": rows,
        "left out: the same event once more": rows - len(whole),
        "left out: customers of too few events, or their oldest": len(whole) - len(kept),
        "events that are read": len(kept),
    }
    return pd.DataFrame({"rows": parts})


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings of the library in the block, gathered instead of printed."""
    said: list[str] = []
    ours = logging.getLogger("seqrec_lib")
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    others, on, ours.handlers, ours.propagate = ours.handlers, ours.propagate, [listener], False
    try:
        yield said
    finally:
        ours.handlers, ours.propagate = others, on


def customer(table: pd.DataFrame, events: int = 12) -> Any:
    """The first customer of ``events`` events or more; of a log without one, who has most."""
    count = table.groupby("user", sort=False).size()
    return (count >= events).idxmax() if (count >= events).any() else count.idxmax()


def parts(log: EventLog, split: splits.Split) -> pd.DataFrame:
    """What is in a log, and how many of its events are learned from and asked about."""
    facts = ties.facts(log, split)
    found = {
        "customers": int(facts["users"]),
        "articles": int(facts["items"]),
        "events of a customer, median": facts["median events a user"],
        "events that repeat an article, %": round(facts["% of events that repeat an item"], 1),
        "events that train": len(split.train),
        "events that validate": len(split.valid),
        "events that test": len(split.test),
    }
    return pd.DataFrame({"number": pd.Series(found, dtype=object)})


def words(said: Sequence[str]) -> pd.DataFrame:
    """Warnings once each, in their order."""
    return pd.DataFrame({"words": list(dict.fromkeys(said)) or ["nothing"]})


def beside(history: pd.DataFrame, lists: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Lists of one customer by protocol beside the latest events, a row a rank."""
    ranks = next(iter(lists.values()))["rank"].tolist()
    latest = history["item"].tolist()[::-1][: len(ranks)]
    heads = {"masked": "M: nothing bought before", "unmasked": "U: it may come again"}
    found = {"bought last": latest + [None] * (len(ranks) - len(latest))}
    found |= {heads[protocol]: one["item"].tolist() for protocol, one in lists.items()}
    return pd.DataFrame(found, index=pd.Index(ranks, name="rank"))


def carried(model: Recommender, items: np.ndarray, path: Path) -> pd.DataFrame:
    """What a model file holds."""
    found = {
        "weights": sum(weight.numel() for weight in model.parameters()),
        "articles that it can name": len(items),
        "the first of them": str(items[0]),
        "events of a history that it reads, at most": model.max_len,
        "kilobytes": round(path.stat().st_size / 1000),
    }
    return pd.DataFrame({"what": pd.Series(found, dtype=object)})
