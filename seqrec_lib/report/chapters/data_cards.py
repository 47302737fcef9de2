"""Data cards: where a data set comes from, what may be done with it, what is in it and what is
wrong with it. All is taken from where it is known; words that stand nowhere else are in
:mod:`seqrec_lib.report.chapters.card_words`.

python -m seqrec_lib.report.chapters.data_cards    counts what is at hand into book/data_cards.csv
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from seqrec_lib import report
from seqrec_lib.data import amazon, datasets, movielens, ties
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.sources import SOURCES
from seqrec_lib.data.tecd import hub
from seqrec_lib.records.store import Runs
from seqrec_lib.report.chapters.card_words import SPLITS, TITLES, Data
from seqrec_lib.report.show import Shown

COUNTED = "book/data_cards.csv"  # what data sets hold; the files of most are not in the repository


def title(dataset: str) -> str:
    """A data set in a few words, its variants behind commas.

    >>> title("beauty-regenerated-distinct"), title("tecd-marketplace-users-pairs")
    ('Beauty, regenerated, distinct', 'T-ECD, by users, pairs')
    """
    one = Dataset.parse(dataset)
    parts = [TITLES.get(one.source, one.but(split="", shuffled=False).name)]
    parts += [f"by {one.split}"] * bool(one.split) + [f"stores: {one.stores}"] * bool(one.stores)
    parts += ["shuffled"] * one.shuffled + ["in random order"] * one.unordered
    parts += ["regenerated"] * bool(one.regenerated)
    parts += [one.regenerated] * (one.regenerated not in ("", "every"))
    parts += ["validation learned too"] * one.with_validation + ["pairs"] * bool(one.pairs)
    return ", ".join(parts + [one.pairs] * (one.pairs not in ("", "apart")))


# --- what is written elsewhere ------------------------------------------------------------------


def said(reader: ModuleType) -> str:
    """What a module's docstring says of its data, as one paragraph; code in backticks."""
    words = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", inspect.cleandoc(reader.__doc__ or ""))
    words = re.sub(r"(?<!\w)\*([^*\s][^*]*)\*", r"\1", words)  # emphasis
    return re.sub(r"\s+", " ", words.replace("``", "`")).strip()


@cache
def licences() -> dict[str, dict[str, str]]:
    """The row of ``DATA_LICENCES.md`` for each data set, by the heads of its table."""
    lines = (root() / "DATA_LICENCES.md").read_text().splitlines()
    head, _, *rows = [_cells(line) for line in lines if line.startswith("|")]
    found = {}
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row[0]):
            found[name] = dict(zip(head, row, strict=True))
        if "hm" in found:  # its row names the article's alone, and says that it is all three's
            found |= {level: found["hm"] for level in ("hm-product", "hm-department")}
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def pinned(name: str) -> str:
    """The sha256 that the files of a data set are held to, or the revision; or what stands in."""
    if name in amazon.EDITIONS:
        return f"{amazon.EDITIONS[name].file}: {amazon.EDITIONS[name].sha256}"
    if name == "movielens_small":
        return "; ".join(f"{file}: {digest}" for file, digest in movielens.SHA256.items())
    if name == "tecd-marketplace":
        return f"revision {hub.PINNED}, each file held to the hub's sha256"
    return (
        "made here, from a seed"
        if not SOURCES[name].files
        else "none; the events to the digest in the contents"
    )


# --- what is in them ----------------------------------------------------------------------------


def counted(name: str) -> dict[str, float | int | str]:
    """What a data set holds, counted on the log as it is loaded and split; shares in percent."""
    log, split = datasets.load(name)
    facts = ties.facts(log, split)
    known = {
        "users": "users", "items": "items", "events": "events",
        "median events a user": "events of a user, median",
        "most events of a user": "events of a user, most",
        "% of test items never trained": "test items never trained, %",
        "% of events that repeat an item": "events that repeat an item, %",
    }  # fmt: skip
    found: dict[str, float | int | str] = {
        head: round(facts[key], 2) if "%" in key or "median" in key else int(facts[key])
        for key, head in known.items()
    }
    found["tests with the time of the event before, %"] = round(
        100 * float(ties.tied(log, split.test).mean()), 2
    )
    found["digest"] = datasets.digest_of(name)
    return found


