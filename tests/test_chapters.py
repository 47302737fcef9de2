"""The runner of the chapters: what it refuses, what it stores, what it leaves alone."""

import re
import shutil
import subprocess
import sys

import chapters
import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from papermill.exceptions import PapermillExecutionError

CHAPTERS = chapters.in_order()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder of chapters with a single one, called small; `write(cells)` makes it."""

    def write(*cells: str):
        parameters = new_code_cell("EPOCHS = 1", metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[parameters, *map(new_code_cell, cells)])
        notebook.metadata = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        nbformat.write(notebook, tmp_path / "small.ipynb")
        return tmp_path

    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path)
    return write


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_misspelt_parameter_is_refused_before_anything_runs(name, tmp_path):
    with pytest.raises(ValueError, match="no parameter EPOCH: known are .*; did you mean EPOCHS?"):
        chapters.run([name], {"EPOCH": 3}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_what_it_does_not_know(monkeypatch, capsys):
    def command(*words):
        monkeypatch.setattr("sys.argv", ["chapters.py", *words])
        with pytest.raises(SystemExit) as stopped:
            chapters.main()
        return f"{stopped.value.code} {capsys.readouterr().err}"

    assert "did you mean EPOCHS?" in command("-p", "epoch", "3")
    assert f"did you mean {CHAPTERS[1]}?" in command(CHAPTERS[1][:-1])
    assert "they set their own" in command("--store", "-p", "EPOCHS", "3")
    assert "1 for --smoke" in command("--smoke", "--jobs", "2")
    assert "--jobs is 1 or more" in command("--jobs", "0")


@pytest.fixture
def passed(tmp_path, monkeypatch):
    """``passed(*words)``: the DATASET that a chapter is given by a command in a folder of files."""
    monkeypatch.chdir(tmp_path)
    for name in ("shop.csv", "tecd_orders.csv", "a?b.csv"):
        (tmp_path / name).touch()
    (tmp_path / "toys").mkdir()

    def command(*words):
        seen = []
        monkeypatch.setattr(chapters, "run", lambda _, parameters, *__: seen.append(parameters))
        monkeypatch.setattr("sys.argv", ["chapters.py", CHAPTERS[0], *words])
        chapters.main()
        return seen[0]["DATASET"]

    return command


def test_a_log_reaches_the_chapter_from_the_folder_one_stands_in(passed, tmp_path):
    assert passed("-p", "DATASET", "shop.csv") == f"{tmp_path}/shop.csv"
    assert passed("-p", "DATASET", "./toys") == f"{tmp_path}/toys"
    assert passed("-p", "DATASET", "a?b.csv") == f"{tmp_path}/a?b.csv?"
    how = ("--unit", "ms", "--columns", "user=who", "--split", "time", "--fewest", "5")
    spelled = f"{tmp_path}/tecd_orders.csv?columns=user:who&unit=ms&fewest=5&split=time"
    assert passed("-p", "DATASET", "tecd_orders.csv", *how) == spelled
    assert passed("-p", "DATASET", "tecd_orders.csv?unit=ms&fewest=5", *how[2:6]) == spelled


def test_names_of_ours_reach_the_chapter_as_they_are(passed):
    assert passed("-p", "DATASET", "toys") == "toys"
    assert passed("-p", "DATASET", "tecd") == "tecd"  # chapters have names of their own
    assert passed("-p", "DATASET", "toys", "--split", "tail", "--shuffled") == "toys-tail-shuffled"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("-p", "DATASET", "lgo.csv"), r"lgo.csv: no such file \(from .*\). Is the path right"),
        (("-p", "DATASET", "toys", "--unit", "ms"), "unit is for files, toys is read as it was"),
        (("--unit", "ms"), "said of a DATASET: pass -p DATASET shop.csv"),
    ],
)
def test_a_log_that_cannot_be_meant_is_refused_before_anything_runs(passed, words, error):
    with pytest.raises(SystemExit, match=error):
        passed(*words)


def test_a_data_set_that_is_none_is_refused_before_a_kernel_starts(tmp_path):
    with pytest.raises(ValueError, match="'nosuch' is no data set"):
        chapters.run([CHAPTERS[0], "02_tecd"], {"DATASET": "nosuch"}, tmp_path / "executed")
    assert not (tmp_path / "executed").exists()
    chapters.check(chapters.NOTEBOOKS / "02_tecd.ipynb", {"DATASET": "tecd"})  # its own name


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 0.001), ("true", True), ("[0, 1]", [0, 1]), ("cuda", "cuda")],
)
def test_a_parameter_has_the_type_that_it_looks_like(text, value):
    assert chapters.typed(text) == value
    assert type(chapters.typed(text)) is type(value)


@pytest.mark.chapters
def test_a_parameter_reaches_the_chapter_and_the_stored_one_stays(small):
    folder = small("print('epochs:', EPOCHS)")
    before = (folder / "small.ipynb").read_bytes()
    chapters.run(["small"], {"EPOCHS": 5}, folder / "executed")
    assert "epochs: 5" in (folder / "executed" / "small.ipynb").read_text()
    assert (folder / "small.ipynb").read_bytes() == before


@pytest.mark.chapters
def test_two_runs_store_the_same_bytes(small):
    folder = small("import sys; print('seen'); sys.version_info.major")
    chapters.run(["small"], {}, folder)
    first = (folder / "small.ipynb").read_bytes()
    chapters.run(["small"], {}, folder)
    assert (folder / "small.ipynb").read_bytes() == first
    assert b"seen" in first and b"papermill" not in first


@pytest.mark.chapters
def test_a_failing_chapter_shows_its_traceback_and_leaves_the_stored_one(small):
    folder = small("print(EPOCHS)", "EPOCHS / 0  # the culprit")
    before = (folder / "small.ipynb").read_bytes()
    with pytest.raises(PapermillExecutionError, match="(?s)the culprit.*ZeroDivisionError"):
        chapters.run(["small"], {}, folder)
    assert (folder / "small.ipynb").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["small.ipynb"]


@pytest.mark.chapters
def test_two_at_a_time_are_what_they_are_one_by_one_and_an_error_leaves_the_other(small):
    folder = small("print('epochs:', EPOCHS)")
    shutil.copy(folder / "small.ipynb", folder / "other.ipynb")
    chapters.run(["small", "other"], {"EPOCHS": 4}, folder / "one")
    chapters.run(["small", "other"], {"EPOCHS": 4}, folder / "two", jobs=2)
    for name in ("small.ipynb", "other.ipynb"):
        assert (folder / "two" / name).read_bytes() == (folder / "one" / name).read_bytes()
    small("EPOCHS / 0")
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        chapters.run(["small", "other"], {}, folder / "three", jobs=2)
    assert [path.name for path in (folder / "three").iterdir()] == ["other.ipynb"]


@pytest.mark.slow  # `make book` runs every chapter too
@pytest.mark.chapters
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_from_nothing_on_small_data(name, tmp_path):
    stored = (chapters.NOTEBOOKS / f"{name}.ipynb").read_bytes()
    chapters.smoke([name], tmp_path)
    executed = nbformat.read(tmp_path / "notebooks" / f"{name}.ipynb", as_version=4)
    assert "injected-parameters" in str(executed.cells)
    assert (chapters.NOTEBOOKS / f"{name}.ipynb").read_bytes() == stored


def chapter(folder, name, source, text, picture="one"):
    """Write a chapter of one cell with a shown value, a picture, a glued number, a printed line."""
    outputs = [
        new_output("execute_result", {"text/plain": text, "image/png": picture}, execution_count=1),
        new_output("display_data", {"application/papermill.record/text/plain": text}),
        new_output("display_data", {"application/papermill.record/image/png": picture}),
        new_output("stream", name="stdout", text=f"seen {text}\n"),
    ]
    cell = new_code_cell(source, execution_count=1, outputs=outputs)
    nbformat.write(new_notebook(cells=[cell]), folder / f"{name}.ipynb")


def test_a_stored_output_that_moved_is_noticed_in_the_executed_copies(tmp_path):
    stored, executed = tmp_path / "notebooks", tmp_path / "executed"
    for folder in (stored, executed):
        folder.mkdir()
    shutil.copy(chapters.NOTEBOOKS / "conftest.py", stored)
    for name in ("same", "moved", "repainted", "edited", "missing"):
        chapter(stored, name, "show(.5)", "0.5")
    chapter(executed, "same", "show(.5)", "0.5")
    chapter(executed, "moved", "show(.5)", "0.5000001")
    chapter(executed, "repainted", "show(.5)", "0.5", picture="another")
    chapter(executed, "edited", "show(1 / 2)", "0.5")
    command = [sys.executable, "-m", "pytest", "-rA", "--nbval", f"--executed={executed}", stored]
    said = subprocess.run(command, capture_output=True, text=True, cwd=chapters.ROOT).stdout
    verdicts = {name: word for word, name in re.findall(r"^([A-Z]+) \S+/(\w+)\.ipynb", said, re.M)}
    noticed = {"moved": "FAILED", "edited": "FAILED", "missing": "ERROR"}
    assert verdicts == noticed | {"same": "PASSED", "repainted": "PASSED"}, said
    assert "missing.ipynb is not there; run `make book` first" in said
    assert "edited.ipynb is of other code; run `make book` again" in said


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_parameter_has_a_cheap_default(name):
    known = papermill.inspect_notebook(chapters.NOTEBOOKS / f"{name}.ipynb")
    assert known["RETRAIN"]["default"] == "False"
    assert known["DEVICE"]["default"] == '"auto"'
    assert known["RESULTS"]["default"] == '"build/results"'
