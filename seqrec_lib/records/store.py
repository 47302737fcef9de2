"""Run, Runs: the record on disk of what was run.

A record is ``<results>/<dataset>/<name>/s<seed>/``: ``spec.json`` says what was run, ``card.json``
where and when, ``history.csv`` has a row an epoch, ``ranks.parquet`` a row a test example,
``exposure.parquet`` a row an item. What the test examples are stands once for all runs on the same
data, in ``<results>/<dataset>/examples-<data digest>.parquet`` (``-10`` of those that ask so many
questions of each user at most); a run that ranked a sample of users says itself whom. Nothing else
in the library touches these folders.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int

from seqrec_lib.data.files import root, written_aside
from seqrec_lib.data.refusals import Said
from seqrec_lib.metrics.ranking import summary
from seqrec_lib.records.spec import Spec

RESULTS = "book/results"  # committed; relative to the project's folder
SCRATCH = "build/results"  # where new records go unless another folder is named
EXAMPLES = ["user", "item", "history_length", "repeat"]  # what a test example is, for every run
# of whole numbers: as they are; byte by byte, for counts; differences, for what rises
ENCODINGS = ("PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED")
COSTS = ["parameters", "own_seconds", "total_seconds", "scoring_seconds", "peak_bytes"]


class RecordError(Said, ValueError):
    """A record that cannot be used; the message says where, why, and what to do."""


@dataclass(frozen=True)
class Run:
    """The record of one run, read back; tables are read when asked for."""

    folder: Path
    spec: dict[str, Any]
    card: dict[str, Any]

    @cached_property
    def history(self) -> pd.DataFrame:
        return _read(self.folder / "history.csv", pd.read_csv)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """A row a test example: what it is, the true item's ranks, and the item ranked first."""
        table = _read(self.folder / "ranks.parquet", pd.read_parquet)
        if "item" in table:  # says itself what its examples are
            return table
        path = shared_examples(self.folder, self.card, self.spec)
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; restore it, or retrain the runs beside it")
        table.insert(1, "rank_unmasked", table["rank_masked"] + table.pop("lost"))
        return pd.concat([_read(path, pd.read_parquet), table], axis=1)

    @cached_property
    def exposure(self) -> pd.DataFrame:
        return _read(self.folder / "exposure.parquet", pd.read_parquet)


@dataclass(frozen=True)
class Runs:
    """The same run from several seeds."""

    name: str
    dataset: str
    seeds: list[Run]

    def ranks(self, protocol: str) -> Int[np.ndarray, "S U"]:
        """Ranks by seed and test example; ``protocol`` is ``masked`` or ``unmasked``."""
        return np.stack([run.ranks[f"rank_{protocol}"].to_numpy() for run in self.seeds])

    def among(self, users: Int[np.ndarray, "V"]) -> Runs:
        """The same runs as asked of these users alone, to compare with one that ranked no others.

        Cards and exposure stay those of all users.
        """
        return self._where(self.examples["user"].isin(users).to_numpy())

    def asked_as(self, other: Runs) -> Runs:
        """The same runs as asked what ``other`` was asked alone: the events of the same places of
        the same users' histories. Fewer, if they were not asked all of it. Else as :meth:`among`.
        """
        which = ["user", "history_length"]
        theirs = pd.MultiIndex.from_frame(other.examples[which])
        return self._where(pd.MultiIndex.from_frame(self.examples[which]).isin(theirs))

    def _where(self, rows: Bool[np.ndarray, "Q"]) -> Runs:
        seeds = []
        for run in self.seeds:
            seeds.append(replace(run))
            # where a cached property keeps what it found
            vars(seeds[-1])["ranks"] = run.ranks[rows].reset_index(drop=True)
        return replace(self, seeds=seeds)

    @property
    def numbers(self) -> list[int]:
        """What the seeds are: ``training.seed`` of each run."""
        return [run.spec["training"]["seed"] for run in self.seeds]

    @property
    def examples(self) -> pd.DataFrame:
        """User, item and history length of the test examples, the same for every seed."""
        return self.seeds[0].ranks[EXAMPLES]

    @property
    def costs(self) -> pd.Series:
        """Parameters, seconds and bytes from the cards: medians over the seeds.

        Of those alone that the same device trained as most: seconds of a processor and of a GPU
        have no common middle.
        """
        cards = pd.DataFrame([run.card for run in self.seeds])
        alike = cards[cards["device"] == cards["device"].mode()[0]]
        return alike[COSTS].median()


