"""Rank the released checkpoints of published models on our split, by our function.

    python benchmarks/published_quality.py

Each file is downloaded from its authors' repository, at a commit and with a digest that stand here,
unless a data folder has it as published/<file>. It is read as plain numbers and given a forward
pass of our own (benchmarks/published/). Our ``ranks()`` then ranks the same test events under both
protocols. The figures that the authors print for the same file are kept beside ours, with the
largest difference, which must be at most 1e-4: theirs have four decimals. Published are the figures
(results/published_quality.json) and the ranks (results/published/<name>/ranks.parquet), to be
paired; the weights are not ours to give.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from published.attention import Attention
from published.base import LENGTH, Published, read
from published.wearec import WEARec
from publishing import HERE, machine, publish

from seqrec_lib.data import datasets, files
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.records.store import summarise
from seqrec_lib.training.evaluation import ranks

RAW = "https://raw.githubusercontent.com"
ICLREC = "salesforce/ICLRec/2890e6c3ff6a22c6699fc19cb863b66786c1cde4/src/output"
ICSREC = "QinHsiu/ICSRec/3c8958fa76aa57278778f8e82e8c7f983a4a1346/src/output"
MCLREC = "QinHsiu/MCLRec/bc8d622b1dcf17403bdda00e477ee5df17b128a4/log/Checkpoint"
WEAREC = "xhy963319431/WEARec/c1f687f88425883203a0aeed076b130dbcb7defd/src/output"
METRICS = [f"{metric}@{k}" for k in (5, 10, 20) for metric in ("HR", "NDCG")]
EXACT = 1e-4  # a unit of the last decimal that is printed


@dataclass(frozen=True)
class Checkpoint:
    """A file that its authors released, and what they print for it."""

    model: str
    dataset: str
    path: str
    sha256: str
    kind: Callable[..., Published]
    settings: dict[str, Any]
    protocol: str  # of the authors
    figures: tuple[float, ...]  # theirs, in the order of METRICS

    @property
    def name(self) -> str:
        return f"{self.model.lower()}-{self.dataset}"


_left, _right = {"newest_last": True}, {"newest_last": False}
CHECKPOINTS = (
    Checkpoint(
        "ICLRec", "beauty", f"{ICLREC}/ICLRec-Beauty-1.pt",
        "c0fcdcd73848ec64995373b130001fdc845beabb5aa509682dcd526280e0717e",
        Attention, _left, "masked", (0.0500, 0.0326, 0.0744, 0.0403, 0.1058, 0.0483),
    ),
    Checkpoint(
        "ICLRec", "toys", f"{ICLREC}/ICLRec-Toys_and_Games-1.pt",
        "1c1c3a4b2f757aea4aa65cb3e94a25bdf00232fb582cf1cb2bf738226be64b40",
        Attention, _left, "masked", (0.0598, 0.0404, 0.0834, 0.0480, 0.1138, 0.0557),
    ),
    Checkpoint(
        "ICSRec", "beauty", f"{ICSREC}/ICSRec-SAS-Beauty-0.pt",
        "242e23dcccb59622085f552b2e46dc01d59f56e08dd20927db3cfa52a189ae2b",
        Attention, _left, "masked", (0.0698, 0.0494, 0.0959, 0.0578, 0.1298, 0.0663),
    ),
    Checkpoint(
        "ICSRec", "toys", f"{ICSREC}/ICSRec-SAS-Toys_and_Games-0.pt",
        "f267e46e1fee91894406eeb8c1f17850bf375f53dd154d5332cf9b9080c03230",
        Attention, _left, "masked", (0.0788, 0.0571, 0.1055, 0.0657, 0.1368, 0.0736),
    ),
    Checkpoint(
        "MCLRec", "beauty", f"{MCLREC}/Amazon_Beauty/model.pth",
        "a41e4f8edb1c467206302de70e509c352a72772349fc4cd9fc06ac2e4b1f578f",
        Attention, _right, "unmasked", (0.0581, 0.0352, 0.0871, 0.0446, 0.1243, 0.0539),
    ),
    Checkpoint(
        "WEARec", "beauty", f"{WEAREC}/WEARec_K_50_Beauty_0.5_0.0005_0.2_8.pt",
        "be46edc77f2833ca882cd113b99dbc62605cb43cc9b13c2b9764b6769c25f1cc",
        WEARec, {"share": 0.2}, "masked", (0.0738, 0.0516, 0.1041, 0.0614, 0.1391, 0.0703),
    ),
)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    found = {}
    for one in CHECKPOINTS:
        log, split = datasets.load(one.dataset)
        if not np.array_equal(log.items, np.arange(log.num_items) + 1):
            raise ValueError(f"{one.dataset}: items are not numbered as where {one.name} was made")
        path = files.download(f"{RAW}/{one.path}", one.sha256, f"published/{one.name}.pt")
        model = one.kind(Catalogue.learned(log, split.train), read(path), **one.settings)
        table = ranks(model, log, split.test, LENGTH)
        summary = summarise(table)
        ours = np.array([summary[one.protocol][metric] for metric in METRICS])
        differs = float(np.abs(ours - one.figures).max())
        if differs > EXACT:
            raise ValueError(
                f"{one.name}: {ours.round(4).tolist()} by us, {one.figures} in print: "
                "the forward pass is not theirs"
            )
        ranked = HERE / "results" / "published" / one.name / "ranks.parquet"
        ranked.parent.mkdir(parents=True, exist_ok=True)
        with files.written_aside(ranked) as aside:
            table.to_parquet(aside, index=False)
        found[one.name] = {
            "model": one.model,
            "dataset": one.dataset,
            "file": f"{RAW}/{one.path}",
            "sha256": one.sha256,
            "printed": {"protocol": one.protocol, **dict(zip(METRICS, one.figures, strict=True))},
            "largest_difference": differs,
            "summary": summary,
        }
    what = "released checkpoints, ranked by one function on one split"
    publish("published_quality", {"what": what, "machine": machine(), "checkpoints": found})


if __name__ == "__main__":
    main()
