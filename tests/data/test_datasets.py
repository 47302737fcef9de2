import dataclasses

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, tecd
from seqrec_lib.data.files import find
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import Split


def test_the_simulated_world_comes_with_its_split():
    log, split = datasets.load("simulated")
    assert (log.num_users, log.num_items) == (400, 40)
    assert len(split.test) == len(split.valid) == 400
    assert len(split.train) == len(log) - 800


@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_a_file_is_a_data_set(tmp_path, end):
    path = tmp_path / f"shop{end}"
    world = small_world(num_users=20)
    world.to_csv(path, index=False) if end == ".csv" else world.to_parquet(path)
    log, split = datasets.load(str(path))
    assert log.num_users == 20 and len(split.test) == 20
    np.testing.assert_array_equal(log.items[log.item - 1], world["item"])


@pytest.mark.skipif(find("amazon/beauty.parquet") is None, reason="the Amazon files are not here")
def test_beauty_has_its_published_size():
    log, split = datasets.load("beauty")
    assert (log.num_users, log.num_items, len(log)) == (22_363, 12_101, 198_502)
    assert len(split.test) == 22_363 and len(split.train) == 198_502 - 2 * 22_363


def test_another_name_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="'beuaty' is no data set; use beauty, toys, sports, sim"):
        datasets.load("beuaty")


def test_users_too_short_for_the_split_are_named(tmp_path):
    table = pd.DataFrame({"user": [1, 1, 1, 2], "item": [1, 2, 3, 1], "time": [1, 2, 3, 4]})
    table.to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(ValueError, match="1 of 2 users have fewer .the first: .*2.*, 1 events"):
        datasets.load(str(tmp_path / "short.csv"))


def test_the_digest_changes_with_any_history_and_any_part_of_the_split(small_log, small_split):
    seen = [datasets.digest(small_log, small_split)]
    for name in ("item", "offsets"):
        values = getattr(small_log, name).copy()
        values[1] += 1
        changed = dataclasses.replace(small_log, **{name: values})
        seen.append(datasets.digest(changed, small_split))
    for name in ("train", "valid", "test"):
        part = getattr(small_split, name)
        seen.append(
            datasets.digest(small_log, dataclasses.replace(small_split, **{name: part[1:]}))
        )
    assert len(set(seen)) == len(seen) == 6
    assert datasets.digest(small_log, Split(*dataclasses.astuple(small_split)[:3])) == seen[0]


def test_times_and_the_width_of_numbers_do_not_change_the_digest(small_log, small_split):
    wide = dataclasses.replace(small_log, item=small_log.item.astype(np.int64))
    later = dataclasses.replace(small_log, time=small_log.time + 1)
    expected = datasets.digest(small_log, small_split)
    assert datasets.digest(wide, small_split) == datasets.digest(later, small_split) == expected


def test_a_simulated_tecd_has_every_table_and_says_so(tmp_path):
    folders = datasets.tecd_folders("simulated", tmp_path)
    assert list(folders) == ["simulated"]
    tables = tecd.overview(folders["simulated"])
    assert tables["table"].tolist() == list(tecd.TABLES)
    assert set(tables.loc[tables["days"] != "", "days"]) == {"1294-1296"}


def test_a_folder_of_ones_own_counts_as_real(tmp_path):
    (tmp_path / "small").mkdir()
    folders = datasets.tecd_folders(str(tmp_path / "small"), tmp_path / "place")
    assert folders["real"] == tmp_path / "small"


def test_an_unknown_tecd_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'tecdd' is no T-ECD; use tecd, simulated"):
        datasets.tecd_folders("tecdd", tmp_path)
    assert list(tmp_path.iterdir()) == []
