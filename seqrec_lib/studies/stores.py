"""What stores are worth, measured once and kept: the oracle, windows, attention, correlation.

python -m seqrec_lib.studies.stores oracle omni-100 [--results book/results]

``windows`` and ``attention`` need the weights of a run, which are not committed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from seqrec_lib.data import datasets, hm
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.sources import WORLDS
from seqrec_lib.data.worlds.stores_draw import draw
from seqrec_lib.data.worlds.stores_oracle import NEVER, ask
from seqrec_lib.metrics.ranking import hr, ndcg
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import Trained, trained_model
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import beside, keep
from seqrec_lib.statistics.intervals import over_seeds
from seqrec_lib.statistics.populations import per_user
from seqrec_lib.training.evaluation import ranks

DAY_S, HOUR_S = 86_400, 3_600
# the variants of a data set, in the words of the oracle
CLOCKS = {
    "none": NEVER,
    "time": "at once",
    "hour": "an hour",
    "known": "next morning",
    "week": "a week",
}
LAST = (1, 5, 10, 20, 50, 100)  # events
SPANS = {
    "1 hour": HOUR_S,
    "6 hours": 6 * HOUR_S,
    **{f"{days} day{'s' * (days > 1)}": days * DAY_S for days in (1, 3, 7, 30, 90)},
}
EVERY = 5  # of the users of windows, one in so many
LAGS = np.arange(-28, 29)  # days from a receipt to an online event
PERMUTATIONS = 20
SOME = 5_000  # users of a world whose receipts are correlated


def kept(
    name: str, dataset: str, results: str | Path = SCRATCH, epochs: int | None = None
) -> pd.DataFrame:
    """A table of this study, of a data set; made now if it is not there."""
    path = beside(results, "stores", dataset, f"{name}.csv")
    if not path.exists():
        if name in OF_DATA:
            table = OF_DATA[name](dataset)
        else:
            table = OF_A_MODEL[name](dataset, _trained(dataset, results, epochs))
        keep(table, path, "%.6f")
    return pd.read_csv(path)


# --- the best there is --------------------------------------------------------------------------


def oracle(dataset: str) -> pd.DataFrame:
    """HR@10 and NDCG@10 (U) of a world's oracle on the test questions, by what it knows.

    ``gain`` is over its own answers without receipts, with a 95 % interval over users.
    """
    world = WORLDS[dataset]
    log, split = datasets.load(f"{dataset}-stores-none")
    events = draw(world).events
    asked = np.flatnonzero((events["channel"] == "online").to_numpy())[split.test]
    users, rows = log.user_of(split.test), []
    alone: dict[str, np.ndarray] = {}
    for stores, delay in CLOCKS.items():
        rank = ask(world, events, asked, delay).rank
        for metric in (hr, ndcg):
            name = f"{metric.__name__.upper()}@10"
            found = per_user(metric(rank, 10)[None], np.ones(len(rank)), users)
            gain = over_seeds(found - alone.setdefault(name, found), learned=False)
            ends = {"gain": gain.mean, "low": gain.low, "high": gain.high}
            rows.append({"stores": stores, "metric": name, "value": found.mean()} | ends)
    return pd.DataFrame(rows)


# --- how much of a history is needed ------------------------------------------------------------


def windows(dataset: str, trained: Trained) -> pd.DataFrame:
    """HR@10 and NDCG@10 (U) if a trained model reads less: the last events, or those of late.

    Of every fifth user; ``events`` is how many are read in the mean. The event before a question
    is always read.
    """
    model, longest = trained.model, trained.record.spec["training"]["max_len"]
    log, split = datasets.load(trained.record.spec["dataset"])
    asked = split.test[log.user_of(split.test) % EVERY == 0]
    length = np.minimum(log.history_length(asked), longest)
    lengths = {f"last {count}": np.minimum(length, count) for count in LAST}
    lengths |= {
        span: np.minimum(length, recent(log, asked, seconds)) for span, seconds in SPANS.items()
    }
    rows = []
    for window, counts in lengths.items():
        rank = np.empty(len(asked), dtype=np.int64)
        for count in np.unique(counts):
            those = counts == count
            found = ranks(model, log, asked[those], int(count))
            rank[those] = found["rank_unmasked"].to_numpy()
        rows.append(
            {
                "window": window,
                "events": counts.mean(),
                "HR@10": hr(rank, 10).mean(),
                "NDCG@10": ndcg(rank, 10).mean(),
            }
        )
    return pd.DataFrame(rows)


def recent(log: EventLog, positions: Int[np.ndarray, "P"], seconds: int) -> Int[np.ndarray, "P"]:
    """How many events before each position became known in the last ``seconds``; one at least."""
    known = log.time if log.known is None else log.known
    user = log.user_of(np.arange(len(log)))
    span = int(known.max() - known.min()) + 1
    clock = user * span * 2 + (known - known.min())  # ascending: users stand in their order
    since = clock[positions] + (log.time[positions] - known[positions]) - seconds
    first = np.maximum(np.searchsorted(clock, since), log.offsets[user[positions]])
    return np.maximum(positions - first, 1)


# --- which lines of a receipt count --------------------------------------------------------------


def attention(dataset: str, trained: Trained) -> pd.DataFrame:
    """What attention takes of a line of a receipt, by what the line is and how long the receipt.

    ``taken`` is the weight of a line in its receipt times the number of lines: 1 by the mean.
    Lines are ``shared``, of a need that another line has too, ``alone``, or ``staple``.
    """
    world, model = WORLDS[dataset], trained.model
    log, split = datasets.load(trained.record.spec["dataset"])
    last = split.test[np.append(np.diff(log.user_of(split.test)) > 0, True)]
    batch = model.batch(log, last[::EVERY], trained.record.spec["training"]["max_len"])
    with torch.no_grad():
        weight = model.weights(batch).numpy()  # type: ignore[operator]
    row, step, event = np.nonzero(weight)
    lines = pd.DataFrame(
        {
            "receipt": row * weight.shape[1] + step,
            "need": world.need_of(log.items[batch.item.numpy()[row, event] - 1]),
            "weight": weight[row, step, event],
        }
    )
    of = lines.groupby("receipt")["need"]
    lines["size"] = of.transform("size")
    alike = lines.groupby(["receipt", "need"])["need"].transform("size")
    staple = lines["need"] == world.num_needs
    lines["line"] = np.select([staple, alike > 1], ["staple", "shared"], "alone")
    lines["taken"] = lines["weight"] * lines["size"]
    lines = lines[lines["size"].between(2, 6)]
    return lines.groupby(["size", "line"])["taken"].agg(["mean", "count"]).reset_index()


# --- do people want online what they bought in a store? -----------------------------------------


def correlation(dataset: str) -> pd.DataFrame:
    """How often an online event is of the category of a receipt's line, by lag in days.

    ``lift`` is that share over the mean share among receipts of other people (:data:`PERMUTATIONS`
    random permutations of the users); ``null_low`` and ``null_high`` are the ends of theirs. At
    lags below 0 the online event is before the visit: what a visit does cannot show there.
    Categories are a world's needs and what complements them, H&M's products and departments.
    """
    if dataset in WORLDS:
        world = WORLDS[dataset]
        events = draw(world).events
        events = events[events["user"] <= SOME]
        need = world.need_of(events["item"].to_numpy())
        kinds = {"need": (need, need), "complement": (need, np.append(world.complements, -1)[need])}
    else:
        events = hm.read()
        item = events["item"].to_numpy()
        product, department = (pd.factorize(c)[0] for c in (item // 1000, hm.departments(item)))
        kinds = {"product": (product, product), "department": (department, department)}
    found = [lifts(events, *pair).assign(category=name) for name, pair in kinds.items()]
    return pd.concat(found, ignore_index=True)


def lifts(
    events: pd.DataFrame, online: Int[np.ndarray, "E"], bought: Int[np.ndarray, "E"]
) -> pd.DataFrame:
    """:func:`correlation` of events: categories of their items online, and as lines of receipts."""
    store = (events["channel"] == "store").to_numpy()
    day = events["time"].to_numpy() // DAY_S
    user = pd.factorize(events["user"])[0]
    own = _matches(user, day, store, online, bought)
    rng, null = np.random.default_rng(0), []
    for _ in range(PERMUTATIONS):
        other = rng.permutation(user.max() + 1)
        null.append(_matches(np.where(store, other[user], user), day, store, online, bought))
    usual = np.mean(null, axis=0)
    usual[usual == 0] = np.nan
    ends = np.array(null) / usual
    return pd.DataFrame(
        {
            "lag": LAGS,
            "lift": own / usual,
            "null_low": ends.min(0),
            "null_high": ends.max(0),
        }
    )


def _matches(
    user: np.ndarray, day: np.ndarray, store: np.ndarray, online: np.ndarray, bought: np.ndarray
) -> Float[np.ndarray, "L"]:
    """The share of pairs of a line and an online event of a user that agree, by lag."""
    kinds = max(online.max(), bought.max()) + 1
    span = int(day.max() - day.min()) + 1
    there = user * span + (day - day.min())
    # events of a person on a day, and of a kind on it
    any_day = np.bincount(there[~store], minlength=(user.max() + 1) * span)
    of_kind = pd.Series(there[~store] * kinds + online[~store]).value_counts()
    lines = np.flatnonzero(store & (bought >= 0))
    found = np.empty(len(LAGS))
    for place, lag in enumerate(LAGS):
        at = day[lines] - day.min() + lag
        inside = lines[(at >= 0) & (at < span)]
        then = there[inside] + lag
        agree = of_kind.reindex(then * kinds + bought[inside]).to_numpy()
        found[place] = np.nansum(agree) / max(1, any_day[then].sum())
    return found


def _trained(dataset: str, results: str | Path, epochs: int | None) -> Trained:
    """attnE that was given receipts as they were known."""
    (spec,) = published(f"{dataset}-stores-known", "sasrec-attne", [0], epochs)
    return trained_model(spec, results=results)


OF_DATA: dict[str, Callable[[str], pd.DataFrame]] = {"oracle": oracle, "correlation": correlation}
OF_A_MODEL: dict[str, Callable[[str, Trained], pd.DataFrame]] = {
    "windows": windows,
    "attention": attention,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m seqrec_lib.studies.stores")
    parser.add_argument("table", choices=[*OF_DATA, *OF_A_MODEL])
    parser.add_argument("dataset", help=f"one of {', '.join(WORLDS)}; hm for its correlation")
    parser.add_argument(
        "--results",
        type=results_folder,
        default=str(SCRATCH),
        help="its folder stands beside this one",
    )
    args = parser.parse_args()
    print(kept(args.table, args.dataset, args.results).to_string())


if __name__ == "__main__":
    main()
