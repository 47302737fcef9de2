"""One environment, written four times: pyproject.toml, environment.yml, the lock, what runs."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "environment.yml", "requirements.lock")
CARD = {  # what a reader of the book works with
    *("torch", "numpy", "pandas", "pyarrow", "matplotlib", "jupyterlab", "jupyter-book"),
    *("papermill", "nbval", "pytest", "hypothesis", "ruff", "mypy"),
}
CONDA_NAMES = {"pytorch": "torch", "ibis-duckdb": "ibis-framework", "python-duckdb": "duckdb"}


def texts() -> dict[str, str]:
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}


def installed() -> dict[str, Version]:
    found = {}
    for one in distributions():
        found.setdefault(canonicalize_name(one.metadata["Name"]), Version(one.version))
    return found


def ranges(lines: list[str]) -> dict[str, Requirement]:
    requirements = map(Requirement, lines)
    return {canonicalize_name(CONDA_NAMES.get(one.name, one.name)): one for one in requirements}


def problems(files: dict[str, str], versions: dict[str, Version]) -> list[str]:
    """What does not fit between the three files and the installed versions, in words."""
    toml = tomllib.loads(files["pyproject.toml"])
    extras = toml["project"]["optional-dependencies"].values()
    project = ranges(toml["project"]["dependencies"] + [line for extra in extras for line in extra])

    entries = yaml.safe_load(files["environment.yml"])["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    conda = ranges([entry for entry in entries if isinstance(entry, str) and entry != "pip"])
    conda |= ranges([entry for entry in pip if not entry.startswith("-")])
    python = conda.pop("python").specifier

    lines = [line for line in files["requirements.lock"].splitlines() if not line.startswith("#")]
    lock = {name: Version(str(one.specifier)[2:]) for name, one in ranges(lines).items()}

    found = [f"{name} is on the card but not in pyproject.toml" for name in CARD - set(project)]
    found += [f"{name} is in one of the two files only" for name in set(project) ^ set(conda)]
    for name in set(project) & set(conda):
        if project[name].specifier != conda[name].specifier:
            found.append(f"{name}: {project[name].specifier} against {conda[name].specifier}")
    for source, wanted in (("pyproject.toml", project), ("environment.yml", conda)):
        for name, one in wanted.items():
            if name not in lock:
                found.append(f"{name} of {source} is not locked")
            elif not one.specifier.contains(lock[name]):
                found.append(f"the lock's {name} {lock[name]} is out of {source}'s {one.specifier}")
    for name, version in lock.items():
        if version.local or name.startswith(("nvidia", "cuda", "triton")):
            found.append(f"the lock's {name} {version} fits one kind of machine only")
        if name in versions and versions[name].public != version.public:
            found.append(f"{name} {versions[name]} is installed, the lock says {version}")
    for name in set(project) - set(versions):
        found.append(f"{name} is not installed")

    oldest = toml["tool"]["ruff"]["target-version"]  # py311
    if str(python) != toml["project"]["requires-python"]:
        found.append(f"Python {python} against {toml['project']['requires-python']}")
    if str(python) != f">={oldest[2]}.{oldest[3:]}":
        found.append(f"Python {python}, but ruff's target is {oldest}")
    if str(python) != f">={toml['tool']['mypy']['python_version']}":
        found.append(f"Python {python}, but mypy's is {toml['tool']['mypy']['python_version']}")
    return found


def test_every_file_names_the_same_environment_and_it_is_the_one_that_runs():
    assert problems(texts(), installed()) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("environment.yml", "  - papermill>=2.6,<3\n", "", "papermill is in one of the two"),
        ("environment.yml", "pandas>=2.3,<4", "pandas>=2.3,<5", "pandas: <4,>=2.3 against"),
        ("environment.yml", "python>=3.11", "python>=3.12", "Python >=3.12 against >=3.11"),
        (
            "environment.yml",
            "pytorch==2.13.0",
            "pytorch==2.12.0",
            "the lock's torch 2.13.0 is out of",
        ),
        ("pyproject.toml", '"papermill>=2.6,<3",', "", "papermill is on the card but not"),
        ("pyproject.toml", '"numpy>=2.0,<3"', '"numpy>=2.0,<2.4"', "out of pyproject.toml's"),
        ("pyproject.toml", '"py311"', '"py312"', "ruff's target is py312"),
        ("pyproject.toml", 'python_version = "3.11"', 'python_version = "3.12"', "mypy's is 3.12"),
        ("requirements.lock", "torch==2.13.0", "torch==2.13.0+cpu", "one kind of machine only"),
        ("requirements.lock", "pooch==", "pooch==0.", "the lock's pooch 0."),
        ("requirements.lock", "sphinx==7", "sphinx==6", "is installed, the lock says 6"),
        ("requirements.lock", "tqdm==", "tqqdm==", "tqdm of pyproject.toml is not locked"),
    ],
)
def test_a_wrong_edit_is_noticed(name, old, new, message):
    files = texts()
    assert old in files[name]
    files[name] = files[name].replace(old, new)
    assert any(message in problem for problem in problems(files, installed()))


def test_a_missing_package_is_noticed():
    versions = installed()
    del versions["nbval"]
    assert "nbval is not installed" in problems(texts(), versions)
