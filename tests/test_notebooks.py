"""The form of a stored chapter: what a reader, Papermill and nbval rely on."""

import ast
import re

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
    stored = [path.stem for path in chapters.NOTEBOOKS.glob("*.ipynb")]
    assert sorted(stored) == sorted(chapters.in_order())


def test_a_chapter_opens_with_its_label_and_title(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    label, title = first.source.splitlines()[:2]
    assert label.startswith("(") and label.endswith(")=")
    assert title.startswith("# ")


def test_a_chapter_tells_its_finding_first(notebook):
    """A title that says it, the box, a figure, the cards; and at the end what it does not show."""
    first, prose = notebook.cells[0].source, [c for c in notebook.cells if c.cell_type != "code"]
    parts = ("\n# ", ":::{admonition} Key finding", "```{glue:figure} ", "::::{grid} 2 2 4 4")
    places = [first.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    title = first.splitlines()[1].removeprefix("# ")
    assert not title[0].isdigit() and not title.endswith("?")
    finding = first[places[1] : places[2]]
    assert 1 <= finding.count("{glue:text}") <= 2
    assert any("\n## What it does not show" in "\n" + cell.source for cell in prose[-2:])


def test_every_figure_says_what_is_seen(notebook):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    options = re.findall(r"```\{glue:figure\} \S+\n((?::.*\n)*)", prose)
    assert len(options) == prose.count("{glue:figure}") > 0
    for one in options:
        (alt,) = re.findall(r":alt: (.*)", one)
        assert len(alt) > 30 and alt.endswith(".")


def test_every_table_has_a_caption_and_no_key(notebook):
    for cell in code(notebook):
        for output in cell.outputs:
            page = output.get("data", {}).get("text/html", "")
            if "<table" in page:
                assert "<caption>" in page, cell.source
                words = set(re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", page))
                assert not {w for w in words if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+|NaN|None", w)}


def test_both_tabs_of_the_protocols_have_what_their_caption_names(notebook):
    """Columns of one tab alone are named in the caption with their letter: "under M, ..."."""
    tab = r'<table class="shown"><caption><span>(.*?) \(([MU]): earlier[^<]*<.*?<tr>(.*?)</tr>'
    for cell in code(notebook):
        for output in cell.outputs:
            data = " ".join(map(str, output.get("data", {}).values()))
            there = {}
            for caption, letter, heads in re.findall(tab, data, re.DOTALL):
                names = re.findall(r">([^<]+)</th>", heads)
                alike = {re.sub(rf"\b{letter}\b", "·", name) for name in names}
                other = there.pop(caption, None)
                if other is None:
                    there[caption] = alike
                else:
                    assert alike == other or re.search(r"under [MU]\b", caption), caption


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
