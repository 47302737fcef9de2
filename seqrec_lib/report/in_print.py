"""Rows in print that a chapter holds ours against, each with its source: ``book/in_print.csv``."""

from __future__ import annotations

import pandas as pd

from seqrec_lib.data import files


def in_print(
    *models: str, protocol: str = "masked", loss: str = ""
) -> dict[str, tuple[float, float]]:
    """(HR@10, NDCG@10) by data set of the rows of these models under one protocol.

    Raises ``ValueError`` if there is none, or more than one for a data set: which is meant?
    """
    table = pd.read_csv(files.root() / "book" / "in_print.csv")
    rows = table[table["model"].isin(models) & (table["protocol"] == protocol)]
    if loss:
        rows = rows[rows["loss"] == loss]
    if rows.empty or rows["dataset"].duplicated().any():
        asked = f"{' or '.join(models)} ({protocol}{f', {loss}' if loss else ''})"
        raise ValueError(
            f"{len(rows)} rows of {asked} in book/in_print.csv; one a data set is asked"
        )
    return {
        str(row["dataset"]): (float(row["HR@10"]), float(row["NDCG@10"]))
        for _, row in rows.iterrows()
    }
