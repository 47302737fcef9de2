"""The runner of `make mutants`, on a tree of two functions; and its list, read but not run."""

import importlib.util
import sys
from pathlib import Path

import pytest

from seqrec_lib.data.files import root

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("mutants_run", HERE / "run.py")
run = importlib.util.module_from_spec(spec)
sys.modules["mutants_run"] = run  # where its dataclasses look for themselves
spec.loader.exec_module(run)

PLUGINS = ("pytest", "hypothesis", "jaxtyping", "nbval.plugin")  # what pytest loads by itself
LIST = """
[[fault]]
name = "A sum is a difference."
file = "seqrec_lib/sums.py"
before = "a + b"
after = "a - b"
tests = ["tests/test_sums.py", "-k", "sum"]

[[fault]]
name = "A sum is turned around."
file = "seqrec_lib/sums.py"
before = "a + b"
after = "b + a"
tests = ["tests/test_sums.py", "-k", "sum"]

[[fault]]
name = "Counting never ends."
file = "seqrec_lib/sums.py"
before = "n -= 1"
after = "n += 1"
tests = ["tests/test_sums.py", "-k", "count"]
slow = true

[[fault]]
name = "The module cannot be imported."
file = "seqrec_lib/sums.py"
before = "def add"
after = "import nothing_of_this_name\\ndef add"
tests = ["tests/test_sums.py", "-k", "sum"]

[[fault]]
name = "Its test was renamed."
file = "seqrec_lib/sums.py"
before = "a + b"
after = "a * b"
tests = ["tests/test_sums.py", "-k", "product"]
"""


@pytest.fixture
def toy(tmp_path):
    tree = tmp_path / "toy"
    for folder in ("seqrec_lib", "tests"):
        (tree / folder).mkdir(parents=True)
    (tree / "seqrec_lib/sums.py").write_text(
        "def add(a, b):\n    return a + b\n\n\n"
        "def count(n):\n    while n:\n        n -= 1\n    return n\n"
    )
    (tree / "tests/test_sums.py").write_text(
        "from seqrec_lib.sums import add, count\n\n\n"
        "def test_sum():\n    assert add(1, 2) == 3\n\n\n"
        "def test_count():\n    assert count(3) == 0\n"
    )
    (tree / "faults.toml").write_text(LIST)
    return tree


@pytest.mark.slow
def test_what_becomes_of_a_fault_is_told_and_the_tree_stays_as_it_is(toy, monkeypatch, capsys):
    monkeypatch.setattr(run, "LIMIT", 10)
    before = {path: path.read_bytes() for path in toy.rglob("*") if path.is_file()}
    found = run.try_all(run.listed(toy / "faults.toml", toy), toy, heavy=PLUGINS)
    assert found == {
        "A sum is a difference.": "killed",
        "A sum is turned around.": "survived",
        "Counting never ends.": "killed",
        "The module cannot be imported.": "no import",
        "Its test was renamed.": "no such test",
    }
    assert {path: path.read_bytes() for path in toy.rglob("*") if path.is_file()} == before
    assert "5/5" in capsys.readouterr().out


def test_tests_that_fail_without_a_fault_are_refused(toy):
    tests = toy / "tests/test_sums.py"
    tests.write_text(tests.read_text().replace("== 3", "== 4"))
    with pytest.raises(AssertionError, match="without a fault, tests/test_sums.py .*ends with 1"):
        run.try_all(run.listed(toy / "faults.toml", toy)[:1], toy, 1, heavy=PLUGINS)


@pytest.mark.parametrize("line", ["a * b", "return"])  # nowhere, and twice
def test_a_line_that_is_not_there_once_is_refused(toy, line):
    listed = toy / "faults.toml"
    listed.write_text(LIST.replace('"a + b"', f'"{line}"'))
    with pytest.raises(ValueError, match=r"A sum is .* has its line [02] times, not once"):
        run.listed(listed, toy)


def test_every_fault_of_the_list_can_still_be_put_in():
    faults = run.listed(HERE / "faults.toml", root())
    assert len({fault.name for fault in faults}) == len(faults) >= 60
    for fault in faults:
        files = [part for part in fault.tests if part.endswith(".py")]
        assert files and all((root() / file).exists() for file in files), fault.name


def test_changes_are_drawn_by_a_fixed_seed_and_of_code_alone():
    chosen = run.drawn(root())
    assert chosen == run.drawn(root()) and len(chosen) == run.NUMBER
    assert {one.file for one in chosen} == set(run.DRAWN)
    other = run.drawn(root(), seed=1)
    assert set(other) != set(chosen)
    places = {(one.file, one.line, one.column) for one in chosen}
    assert len(places) == len(chosen)


def test_annotations_and_messages_are_not_changed():
    text = (
        "@check(1)\n"
        "def f(a: int | None, b: Real[1] = 2) -> int | None:\n"
        "    c: int | str = 3\n"
        '    print(f"{a + 4}")\n'
        '    raise ValueError("5" + a)\n'
    )
    found = {
        (one.line, one.before[one.column - len("    ") :][:1]) for one in run.changes("f", text)
    }
    assert {line for line, _ in found} == {2, 3}
    assert len(found) == 2


def test_what_is_listed_as_equivalent_has_a_reason_and_is_drawn():
    known = run.equivalents(HERE / "equivalent.toml")
    lines = {(file, before) for file, before, _ in known}
    near = [one for one in run.drawn(root()) if (one.file, one.before) in lines]
    assert set(known) <= {(one.file, one.before, one.made(root())[0]) for one in near}
    assert all(known.values())
