"""nbval compares the stored outputs of the chapters with new ones.

pytest --nbval notebooks                              runs every chapter for that
pytest --nbval notebooks --executed build/notebooks   takes the copies that `make book` has run
"""

import functools
import os
from pathlib import Path
from unittest import mock

import nbformat
import pytest
from nbval.kernel import RunningKernel

from seqrec_lib.data import files

TECD = ("02_tecd", "03_cleaning", "15_gru_or_sasrec", "16_failure_modes")


def pytest_addoption(parser):
    parser.addoption("--executed", type=Path, help="folder of executed copies to compare with")


class Replayed:
    """A kernel of nbval's that gives what the cells of an executed copy gave, and runs nothing."""

    def __init__(self, executed: Path, *_, **__):
        if not executed.exists():
            raise FileNotFoundError(f"{executed} is not there; run `make book` first")
        self.executed = executed
        cells = nbformat.read(executed, as_version=4).cells
        self.cells = iter([cell for cell in cells if cell.cell_type == "code"])

    def execute_cell_input(self, source, allow_stdin):
        cell = next(self.cells, None)
        if cell is None or cell.source != source:
            raise ValueError(f"{self.executed} is of other code; run `make book` again")
        said = [(output.output_type, output) for output in cell.outputs]
        self.messages = iter([*said, ("status", {"execution_state": "idle"})])
        return "cell"

    def get_message(self, stream, timeout):
        kind, content = next(self.messages)
        return {"msg_type": kind, "content": content, "parent_header": {"msg_id": "cell"}}

    def is_alive(self):
        return True

    def await_reply(self, msg_id, timeout):
        """It is there."""

    def stop(self):
        """Nothing runs."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    # The kernel starts here; a progress bar that only a slow machine shows would be an output.
    folder = item.config.getoption("executed", None)
    kernel = functools.partial(Replayed, folder / item.path.name) if folder else RunningKernel
    with (
        mock.patch.dict(os.environ, TQDM_DISABLE="1"),
        mock.patch("nbval.plugin.RunningKernel", kernel),
    ):
        return (yield)


def pytest_collection_modifyitems(items):
    cells = [item for item in items if hasattr(item.parent, "skip_compare")]
    for chapter in {cell.parent for cell in cells}:  # pictures differ between machines
        chapter.skip_compare += ("application/papermill.record/image/png",)
    if files.find("tecd/dataset/small") or files.find("dataset/small"):
        return
    for cell in cells:
        if cell.path.stem in TECD:  # they show real rows, which are gated
            cell.add_marker(pytest.mark.skip(reason="the real T-ECD rows are not here"))
