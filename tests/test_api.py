"""The pages of the API name every model and every pool, and only what is there."""

import importlib
import re
from pathlib import Path

import pytest

from seqrec_lib.models import losses
from seqrec_lib.models.registry import MODELS
from seqrec_lib.models.stores.pools import POOLS
from seqrec_lib.records.settings import OBJECTIVES

BOOK = Path(__file__).parents[1] / "book"
OVERVIEW = (BOOK / "api.md").read_text()
PAGES = {path.stem: path.read_text() for path in sorted((BOOK / "api").glob("*.md"))}


def of_model(kind):
    """How a page on models names a class: its module, then itself."""
    return rf"automodule:: {re.escape(kind.__module__)}\n\.\. autoclass:: {kind.__qualname__}\n"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_entry_with_its_settings(name):
    kind = MODELS[name]
    file = kind.__module__.replace(".", "/")
    entry = of_model(kind) + r"```\n\n```\{literalinclude\} ../../" + file
    assert re.search(entry + rf"\.py\n:pyobject: {kind.__qualname__}\.Config\n", PAGES["models"])
    assert f"<{kind.__module__}.{kind.__qualname__}>" in OVERVIEW


def test_every_objective_and_pool_has_its_entry():
    for kind in (*OBJECTIVES, *(pool for pool in POOLS)):
        name = getattr(kind, "__qualname__", kind).partition(".")[0]
        assert f".. autoclass:: {name}\n" in PAGES["models"]
    assert all(f"<{losses.__name__}.{kind.__name__}>" in OVERVIEW for kind in OBJECTIVES)


def test_the_overview_names_what_is_there():
    named = re.findall(r"\{py:\w+\}`[^`<]*<?~?(seqrec_lib[\w.]+)>?`", OVERVIEW)
    assert len(named) > 50
    for path in named:
        module, _, name = path.rpartition(".")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:  # a method of a class
            outer, _, kind = module.rpartition(".")
            found = getattr(importlib.import_module(outer), kind)
        assert hasattr(found, name), path


def test_every_page_is_in_the_contents():
    contents = (BOOK.parent / "_toc.yml").read_text()
    assert re.findall(r"- file: book/api/(\w+)", contents) and "- file: book/api\n" in contents
    assert sorted(re.findall(r"- file: book/api/(\w+)", contents)) == sorted(PAGES)
