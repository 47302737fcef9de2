"""What a study keeps of a run: a table a seed, in a file that names the ranks it was made of.

It is made again when the record is another one. ``<study>/<data set>/<name>-s<seed>.parquet``
beside the results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.options import add_variants
from seqrec_lib.records.store import SCRATCH, Run, Runs, ranks_digest, results_folder
from seqrec_lib.records.tables import beside

STEP = 2.0**-13  # what values are kept to, so that they pack: a mean moves by a millionth


def place(
    study: str,
    dataset: str | Dataset,
    name: str,
    seed: int,
    results: str | Path = SCRATCH,
    anew: bool = False,
) -> Path:
    """The file of what is kept of a run, or of what is made ``anew``."""
    file = f"{name}-s{seed}.parquet"
    return beside(results, study, datasets.folder(dataset), file, anew=anew)


def parser(study: str, about: str | None) -> argparse.ArgumentParser:
    """The command line of a study: a data set and how it is read, published runs of it, and how
    they are asked."""
    found = argparse.ArgumentParser(
        prog=f"python -m seqrec_lib.studies.{study}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("dataset")
    found.add_argument("names", nargs="+", help="published runs")
    found.add_argument("--seeds", type=int, nargs="*", default=[0])
    found.add_argument("--epochs", type=int, help="in place of the recipes'")
    found.add_argument("--results", type=results_folder, default=SCRATCH)
    found.add_argument("--device", default="auto")
    add_variants(found)
    return found


def by_user(log: EventLog, positions: Int[np.ndarray, "P"], values: pd.DataFrame) -> pd.DataFrame:
    """A row a user: ``user``, ``questions``, and the means of ``history_length`` and all values."""
    rows = values.assign(history_length=log.history_length(positions)).groupby(
        log.user_of(positions)
    )
    found = (rows.mean() / STEP).round() * STEP
    found.insert(0, "questions", rows.size())
    return found.rename_axis("user").reset_index()


def write(path: Path, table: pd.DataFrame, record: Run, **about: str) -> None:
    """Keep the table of a record, and what else there is to say of it."""
    said = json.dumps(about | {"ranks": ranks_digest(record.ranks)})
    packed = pa.Table.from_pandas(table, preserve_index=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        pq.write_table(
            packed.replace_schema_metadata({"about": said}),
            aside,
            compression="zstd",
            compression_level=19,
        )


def about(path: Path, record: Run) -> dict[str, str] | None:
    """What is said of a table that was made of this record; None if there is none."""
    if not path.exists():
        return None
    said: dict[str, str] = json.loads(pq.read_schema(path).metadata[b"about"])
    return said if said["ranks"] == ranks_digest(record.ranks) else None


def kept(
    study: str,
    runs: Runs,
    results: str | Path = SCRATCH,
    stands: Callable[[Path, Run], bool] = lambda path, record: about(path, record) is not None,
) -> list[pd.DataFrame]:
    """What is kept of each seed.

    Raises ``ValueError`` naming a seed of which nothing is, or nothing of its record as it is now.
    """
    found = []
    for number, record in zip(runs.numbers, runs.seeds, strict=True):
        path = place(study, runs.dataset, runs.name, number, results)
        if not stands(path, record):
            what = (
                "was made of another record or by other questions"
                if path.exists()
                else "is not there"
            )
            raise ValueError(
                f"{path} {what}; python -m seqrec_lib.studies.{study} {runs.dataset} "
                f"{runs.name} --seeds {number} makes it"
            )
        found.append(pd.read_parquet(path))
    return found
