"""A data set is a value with one spelling, and a file is never one of ours."""

import pytest

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.options import arguments_of
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.sources import SOURCES
from seqrec_lib.records.recipes import RECIPES, recipe


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder; ``here(name)`` writes a small world into it."""
    monkeypatch.chdir(tmp_path)

    def write(name, **how):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        small_world(num_users=12).to_csv(tmp_path / name, index=False, **how)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("beauty", Dataset("beauty")),
        ("beauty-shuffled", Dataset("beauty", shuffled=True)),
        ("beauty-unordered", Dataset("beauty", unordered=True)),
        ("/d/e.csv?unordered", Dataset("/d/e.csv", unordered=True)),
        ("toys-tail", Dataset("toys", split="tail")),
        ("toys-regenerated", Dataset("toys", regenerated="every")),
        (
            "sports-shuffled-regenerated-distinct-with-validation-pairs-leaking",
            Dataset("sports", "", True, "distinct", True, "leaking"),
        ),
        ("tecd-marketplace-users-pairs", Dataset("tecd-marketplace", "users", pairs="apart")),
        (
            "/d/shop.csv?columns=user:customer,item:sku&unit=ms&sort&split=time",
            Dataset(
                "/d/shop.csv",
                "time",
                reading=(
                    ("columns", (("user", "customer"), ("item", "sku"))),
                    ("unit", "ms"),
                    ("sort", True),
                ),
            ),
        ),
        (
            "/d/e.csv?header=false&most=9&split=time:0.2,0.1&shuffled&with_validation&pairs=leaking",
            Dataset(
                "/d/e.csv", "time:0.2,0.1", True, "", True, "leaking",
                (("header", False), ("most", 9)),
            ),
        ),
    ],
)  # fmt: skip
def test_a_spelling_and_a_value_are_one(text, value):
    assert Dataset.parse(text) == value == Dataset.parse(value)
    assert str(value) == text


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("beauty?shuffled&split=last", "beauty-shuffled"),
        ("tecd-sim?split=time&pairs", "tecd-sim-pairs"),
        ("/d/a.csv?sort=true&unit=s&quotes=true&fewest=1", "/d/a.csv?unit=s&sort"),
        ("/d/a.csv?with-validation&drop-duplicates", "/d/a.csv?drop_duplicates&with_validation"),
        ("/d/../d/a.csv?", "/d/a.csv"),
        ("hm?split=tail&stores=known", "hm-tail-stores-known"),
        ("/d/a.csv?stores=week&split=time", "/d/a.csv?split=time&stores=week"),
    ],
)
def test_other_spellings_of_a_value_become_the_one(written, canonical):
    assert str(Dataset.parse(written)) == canonical


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("separator=;", {"separator": ";"}),
        ("separator=%26", {"separator": "&"}),
        ("separator=\\t", {"separator": "\t"}),
        ("time_format=%d/%m/%Y %H:%M", {"time_format": "%d/%m/%Y %H:%M"}),
        ("columns=user:a%2Cb,item:c%3Ad?", {"columns": {"user": "a,b", "item": "c:d?"}}),
    ],
)
def test_what_stands_between_options_may_stand_in_a_value(options, arguments):
    options = options.replace("d?", "d%3F")
    value = Dataset.parse(f"/d/a.csv?{options}")
    assert arguments_of(value.reading) == arguments
    assert Dataset.parse(str(value)) == value


@pytest.mark.parametrize(
    "name",
    [
        *("tecd_orders.csv", "tecd-marketplace.csv", "beauty-shuffled.csv", "toys.csv", "beauty.x"),
        *("shop-regenerated.csv", "my-pairs.csv", "a-with-validation-pairs.tsv", "what?.csv"),
        *("./beauty", "./toys-shuffled", "./tecd-sim", "tecd-sim/part"),
    ],
)
def test_a_file_is_a_file_whatever_it_is_called(here, name):
    path = here(name, sep="\t" if name.endswith("tsv") else ",")
    value = Dataset.parse(name)
    assert value == Dataset(str(path)) == Dataset.parse(str(value))
    assert value.is_file and not value.is_tecd and not value.regenerated and not value.pairs
    for recipe_name in RECIPES:
        assert recipe(recipe_name, name) == RECIPES[recipe_name]
    if "." in path.name and path.suffix != ".x":
        assert datasets.load(name)[0].num_users == 12
    assert datasets.attributes(name) is None and datasets.family(name) == (name,)


def test_a_folder_of_parts_is_a_file_too(here):
    here("orders/part-0.csv"), here("orders/part-1.csv")
    assert datasets.load("orders?sort&drop_duplicates")[0].num_users == 12
    assert datasets.folder("orders?sort&drop_duplicates").startswith("orders-")


def test_a_path_is_from_the_working_folder_or_from_home(here, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home = here("home/log.csv")
    assert Dataset.parse("~/log.csv") == Dataset.parse("home/log.csv") == Dataset(str(home))
    with pytest.raises(ValueError, match=rf"{tmp_path}/lgo.csv: no such file \(from {tmp_path}\)"):
        datasets.load("lgo.csv")


def test_a_name_with_a_question_mark_takes_options_behind_the_last_one(here):
    path = here("what?.csv")
    assert arguments_of(Dataset.parse("what?.csv?most=4").reading) == {"most": 4}
    assert str(Dataset.parse("what?.csv")) == f"{path}?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("beuaty", "'beuaty' is no data set; use beauty, toys, .* named beuaty: ./beuaty"),
        ("beauty-shufled", "is no data set; use"),
        ("beauty-pairs-shuffled", "is no data set; use"),
        ("beauty-users", "'beauty-users' is no data set: it can be split by last, tail, time"),
        ("tecd-sim-shuffled", "'tecd-sim-shuffled' is no data set: T-ECD is not shuffled"),
        ("beauty-tail-unordered", "unordered is for what tests the last event of each user"),
        ("tecd-sim-unordered", "unordered is for what tests the last event of each user"),
        ("beauty?unit=ms", "unit is for files, beauty is read as it was published"),
        ("beauty?split=time:0.2,0.2", "shares and borders are for files"),
        ("a.csv?untt=ms", "no option 'untt=ms'; behind the .* columns, unit, .*, pairs"),
        ("a.csv?unit=h", "unit is 'h'; it can be s, ms"),
        ("a.csv?fewest=-1", "fewest is '-1'; it is a number of events"),
        ("a.csv?sort=maybe", "sort is 'maybe'; it is true or false"),
        ("a.csv?columns=user", "write columns=user:customer,item:sku"),
        ("a.csv?columns=item:a,item:b", "columns: 'item' is given twice, as 'a' and 'b'; give it"),
        ("a.csv?columns=item:a&columns=user:b", "columns is given twice"),
        ("a.csv?unit=ms&sort&unit=s", "unit is given twice"),
        ("a.csv?separator=", "separator is empty"),
        ("a.csv?split=users", "it can be split by last, tail, time"),
        ("a.csv?regenerated=most", "regenerated can be every, distinct, released"),
        ("a.csv-pairs-leaking", "no such file; variants of a file stand behind a question mark"),
    ],
)
def test_what_is_no_data_set_is_refused_in_words(here, text, words):
    here("a.csv")
    with pytest.raises(ValueError, match=words):
        Dataset.parse(text)


def test_every_source_is_spelled_by_its_name():
    assert all(Dataset.parse(name) == Dataset(name) for name in SOURCES)
    assert all(str(Dataset(name)) == datasets.folder(name) == name for name in SOURCES)
