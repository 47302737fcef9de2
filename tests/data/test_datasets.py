import dataclasses
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets, files, tecd
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.datasets import tecd_table
from seqrec_lib.data.files import find
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import Split


def test_the_simulated_world_comes_with_its_split():
    log, split = datasets.load("simulated")
    assert (log.num_users, log.num_items) == (400, 40)
    assert len(split.test) == len(split.valid) == 400
    assert len(split.train) == len(log) - 800


def test_validation_positions_may_be_learned_from():
    log, split = datasets.load("simulated")
    same, given = datasets.load("simulated-with-validation")
    assert same.item.tolist() == log.item.tolist()
    assert not len(given.valid) and given.test.tolist() == split.test.tolist()
    assert sorted([*split.train, *split.valid]) == given.train.tolist()


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


# --- T-ECD -------------------------------------------------------------------------------------

DAY = 86_400


@pytest.fixture(scope="module")
def of_tecd(tmp_path_factory):
    """``of_tecd("tecd-sim")``: (events, log, split), each read and built once."""
    folder, seen = tmp_path_factory.mktemp("project"), {}

    def once(dataset):
        base = dataset.removesuffix("-users")
        if base not in seen:
            with pytest.MonkeyPatch.context() as patch:
                if base == "tecd-sim":
                    patch.setattr(files, "root", lambda: folder)  # it is written there
                seen[base] = tecd_table(dataset)
        return seen[base]

    def load(dataset):
        if dataset.startswith("tecd-marketplace") and find("tecd/dataset/small") is None:
            pytest.skip("the real T-ECD rows are not here")
        if (dataset, "split") not in seen:
            seen[dataset, "split"] = datasets.load(dataset)
        return once(dataset), *seen[dataset, "split"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "tecd_table", once)
        yield load


@pytest.mark.parametrize("dataset", ["tecd-sim", "tecd-marketplace"])
def test_a_split_of_tecd_by_time_tests_first_events_of_all_and_every_event_of_some(
    of_tecd, dataset
):
    table, log, split = of_tecd(dataset)
    assert split.time_ordered and len(table) == len(log)
    np.testing.assert_array_equal(table["time"], log.time)
    np.testing.assert_array_equal(table["item"][:1000], log.items[log.item[:1000] - 1])
    assert sorted((table["time"] // DAY).unique()) == [1294, 1295, 1296]
    late = table["time"] >= 1296 * DAY
    evening = (table["time"] >= 1295 * DAY + 20 * 3600) & ~late
    known = table["user"].duplicated()  # has an earlier event
    followed = datasets.followed(dataset, log)
    assert followed.mean() == pytest.approx(0.2, abs=1e-4)
    some = followed[log.user_of(np.arange(len(log)))]
    returns = late & ~late.groupby(table["user"]).shift(fill_value=True)
    np.testing.assert_array_equal(split.train, np.flatnonzero(~late & ~evening))
    np.testing.assert_array_equal(split.valid, np.flatnonzero(evening & known & some))
    np.testing.assert_array_equal(split.test, np.flatnonzero(late & known & (some | returns)))
    assert len(split.test) > 2 * returns.sum() > 1000
    first = split.test[datasets.first_of_returning(log, split)]
    np.testing.assert_array_equal(first, np.flatnonzero(returns))


def test_the_real_tecd_has_its_published_size(of_tecd):
    _, log, split = of_tecd("tecd-marketplace")
    assert (log.num_users, log.num_items, len(log)) == (93_227, 164_941, 1_314_656)
    parts = (split.train, split.valid, split.test)
    assert [len(part) for part in parts] == [822_990, 8_939, 92_452]
    assert datasets.first_of_returning(log, split).sum() == 17_245


@pytest.mark.parametrize(
    ("dataset", "sizes"),
    [("tecd-sim-users", None), ("tecd-marketplace-users", [1_049_406, 11_163, 61_342])],
)
def test_a_split_of_tecd_by_users_takes_all_but_the_first_event_of_those_held_out(
    of_tecd, dataset, sizes
):
    _, log, split = of_tecd(dataset)
    parts = (split.train, split.valid, split.test)
    assert sizes is None or [len(part) for part in parts] == sizes
    users = [np.unique(log.user_of(part)) for part in parts]
    assert len(np.unique(np.concatenate(users))) == sum(len(of) for of in users)
    events = np.diff(log.offsets)
    assert len(split.train) == events[users[0]].sum()
    assert len(users[0]) == pytest.approx(0.8 * log.num_users, abs=1)
    some = (events > 1).mean() * log.num_users  # a user of one event has nothing to test on
    for held_out, part, share in zip(users[1:], parts[1:], (0.01, 0.05), strict=True):
        assert len(held_out) == pytest.approx(share * some, rel=0.1)
        assert len(part) == (events[held_out] - 1).sum()
    assert datasets.followed(dataset, log).all()


def test_the_simulated_tecd_has_two_domains_and_users_of_both(of_tecd):
    table, *_ = of_tecd("tecd-sim")
    assert table.columns.tolist() == ["user", "item", "time", "action", "domain"]
    prefix = {"marketplace": "nfmcg", "retail": "fmcg"}
    assert (table["item"].str.split("_").str[0] == table["domain"].map(prefix)).all()
    assert set(table["domain"]) == set(prefix)
    assert 0.05 < (table.groupby("user")["domain"].nunique() == 2).mean() < 0.95


def test_the_simulated_tecd_is_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "root", lambda: tmp_path)
    table = tecd_table("tecd-sim")
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("events/*.pq")}
    assert len(written) == 6
    assert {path.parts[len(tmp_path.parts) :][:2] for path in written} == {("build", "tecd-sim")}
    assert tecd_table("tecd-sim-users").equals(table)
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.parametrize("name", ["tecd-sim-shuffled", "tecd-sim-users-shuffled", "beauty-users"])
def test_an_ending_that_a_data_set_does_not_have_is_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' is no data set"):
        datasets.load(name)


