import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqrec_lib.data import cleaning, files, simulator, tecd
from seqrec_lib.data.cleaning import CleaningError, audit, clean, duplicates
from seqrec_lib.data.engine import EngineError, connect

DAY = 1082
START = DAY * tecd.DAY_US
needs_spark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")


def put(root, table, rows, day=None):
    """Write rows (dicts; absent columns are null) as a file of the original layout."""
    columns = tecd.TABLES[table].columns
    kinds = {
        name: pa.list_(pa.float32()) if name == "embedding" else kind
        for name, kind in columns.items()
    }
    path = tecd.path_of(root, table, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [
        pa.array([row.get(name) for row in rows], pa.int64()).cast(kind)
        if pa.types.is_duration(kind)
        else pa.array([row.get(name) for row in rows], kind)
        for name, kind in kinds.items()
    ]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(kinds)), path)
    return path


def receipt(second, **changes):
    return {
        "timestamp": START + second * 10**6,
        "user_id": 7,
        "brand_id": 3,
        "approximate_item_id": "fmcg_1",
        "count": 1.0,
        "price": -2.0,
        "transaction_hash": "00000000000000aa",
    } | changes


RECEIPTS = [
    receipt(0),
    receipt(1, price=None),
    receipt(2, price=-1.0),  # legal, and no sentinel
    receipt(3, brand_id=None, transaction_hash=tecd.NO_TRANSACTION),
    receipt(4, brand_id=0),  # legal
    receipt(5, count=None, price=None),
    receipt(6, user_id=None),
    receipt(7, timestamp=START - 1),
    receipt(8, approximate_item_id="thing_9"),
    receipt(9, price=11.0),
    receipt(10, count=-2.0),
    receipt(0),  # the first row again
    receipt(0, price=-2.5),  # not quite
    receipt(11, price=float("nan"), brand_id=None),
]
BRANDS = [
    {"brand_id": 5, "embedding": []},
    {"brand_id": 6, "embedding": [1.0] * 3},
    {"brand_id": 5, "embedding": [2.0] * 3},
    {"brand_id": 5, "embedding": [3.0] * 3},
    {"brand_id": 0, "embedding": None},
]
ITEMS = [
    {"item_id": "fmcg_1", "brand_id": 1, "category": "Food", "subcategory": "Milk", "price": 0.5},
    {"item_id": "fmcg_2", "brand_id": 1, "price": None, "embedding": [0.5] * 3},
    {"item_id": "fmcg_2", "brand_id": 2, "category": "Food"},
    {"item_id": "nfmcg_3", "brand_id": 1},
]
USERS = [
    {"user_id": 1, "socdem_cluster": 0.0, "region": 90.0},
    {"user_id": 2, "socdem_cluster": None, "region": None},
    {"user_id": 3, "socdem_cluster": 1.5, "region": 3.0},
]
EVENTS = [
    {"timestamp": START + n, "user_id": n, "item_id": "fmcg_1", "os": "ios"} | more
    for n, more in enumerate(
        [
            {"action_type": "view", "subdomain": "catalog"},
            {"action_type": "added-to-cart", "subdomain": "catalog"},
            {"action_type": "click", "subdomain": None},
            {"action_type": "dance", "subdomain": "catalog"},
        ]
    )
]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "raw"
    put(folder, "payments/receipts", RECEIPTS, DAY)
    put(folder, "brands", BRANDS)
    put(folder, "retail/items", ITEMS)
    put(folder, "users", USERS)
    put(folder, "retail/events", EVENTS, DAY)
    return folder


