"""MovieLens as it is committed: its size, its genres, its terms of use."""

import numpy as np
import pytest

from seqrec_lib.data import datasets, files, movielens
from seqrec_lib.data.events import EventError


def test_the_committed_ratings_have_their_published_size():
    table = movielens.read()
    assert len(table) == 297_873 and table["user"].nunique() == 1_975
    assert sorted(table["rating"].unique()) == [step / 2 for step in range(1, 11)]
    log, split = datasets.load("movielens_small")
    assert log.num_items == 13_004 and np.diff(log.offsets).min() == 20
    _, tail = datasets.load("movielens_small-tail")
    assert len(tail.test) == 60_354 and len(split.test) == 1_975


def test_genres_are_attributes_several_a_film():
    log, _ = datasets.load("movielens_small")
    table, films = datasets.attributes("movielens_small-tail"), movielens.films()
    assert films["item"].tolist() == log.items.tolist()  # row i is item i
    assert table.shape == (13_005, 10) and table.max() == 19 and not table[0].any()
    names = sorted(set("|".join(films["genres"]).split("|")) - {movielens.NO_GENRE})
    for item in (1, 2, 7_000, 13_004):
        genres = [names[number - 1] for number in table[item] if number]
        assert "|".join(genres) == films["genres"][item - 1].replace(movielens.NO_GENRE, "")


def test_another_file_is_refused_and_a_missing_one_is_told_where_to_get(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    with pytest.raises(EventError, match="events.parquet is not here: it lies in book/data"):
        movielens.read()
    (tmp_path / "movielens_small").mkdir()
    (tmp_path / "movielens_small" / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(EventError, match="not the file as committed; restore it from git"):
        movielens.read()
