"""Does the suite notice a fault? Put one in, run the tests that should fail, take it out again.

python tests/mutants/run.py [listed] [drawn] [--only WORD]

``listed`` are the faults of faults.toml. ``drawn`` are small changes of an operator or a number
that cosmic-ray makes in ``DRAWN``, one each at 200 places chosen by a fixed seed; those of
equivalent.toml change nothing that a caller could see. Faults are put into copies of the tree, two
at a time, and never into the tree itself. Exits 1 if a listed fault survives, or more than a tenth
of those drawn.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COPIED = ("seqrec_lib", "tests", "pyproject.toml")
# imported once by a worker, which forks for every fault: most of the time of a short test
HEAVY = (
    *("torch", "torch.distributed", "numpy", "pandas", "pyarrow.parquet", "scipy.special"),
    *("scipy.sparse.linalg", "scipy.stats", "faiss", "hypothesis", "beartype", "jaxtyping"),
    *("ir_measures", "safetensors.torch", "nbval.plugin", "duckdb", "ibis", "pytest"),
)
LIMIT = 300  # seconds for the tests of one fault
WORKERS = 2

DRAWN = {  # a module, and the fast tests of it; its own examples are among them
    "seqrec_lib/metrics/classes.py": ["tests/metrics/test_classes.py"],
    "seqrec_lib/metrics/embeddings.py": ["tests/metrics/test_embeddings.py"],
    "seqrec_lib/metrics/entropy.py": ["tests/metrics/test_entropy.py"],
    "seqrec_lib/metrics/lists.py": ["tests/metrics/test_lists.py"],
    "seqrec_lib/metrics/ranking.py": ["tests/metrics/test_ranking.py"],
    "seqrec_lib/statistics/intervals.py": [
        "tests/statistics/test_intervals.py",
        # what these measure takes thousands of tables
        *("-k", "not 95_percent and not ten_real_nothings and not spread_wide and not rarely"),
    ],
    "seqrec_lib/statistics/parts.py": ["tests/statistics/test_parts.py"],
    "seqrec_lib/statistics/populations.py": ["tests/statistics/test_populations.py"],
    "seqrec_lib/data/splits.py": ["tests/data/test_splits.py", "tests/data/test_channels.py"],
    "seqrec_lib/training/evaluation.py": [
        "tests/training/test_evaluation.py",
        "tests/training/test_sampled.py",
    ],
}
NUMBER, SEED, LEAST = 200, 0, 0.9


@dataclass(frozen=True)
class Fault:
    """A file as it would be, and what pytest is told to find it out."""

    name: str
    file: str
    text: str
    tests: tuple[str, ...]
    slow: bool = False  # may run for ever: then the time limit counts as a failure


# --- faults that are listed ----------------------------------------------------------------------


def listed(path: Path, root: Path) -> list[Fault]:
    """The faults of a list; ``ValueError`` naming one whose ``before`` is not there once."""
    found = []
    for one in tomllib.loads(path.read_text())["fault"]:
        text = (root / one["file"]).read_text()
        if (count := text.count(one["before"])) != 1:
            raise ValueError(f"{one['name']} {one['file']} has its line {count} times, not once")
        changed = text.replace(one["before"], one["after"])
        if changed == text:
            raise ValueError(f"{one['name']} It changes nothing.")
        ast.parse(changed)
        found.append(
            Fault(one["name"], one["file"], changed, tuple(one["tests"]), one.get("slow", False))
        )
    return found


# --- faults that are drawn -----------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What cosmic-ray can make of a place in the code: ``kind`` is its operator."""

    file: str
    line: int
    column: int
    before: str  # the line
    kind: type
    occurrence: int

    def lot(self, seed: int) -> bytes:
        """Depends on the line alone, so that a change elsewhere in the file draws no others."""
        words = f"{seed} {self.file} {self.before} {self.column} {self.kind.__name__}"
        return hashlib.sha256(words.encode()).digest()

    def made(self, root: Path) -> tuple[str, str]:
        """The line and the whole file after the change."""
        from cosmic_ray.mutating import mutate_code

        text = mutate_code((root / self.file).read_text(), self.kind(), self.occurrence)
        ast.parse(text)
        return text.splitlines()[self.line - 1].strip(), text


def drawn(root: Path, number: int = NUMBER, seed: int = SEED) -> list[Change]:
    """One change at each of ``number`` places."""
    places: dict[tuple, list[Change]] = {}
    for file in DRAWN:
        for change in changes(file, (root / file).read_text()):
            places.setdefault((file, change.line, change.column), []).append(change)
    one_each = [min(some, key=lambda change: change.lot(seed)) for some in places.values()]
    chosen = sorted(one_each, key=lambda change: change.lot(seed))[:number]
    return sorted(chosen, key=lambda change: (change.file, change.line, change.column))


