"""The list of deviations: every row says what is known of its effect, and none is missing."""

import re
from collections import Counter
from pathlib import Path

import chapters
import pytest

import seqrec_lib

PAGE = (chapters.ROOT / "book" / "deviations.md").read_text(encoding="utf-8")
LISTED = PAGE.split("## The same weights")[0]
EFFECTS = ("measured", "none", "not compared")
# what a file of the library is called on the page, where it is not its model
CALLED = {
    "clusters": "TWIN-V2",
    "cross_features": "TWIN",
    "hierarchical": "HRNN",
    "interest_graph": "SURGE",
    "losses": "BCE",
    "optimizers": "Adagrad",
    "personalised": "DR4SR+",
    "pools": "Set Transformer",
    "recipes": "BERT4Rec",
    "regeneration": "regenerator",
    "sim_hard": "SIM",
    "sim_soft": "SIM",
    "survey": "Caser",
    "target_attention": "SIM",
    "twin_v2": "TWIN-V2",
}


def effects():
    """The first words of the last cell of each row."""
    for line in LISTED.split("\n## ", 1)[1].splitlines():
        if line.startswith("| ") and not line.startswith(("| of |", "| the paper |")):
            yield re.sub(r":.*", "", line.rstrip(" |").split(" | ")[-1])


def test_every_row_says_what_is_known_of_its_effect():
    assert {one.strip("* ") for one in effects()} == set(EFFECTS)


def test_the_counts_on_top_are_those_of_the_rows():
    found = Counter(one.strip("* ") for one in effects())
    said = f"{found['measured']} were measured, {found['none']} have no effect, and "
    assert f"in {found.total()} places" in PAGE
    assert said + f"{found['not compared']} were not compared" in PAGE


@pytest.mark.parametrize(
    "name",
    sorted(
        path.stem
        for path in Path(seqrec_lib.__file__).parent.rglob("*.py")
        if "# paper:" in path.read_text(encoding="utf-8")
    ),
)
def test_what_the_code_marks_is_on_the_page(name):
    assert re.search(re.escape(CALLED.get(name, name)), LISTED, re.IGNORECASE)
