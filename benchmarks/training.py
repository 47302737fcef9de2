"""Time our SASRec beside RecTools' and RecBole's, in one run, and publish the ratios.

Every system trains on the same events of Amazon Beauty with width 64, two layers, length 50 and
batches of 256 rows, one process after the other, all of them again for each repetition. Peers live
in environments of their own under build/peers, made on the first run. A "position" is a real
training target: padding does not count. Leave the machine alone while it runs.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from typing import Any

from publishing import HERE, KEPT, cores, machine, publish

PEERS = HERE / "peers"
BUILD = HERE.parent / "build" / "peers"
PART = {  # about half a minute each; a pass is 88 batches for RecTools, 514 for RecBole
    "rectools": ["--warm-up", "3", "--batches", "16"],
    "recbole": ["--warm-up", "12", "--batches", "96"],
}
FEW = {name: ["--warm-up", "1", "--batches", "2"] for name in PART}
MEDIANS = ("positions_per_s", "seconds_per_pass", "peak_bytes", "peak_above_imports_bytes")


def environment(name: str, python: str) -> str:
    """The interpreter of a peer's environment, made anew if its requirements have changed."""
    requirements = PEERS / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder, ready = BUILD / name, BUILD / name / "ready"
    if not (ready.exists() and ready.read_text() == digest):
        version = "import sys; print(*sys.version_info[:2], sep='.')"
        found = subprocess.run([python, "-c", version], capture_output=True, text=True, check=True)
        if found.stdout.strip() != "3.11":
            sys.exit(f"{requirements.name} is for Python 3.11: pass one as --python")
        print(f"making {folder}", file=sys.stderr)
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", requirements]
        subprocess.run(pip, check=True)
        ready.write_text(digest)
    return str(folder / "bin" / "python")


def measure(command: list[str], threads: int) -> dict[str, Any]:
    """Run one system in a process of its own; the last line it prints is its report."""
    environ = os.environ | KEPT | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    report = json.loads(done.stdout.splitlines()[-1])
    rate, peak = report["positions_per_s"], report["peak_bytes"] / 1e6
    print(f"{report['system']}: {rate:,.0f} positions/s, {peak:,.0f} MB", file=sys.stderr)
    return report


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs of one system share, the medians, and the runs themselves."""
    shared = {k: v for k, v in runs[0].items() if all(run[k] == v for run in runs)}
    medians = {key: statistics.median(run[key] for run in runs) for key in MEDIANS}
    varying = [{k: v for k, v in run.items() if k not in shared} for run in runs]
    return shared | medians | {"runs": varying}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="time a whole pass of each peer")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3, help="passes of ours in each repetition")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="of ours")
    parser.add_argument("--peer-precision", choices=["bf16", "fp32"], default="fp32")
    parser.add_argument("--threads", type=int, default=cores(), help="of each system")
    parser.add_argument("--python", default=sys.executable, help="Python 3.11, for the peers")
    parser.add_argument("--quick", action="store_true", help="does it work? publishes nothing")
    args = parser.parse_args()

    where = machine()
    interpreters = {name: environment(name, args.python) for name in PART}
    events = str(BUILD / "events.parquet")
    ours = [sys.executable, str(HERE / "ours.py")]
    subprocess.run([*ours, "write", events], check=True)
    passes = "1" if args.quick else str(args.passes)
    commands = {
        "seqrec_lib": [*ours, "train", events, "--passes", passes, "--precision", args.precision]
    }
    for name, python in interpreters.items():
        part = [] if args.full else (FEW if args.quick else PART)[name]
        script = [python, str(PEERS / f"{name}_sasrec.py"), events]
        commands[name] = [*script, "--precision", args.peer_precision, *part]

    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(1 if args.quick else args.repetitions):
        for name, command in commands.items():
            runs[name].append(measure(command, args.threads))
    if args.quick:
        return

    systems = {name: summary(found) for name, found in runs.items()}
    rate = {name: system["positions_per_s"] for name, system in systems.items()}
    peak = {name: system["peak_bytes"] for name, system in systems.items()}
    publish(
        "training",
        {
            "environment": KEPT,
            "what": "SASRec, Amazon Beauty, width 64, two layers, two heads, length 50, "
            "batches of 256 rows, dropout .5; medians over repetitions",
            "peers_timed": "a whole pass" if args.full else "part of a pass, scaled up by rows",
            "ratio_rectools": rate["seqrec_lib"] / rate["rectools"],
            "ratio_recbole": rate["seqrec_lib"] / rate["recbole"],
            "memory_ratio_rectools": peak["seqrec_lib"] / peak["rectools"],
            "memory_ratio_recbole": peak["seqrec_lib"] / peak["recbole"],
            "repetitions": args.repetitions,
            "machine": where,
            "systems": systems,
        },
    )


if __name__ == "__main__":
    main()