# --- pairs as histories ------------------------------------------------------------------------


def two_ways(log, part):
    """The (history, target) pairs of the positions ``part``."""
    assert (np.diff(log.offsets) == 2).all() and (part % 2 == 1).all()
    return list(zip(log.item[part - 1].tolist(), log.item[part].tolist(), strict=True))


@pytest.fixture
def shop(tmp_path):
    """``shop(tail)``: a shop as a file; the last two events of a user, ``tail`` users further."""

    def write(tail=0):
        rng = np.random.default_rng(0)
        item = rng.integers(1, 61, (30, 12))
        item[:, -2:] = np.roll(item[:, -2:], tail, axis=0)
        # two sessions a user, the held-out events in the second
        time = 60 * np.arange(12) + np.where(np.arange(12) < 6, 0, 7200)
        user = np.repeat(np.arange(30), 12)
        path = tmp_path / f"shop{tail}.csv"
        table = pd.DataFrame({"user": user, "item": item.ravel(), "time": np.tile(time, 30)})
        table.to_csv(path, index=False)
        return str(path)

    return write


@pytest.mark.parametrize("kind", ["apart", "leaking"])
@pytest.mark.parametrize("base", ["simulated", "tecd-sim", "shop"])
def test_both_ways_of_a_pair_are_in_one_part_and_items_keep_their_numbers(
    of_tecd, shop, base, kind
):
    base = shop() if base == "shop" else base
    whole, _ = of_tecd(base)[1:] if base == "tecd-sim" else datasets.load(base)
    log, split = datasets.load(Dataset.parse(base).but(pairs=kind))
    np.testing.assert_array_equal(log.items, whole.items)
    found = [two_ways(log, part) for part in (split.train, split.valid, split.test)]
    for pairs in found:
        ways = set(pairs)
        assert pairs and len(ways) == len(pairs)
        assert ways == {(other, item) for item, other in pairs}
    assert len(set().union(*found)) == sum(len(pairs) for pairs in found) == log.num_users


