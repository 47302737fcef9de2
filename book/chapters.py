"""Run the book's chapters with Papermill, in the order of _toc.yml.

python book/chapters.py                            every chapter, executed copies in build/notebooks
python book/chapters.py 06_counts -p DATASET toys  one chapter with another parameter
python book/chapters.py 06_counts -p DATASET shop.csv --unit ms --sort   on a log of one's own
python book/chapters.py --store                    every chapter as it stands, into notebooks/
python book/chapters.py --smoke                    everything from nothing on small made-up data
python book/chapters.py --jobs 2                   two at a time: for chapters that train nothing
"""

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import nbformat
import papermill
import yaml
from nbstripout import strip_output
from papermill.exceptions import PapermillExecutionError

from seqrec_lib.data.dataset import Dataset, composed
from seqrec_lib.data.files import written_aside
from seqrec_lib.data.options import add_variants, options_of
from seqrec_lib.report import parameters as of_chapters
from seqrec_lib.report.parameters import closest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
VOLATILE = [
    "metadata.papermill",
    "metadata.widgets",
    "metadata.language_info.version",
    "cell.metadata.papermill",
    "cell.metadata.execution",
]
HIDDEN = ("hide-input", "remove-cell")


def in_order(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """Names of the chapters ("06_counts") in the order of the table of contents."""
    return re.findall(r"^ *- file: notebooks/(\w+)", toc.read_text(encoding="utf-8"), re.MULTILINE)


def check(chapter: Path, parameters: dict) -> None:
    """Raise ValueError for a parameter that the chapter does not have, or cannot run with."""
    known = list(papermill.inspect_notebook(chapter))
    for name in parameters:
        if name not in known:
            raise ValueError(f"{chapter.name} has no parameter {name}: {closest(name, known)}")
    of_chapters.check(parameters)
    name = parameters.get("DATASET")
    own = papermill.inspect_notebook(chapter).get("DATASET", {}).get("default", "")
    if name is not None and name != own.strip("'\""):  # some have a name of their own
        Dataset.parse(name)


def typed(text: str) -> object:
    """A command-line value as YAML reads it, 1e-3 as the number that it is, None as Python's."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"{text!r} cannot be read: close its brackets and quotes") from None
    if value == "None":
        return None
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def execute(chapter: Path, parameters: dict) -> nbformat.NotebookNode:
    """Run a chapter from its folder, without writing it."""
    # of the kernel alone: no bar, which only a slow machine would show
    kernel = {"TQDM_DISABLE": "1"}
    with told() as progress, mock.patch.dict(os.environ, kernel | {"SEQREC_PROGRESS": progress}):
        notebook = papermill.execute_notebook(
            chapter,
            None,
            parameters,
            cwd=chapter.parent,
            progress_bar=sys.stderr.isatty(),
            # the kernel's own log, not the chapter's output
            extra_arguments=["--log-level=CRITICAL"],
        )
    return normalise(notebook)


@contextmanager
def told() -> Iterator[str]:
    """A file whose lines appear on the terminal while the block runs: what a kernel has to tell of
    its training, which is no output of the chapter."""
    over = threading.Event()

    def show() -> None:
        while not over.wait(0.5):
            sys.stderr.write(file.read())
            sys.stderr.flush()
        sys.stderr.write(file.read())

    with tempfile.NamedTemporaryFile("r", suffix=".log") as file:
        watcher = threading.Thread(target=show)
        watcher.start()
        try:
            yield file.name
        finally:
            over.set()
            watcher.join()


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Take out what differs between two equal runs; outputs and counts stay.

    Code stands behind a click, or nowhere if it only glues numbers and figures into the prose; that
    which is the idea of a chapter, tagged ``idea``, stays open.
    """
    for cell in notebook.cells:
        tags = [tag for tag in cell.metadata.pop("tags", []) if tag not in HIDDEN]
        if cell.cell_type == "code" and "idea" not in tags:
            tags.append(
                "remove-cell" if "glue(" in cell.source and not shows(cell) else "hide-input"
            )
        if tags:
            cell.metadata["tags"] = tags
    return strip_output(
        notebook, keep_output=True, keep_count=True, keep_id=False, extra_keys=VOLATILE
    )


def shows(cell: nbformat.NotebookNode) -> bool:
    """Does a page show an output of the cell? What is glued stands in the prose."""
    glued = "application/papermill.record/"
    return any(
        not any(kind.startswith(glued) for kind in output.get("data", {"text": ""}))
        for output in cell.outputs
    )


def run(names: list[str], parameters: dict, output: Path, jobs: int = 1) -> None:
    """Execute chapters into the folder `output`, so many at a time; every name and parameter first.

    After an error the chapters that run are finished, and no other begins.
    """
    for name in names:
        check(NOTEBOOKS / f"{name}.ipynb", parameters)
    output.mkdir(parents=True, exist_ok=True)
    chapters = [NOTEBOOKS / f"{name}.ipynb" for name in names]
    numbered = [(f"[{i}/{len(names)}]", chapter) for i, chapter in enumerate(chapters, start=1)]
    if jobs == 1:
        for of, chapter in numbered:
            made(of, chapter, parameters, output)
        return
    # processes, since a kernel is told by the environment where its progress goes
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(made, *one, parameters, output) for one in numbered]
        try:
            for one in as_completed(running):
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def made(of: str, chapter: Path, parameters: dict, output: Path) -> None:
    """Execute one chapter, and say so."""
    print(f"{of} {chapter.stem} ...", flush=True)
    start = time.monotonic()
    notebook = execute(chapter, parameters)
    with written_aside(output / chapter.name) as aside:
        nbformat.write(notebook, aside)
    print(f"{of} {chapter.stem} done in {time.monotonic() - start:.0f} s", flush=True)


