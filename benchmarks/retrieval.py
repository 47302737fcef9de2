"""Bank, search and memory of retrieval, and publish it.

First Amazon Beauty with the published SASRec: the seconds to make the bank of all training
histories and to find the 20 nearest entries of every test user, exactly (as published) and with
FAISS's approximate indexes, with the share of the exact neighbours that these find and the test
NDCG@10 that retrieval has with them; and what limits exact search, its products of matrices alone.
Then how time and memory grow with a bank of simulated entries: real states, each moved by noise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from cleaning import Memory, version
from publishing import HERE, cores, machine, publish

WIDTH, NEIGHBOURS, QUERIES, BATCH = 64, 20, 1000, 256
NOISE = 0.05  # standard deviation a dimension
WORK = HERE.parent / "build" / "retrieval"
# index: (FAISS's name, settings of the search that trade time for recall)
INDEXES = {
    "exact": ("Flat", [""]),
    "ivf": ("IVF{lists},Flat", [f"nprobe={n}" for n in (8, 32, 128)]),
    "hnsw": ("HNSW32,Flat", [f"efSearch={n}" for n in (64, 256)]),
    "product quantisation": ("PQ32x4fs,RFlat", [f"k_factor_rf={n}" for n in (4, 16)]),
}
LARGEST = {"exact": 10**7, "ivf": 10**7, "hnsw": 10**6, "product quantisation": 10**7}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(cores())  # before torch and FAISS are imported
    if args.measure:
        print(json.dumps(grown(args.measure[0], int(args.measure[1]))))
        return
    where = machine()
    result = beauty(args.repetitions)
    rows = []
    for size in args.sizes:
        for kind in INDEXES:
            if size <= LARGEST[kind]:
                command = [sys.executable, __file__, "--measure", kind, str(size)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                rows += json.loads(done.stdout.strip().splitlines()[-1])
                print(rows[-1], file=sys.stderr)
    publish(
        "retrieval",
        {
            "what": f"the {NEIGHBOURS} nearest of {WIDTH}-wide unit states; medians of repetitions",
            "beauty": result,
            "grown": rows,
            "threads": cores(),
            "versions": {name: version(name) for name in ("torch", "faiss-cpu")},
            "machine": where,
        },
    )


def beauty(repetitions):
    """Seconds on Amazon Beauty; the states are kept for the banks that are grown from them."""
    import numpy as np
    import torch

    from seqrec_lib.data import datasets
    from seqrec_lib.records.recipes import published
    from seqrec_lib.records.runs import trained_model

    torch.set_num_threads(cores())
    log, split = datasets.load("beauty")
    (spec,) = published("beauty", "sasrec-retrieval", [0])
    model = trained_model(spec).model
    filling, _ = timed(lambda: model.fill(log, split.train, 50), repetitions)
    encoding, states = timed(lambda: model.states(log, split.test, 50), repetitions)
    keys, asked = model.memory.keys, torch.nn.functional.normalize(states, dim=-1)
    WORK.mkdir(parents=True, exist_ok=True)
    np.savez(WORK / "states.npz", keys=keys.numpy(), asked=asked.numpy())
    batches = in_batches(keys.numpy(), asked.numpy(), repetitions)
    products = products_alone(keys, asked, repetitions)
    found = {kind: searched(kind, model.memory, asked, repetitions) for kind in INDEXES}
    exact = found["exact"][0]["found"]
    for kind, rows in found.items():
        for row in rows:
            row["recall"] = recall(row.pop("found"), exact)
            model.memory.use(index_name(kind, len(keys)), row["setting"])
            row["ndcg@10"] = ranked(model, log, split)
    return {
        "entries": len(keys),
        "test_users": len(asked),
        "seconds": {"bank": filling, "states of test users": encoding},
        "search": found,
        "exact_in_batches": batches,
        "products_alone": products,
    }


def ranked(model, log, split):
    """Test NDCG@10 under both protocols, with what the memory finds."""
    from seqrec_lib.records.store import summarise
    from seqrec_lib.training.evaluation import ranks

    found = summarise(ranks(model, log, split.test, 50))
    return {protocol: round(figures["NDCG@10"], 5) for protocol, figures in found.items()}


def in_batches(keys, asked, repetitions):
    """Seconds for all test users, a batch at a time: as FAISS would choose, and with products."""
    import faiss

    index, rows = faiss.IndexFlatIP(WIDTH), {}
    index.add(keys)
    batches = [asked[begin : begin + BATCH] for begin in range(0, len(asked), BATCH)]
    choices = {"FAISS's choice": faiss.cvar.distance_compute_blas_threshold, "always products": 0}
    for name, threshold in choices.items():
        faiss.cvar.distance_compute_blas_threshold = threshold
        rows[name], _ = timed(
            lambda: [index.search(batch, NEIGHBOURS) for batch in batches], repetitions
        )
    return rows


def products_alone(keys, asked, repetitions):
    """Seconds for every cosine, none kept: no exact search that computes them all is faster.

    In blocks that stay in a core's cache; theirs is the size that was fastest of three tried.
    """

    def multiply():
        for queries in asked.split(512):
            for block in keys.T.split(1024, dim=1):
                queries @ block

    return timed(multiply, repetitions)[0]


def searched(kind, memory, asked, repetitions):
    """A row a setting of the search: seconds to build, seconds to find, what was found."""
    import faiss

    faiss.omp_set_num_threads(cores())
    name, rows = index_name(kind, len(memory)), []
    for setting in INDEXES[kind][1]:
        memory.use(name, setting)
        start = time.perf_counter()
        memory.indexed()
        built = round(time.perf_counter() - start, 2)

        def ask(setting=setting):
            memory.use(name, setting)  # else it would answer from what it has kept
            return memory.nearest(asked, NEIGHBOURS)

        seconds, found = timed(ask, repetitions)
        rows.append({"setting": setting, "build_seconds": built, "seconds": seconds})
        rows[-1]["found"] = found
    return rows


def timed(call, repetitions):
    """The median of the seconds that ``call`` takes, and what it returned last."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        answer = call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), answer