def rows(folder, table, day=None):
    path = tecd.path_of(folder, table, day)
    parts = sorted(path.glob("part-*")) if path.is_dir() else [path]
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def matched(account, table):
    part = account[(account["table"] == table) & (account["matched"] > 0)]
    return dict(zip(part["rule"], part["matched"], strict=True))


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_defect_is_counted_under_its_rule(root, tmp_path):
    account = clean(root, tmp_path / "out")
    assert matched(account, "payments/receipts") == {
        "no key": 1,
        "another day": 1,
        "foreign item": 1,
        "impossible price": 2,
        "impossible count": 1,
        "duplicate": 1,
        "missing brand_id": 1,
        "missing price": 2,
        "missing count": 1,
        "no transaction": 1,
    }
    assert matched(account, "brands") == {"duplicate": 2, "empty embedding": 1}
    assert matched(account, "retail/items") == {
        "foreign item": 1,
        "duplicate": 1,
        "missing category": 1,
        "missing subcategory": 1,
        "missing price": 1,
        "empty embedding": 1,
    }
    assert matched(account, "users") == {
        "impossible socdem_cluster": 1,
        "missing socdem_cluster": 1,
        "missing region": 1,
    }
    assert matched(account, "retail/events") == {
        "unknown action": 1,
        "missing subdomain": 1,
        "old spelling": 1,
    }


def test_a_missing_price_stays_missing_and_minus_one_stays_a_price(root, tmp_path):
    clean(root, tmp_path / "out", ["payments/receipts"])
    found = rows(tmp_path / "out", "payments/receipts", DAY)
    assert [row["price"] for row in found] == [-2.0, None, -1.0, -2.0, -2.0, None, -2.5]
    assert [row["price_missing"] for row in found] == [row["price"] is None for row in found]
    assert [row["count_missing"] for row in found] == [False] * 5 + [True, False]
    assert [row["brand_id"] for row in found] == [3, 3, 3, -1, 0, 3, 3]
    assert [row["transaction_hash"] is None for row in found] == [False] * 3 + [True] + [False] * 3


def test_of_equal_brands_the_first_with_an_embedding_stays(root, tmp_path):
    clean(root, tmp_path / "out", ["brands"])
    found = {row["brand_id"]: row for row in rows(tmp_path / "out", "brands")}
    assert found[5]["embedding"] == [2.0] * 3
    assert found[0] == {"brand_id": 0, "embedding": None, "embedding_missing": True}
    assert not found[6]["embedding_missing"]


def test_words_are_unified_and_a_missing_surface_is_none(root, tmp_path):
    clean(root, tmp_path / "out", ["retail/events"])
    found = rows(tmp_path / "out", "retail/events", DAY)
    assert [row["action_type"] for row in found] == ["view", "added_to_cart", "click"]
    assert [row["subdomain"] for row in found] == ["catalog", "catalog", "none"]


def test_rejected_rows_are_in_quarantine_as_they_were(root, tmp_path):
    clean(root, tmp_path / "out")
    found = {row["row"]: row for row in rows(tmp_path / "out/quarantine", "payments/receipts", DAY)}
    assert {row: found[row]["rule"] for row in sorted(found)} == {
        6: "no key",
        7: "another day",
        8: "foreign item",
        9: "impossible price",
        10: "impossible count",
        11: "duplicate",
        13: "impossible price",
    }
    assert found[9]["price"] == 11.0
    assert found[13]["brand_id"] is None  # not mended


def test_the_account_balances_rule_by_rule_down_to_the_rows_of_the_file(root, tmp_path):
    account = clean(root, tmp_path / "out")
    for (table, _), part in account.groupby(["table", account["day"].fillna(-1)]):
        rejects = part[part["kind"] == "reject"]
        mends = part[part["kind"] == "mend"]
        assert (rejects["before"] - rejects["matched"] == rejects["after"]).all()
        assert (rejects["before"].iloc[1:].to_numpy() == rejects["after"].iloc[:-1]).all()
        assert (mends["before"] == rejects["after"].iloc[-1]).all()
        day = None if part["day"].isna().all() else int(part["day"].iloc[0])
        assert rejects["after"].iloc[-1] == len(rows(tmp_path / "out", table, day))
    assert account["share"].max() <= 1