def changes(file: str, text: str) -> Iterator[Change]:
    """Every change of an operator or a number of the code.

    Left out are annotations and decorators, which do nothing at run time or are the shape check's,
    what stands in messages (an f-string, a ``raise``), and operators of another kind, which raise
    where they stand: no sum becomes a shift, no comparison of numbers an ``is``.
    """
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes, lines = list(ast_nodes(get_ast(text))), text.splitlines()
    for kind in _operators():
        at = itertools.count()
        for node in nodes:
            for (line, column), _ in kind().mutation_positions(node):
                occurrence = next(at)
                if not _is_no_code(node):
                    yield Change(file, line, column, lines[line - 1].strip(), kind, occurrence)


def _operators() -> list[type]:
    from cosmic_ray.operators import binary_operator_replacement as binary
    from cosmic_ray.operators import boolean_replacer, number_replacer
    from cosmic_ray.operators import comparison_operator_replacement as comparison
    from cosmic_ray.operators import unary_operator_replacement as unary

    kinds: list[type] = [number_replacer.NumberReplacer]
    for name in (
        *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
        *("ReplaceAndWithOr", "ReplaceOrWithAnd", "AddNot"),
    ):
        kinds.append(getattr(boolean_replacer, name))
    alike = (
        ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"),
        ("BitOr", "BitAnd", "BitXor"),
        ("Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"),
        ("Is", "IsNot"),
    )
    for kind in (*binary.operators(), *comparison.operators(), *unary.operators()):
        old_new = kind.__name__.split("_")[1:]
        if len(old_new) < 2 or any(set(old_new) <= set(group) for group in alike):
            kinds.append(kind)
    return kinds


def _is_no_code(node) -> bool:
    above, below = node, None
    while above is not None:
        if above.type in ("fstring", "raise_stmt", "annassign", "tfpdef", "decorator"):
            return above.type != "annassign" or below is above.children[1]
        if above.type == "param" and above.annotation is not None and below is above.children[0]:
            return below.type == "tfpdef"
        if above.type == "funcdef" and below is above.annotation:
            return True
        above, below = above.parent, above
    return False


def equivalents(path: Path) -> dict[tuple[str, str, str], str]:
    """Changes that nobody can see, by file and line before and after, with the reason."""
    entries = tomllib.loads(path.read_text()).get("change", [])
    return {(one["file"], one["before"], one["after"]): one["reason"] for one in entries}


# --- running -------------------------------------------------------------------------------------


