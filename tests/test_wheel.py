"""The wheel, installed where there is no repository, from an empty folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import seqrec_lib
from seqrec_lib.data.simulator import small_world

ROOT = Path(seqrec_lib.__file__).parents[1]
JOB = """
from pathlib import Path
from seqrec_lib import __file__ as place, __version__
from seqrec_lib.records.__main__ import main as records
from seqrec_lib.serving.recommend import main as recommend

print("library", place, __version__)
records(["train", "orders.csv", "markov"])
(model,) = Path("build/results/models").glob("*.safetensors")
recommend([str(model), "orders.csv", "lists.csv", "--k", "3"])
records(["stale"])
"""


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True)


@pytest.mark.slow
def test_the_wheel_trains_and_recommends_outside_the_repository(tmp_path):
    wheels, library, folder = (tmp_path / name for name in ("wheels", "library", "empty"))
    source = tmp_path / "source"  # a copy: what an earlier build left would be in the wheel
    shutil.copytree(ROOT / "seqrec_lib", source / "seqrec_lib")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.iterdir()
    assert wheel.name.startswith(f"seqrec_lib-{seqrec_lib.__version__}-")
    names = zipfile.ZipFile(wheel).namelist()
    assert "seqrec_lib/py.typed" in names
    assert {"live.html", "shared/lists.js"} <= {name.partition("/page/")[2] for name in names}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"seqrec_lib"}
    pip("install", "--no-deps", "--target", str(library), str(wheel))
    folder.mkdir()
    small_world(num_users=30).to_csv(folder / "orders.csv", index=False)
    environment = os.environ | {"PYTHONPATH": str(library)}
    done = subprocess.run(
        [sys.executable, "-c", JOB], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"library {library}" in done.stdout and "orders markov s0 masked" in done.stdout
    assert f"there are no records in {folder / 'book/results'}" in done.stdout
    assert len((folder / "lists.csv").read_text().splitlines()) == 1 + 30 * 3
    assert {path.name for path in folder.iterdir()} == {"orders.csv", "lists.csv", "build"}


def test_the_changelog_begins_with_the_version():
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line.startswith("## "))
    assert first.split(",")[0] == f"## {seqrec_lib.__version__}"
    assert f"version: {seqrec_lib.__version__}" in (ROOT / "CITATION.cff").read_text()