def test_examples_are_the_first_and_the_last_row_that_matched(root, tmp_path):
    account = clean(root, tmp_path / "out", ["payments/receipts"])
    examples = account.set_index("rule")["examples"]
    assert [json.loads(text)["timestamp"] for text in examples["missing price"]] == [
        START + 1 * 10**6,
        START + 5 * 10**6,
    ]
    assert len(examples["no key"]) == 1
    assert examples["duplicate"][0] == examples["duplicate"][-1]


def test_the_order_of_the_file_is_kept(tmp_path):
    many = [receipt(n, user_id=n % 5) for n in range(3000)]
    put(tmp_path / "raw", "payments/receipts", [*many[:100], *many], DAY)
    clean(tmp_path / "raw", tmp_path / "out")
    found = [row["timestamp"] for row in rows(tmp_path / "out", "payments/receipts", DAY)]
    assert len(found) == 3000
    assert found == sorted(found)


def receipts_with_copies(path, count, row_group_size):
    """A day of receipts in ``count`` rows, every tenth a copy of the row before it."""
    second = np.arange(count) * 86_400 // count
    copied = np.arange(count) % 10 == 9
    number = np.arange(count) - copied
    columns = {
        "timestamp": START + second[number] * 10**6,
        "user_id": number.astype(np.uint64),
        "brand_id": np.ones(count, np.uint64),
        "approximate_item_id": np.where(number % 7 == 3, "thing_9", "fmcg_1"),  # some are foreign
        "count": np.ones(count),
        "price": np.zeros(count),
        "transaction_hash": np.full(count, "00000000000000aa"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    good = number % 7 != 3
    return number[good & ~copied], np.flatnonzero(~good | copied)


@pytest.mark.parametrize("slice_rows", [30_000, 2_000_000])
def test_rows_stay_in_order_whatever_the_threads_row_groups_and_copies(
    tmp_path, monkeypatch, slice_rows
):
    source = tecd.path_of(tmp_path / "raw", "payments/receipts", DAY)
    kept, rejected = receipts_with_copies(source, 200_000, row_group_size=5_000)
    monkeypatch.setattr(duplicates, "SLICE", slice_rows)
    for attempt in range(3):  # which thread is first is decided anew every time
        out = tmp_path / str(attempt)
        clean(tmp_path / "raw", out, threads=8)
        read = pq.read_table(tecd.path_of(out, "payments/receipts", DAY), columns=["user_id"])
        np.testing.assert_array_equal(read["user_id"].to_numpy(), kept)
        put_aside = tecd.path_of(out / "quarantine", "payments/receipts", DAY)
        aside = pq.read_table(put_aside, columns=["row"])["row"].to_numpy()
        np.testing.assert_array_equal(aside, rejected)


def test_slices_of_the_day_find_the_same_duplicates(root, tmp_path, monkeypatch):
    whole = clean(root, tmp_path / "one")
    monkeypatch.setattr(duplicates, "SLICE", 2)
    sliced = clean(root, tmp_path / "two")
    pd.testing.assert_frame_equal(whole, sliced)


def test_a_clean_file_is_clean(root, tmp_path):
    first = clean(root, tmp_path / "one")
    again = clean(tmp_path / "one", tmp_path / "two", ["payments/receipts", "brands", "users"])
    rejected = again[again["kind"] == "reject"]["matched"].sum()
    assert rejected == 0
    assert first[first["rule"] == "missing region"]["matched"].iloc[0] == 1
    one, two = (rows(tmp_path / name, "payments/receipts", DAY) for name in ("one", "two"))
    assert one == two


@pytest.mark.slow
@needs_spark
def test_spark_gives_the_same_rows_and_the_same_account(root, tmp_path):
    tables = ["payments/receipts", "brands"]
    on_duckdb = clean(root, tmp_path / "duckdb", tables)
    on_spark = clean(root, tmp_path / "spark", tables, engine="spark", memory="600MB")
    pd.testing.assert_frame_equal(on_duckdb, on_spark)
    for table, day in zip(tables, (DAY, None), strict=True):
        for part in ("", "quarantine"):
            both = [rows(tmp_path / name / part, table, day) for name in ("duckdb", "spark")]
            assert [repr(row) for row in both[0]] == [repr(row) for row in both[1]]  # with NaN


def test_what_is_finished_is_not_done_again_unless_the_source_changes(root, tmp_path, monkeypatch):
    account = clean(root, tmp_path / "out")
    done = []
    real = cleaning.clean_file
    monkeypatch.setattr(
        cleaning, "clean_file", lambda *args: (done.append(args[3]), real(*args))[1]
    )
    pd.testing.assert_frame_equal(clean(root, tmp_path / "out"), account)
    assert done == []
    put(root, "brands", BRANDS[:2])
    clean(root, tmp_path / "out")
    assert done == ["brands"]
    assert not tecd.path_of(tmp_path / "out/quarantine", "brands").exists()  # nothing stale left


MENDED = cleaning._mended


def test_an_account_that_does_not_balance_keeps_nothing(root, tmp_path, monkeypatch):
    def one_less(flagged, repairs):
        return MENDED(flagged, repairs).filter(lambda t: t.price.fill_null(0) != -1)

    monkeypatch.setattr(cleaning, "_mended", one_less)
    with pytest.raises(CleaningError, match=r"rows in the clean file: 7 counted, 6 found"):
        clean(root, tmp_path / "out", ["payments/receipts"])
    assert everything(tmp_path / "out") == []


def test_a_price_that_is_filled_by_mistake_is_noticed(root, tmp_path, monkeypatch):
    def filled(flagged, repairs):
        table = MENDED(flagged, repairs)
        return table.mutate(price_missing=table.price_missing & False)

    monkeypatch.setattr(cleaning, "_mended", filled)
    with pytest.raises(CleaningError, match=r"missing price: 2 counted, 0 found"):
        clean(root, tmp_path / "out", ["payments/receipts"])


# --- abuse ------------------------------------------------------------------------------------


def test_a_truncated_file_is_named_and_the_finished_ones_stay(root, tmp_path):
    path = put(root, "retail/events", EVENTS, DAY + 1)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(tecd.TecdError, match="01083.pq: not a whole Parquet file"):
        clean(root, tmp_path / "out", ["brands", "retail/events"])
    assert "brands.pq" in everything(tmp_path / "out")
    assert "retail/events/01082.pq" in everything(tmp_path / "out")
    assert not any(".stage" in name or ".spill" in name for name in everything(tmp_path / "out"))


def test_flipped_bits_in_a_page_are_an_error_or_a_counted_quarantine(tmp_path):
    rng = np.random.default_rng(0)
    many = [receipt(n, user_id=int(rng.integers(9))) for n in range(5000)]
    path = put(tmp_path / "raw", "payments/receipts", many, DAY)
    content = path.read_bytes()
    outcomes = {"error": 0, "whole": 0, "quarantine": 0}
    for seed in range(24):
        place = int(np.random.default_rng(seed).integers(4, int(len(content) * 0.9)))
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        try:
            account = clean(tmp_path / "raw", tmp_path / "out")
        except (EngineError, tecd.TecdError) as error:
            assert "01082.pq" in str(error) or "query failed" in str(error)
            outcomes["error"] += 1
            continue
        assert account["before"].iloc[0] == 5000
        rejected = account[account["kind"] == "reject"]["matched"].sum()
        outcomes["quarantine" if rejected else "whole"] += 1
    assert outcomes["error"] >= 8  # what still parses is for the checksums: manifest.verify


def test_a_column_of_the_wrong_type_is_named(root, tmp_path):
    path = tecd.path_of(root, "payments/receipts", DAY)
    table = pq.read_table(path)
    place = table.column_names.index("price")
    pq.write_table(table.set_column(place, "price", table["price"].cast("string")), path)
    with pytest.raises(tecd.TecdError, match="price"):
        clean(root, tmp_path / "out", ["payments/receipts"])


def test_a_file_of_another_day_is_refused_whole(root, tmp_path):
    path = tecd.path_of(root, "payments/receipts", DAY)
    shutil.copy(path, path.with_name("01090.pq"))
    with pytest.raises(tecd.TecdError, match="01090.pq: belongs to day 108[12]"):
        clean(root, tmp_path / "out", ["payments/receipts"], [DAY + 8])


def test_both_revisions_in_one_folder_come_out_with_one_spelling(tmp_path):
    put(tmp_path / "raw", "retail/events", EVENTS[:2], DAY)
    order = {"timestamp": START + tecd.DAY_US, "user_id": 1, "item_id": "fmcg_1", "os": "ios"}
    order |= {"action_type": "order", "subdomain": "other"}
    put(tmp_path / "raw", "retail/events", [order], DAY + 1)
    account = clean(tmp_path / "raw", tmp_path / "out")
    spelt = account[account["rule"] == "old spelling"].set_index("day")["matched"]
    assert spelt.to_dict() == {DAY: 1, DAY + 1: 0}  # the account shows which day is older


@pytest.mark.slow
def test_ten_million_identical_keys_leave_one_in_bounded_memory(tmp_path):
    count = 10**7
    folder = tmp_path / "raw"
    folder.mkdir()
    embedding = pa.ListArray.from_arrays(
        pa.array(np.zeros(count + 1, dtype=np.int32)), pa.array([], pa.float32())
    )
    table = pa.table({"brand_id": np.full(count, 9, np.uint64), "embedding": embedding})
    pq.write_table(table, folder / "brands.pq")
    account = clean(folder, tmp_path / "out", memory="600MB")
    assert matched(account, "brands") == {"duplicate": count - 1, "empty embedding": 1}
    assert len(rows(tmp_path / "out", "brands")) == 1
    quarantine = pq.ParquetFile(tmp_path / "out/quarantine/brands.pq").metadata.num_rows
    assert quarantine == count - 1


def test_a_full_disk_leaves_no_debris(root, tmp_path, monkeypatch):
    def no_space(self, table, path):
        with self._explained(f"{path}: cannot be written"), files.written_aside(path) as aside:
            aside.write_bytes(b"half a file")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqrec_lib.data.engine.Engine.write", no_space)
    with pytest.raises(EngineError, match="The disk is full"):
        clean(root, tmp_path / "out", ["brands"])
    assert everything(tmp_path / "out") == []


def test_killed_half_way_a_second_run_leaves_the_right_output_and_no_debris(tmp_path):
    rng = np.random.default_rng(0)
    count = 400_000
    for day in (DAY, DAY + 1, DAY + 2):
        path = tecd.path_of(tmp_path / "raw", "payments/events", day)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {
            "timestamp": np.sort(rng.integers(0, tecd.DAY_US, count)) + day * tecd.DAY_US,
            "user_id": rng.integers(0, 999, count).astype(np.uint64),
            "brand_id": rng.integers(0, 999, count).astype(np.uint64),
            "price": rng.normal(size=count).clip(-10, 10),
            "transaction_hash": [f"{n:016x}" for n in range(count)],
        }
        pq.write_table(pa.table(columns), path)
    out = tmp_path / "out"
    script = (
        "from pathlib import Path; from seqrec_lib.data.cleaning import clean; "
        f"clean(Path({str(tmp_path / 'raw')!r}), Path({str(out)!r}), threads=1)"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script], cwd=files.root(), stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not list(out.glob("audit/payments/events/*.json")) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
    left = list(out.glob("audit/payments/events/*.json"))
    assert 1 <= len(left) < 3
    account = clean(tmp_path / "raw", out)
    clean(tmp_path / "raw", tmp_path / "in one go")
    assert len(account) == len(audit.audit(tmp_path / "in one go"))
    assert everything(out) == everything(tmp_path / "in one go")
    for day in (DAY, DAY + 1, DAY + 2):
        paths = [
            tecd.path_of(Path(f), "payments/events", day) for f in (out, tmp_path / "in one go")
        ]
        assert pq.read_table(paths[0]).equals(pq.read_table(paths[1]))


def test_a_table_or_a_day_that_is_not_there_is_refused(root, tmp_path):
    with pytest.raises(ValueError, match="no table 'receipts'"):
        clean(root, tmp_path / "out", ["receipts"])
    with pytest.raises(tecd.TecdError, match="1099"):
        clean(root, tmp_path / "out", ["retail/events"], [1099])


def test_the_real_marketplace_days_have_one_kind_of_gap(tmp_path):
    folder = files.find("tecd/dataset/small")
    if folder is None:
        pytest.skip("the real day files are not here")
    account = clean(folder, tmp_path / "out", ["marketplace/events"], [1294, 1295, 1296])
    assert matched(account, "marketplace/events") == {"missing subdomain": 195}  # the last day's
    gaps = account[account["rule"] == "missing subdomain"]
    assert gaps["matched"].tolist() == [216, 216, 195]
    assert gaps["before"].tolist() == [450_086, 419_827, 444_779]
    with connect() as engine:
        events = tecd.read(engine, "marketplace/events", root=tmp_path / "out")
        likes = engine.frame(events.filter(events.subdomain == "none").action_type.value_counts())
    assert likes.iloc[0].tolist() == ["like", 627]


def test_what_the_simulator_planted_is_what_cleaning_finds(tmp_path):
    rows = {"payments/events": 20_000, "payments/receipts": 20_000}
    world = simulator.sized(0.005)
    planted = simulator.write(world, tmp_path / "raw", [DAY], rows=rows, scale=0.005, revision="A")
    account = clean(tmp_path / "raw", tmp_path / "out")
    found = account.set_index(["table", "rule"])["matched"]
    for name, truth in planted.items():
        table = next(t for t, kind in tecd.TABLES.items() if kind.path.format(day=DAY) == name)
        for defect in [key for key in truth if key.startswith("null ")]:
            assert found[table, f"missing {defect.removeprefix('null ')}"] == truth[defect]
        if "no transaction" in truth:
            assert found[table, "no transaction"] == truth["no transaction"]
        rejected = found[table][
            account.loc[account["table"] == table, "kind"].eq("reject").tolist()
        ]
        assert rejected.sum() == truth.get("duplicate brand_id", 0)
        if "empty embedding" in truth:  # of the brands that are dropped, some have none
            copies = rows_of(tmp_path / "out/quarantine", table)
            gone = sum(not row["embedding"] for row in copies)
            assert found[table, "empty embedding"] == truth["empty embedding"] - gone
    assert planted["brands.pq"]["duplicate brand_id"] >= 6
    assert found["retail/events", "old spelling"] > 0


def rows_of(folder, table):
    path = tecd.path_of(folder, table, DAY if tecd.TABLES[table].daily else None)
    return pq.read_table(path).to_pylist() if path.exists() else []


# --- two at once, wrong folders, what is read back --------------------------------------------


def test_cleaning_into_the_source_is_refused(root):
    before = tecd.path_of(root, "users").read_bytes()
    with pytest.raises(ValueError, match="is the source"):
        clean(root, root / ".." / root.name)
    assert tecd.path_of(root, "users").read_bytes() == before


def test_two_cleanings_of_one_folder_do_not_meet(root, tmp_path, monkeypatch):
    seen = []
    real = cleaning.clean_file

    def another(*args):
        with pytest.raises(CleaningError, match="another cleaning is at work"):
            clean(root, tmp_path / "out", ["users"])
        seen.append(args[3])
        return real(*args)

    monkeypatch.setattr(cleaning, "clean_file", another)
    clean(root, tmp_path / "out", ["brands"])
    assert seen == ["brands"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "no a table of T-ECD"),
        ({"tables": ["payments/events"]}, "no payments/events"),
        ({"tables": ["users"], "days": [4000]}, "no day 4000"),
    ],
    ids=["folder", "table", "day"],
)
def test_nothing_to_clean_is_an_error(root, tmp_path, asked, message):
    with pytest.raises(tecd.TecdError, match=message):
        clean(root if asked else tmp_path / "nowhere", tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_a_number_that_is_none_goes_to_quarantine(tmp_path):
    users = [{"user_id": n, "region": 1.0, "socdem_cluster": 2.0} for n in range(4)]
    for row, value in zip(users, (float("nan"), float("inf"), 1e300, 3.0), strict=True):
        row["region"] = value
    put(tmp_path / "raw", "users", users)
    account = clean(tmp_path / "raw", tmp_path / "out")
    assert matched(account, "users") == {"impossible region": 3}
    assert [row["region"] for row in rows(tmp_path / "out", "users")] == [3]


def test_cleaned_events_of_revision_a_are_read_as_such(tmp_path):
    words = [("view", "cart"), ("added-to-cart", "item"), ("click", "catalog")]
    for day in (DAY, DAY + 1):
        base = {"user_id": 1, "item_id": "fmcg_1", "os": "ios"}
        events = [
            base | {"timestamp": day * tecd.DAY_US + n, "action_type": a, "subdomain": s}
            for n, (a, s) in enumerate(words)
        ]
        put(tmp_path / "raw", "retail/events", events, day)
    clean(tmp_path / "raw", tmp_path / "out")
    with connect() as engine:
        assert tecd.revision_of(engine, tmp_path / "out", "retail/events") == "A"
        found = engine.frame(tecd.read(engine, "retail/events", root=tmp_path / "out"))
    assert found["action_type"].tolist() == ["view", "added_to_cart", "click"] * 2


@pytest.mark.parametrize("damaged", ["out/brands.pq", "out/quarantine/brands.pq"])
def test_a_clean_file_that_was_damaged_is_made_again(root, tmp_path, damaged):
    clean(root, tmp_path / "out", ["brands"])
    whole = (tmp_path / damaged).read_bytes()
    (tmp_path / damaged).write_bytes(b"x")
    clean(root, tmp_path / "out", ["brands"])
    assert pq.read_table(tmp_path / damaged).num_rows > 0
    assert len((tmp_path / damaged).read_bytes()) == len(whole)


def test_other_rules_clean_again(root, tmp_path, monkeypatch):
    clean(root, tmp_path / "out", ["users"])
    more = [
        *cleaning.rejects("users", None),
        cleaning.rules.Reject("first", lambda t: t.user_id == 1),
    ]
    monkeypatch.setattr(cleaning, "rejects", lambda table, day: more)
    account = clean(root, tmp_path / "out", ["users"])
    assert matched(account, "users")["first"] == 1


def test_a_folder_that_spark_wrote_is_no_source(root, tmp_path):
    path = tecd.path_of(root, "brands")
    path.unlink()
    path.mkdir()
    pq.write_table(pa.table({"brand_id": pa.array([1], pa.uint64())}), path / "part-0.parquet")
    with pytest.raises(tecd.TecdError, match="a folder that Spark wrote"):
        clean(root, tmp_path / "out", ["brands"])


def test_rows_with_embeddings_are_written_in_small_groups(tmp_path):
    items = [{"item_id": f"fmcg_{n}", "brand_id": 1, "embedding": [0.5] * 3} for n in range(90_000)]
    put(tmp_path / "raw", "retail/items", items)
    clean(tmp_path / "raw", tmp_path / "out")
    metadata = pq.read_metadata(tmp_path / "out/retail/items.pq")
    assert metadata.num_row_groups >= 2


def test_the_command_line_prints_the_account_and_ends_with_the_message(root, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "seqrec_lib.data.cleaning", *map(str, arguments)]
        return subprocess.run(command, cwd=files.root(), capture_output=True, text=True)

    done = run(root, tmp_path / "out", "--tables", "brands", "users")
    assert done.returncode == 0
    assert "duplicate" in done.stdout and "missing region" in done.stdout
    failed = run(root, tmp_path / "out", "--days", "4000", "4001")
    assert failed.returncode == 1
    assert "no day 4000, day 4001" in failed.stderr