def located(parameters: dict, options: argparse.Namespace) -> dict:
    """The parameters with DATASET as a chapter, which runs from another folder, is to read it.

    Raises ValueError for a file that is not there, and for options without a DATASET.
    """
    text = str(parameters.get("DATASET", ""))
    given = options.split or options.shuffled or options_of(options)
    if given and not text:
        raise ValueError(
            "how a log is read and split is said of a DATASET: pass -p DATASET shop.csv"
        )
    path = Path(text).expanduser()
    if not (given or "?" in text or path.suffix or os.sep in text):
        return parameters  # a name; chapters have some of their own
    dataset = composed(text, options)
    if dataset.is_file and not Path(dataset.source).exists():
        raise ValueError(f"{dataset.source}: no such file (from {Path.cwd()}). Is the path right?")
    return parameters | {"DATASET": str(dataset)}


def smoke(names: list[str], folder: Path) -> None:
    """Run chapters from nothing on a small simulated world: one epoch, one seed, own records."""
    small = {"SEEDS": [0], "EPOCHS": 1, "RETRAIN": True, "RESULTS": str(folder / "results")}
    # one reads stores, one has recipes for long histories alone, and one replays a day
    worlds = {
        "12_stores": "omni-small",
        "11_target_attention": "simulated-tail",
        "17_in_production": "simulated-time",
    }
    for name in names:
        dataset = worlds.get(name, "simulated")
        run([name], small | {"DATASET": dataset}, folder / "notebooks")


def main() -> None:
    known = in_order()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="*", default=known, help="names; all without")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "notebooks")
    parser.add_argument("--store", action="store_true", help="replace the stored chapters")
    parser.add_argument("--smoke", action="store_true", help="small data, into build/smoke")
    parser.add_argument("--jobs", type=int, default=1, help="chapters at a time")
    add_variants(parser)
    options = parser.parse_args()
    for name in options.chapters:
        if name not in known:
            parser.error(f"no chapter {name}: {closest(name, known)}")
    if options.jobs < 1 or (options.smoke and options.jobs > 1):
        parser.error("--jobs is 1 or more, and 1 for --smoke: a chapter uses what others trained")
    if options.p and (options.store or options.smoke):
        parser.error("--store and --smoke take no parameters: they set their own")
    try:
        if options.smoke:
            smoke(options.chapters, ROOT / "build" / "smoke")
        else:
            parameters = located({name: typed(value) for name, value in options.p}, options)
            folder = NOTEBOOKS if options.store else options.output
            run(options.chapters, parameters, folder, options.jobs)
    except PapermillExecutionError as error:
        # one line: an error of ours that is made for readers
        sys.exit(str(error) if len(error.traceback) > 1 else error.traceback[0])
    except (ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