def count(names: Sequence[str] = tuple(SOURCES)) -> Path:
    """Write ``COUNTED``: anew for ``names`` whose files are at hand, other rows as they were."""
    path = root() / COUNTED
    old = pd.read_csv(path, index_col="data set") if path.exists() else pd.DataFrame()
    rows = {str(name): row.to_dict() for name, row in old.iterrows()}
    rows |= {name: counted(name) for name in names if datasets.at_hand(name)}
    table = pd.DataFrame.from_dict({n: rows[n] for n in SOURCES if n in rows}, "index")
    with written_aside(path) as aside:
        table.rename_axis("data set").to_csv(aside, lineterminator="\n")
    return path


def contents(names: dict[str, str]) -> pd.DataFrame:
    """What is in data sets, a column each, from ``COUNTED``."""
    table = pd.read_csv(root() / COUNTED, index_col="data set").loc[list(names)]
    return _in_short(table.rename(index=names).rename_axis(None).T)


def _in_short(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as such, and the first digits of digests."""
    whole = table.map(lambda x: int(x) if isinstance(x, float) and x.is_integer() else x)
    whole.loc["digest"] = whole.loc["digest"].str[:12]
    return whole


def of(card: Data) -> Shown:
    """A data card, its parts behind tabs: what it is, what is in it."""
    licence = licences()[next(iter(card.sets))]
    rows = {"what it is": said(card.reader), "from": licence["source"]}
    rows |= {"licence": licence["licence of the data"]}
    rows |= {"what may be done with what is derived": licence["what is derived, and so here"]}
    rows |= {"smallest histories": card.cores, "clock": card.clock}
    rows |= {"known defects and limits": card.caution}
    splits = {SOURCES[name].splits[0] for name in card.sets}
    rows |= {"split, unless another is named": "; ".join(SPLITS[one] for one in sorted(splits))}
    pins = {called: pinned(name) for name, called in card.sets.items()}
    if len(set(pins.values())) == 1:
        rows["files held to"] = next(iter(pins.values()))
    else:
        rows |= {f"file held to, {called}": one for called, one in pins.items()}
    about = pd.DataFrame({"in words": rows})
    tabs = {"about": about, "contents": contents(card.sets)}
    return report.show(tabs, f"{card.title}: where it comes from and what is in it.", digits=2)


def own(dataset: str) -> Shown:
    """The card of any data set, a file too: what can be counted, and nothing that cannot."""
    table = _in_short(pd.DataFrame({title(dataset): counted(dataset)}))
    return report.show(table, "What can be counted of a data set, whoever made it.", digits=2)


def asked(run: Runs) -> str:
    """The data set of a run and, where a sample of the users was asked, how many they are."""
    users = run.examples["user"].nunique()
    sampled = run.seeds[0].spec["training"].get("test_users", 0)
    return title(run.dataset) + f" ({users:,} users asked)" * bool(sampled)


def digest(run: Runs) -> str:
    """The first digits of the digest of its data."""
    return str(run.seeds[0].card["data_digest"][:12])


def questions(runs: Sequence[Runs]) -> pd.DataFrame:
    """What the runs on each data set were asked: a row for all of its users, and for a sample."""
    rows = {}
    for run in runs:
        if (name := (asked(run), digest(run))) not in rows:
            found, one = run.examples, run.seeds[0]
            rows[name] = {
                "questions": len(found),
                "users": found["user"].nunique(),
                "items": len(one.exposure),
                "events before, median": float(np.median(found["history_length"])),
                "repeats, %": 100 * float(found["repeat"].mean()),
                "digest": digest(run),
            }
    return pd.DataFrame(list(rows.values()), [name for name, _ in rows])


if __name__ == "__main__":
    print(count())
