"""What the store encoders cost: processor seconds to learn from and to answer a thousand questions.

On the simulated world of the chapter on stores, receipts known next morning. The encoders take
turns, three times; medians. One core, so that seconds of the processor are of the work alone.
"""

import argparse
import itertools
import sys
import time

import numpy as np
from publishing import machine, publish

WHAT = "processor seconds of a thousand targets learned, and of a thousand questions ranked"
DATASET = "omni-100-stores-known"
RECIPES = (
    "sasrec-lines",
    "sasrec-avge",
    "sasrec-attne",
    "sasrec-deepsets",
    "sasrec-settransformer",
)
BATCHES, WARM, ASKED, TURNS = 40, 5, 2_000, 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn; publishes nothing")
    turns = 1 if parser.parse_args().quick else TURNS
    where, found = machine(), {}
    sides = {name: Side(DATASET, name) for name in RECIPES}
    # what SASRec does without any store, on a log of its own
    sides["sasrec"] = Side(DATASET.replace("known", "none"), "sasrec")
    for _, (name, side) in itertools.product(range(turns), sides.items()):
        found.setdefault(name, []).append(side.turn())
        print(name, found[name][-1], file=sys.stderr)
    medians = {
        name: {key: float(np.median([one[key] for one in runs])) for key in runs[0]}
        for name, runs in found.items()
    }
    if turns == TURNS:
        publish("encoders", {"what": WHAT, "machine": where, "encoders": medians})


class Side:
    """A recipe before its first pass, and the batches that it is given."""

    def __init__(self, dataset, name):
        import torch

        from seqrec_lib.data import datasets
        from seqrec_lib.data.catalogue import Catalogue
        from seqrec_lib.records.recipes import published
        from seqrec_lib.records.runs import initialised
        from seqrec_lib.training.loop import _Run

        torch.set_num_threads(1)
        (self.spec,) = published(dataset, name, [0])
        self.log, self.split = datasets.load(dataset)
        model = initialised(self.spec, Catalogue.learned(self.log, self.split.train))
        self.run = _Run(model, self.log, self.split, self.spec.training)
        self.batches = self.run.remaining_batches()

    def turn(self):
        """Processor seconds for a thousand targets learned, and a thousand questions ranked."""
        from seqrec_lib.training.evaluation import ranks

        model, length = self.run.model.train(), self.spec.training.max_len
        batches = [*itertools.islice(self.batches, WARM + BATCHES)]
        for batch in batches[:WARM]:
            self.run.learn(batch)
        began = time.process_time()
        learned = sum(self.run.learn(batch) for batch in batches[WARM:])
        learning = time.process_time() - began
        model.eval()
        asked = self.split.test[:: len(self.split.test) // ASKED][:ASKED]
        began = time.process_time()
        ranks(model, self.log, asked, length)
        return {
            "learning_s": 1e3 * learning / learned,
            "ranking_s": 1e3 * (time.process_time() - began) / len(asked),
        }


if __name__ == "__main__":
    main()