def load_all(folder: Path, seeds: Collection[int] | None = None) -> list[Run]:
    """The records in a run's folder, by seed: of these seeds, or all there are."""
    cards = sorted(folder.glob("s*/card.json"), key=lambda card: int(card.parent.name[1:]))
    return [load(c.parent) for c in cards if seeds is None or int(c.parent.name[1:]) in seeds]


def results_folder(given: str) -> str:
    """A results folder as a command line names it: the project's two by name or by place, any other
    from where one stands."""
    ours = {root() / name: name for name in (RESULTS, SCRATCH)}
    path = Path(os.path.abspath(Path(given).expanduser()))
    return given if given in ours.values() else ours.get(path, str(path))


def places(results: str | Path) -> tuple[str | Path, str | Path]:
    """Where a record is looked for: the committed ones are read whatever ``results`` is, before
    those of scratch, after those of a folder of one's own."""
    scratch = root() / results == root() / SCRATCH
    return (RESULTS, results) if scratch else (results, RESULTS)


def write(
    folder: Path,
    spec: Spec,
    card: dict[str, Any],
    history: pd.DataFrame,
    ranks: pd.DataFrame,
    exposure: pd.DataFrame,
) -> None:
    """Write a record whole, in place of any that is there."""
    sampled = spec.training.test_users > 0
    shared = shared_examples(folder, card, spec.as_dict())
    if not sampled and not shared.exists():
        with written_aside(shared) as aside:
            write_table(ranks[EXAMPLES], aside)
    with written_aside(folder) as aside:
        aside.mkdir()
        write_json(aside / "spec.json", spec.as_dict())
        write_json(aside / "card.json", card)
        history.to_csv(aside / "history.csv", index=False)
        # those of a sample of users are not the examples that all others share
        write_table(ranks if sampled else _own(ranks), aside / "ranks.parquet")
        write_table(exposure, aside / "exposure.parquet")


def shared_examples(folder: Path, card: dict[str, Any], spec: dict[str, Any]) -> Path:
    """The test examples of a record, shared with all of the same data and as many of each user."""
    most = spec["training"].get("questions", 0)
    few = f"-{most}" if most else ""
    return folder.parents[1] / f"examples-{card['data_digest'][:8]}{few}.parquet"


def _own(ranks: pd.DataFrame) -> pd.DataFrame:
    """What a run alone knows; few ranks are lost to earlier items, so that these pack well."""
    own = ranks.drop(columns=EXAMPLES)
    return own.assign(lost=own.pop("rank_unmasked") - own["rank_masked"])


def load(folder: Path) -> Run:
    """Read a record; raises ``FileNotFoundError`` naming what is missing.

    Raises ``ValueError`` naming a part that is damaged, as the tables do when they are asked for.
    """
    for part in ("spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"):
        if not (folder / part).exists():
            raise FileNotFoundError(f"{folder}: {part} is missing; delete the folder, then retrain")
    return Run(folder, *(_read(folder / part, _json) for part in ("spec.json", "card.json")))


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    """A part of a record; raises ``ValueError`` with the path and the remedy if it is damaged."""
    try:
        # the other formats say themselves where they end
        if path.suffix == ".csv" and not path.read_bytes().endswith(b"\n"):
            raise ValueError("it ends in the middle of a line")
        return read(path)
    except (FileNotFoundError, PermissionError):
        raise
    except (ValueError, OSError) as error:  # what pandas, Arrow and json say of a cut file
        raise RecordError(
            f"{path}: damaged ({error}); restore it from git, or delete the folder and retrain"
        ) from error


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def ranks_digest(table: pd.DataFrame) -> str:
    """sha256 of a run's ranks under both protocols, whatever file they stand in."""
    total = hashlib.sha256()
    for name in ("rank_masked", "rank_unmasked"):
        total.update(table[name].to_numpy(np.int32).tobytes())
    return total.hexdigest()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table of a record, small: each column of counts, ranks or ids in the encoding that
    packs best, and nothing beside the columns."""
    plain = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    chosen = {
        name: min(ENCODINGS, key=lambda one: _packed(plain.select([name]), {name: one}).size)
        for name in table
        if table[name].dtype == np.int32
    }
    path.write_bytes(_packed(plain, chosen))


def _packed(table: pa.Table, encodings: dict[str, str]) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="brotli",  # at this level a twentieth smaller than zstd
        compression_level=10,
        use_dictionary=False,
        column_encoding=encodings,
        store_schema=False,
        write_statistics=False,
    )
    return sink.getvalue()


def summarise(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """HR, NDCG, MRR at 5, 10, 20 of a ranks table under both protocols."""
    return {p: summary(table[f"rank_{p}"].to_numpy()) for p in ("masked", "unmasked")}


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Write readable JSON that ends with a new line."""
    path.write_text(json.dumps(content, indent=1) + "\n")
