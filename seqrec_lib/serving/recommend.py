"""The best k items for users of a log, by raw ids: a model file and histories in, lists out.

python -m seqrec_lib.serving.recommend build/results/models/<run>.safetensors new.csv lists.csv
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqrec_lib.data import events
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.hybrid.registry import FeatureSet
from seqrec_lib.data.log import CODED
from seqrec_lib.data.options import add_options, options_of
from seqrec_lib.data.refusals import one_line
from seqrec_lib.models.base import Recommender
from seqrec_lib.records.model_file import stored_about
from seqrec_lib.serving.events import log_of
from seqrec_lib.serving.served import Served
from seqrec_lib.training.device import device as resolved
from seqrec_lib.training.evaluation import PROTOCOLS

logger = logging.getLogger(__name__)


def recommend(
    model_file: Path | str,
    histories: pd.DataFrame | Mapping[Any, Sequence[Any]],
    k: int = 10,
    protocol: str = "masked",
    device: str = "auto",
    asked_at: int | None = None,
    features: FeatureSet | None = None,
    sort: bool = False,
    drop_duplicates: bool = False,
    most: int | None = None,
) -> pd.DataFrame:
    """The ``k`` items that a stored model puts first after each user's history.

    ``histories`` are raw ids: a table of events (columns ``user``, ``item``, ``time``, as
    :func:`seqrec_lib.data.events.read` gives them), or the items of each user, oldest first. The
    model reads as many of the last ones as it was trained on, and no more than ``most``.
    ``masked`` leaves out all items of the history, read or not; ``unmasked`` lets them come again.

    ``sort`` and ``drop_duplicates`` are those of :func:`seqrec_lib.data.events.check`, for a table.
    ``asked_at`` is the time of the question in seconds, for models that read it. ``features`` are
    those of the store that the histories were read from: others than the model learned from are
    refused (:class:`seqrec_lib.data.hybrid.registry.RegistryError`).

    Returns a row an item recommended: ``user``, ``rank`` (1 is best), ``item``, ``score``. Items
    that the model does not know are named in a warning and passed over, as are users who have no
    other, and users for whom nothing is left; actions and channels that it does not know are named
    and read as none. Raises ``ValueError`` if no user has an item that it knows, or no event such a
    word, for histories of another form, and as
    :func:`seqrec_lib.records.model_file.load_model` does.
    """
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}; ask for one item or more, a whole number")
    if most is not None and most < 1:
        raise ValueError(f"most is {most}; let the model read one event or more")
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is {protocol!r}; use {' or '.join(map(repr, PROTOCOLS))}")
    if features is not None:
        features.require(stored_about(model_file).get("features"), str(model_file))
    served = Served.load(model_file, resolved(device))
    served.length = min(served.length, most or served.length)
    model, items = served.model, served.items
    if "user" in model.reads:
        raise ValueError("the model knows the users that it learned from alone: it ranks no others")
    if "asked_at" in model.reads and asked_at is None:
        raise ValueError("the model wants to know when it is asked: pass asked_at, in seconds")
    table = _known(_table(histories, model, sort, drop_duplicates), items)
    _tell_of_words(table, model)
    log = log_of(table, items, model.names, asked_at)
    asked = log.offsets[1:] - 1  # the event that comes next, of which nothing is known
    found = served.top(log, asked, k, (protocol,))[protocol]
    first = np.searchsorted(found.row, found.row)
    full = np.setdiff1d(np.arange(len(asked)), found.row)
    if len(full):
        who = _listed(log.users[full].tolist())
        logger.warning("%d users have had every item; nothing is left for them: %s", len(full), who)
    return pd.DataFrame(
        {
            "user": log.users[found.row],
            "rank": np.arange(len(found.row)) - first + 1,
            "item": items[found.item - 1],
            "score": found.score,
        }
    )


def _table(
    histories: pd.DataFrame | Mapping[Any, Sequence[Any]],
    model: Recommender,
    sort: bool,
    drop_duplicates: bool,
) -> Any:
    """A row an event, as the model can read it."""
    if isinstance(histories, pd.DataFrame):
        return events.check(histories, "histories", sort=sort, drop_duplicates=drop_duplicates)
    if not isinstance(histories, Mapping):
        raise ValueError(
            f"histories are a {type(histories).__name__}; pass a table of events, or a dictionary "
            'of each user\'s items, such as {"ann": ["tea-01", "soap-03"]}'
        )
    if words := [user for user, its in histories.items() if isinstance(its, str | bytes)]:
        raise ValueError(f"the items of {_listed(words)} are one text; pass a list of items")
    if empty := [user for user, its in histories.items() if not len(its)]:
        logger.warning("%d users have no events; they get no list: %s", len(empty), _listed(empty))
    if needed := set(model.reads) - {"asked_at", "asked_basket"}:
        raise ValueError(
            f"the model reads {', '.join(sorted(needed))} of each event: pass a table with columns "
            "user, item, time and these"
        )
    rows = [(user, item) for user, items in histories.items() for item in items]
    table = pd.DataFrame(rows, columns=["user", "item"], dtype=object)
    return table.assign(time=np.arange(len(table)))


def _known(table: pd.DataFrame, items: np.ndarray) -> pd.DataFrame:
    """The events of items that the model knows, by the raw ids that it knows them by."""
    # as text on both sides: a file of numbers alone is read as numbers, whatever the model's was
    place = pd.Index(items.astype(str)).get_indexer(table["item"].astype(str))
    users = table["user"].unique()
    known = table[place >= 0].assign(item=items[place[place >= 0]])
    strange = table["item"][place < 0].astype(str).unique().tolist()
    empty = users[~np.isin(users, known["user"].unique())].tolist()
    for what, who in (
        ("items are not among those that the model learned from; passed over", strange),
        ("users have no item that the model knows; they get no list", empty),
    ):
        if who:
            logger.warning("%d %s: %s", len(who), what, _listed(who))
    if not len(known):
        some = f"its items: {_listed(items.tolist())}" if len(users) else "there are no histories"
        raise ValueError(f"no history has an item that the model knows; {some}")
    return known


def _tell_of_words(table: pd.DataFrame, model: Recommender) -> None:
    """Name the actions and channels that a model reads and does not know; refuse those alone."""
    for name in CODED:
        if not (name in model.reads and name in model.names and name in table):
            continue
        words = [str(word) for word in model.names[name]]
        found = table[name].unique().tolist()
        if strange := [word for word in found if word not in words]:
            if len(strange) == len(found):
                raise ValueError(
                    f"no {name} is one that the model knows; it learned from "
                    f"{_listed(words)}, and here are {_listed(strange)}: call them alike"
                )
            logger.warning(
                "%d %ss are not among those that the model learned from; read as none: %s",
                len(strange), name, _listed(strange),
            )  # fmt: skip


def _listed(values: Sequence[Any], most: int = 5) -> str:
    return ", ".join(repr(one) for one in values[:most]) + ", ..." * (len(values) > most)


def _refuse_over(lists: Path, kept: Path | None) -> None:
    """Refuse to write lists over a file that they are made from, or among those of a folder."""
    if kept is None or not kept.exists():
        return
    files = [kept, *kept.iterdir()] if kept.is_dir() else [kept]
    among = kept.is_dir() and lists.resolve().parent == kept.resolve()
    if among or lists.exists() and any(one.exists() and lists.samefile(one) for one in files):
        where = f"in {kept}" if among else f"the same file as {kept}"
        raise ValueError(f"{lists} is {where}, which is read: write the lists somewhere else")


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.serving.recommend", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", type=Path, help="a model file, .safetensors")
    parser.add_argument("histories", type=Path, help="a log: .csv, .tsv, .parquet, .inter, ...")
    parser.add_argument("lists", type=Path, help="where to write: .csv or .parquet")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="masked")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--features", type=Path, help="JSON of what the histories were served by")
    add_options(parser)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kind = chosen.lists.suffix.lower()
    if kind not in (".csv", ".parquet"):
        parser.error(f"{chosen.lists}: lists are written as .csv or .parquet")
    with one_line():
        for kept in (chosen.histories, chosen.model, chosen.features):
            _refuse_over(chosen.lists, kept)
        chosen.device = resolved(chosen.device)
        options = options_of(chosen)
        most = options.pop("most", None)  # of what is read: all that a user had is masked
        table = events.read(chosen.histories, **options)
        features = FeatureSet.load(chosen.features) if chosen.features else None
        found = recommend(
            *(chosen.model, table, chosen.k, chosen.protocol, chosen.device),
            features=features,
            most=most,
        )
        with written_aside(chosen.lists) as aside:
            found.to_csv(aside, index=False) if kind == ".csv" else found.to_parquet(aside)
    print(f"{found['user'].nunique()} users, {len(found)} rows: {chosen.lists}")


if __name__ == "__main__":
    main()