def index_name(kind, size):
    """FAISS's name of this index over ``size`` entries."""
    return INDEXES[kind][0].format(lists=lists_of(size))


def lists_of(size):
    """Lists of an inverted file: four times the root of the entries, 4,096 at most (k-means)."""
    return min(4096, 2 ** round(2 + 0.5 * (size.bit_length() - 1)))


def recall(found, exact):
    """Share of the exact neighbours that were found."""
    hits = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), exact.tolist(), strict=True))
    return round(hits / (len(exact) * NEIGHBOURS), 4)


def grown(kind, size):
    """Time and memory of one index over ``size`` entries, in a process of its own."""
    import faiss
    import numpy as np
    import torch

    from seqrec_lib.models.wrappers import memory

    states = np.load(WORK / "states.npz")
    rng, watch = np.random.default_rng(0), Memory()
    keys = np.empty((size, WIDTH), dtype=np.float32)
    for begin in range(0, size, 10**5):
        part = states["keys"][rng.integers(0, len(states["keys"]), min(10**5, size - begin))]
        part = part + rng.normal(0, NOISE, part.shape).astype(np.float32)
        keys[begin : begin + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    bank, numbers = memory.Memory(WIDTH), np.arange(size)
    bank.fill(torch.from_numpy(keys), numbers, numbers, numbers)
    asked = np.ascontiguousarray(states["asked"][:QUERIES])
    exact = faiss.knn(asked, keys, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)[1]
    rows = searched(kind, bank, torch.from_numpy(asked), 3)
    peak = watch.stop()
    for row in rows:
        row |= {"index": kind, "entries": size, "recall": recall(row.pop("found"), exact)}
        row["peak_bytes"] = peak  # of all the process, above its imports
    return rows


if __name__ == "__main__":
    main()
