"""What the survey's encoders cost: positions learned a second on Beauty, and the time of a step by
the length of its histories.

``speeds``: each recipe as it is published, after one whole pass (oneDNN keeps a kernel for each
shape that it meets); the encoders take turns, three times; medians. ``steps``: one update from as
many positions, cut into histories of other lengths, by networks of about 20,000 parameters each.
``catalogue``: positions a second of SASRec's loss and its gradient alone, which no encoder that
learns from every item can exceed. All by the clock, on one core and on both.
"""

import argparse
import itertools
import sys
import time

import numpy as np
from publishing import keep_memory, machine, publish

WHAT = "positions learned a second; milliseconds of a step by length of history"
RECIPES = (
    "sasrec",
    "gru",
    "rnn",
    "lstm",
    "gru4rec",
    "fpmc",
    "prme",
    "caser",
    "nextitnet",
    "bert4rec",
    "pinnerformer",
    "hstu",
    "hstu-events",
)
BATCHES, TURNS = 50, 3
THREADS = (1, 2)
POSITIONS = 12_800
LENGTHS = (25, 50, 100, 200, 400)
STEPS = 5
SETTINGS = {  # of the small worlds' families
    "rnn": {},
    "gru": {},
    "lstm": {},
    "caser": {"height": 9, "horizontal": 16},
    "nextitnet": {"dilations": "1 4"},
    "sasrec": {"num_layers": 2},
    "hstu": {"num_layers": 2},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn; publishes nothing")
    quick = parser.parse_args().quick
    keep_memory()
    where = machine()
    turns = 1 if quick else TURNS
    found = {"catalogue": catalogue(turns), "speeds": speeds(turns), "steps": steps(turns)}
    if not quick:
        publish("families", {"what": WHAT, "machine": where} | found)


def catalogue(turns):
    """Positions a second of the softmax over Beauty's items, by threads: median of all calls."""
    import torch

    from seqrec_lib.models.losses import Softmax

    positions, items, width = 768, 12_101, 64
    states, vectors = torch.randn(positions, width), torch.randn(items + 1, width)
    states, vectors = (10 * states / width**0.5).requires_grad_(), vectors.requires_grad_()
    target = torch.randint(1, items + 1, (positions,))
    found = {}
    for threads in THREADS:
        torch.set_num_threads(threads)
        times = []
        for _ in range(5 + 20 * turns):
            began = time.monotonic()
            with torch.autocast("cpu", torch.bfloat16):
                Softmax()(states, target, vectors, None, torch.ones(items + 1), cosine=True)
            times.append(time.monotonic() - began)
        found[str(threads)] = positions / float(np.median(times[5:]))
    return found


def speeds(turns):
    """Positions a second, by threads and recipe: median of the turns."""
    import torch

    torch.set_num_threads(1)
    sides, found = {name: Side(name) for name in RECIPES}, {}
    for _, threads in itertools.product(range(turns), THREADS):
        torch.set_num_threads(threads)
        for name, side in sides.items():
            rates = found.setdefault(str(threads), {}).setdefault(name, [])
            rates.append(side.turn())
            print(threads, name, round(rates[-1]), file=sys.stderr)
    return {
        threads: {name: float(np.median(rates)) for name, rates in of.items()}
        for threads, of in found.items()
    }


class Side:
    """A recipe after its first pass, which took ``first_s`` seconds."""

    def __init__(self, name, dataset="beauty"):
        from seqrec_lib.data import datasets
        from seqrec_lib.data.catalogue import Catalogue
        from seqrec_lib.records.recipes import published
        from seqrec_lib.records.runs import initialised
        from seqrec_lib.training.loop import _Run

        (spec,) = published(dataset, name, [0])
        log, split = datasets.load(dataset)
        attributes = datasets.attributes(dataset)
        model = initialised(spec, Catalogue.learned(log, split.train, attributes))
        self.run = _Run(model, log, split, spec.training)
        model.train()
        began = time.monotonic()
        for batch in self.run.remaining_batches():
            self.run.learn(batch)
        self.first_s = time.monotonic() - began
        self.run.at.step = 0
        self.batches = itertools.chain.from_iterable(
            self.run.remaining_batches() for _ in itertools.count()
        )

    def turn(self):
        # what of a model begins with its batches (windows, their order) is outside
        batches = [*itertools.islice(self.batches, BATCHES)]
        began = time.monotonic()
        learned = sum(self.run.learn(batch) for batch in batches)
        self.run.at.step = 0
        return learned / (time.monotonic() - began)


def steps(turns):
    """Milliseconds of an update, by threads, family and length: median of all steps."""
    import torch

    found = {}
    for threads in THREADS:
        torch.set_num_threads(threads)
        for length, (name, settings) in itertools.product(LENGTHS, SETTINGS.items()):
            model, batch = small(name, length, settings)
            optimizer = torch.optim.AdamW(model.parameters())
            times = []
            for _ in range(2 + turns * STEPS):
                began = time.monotonic()
                optimizer.zero_grad()
                model.loss(batch).backward()
                optimizer.step()
                times.append(1e3 * (time.monotonic() - began))
            of = found.setdefault(str(threads), {}).setdefault(name, {})
            of[str(length)] = float(np.median(times[2:]))
            print(threads, name, length, round(of[str(length)]), file=sys.stderr)
    return found


def small(name, length, settings):
    """A family's network of the worlds' size, and a batch of random histories."""
    import torch

    from seqrec_lib.data.batch import Batch
    from seqrec_lib.data.catalogue import Catalogue
    from seqrec_lib.models.base import from_config
    from seqrec_lib.studies.worlds import sized
    from seqrec_lib.studies.worlds_plans import FAMILIES

    catalogue = Catalogue(40, np.zeros(41, dtype=np.int64))
    config = sized(FAMILIES[name], catalogue, length, settings | {"dropout": 0.0})
    torch.manual_seed(0)
    item, target = torch.randint(1, 41, (2, POSITIONS // length, length))
    return from_config(catalogue, config).train(), Batch(item, target=target)


if __name__ == "__main__":
    main()
