"""The form of a stored chapter: what a reader, Papermill and nbval rely on."""

import ast

import chapters
import nbformat
import pytest

PARAMETERS = ["DATASET", "SEEDS", "EPOCHS", "DEVICE", "RETRAIN", "RESULTS"]
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try)


@pytest.fixture(params=chapters.in_order())
def notebook(request):
    return nbformat.read(chapters.NOTEBOOKS / f"{request.param}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_stored_chapter_is_in_the_table_of_contents():
    assert sorted(path.stem for path in chapters.NOTEBOOKS.glob("*.ipynb")) == chapters.in_order()


def test_a_chapter_opens_with_its_label_and_title(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    label, title = first.source.splitlines()[:2]
    assert label.startswith("(") and label.endswith(")=")
    assert title.startswith("# ")


def test_the_parameters_have_the_same_names_everywhere(notebook):
    tagged = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 and tagged[0] is code(notebook)[0]
    statements = ast.parse(tagged[0].source).body
    assert all(isinstance(one, ast.Assign) for one in statements)
    assert [one.targets[0].id for one in statements] == PARAMETERS
    assert "injected-parameters" not in str(notebook)


def test_a_chapter_is_short(notebook):
    assert len(notebook.cells) <= 25
    assert max(len(cell.source.splitlines()) for cell in code(notebook)) <= 15


def test_prose_stands_between_code(notebook):
    kinds = [cell.cell_type for cell in notebook.cells]
    runs = zip(kinds, kinds[1:], kinds[2:], strict=False)
    assert ("code", "code", "code") not in runs


def test_a_chapter_holds_no_logic_of_its_own(notebook):
    for cell in code(notebook):
        logic = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, FORBIDDEN)]
        assert not logic, cell.source


def test_every_cell_was_run_once_in_order_and_well(notebook):
    assert [cell.execution_count for cell in code(notebook)] == list(
        range(1, len(code(notebook)) + 1)
    )
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_a_chapter_is_stored_without_what_differs_between_two_runs(notebook):
    stored = nbformat.writes(notebook)
    assert nbformat.writes(chapters.normalise(notebook)) == stored