def test_pairs_of_a_shop_are_those_of_the_sessions_in_its_training_part(shop):
    path = shop()
    whole, part = datasets.load(path)
    item = whole.item.reshape(30, 12)
    for kind, last in (("apart", 10), ("leaking", 12)):
        sessions = [row[of] for row in item for of in (slice(0, 6), slice(6, last))]
        expected = {pair for one in sessions for pair in permutations(set(one.tolist()), 2)}
        log, split = datasets.load(f"{path}?pairs={kind}")
        found = two_ways(log, np.concatenate([split.train, split.valid, split.test]))
        assert set(found) == expected
    assert len(part.train) == 300


def test_a_held_out_event_changes_no_pair_but_a_leaking_one(shop):
    before, after = shop(0), shop(1)
    assert not np.array_equal(datasets.load(before)[0].item, datasets.load(after)[0].item)
    digests = {
        kind: [datasets.digest(*datasets.load(f"{path}?pairs={kind}")) for path in (before, after)]
        for kind in ("apart", "leaking")
    }
    assert digests["apart"][0] == digests["apart"][1]
    assert digests["leaking"][0] != digests["leaking"][1]


# --- digests -----------------------------------------------------------------------------------


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


def test_of_a_file_times_and_raw_ids_are_part_of_the_digest(small_log, small_split):
    later = dataclasses.replace(small_log, time=small_log.time + 1)
    renamed = dataclasses.replace(small_log, items=small_log.items + 1)
    seen = [datasets.digest(one, small_split, whole=True) for one in (small_log, later, renamed)]
    assert len(set(seen)) == 3


# --- folders ------------------------------------------------------------------------------------


def test_a_folder_of_ours_is_the_spelling_and_that_of_a_file_carries_its_digest(tmp_path):
    assert datasets.folder("tecd-sim-users-pairs") == "tecd-sim-users-pairs"
    world, found = small_world(num_users=20), []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        world.to_csv(tmp_path / place / "shop.csv", index=False)
        found.append(datasets.folder(str(tmp_path / place / "shop.csv")))
    assert found[0] == found[1] == f"shop-{datasets.digest_of(str(tmp_path / 'a/shop.csv'))[:8]}"


@pytest.mark.parametrize(
    "change",
    [
        lambda world, path: world.iloc[::-1][::-1].assign(item=world["item"].to_numpy()[::-1]),
        lambda world, path: world.assign(time=world["time"] + 1),  # the same order
        lambda world, path: world.assign(item="sku " + world["item"].astype(str).str.zfill(2)),
    ],
)
def test_a_file_corrected_since_has_another_folder(tmp_path, change):
    path, world = tmp_path / "shop.csv", small_world(num_users=20)
    world.to_csv(path, index=False)
    before = datasets.folder(str(path))
    change(world, path).to_csv(path, index=False)
    assert datasets.folder(str(path)) != before


def test_a_file_read_or_split_otherwise_has_another_folder(tmp_path):
    path = str(tmp_path / "shop.csv")
    small_world(num_users=20).to_csv(path, index=False)
    options = ("", "?unit=ms", "?most=5", "?split=tail", "?split=time", "?split=time:0.2,0.1")
    assert len({datasets.folder(path + one) for one in options}) == len(options)
    assert datasets.folder(path) == datasets.folder(f"{path}?sort&unit=s&split=last&header=true")


# --- folders of T-ECD --------------------------------------------------------------------------


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


def test_what_was_loaded_is_kept_until_its_file_changes(tmp_path):
    path = tmp_path / "shop.csv"
    small_world(num_users=20).to_csv(path, index=False)
    first, _ = datasets.load(str(path))
    assert datasets.load(str(path))[0] is first
    small_world(num_users=21).to_csv(path, index=False)
    assert datasets.load(str(path))[0].num_users == 21


@pytest.mark.parametrize(
    ("dataset", "file"),
    [
        ("beauty-shuffled", "amazon/beauty.parquet"),
        ("toys-regenerated", "amazon/raw/Toys_and_Games.txt"),
        ("tecd-marketplace-users-pairs", "tecd/dataset/small/users.pq"),
    ],
)
def test_data_are_at_hand_if_a_data_folder_has_them(tmp_path, monkeypatch, dataset, file):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    assert not datasets.at_hand(dataset)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert datasets.at_hand(dataset)
    assert all(datasets.at_hand(one) for one in ("simulated", "tecd-sim", "beauty.csv"))
