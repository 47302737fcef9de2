"""What is said of items."""

import numpy as np
import pandas as pd

from seqrec_lib.data.log import EventLog
from seqrec_lib.serving.items import Items, of_log


def log_of(items):
    return EventLog.build(pd.DataFrame({"user": 7, "item": items, "time": range(len(items))}))


def test_an_item_has_its_title_genres_and_how_often_it_was_learned():
    log = log_of([30, 10, 20, 10])
    films = pd.DataFrame(
        {"item": [10, 30], "title": ["Amélie (2001)", "Big"], "genres": ["Comedy|Romance", ""]}
    )
    items = Items(log.items, log, np.array([0, 1, 2]), films)  # the last 10 is held out
    told = {"title": "Amélie (2001)", "genres": "Comedy, Romance · 1 in training"}
    assert items.describe(10) == told
    assert items.describe("30") == {"title": "Big", "genres": "1 in training"}
    assert items.describe(20)["title"] == "20"  # no film is known by that number
    assert items.describe("x") == {"title": "x", "genres": "not in the log"}


def test_items_are_found_by_words_without_accents_those_seen_most_often_first():
    log = log_of([1, 2, 2, 3, 3, 3])
    titles = ["Thé noir", "The Matrix", "the other matrix"]
    films = pd.DataFrame({"item": [1, 2, 3], "title": titles, "genres": "x"})
    items = Items(log.items, log, np.arange(6), films)
    assert items.search("MATRIX the", 8) == {"items": [3, 2], "all": 2}
    assert items.search("the", 1) == {"items": [3], "all": 3}
    assert items.search("  ", 8) == {"items": [], "all": 0}


def test_without_a_log_an_item_is_called_by_its_id():
    items = Items(np.array(["B00", "B01"]))
    assert items.describe("B01") == {"title": "B01", "genres": ""}
    assert items.search("b0", 8) == {"items": ["B00", "B01"], "all": 2}


def test_films_of_the_committed_data_have_titles():
    log = log_of([1, 2])
    assert of_log(log, np.arange(2), "movielens_small").describe(1) == {
        "title": "Toy Story (1995)",
        "genres": "Adventure, Animation, Children, Comedy, Fantasy · 1 in training",
    }
    assert of_log(log, np.arange(2), "beauty").describe(1)["title"] == "1"