class Worker:
    """A copy of the tree, and a process that runs its tests."""

    def __init__(self, root: Path, folder: Path, heavy: Sequence[str] = HEAVY):
        self.tree, self.clock = folder, 1_000_000_000
        folder.mkdir(parents=True)
        for name in COPIED:
            if (root / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(root / name, folder / name, ignore=ignore)
            elif (root / name).exists():
                shutil.copy(root / name, folder / name)
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (folder, folder / "book"))),
        }
        command = [sys.executable, __file__, "--worker", json.dumps(heavy)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, cwd=folder, env=environment
        )

    def run(self, tests: Sequence[str]) -> tuple[int | None, str]:
        """Pytest's exit code (None: the time was up) and the end of what it wrote."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(
            json.dumps({"tests": list(tests), "limit": LIMIT}), file=self.process.stdin, flush=True
        )
        return tuple(json.loads(self.process.stdout.readline()))

    def write(self, file: str, text: str) -> None:
        """Give a file of the copy another content, and a time that no compiled one has."""
        path = self.tree / file
        path.write_text(text)
        self.clock += 10
        os.utime(path, (self.clock, self.clock))

    def try_out(self, fault: Fault) -> tuple[int | None, str]:
        kept = (self.tree / fault.file).read_text()
        self.write(fault.file, fault.text)
        try:
            return self.run(fault.tests)
        finally:
            self.write(fault.file, kept)

    def close(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()


def _serve(heavy: Sequence[str]) -> None:
    """Run pytest in a fork for every line of the input."""
    import gc
    import importlib

    for name in heavy:
        importlib.import_module(name)
    gc.freeze()  # else every fork looks through all of it
    for line in sys.stdin:
        asked, log = json.loads(line), Path("pytest.log")
        child = os.fork()
        if child == 0:
            os.setsid()
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for old, new in ((0, nothing), (1, out), (2, out)):
                os.dup2(new, old)
            sys.path.insert(0, os.getcwd())
            import pytest
            from hypothesis import HealthCheck, Phase, settings

            # the same draws for every fault, no search for the simplest one that fails, and no
            # failure by the clock: a slow machine would notice every fault
            settings.register_profile(
                "fault",
                derandomize=True,
                database=None,
                phases=(Phase.explicit, Phase.generate),
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            settings.load_profile("fault")
            without = [f"-pno:{name}" for name in ("cacheprovider", "xdist", "anyio")]
            how = ["-x", "-q", *without]
            code = int(pytest.main([*how, *asked["tests"]]))
            os._exit(code)
        end = time.monotonic() + asked["limit"]
        code = None
        while code is None and time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.02)
        if code is None:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        print(json.dumps([code, log.read_text(errors="replace")[-3000:]]), flush=True)


def judged(fault: Fault, code: int | None) -> str:
    """``killed``, ``survived``, or why the tests said nothing."""
    if code is None:
        return "killed" if fault.slow else "time up"
    words = {0: "survived", 1: "killed", 2: "no import", 4: "no such test", 5: "no such test"}
    return words.get(code, f"exit {code}")


def selections(faults: Sequence[Fault]) -> list[tuple[str, ...]]:
    """All tests that the faults name, with those of the same files together."""
    chosen: dict[tuple[str, ...], list[str]] = {}
    for fault in faults:
        *files, expression = fault.tests if "-k" in fault.tests else (*fault.tests, "-k", "")
        chosen.setdefault(tuple(files[:-1]), []).append(expression)
    found = []
    for files, expressions in chosen.items():
        together = " or ".join(f"({one})" for one in dict.fromkeys(expressions))
        found.append(files if "" in expressions else (*files, "-k", together))
    return found


def try_all(
    faults: Sequence[Fault], root: Path, workers: int = WORKERS, heavy: Sequence[str] = HEAVY
) -> dict[str, str]:
    """What becomes of each fault, by name.

    Raises ``AssertionError`` with pytest's words if the tests fail without a fault.
    """
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place:
        # in a folder of its own: what is beside the tree is not the project's
        staff = [Worker(root, Path(place, str(n), "tree"), heavy) for n in range(workers)]
        failures = []

        def check(worker: Worker, tests: tuple[str, ...]) -> None:
            code, words = worker.run(tests)
            if code != 0:
                failures.append(f"without a fault, {' '.join(tests)} ends with {code}:\n{words}")
            print(f"without a fault: {tests[0]}", flush=True)

        def put_in(worker: Worker, fault: Fault) -> None:
            began = time.monotonic()
            code, words = worker.try_out(fault)
            found[fault.name] = judged(fault, code)
            passed = f"{time.monotonic() - began:.0f} s"
            at = f"{len(found)}/{len(faults)}"
            print(f"{at:>8} {found[fault.name]:12} {passed:>6}  {fault.name}", flush=True)

        try:
            _share_out(staff, selections(faults), check)
            if failures:
                raise AssertionError("\n".join(failures))
            _share_out(staff, faults, put_in)
        finally:
            for worker in staff:
                worker.close()
    return found


def _share_out(staff: list[Worker], tasks: Sequence, do) -> None:
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)

    def work(worker: Worker) -> None:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            do(worker, task)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in staff]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- the command ---------------------------------------------------------------------------------


def of_list(only: str) -> bool:
    """Try the faults listed; did all die?"""
    faults = [one for one in listed(HERE / "faults.toml", ROOT) if only in one.name + one.file]
    found = try_all(faults, ROOT)
    alive = {name: what for name, what in found.items() if what != "killed"}
    print(f"\nlisted: {len(found) - len(alive)} of {len(found)} faults were noticed")
    for name, what in alive.items():
        print(f"  {what}: {name}")
    return not alive


def of_lot(only: str) -> bool:
    """Try the changes drawn; did enough die?"""
    known, faults, same = equivalents(HERE / "equivalent.toml"), [], 0
    chosen = [one for one in drawn(ROOT) if only in one.file]
    for one in chosen:
        after, text = one.made(ROOT)
        if (one.file, one.before, after) in known:
            same += 1
            continue
        name = f"{one.file}:{one.line}: {one.before}  ->  {after}"
        faults.append(Fault(name, one.file, text, (one.file, *DRAWN[one.file]), slow=True))
    found = try_all(faults, ROOT)
    counted = {name: what for name, what in found.items() if what != "no import"}
    alive = [name for name, what in counted.items() if what != "killed"]
    share = 1 - len(alive) / max(1, len(counted))
    print(
        f"\ndrawn: {len(chosen)} changes, {same} of them equivalent, "
        f"{len(found) - len(counted)} that cannot be imported; of the other {len(counted)} "
        f"{share:.1%} were noticed (at least {LEAST:.0%} must be)"
    )
    for name in alive:
        print(f"  {counted[name]}: {name}")
    return share >= LEAST


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        return _serve(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("which", nargs="*", help="listed, drawn; both without")
    parser.add_argument("--only", default="", help="those with this word in name or file")
    chosen = parser.parse_args()
    kinds = {"listed": of_list, "drawn": of_lot}
    passed = [kinds[which](chosen.only) for which in chosen.which or kinds]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
