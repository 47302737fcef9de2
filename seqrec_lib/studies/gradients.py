"""How much of a gradient reaches events that lie far back, by cell of a recurrent network.

Gradients of a plain recurrent network vanish or explode on their way back (Bengio et al., 1994,
doi:10.1109/72.279181); gates are said to mend it. ``worlds/gradients.csv`` beside the results has a
row a cell, seed, moment and distance: before training, and after it in the world of reach, where
the answer stands :data:`LEVEL` events back and nothing else helps. It is four times as long as that
which the study of small worlds has for it.

python -m seqrec_lib.studies.gradients --results book/results
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.worlds import reach
from seqrec_lib.models.encoders.gru import CELLS, GRU
from seqrec_lib.records.store import SCRATCH, results_folder
from seqrec_lib.records.tables import beside, keep, made
from seqrec_lib.studies.worlds import hits
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

LEVEL, PASSES, HISTORIES = 16, 100, 200
NAMED = ("worlds", "gradients.csv")


def reaching(model: GRU, batch: Batch) -> Float[np.ndarray, "T"]:
    """By events back, the newest first: the mean norm of the gradient of the last state, in a
    random direction, by what was read then; over that of the newest."""
    vectors = model.items(batch.item).detach().requires_grad_()
    state = model.run(vectors, batch.real)[:, -1]
    direction = torch.randn_like(state)
    (found,) = torch.autograd.grad((state * direction).sum(), vectors)
    norm = found.norm(dim=-1).mean(0).flip(0)
    return (norm / norm[0]).numpy()


def study(seeds: int = 3, passes: int = PASSES, num_users: int = 1000) -> pd.DataFrame:
    """The table; ``HR@1`` after training is on test, of ten items. Nothing is kept."""
    rows = []
    for seed in range(seeds):
        world = reach.draw(LEVEL, seed=seed, num_users=num_users)
        catalogue = Catalogue.learned(world.log, world.split.train)
        asked = world.split.test[:HISTORIES]
        batch = world.log.histories(asked, world.length)
        for cell in CELLS:
            torch.manual_seed(seed)
            model = GRU(catalogue, GRU.Config(32, 64, dropout=0.0, cell=cell))
            training = Training(
                epochs=passes, batch_size=64, max_len=world.length, learning_rate=0.01,
                cosine=True, patience=passes, precision="fp32", select="unmasked", seed=seed,
            )  # fmt: skip
            for moment in ("before", "after"):
                score = np.nan
                if moment == "after":
                    fit(model, world.log, world.split, training)
                    score = float(hits(model, world, world.split.test).mean())
                model.eval()
                for back, share in enumerate(reaching(model, batch), start=1):
                    rows.append(
                        {"cell": cell, "seed": seed, "moment": moment, "events back": back,
                         "share": share, "HR@1": score}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def kept(results: str | Path = SCRATCH) -> pd.DataFrame:
    """The table that was made. Raises ``FileNotFoundError`` if there is none."""
    return made("studies.gradients", results, *NAMED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the table anew; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.studies.gradients", description=__doc__
    )
    parser.add_argument("--results", type=results_folder, default=SCRATCH)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    found = study(chosen.seeds)
    keep(found, beside(chosen.results, *NAMED, anew=True))
    shown = found[found["events back"].isin((1, 2, 4, 8, 16, 32))]
    print(shown.pivot_table(index=["moment", "cell"], columns="events back", values="share"))


if __name__ == "__main__":
    main()
