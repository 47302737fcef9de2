"""The library's folders form a line: imports run along it, and nothing reaches up."""

import ast
from pathlib import Path

import pytest

import seqrec_lib

PACKAGE = Path(seqrec_lib.__file__).parent
# from what knows nothing of the others to what knows all of them
ORDER = (
    *("data", "models", "metrics", "statistics", "training"),
    *("records", "studies", "report", "serving"),
)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(tree):
    """Every module of ours that is named by an import, wherever it stands, or run by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "seqrec_lib":
                yield from (f"seqrec_lib.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def reaching_up(code, folder):
    """Modules of ours that code in ``folder`` may not import."""
    known = {"metrics"} if folder == "metrics" else set(ORDER[: ORDER.index(folder) + 1])
    names = [name for name in imported(ast.parse(code)) if name.split(".")[0] == "seqrec_lib"]
    return [name for name in names if (name.split(".") + [""])[1] not in known]


def test_the_library_holds_the_folders_of_the_line_and_nothing_else():
    there = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert there <= set(ORDER)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_from_its_own_folder_or_below(path):
    assert reaching_up(path.read_text(), path.relative_to(PACKAGE).parts[0]) == []


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("data", "from seqrec_lib import report"),
        ("models", "import seqrec_lib.training.loop"),
        ("metrics", "from seqrec_lib.data.log import EventLog"),
        ("records", "def f():\n    from seqrec_lib.studies.maps import maps"),
        ("studies", "import seqrec_lib"),
    ],
)
def test_an_import_that_reaches_up_is_found(folder, code):
    assert len(reaching_up(code, folder)) == 1


def models_imported(path):
    return {
        name
        for name in imported(ast.parse(path.read_text()))
        if name.startswith("seqrec_lib.models.")
    }


def test_only_the_registry_knows_every_model():
    for path in (PACKAGE / "models").rglob("*.py"):
        assert path.name == "registry.py" or "seqrec_lib.models.registry" not in models_imported(
            path
        )
