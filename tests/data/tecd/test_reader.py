"""T-ECD files are read in bounded memory, in one vocabulary, and only if they are what they say."""

import hashlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from seqrec_lib.data import files, tecd
from seqrec_lib.data.engine import EngineError, connect
from seqrec_lib.data.tecd import DAY_US, TecdError, inspect, read, revision_of
from seqrec_lib.data.tecd.manifest import Manifest, verify, write_manifest

MARKET, RETAIL, OFFERS = "marketplace/events", "retail/events", "offers/events"
REAL = {1294: 450_086, 1295: 419_827, 1296: 444_779}
WORDS_A = {
    RETAIL: (["view", "added-to-cart", "click"], ["catalog", "cart", "search"]),
    OFFERS: (["seen", "offer_shown", "redirect_to_partner"], None),
}
WORDS_B = {
    RETAIL: (["view", "added_to_cart", "order"], ["catalog", "i2i", "other"]),
    OFFERS: (["view", "click", "clickout"], None),
    MARKET: (["view", "click", "like"], ["u2i", "catalog", None]),
}


def event_columns(table, day, words=WORDS_B, actions=None):
    """Three events: at the first and the last microsecond of the day, and one between."""
    prefix = tecd.PREFIXES[table.split("/")[0]]
    start = day * DAY_US
    columns = {
        "timestamp": pa.array([start, start + 5_500_000, start + DAY_US - 1], pa.duration("us")),
        "user_id": pa.array([7, 3, 89_917_485], pa.uint64()),
        "item_id": pa.array([f"{prefix}{n}" for n in (98, 5, 28_620_953)]),
        "subdomain": pa.array(words.get(table, ([], None))[1] or [None] * 3, pa.string()),
        "action_type": pa.array(actions or words[table][0]),
        "os": pa.array(["android", "ios", "other"]),
    }
    return {name: columns[name] for name in tecd.TABLES[table].columns}


def put(root, table, day=None, columns=None, rows=None, **options):
    """Write a file of ``table``; ``columns`` replaces some or all of the usual ones."""
    columns = columns if columns is not None else event_columns(table, day)
    path = tecd.path_of(root, table, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def payments(root, day=1082):
    start = day * DAY_US
    columns = {
        "timestamp": pa.array([start, start + 1, start + 2], pa.duration("us")),
        "user_id": pa.array([1, 2, 3], pa.uint64()),
        "brand_id": pa.array([0, None, 5], pa.uint64()),
        "price": pa.array([-2.5, None, 10.0]),
        "transaction_hash": pa.array(["0" * 16, tecd.NO_TRANSACTION, None]),
    }
    return put(root, "payments/events", day, columns)


def brands(root, vectors=([0.5] * 300, [], None)):
    """Brands as at the hub: said to be lists of fixed size, with empty ones among them."""
    count = len(vectors)
    columns = {
        "brand_id": pa.array(range(count), pa.uint64()),
        "embedding": pa.array(vectors, pa.list_(pa.float32())),
    }
    path = put(root, "brands", None, columns, store_schema=False)
    said = pa.schema({"brand_id": pa.uint64(), "embedding": pa.list_(pa.float32(), 300)})
    holder = path.with_name("holder")  # only to have the text of ARROW:schema written
    pq.write_table(said.empty_table(), holder)
    text = pq.read_metadata(holder).metadata[b"ARROW:schema"]
    holder.unlink()
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW:schema": text.decode()})
    return path


@pytest.fixture(scope="module")
def duck():
    with connect("duckdb", memory="200MB", threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def spark():
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    with connect("spark", memory="1000MB", threads=1) as engine:
        yield engine


@pytest.fixture
def days_of_all(tmp_path):
    """Two days of each table with events, in revision B's words."""
    for table in WORDS_B:
        for day in (10, 11):
            put(tmp_path, table, day)
    return tmp_path


def real(day=1294):
    path = files.find(f"tecd/dataset/small/{MARKET}/{day:05d}.pq")
    if path is None:
        pytest.skip("needs the real day files in a data folder")
    return path


def values(engine, table, name, order="timestamp"):
    return engine.frame(table.order_by(order))[name].astype(object).replace(np.nan, None).tolist()


# where files are


def test_the_folder_is_found_below_tecd_and_below_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    with pytest.raises(TecdError, match=r"no folder tecd/dataset/full .*Fetch it with .*tecd.hub"):
        tecd.folder("full")
    for name in ("dataset/full", "tecd/dataset/full"):
        (tmp_path / name).mkdir(parents=True)
        assert tecd.folder("full") == tmp_path / name
    with pytest.raises(ValueError, match="no size 'tiny'; there are small, full"):
        tecd.folder("tiny")


def test_days_are_those_of_the_files_and_other_files_do_not_count(days_of_all):
    (days_of_all / MARKET / ".00012.pq.part-12ab").write_text("half")
    (days_of_all / MARKET / "readme.txt").write_text("x")
    assert tecd.days(days_of_all, MARKET) == [10, 11]
    assert tecd.days(days_of_all, "reviews") == []


def test_a_table_of_another_level_or_name_is_a_wrong_layout(days_of_all, duck):
    folder = days_of_all / "marketplace"
    for path in sorted((folder / "events").iterdir()):
        path.rename(folder / path.name)
    (folder / "events").rmdir()
    with pytest.raises(TecdError, match="wrong layout: .*marketplace has day files of marketplace"):
        read(duck, MARKET, root=days_of_all)
    put(days_of_all / "reviews", "offers/events", 10)  # reviews/offers/events is nothing of ours
    assert tecd.days(days_of_all, "reviews") == []
    (days_of_all / "retail/events/00010.pq").rename(days_of_all / "retail/events/day10.pq")
    with pytest.raises(TecdError, match="wrong layout: .*day10.pq is not named after its day"):
        tecd.days(days_of_all, RETAIL)


def test_reviews_in_a_folder_of_events_are_a_wrong_layout(tmp_path):
    (tmp_path / "reviews" / "events").mkdir(parents=True)
    (tmp_path / "reviews" / "events" / "00010.pq").write_bytes(b"")
    with pytest.raises(
        TecdError, match=r"events has day files of reviews, which belong in .*reviews"
    ):
        tecd.days(tmp_path, "reviews")


def test_a_missing_day_is_named_with_those_that_are_there(days_of_all, duck):
    put(days_of_all, MARKET, 14)
    with pytest.raises(TecdError, match=r"day 12-13, 15 is not there; there are 10-11, 14\."):
        read(duck, MARKET, [11, 12, 13, 14, 15], days_of_all)
    with pytest.raises(TecdError, match="no day was asked for"):
        read(duck, MARKET, [], days_of_all)


def test_a_folder_without_files_says_how_to_fetch_some(tmp_path, duck):
    with pytest.raises(TecdError, match=r"no day files of reviews\. Fetch .*--tables reviews"):
        read(duck, "reviews", root=tmp_path)
    with pytest.raises(TecdError, match="dataset/small has no payments"):
        read(duck, "payments/events", root=tmp_path)
    with pytest.raises(TecdError, match="users.pq: no such file"):
        read(duck, "users", root=tmp_path)


def test_misspelt_arguments_are_refused(days_of_all, duck):
    with pytest.raises(ValueError, match="no table 'market'"):
        read(duck, "market", root=days_of_all)
    with pytest.raises(ValueError, match="users is not daily: give no days"):
        read(duck, "users", [10], days_of_all)
    with pytest.raises(ValueError, match="no revision 'C'"):
        read(duck, MARKET, root=days_of_all, revision="C")
    with pytest.raises(ValueError, match="reviews has no actions"):
        revision_of(duck, days_of_all, "reviews")


# what comes out


def test_the_days_asked_for_come_with_their_number_and_time_in_microseconds(days_of_all, duck):
    table = read(duck, MARKET, [11], days_of_all)
    assert list(table.columns) == [*tecd.TABLES[MARKET].columns, "day"]
    assert str(table.schema()["timestamp"]) == str(table.schema()["day"]) == "int64"
    times = [11 * DAY_US, 11 * DAY_US + 5_500_000, 12 * DAY_US - 1]
    assert values(duck, table, "timestamp") == times
    assert values(duck, table, "day") == [11, 11, 11]
    assert values(duck, read(duck, MARKET, root=days_of_all), "day") == [10] * 3 + [11] * 3


@pytest.mark.parametrize("table", [RETAIL, OFFERS], ids=["retail", "offers"])
def test_both_revisions_come_in_the_words_of_the_later_one(table, tmp_path, duck):
    for name, words in (("A", WORDS_A), ("B", WORDS_B)):
        put(tmp_path / name, table, 20, event_columns(table, 20, words))
        assert revision_of(duck, tmp_path / name, table) == name
        rows = read(duck, table, root=tmp_path / name)
        assert set(values(duck, rows, "action_type")) <= tecd.ACTIONS[table.split("/")[0]]
    first = values(duck, read(duck, table, root=tmp_path / "A"), "action_type")
    expected = ["view", "added_to_cart", "click"] if table == RETAIL else WORDS_B[table][0]
    assert first == expected


def test_words_that_both_revisions_have_tell_nothing(tmp_path, duck, days_of_all):
    assert revision_of(duck, days_of_all, MARKET) is None
    words = {RETAIL: (["view", "click", "view"], ["catalog", "search", "main"])}
    put(tmp_path / "x", RETAIL, 20, event_columns(RETAIL, 20, words))
    assert revision_of(duck, tmp_path / "x", RETAIL) is None
    assert duck.frame(read(duck, RETAIL, root=tmp_path / "x", revision="A").count()) == 3


def test_days_of_two_revisions_in_one_folder_are_refused_by_name(days_of_all, duck):
    for day in (12, 13):
        put(days_of_all, RETAIL, day, event_columns(RETAIL, day, WORDS_A))
    with pytest.raises(TecdError, match="mixes two revisions: A on day 12-13, B on day 10-11"):
        read(duck, RETAIL, root=days_of_all)
    assert duck.frame(read(duck, RETAIL, [12, 13], days_of_all).count()) == 6


def test_a_revision_that_is_not_the_one_asked_for_is_refused(days_of_all, duck):
    with pytest.raises(TecdError, match="events: revision B, not A"):
        read(duck, OFFERS, root=days_of_all, revision="A")
    assert duck.frame(read(duck, OFFERS, root=days_of_all, revision="B").count()) == 6


@pytest.mark.parametrize("word", ["veiw", "seen", "cart", None])
def test_an_action_of_neither_vocabulary_is_refused_but_can_be_read_raw(word, tmp_path, duck):
    put(tmp_path, RETAIL, 20, event_columns(RETAIL, 20, actions=["view", word, "click"]))
    what = f"the action '{word}'" if word else "no action"
    with pytest.raises(TecdError, match=f"retail/events has rows of day 20 with {what}; known are"):
        read(duck, RETAIL, root=tmp_path)
    assert values(duck, read(duck, RETAIL, root=tmp_path, raw=True), "action_type")[1] == word


def test_raw_rows_are_as_in_the_file_with_their_place(tmp_path, duck):
    put(tmp_path, OFFERS, 20, event_columns(OFFERS, 20, WORDS_A))
    raw = read(duck, OFFERS, root=tmp_path, raw=True)
    assert list(raw.columns) == [*tecd.TABLES[OFFERS].columns, "row"]
    assert values(duck, raw, "action_type") == WORDS_A[OFFERS][0]
    assert values(duck, raw, "row") == [0, 1, 2]


def test_the_hash_of_no_transaction_is_null(tmp_path, duck):
    payments(tmp_path)
    found = values(duck, read(duck, "payments/events", root=tmp_path), "transaction_hash")
    assert found == ["0" * 16, None, None]
    raw = read(duck, "payments/events", root=tmp_path, raw=True)
    assert values(duck, raw, "transaction_hash")[1] == tecd.NO_TRANSACTION


def test_empty_embeddings_are_read_as_null_where_arrow_fails(tmp_path, duck):
    path = brands(tmp_path)
    with pytest.raises(pa.ArrowException, match="Expected all lists to be of size=300"):
        pq.read_table(path)
    frame = duck.frame(read(duck, "brands", root=tmp_path).order_by("brand_id"))
    assert frame["embedding"].isna().tolist() == [False, True, True]
    assert list(frame["embedding"][0]) == [0.5] * 300


def test_codes_of_users_come_as_floats_whichever_a_writer_chose(tmp_path, duck):
    for kind in (pa.float64(), pa.int64(), pa.uint8()):
        codes = {name: pa.array([21, None], kind) for name in ("socdem_cluster", "region")}
        put(tmp_path, "users", None, {"user_id": pa.array([3, 4], pa.uint64()), **codes})
        rows = read(duck, "users", root=tmp_path)
        assert str(rows.schema()["region"]) == "float64"
        assert values(duck, rows, "region", "user_id") == [21.0, None]


# files that are not what they say


def test_a_truncated_or_empty_file_and_one_of_another_kind_are_refused(days_of_all, duck):
    path = tecd.path_of(days_of_all, MARKET, 11)
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) // 2, 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(TecdError, match=r"00011.pq: not a whole Parquet file .*Fetch or write"):
            read(duck, MARKET, root=days_of_all)
    path.write_bytes(b"")
    with pytest.raises(TecdError, match="00011.pq: the file is empty"):
        read(duck, MARKET, root=days_of_all, raw=True)
    path.write_text("user,item\n1,2\n" * 10)
    with pytest.raises(TecdError, match="00011.pq: not a whole Parquet file"):
        read(duck, MARKET, root=days_of_all)
    assert duck.frame(read(duck, MARKET, [10], days_of_all).count()) == 3


def test_a_byte_flipped_in_the_footer_is_an_error_in_words_or_changes_no_row(tmp_path, duck):
    path = put(tmp_path, OFFERS, 20)
    whole, expected = path.read_bytes(), duck.frame(read(duck, OFFERS, root=tmp_path))
    length = int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for place in range(len(whole) - 8 - length, len(whole), 9):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            found = duck.frame(read(duck, OFFERS, root=tmp_path))
        except (TecdError, EngineError):
            refused += 1
        else:
            assert_frame_equal(found, expected)
    assert refused > 20


def test_a_bit_flipped_in_a_page_fails_when_it_is_read(tmp_path, duck):
    path = put(tmp_path, OFFERS, 20, compression="zstd")
    place = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    damaged = bytearray(path.read_bytes())
    damaged[place + 1] ^= 0xFF  # in the header of the first page of time stamps
    path.write_bytes(damaged)
    raw = read(duck, OFFERS, root=tmp_path, raw=True)
    with pytest.raises(EngineError, match="the query failed .*Is the file damaged"):
        duck.frame(raw.timestamp.sum())


def test_a_flip_that_makes_text_bytes_for_the_engine_alone_is_refused(tmp_path, duck):
    path = put(tmp_path, OFFERS, 20)
    damaged = bytearray(path.read_bytes())
    kind = b"\x07item_id%"  # then: is UTF-8, in the older of the two ways to say so
    damaged[damaged.index(kind) + len(kind) - 1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(TecdError, match="the engine reads item_id of offers/events as binary"):
        read(duck, OFFERS, root=tmp_path)


def test_a_bit_flipped_in_a_value_parses_and_is_found_by_the_manifest_alone(tmp_path, duck):
    path = put(tmp_path, OFFERS, 20, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    write_manifest(tmp_path, Manifest("c" * 40, {"offers/events/00020.pq": digest}))
    assert verify(tmp_path) == 1
    place = whole.index((7).to_bytes(8, "little") + (3).to_bytes(8, "little"))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    found = values(duck, read(duck, OFFERS, root=tmp_path), "user_id")
    assert found == [6, 3, 89_917_485]
    with pytest.raises(TecdError, match=r"1 of 1 files .*offers/events/00020.pq \(damaged\)"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "name, values, expected",
    [
        ("user_id", ["1", "2", "3"], "user_id is of type string, expected uint64"),
        ("item_id", [1, 2, 3], "item_id is of type int64, expected string"),
        ("timestamp", [1.0, 2.0, 3.0], r"timestamp is of type double, expected duration\[us\]"),
        ("timestamp", pa.array([1, 2, 3], pa.duration("ms")), r"duration\[ms\], expected"),
        ("timestamp", pa.array([1, 2, 3], pa.timestamp("us")), r"timestamp\[us\], expected"),
    ],
    ids=["text-user", "number-item", "float-time", "milliseconds", "dates"],
)
def test_a_column_of_the_wrong_type_is_named(name, values, expected, tmp_path, duck):
    put(tmp_path, MARKET, 20, event_columns(MARKET, 20) | {name: values})
    with pytest.raises(TecdError, match=expected):
        read(duck, MARKET, root=tmp_path)


def test_missing_and_unknown_columns_are_named(tmp_path):
    columns = event_columns(MARKET, 20)
    more = put(tmp_path, MARKET, 20, columns | {"price": [1.0] * 3})
    with pytest.raises(
        TecdError, match="00020.pq: has an unknown column price; marketplace/events"
    ):
        inspect(more, MARKET, 20)
    less = put(
        tmp_path, MARKET, 20, {n: c for n, c in columns.items() if n not in ("os", "item_id")}
    )
    with pytest.raises(TecdError, match="00020.pq: lacks column item_id, os"):
        inspect(less, MARKET, 20)


def test_a_file_in_the_place_of_another_table_is_a_wrong_layout(days_of_all, tmp_path):
    offers = tecd.path_of(days_of_all, OFFERS, 10)
    with pytest.raises(TecdError, match="wrong layout: the columns are those of offers/events"):
        inspect(offers, MARKET, 10)
    retail = tecd.path_of(days_of_all, RETAIL, 10)
    with pytest.raises(TecdError, match=r"wrong layout: the items \(fmcg_.*\) are of retail"):
        inspect(retail, MARKET, 10)


def test_a_file_under_another_days_name_is_refused(days_of_all, duck):
    shutil.copy(tecd.path_of(days_of_all, MARKET, 10), tecd.path_of(days_of_all, MARKET, 12))
    for raw in (False, True):
        with pytest.raises(TecdError, match="00012.pq: belongs to day 10, .* not to day 12"):
            read(duck, MARKET, root=days_of_all, raw=raw)


@pytest.mark.parametrize("statistics", [True, False])
def test_a_file_with_some_rows_of_another_day_is_refused_but_can_be_read_raw(
    statistics, tmp_path, duck
):
    columns = event_columns(MARKET, 20)
    columns["timestamp"] = pa.array([19 * DAY_US, 20 * DAY_US, 20 * DAY_US + 1], pa.duration("us"))
    put(tmp_path, MARKET, 20, columns, write_statistics=statistics)
    with pytest.raises(TecdError, match="has rows of days 19 to 20, not of day 20 alone. Clean it"):
        read(duck, MARKET, root=tmp_path)
    assert duck.frame(read(duck, MARKET, root=tmp_path, raw=True).count()) == 3


def test_what_polars_and_engines_write_is_accepted(tmp_path, duck):
    columns = event_columns(MARKET, 20)
    columns |= {n: columns[n].cast(pa.large_string()) for n in ("item_id", "action_type", "os")}
    columns |= {n: columns[n].cast(pa.int64()) for n in ("timestamp", "user_id")}
    path = put(tmp_path, MARKET, 20, columns)
    first = 20 * DAY_US
    assert inspect(path, MARKET, 20) == (3, first, first + DAY_US - 1)
    assert duck.frame(read(duck, MARKET, root=tmp_path).count()) == 3
    vectors = pa.array([[0.5] * 300] * 2, pa.large_list(pa.float32()))
    masked = {"brand_id": [1, 2], "embedding": vectors, "embedding_missing": [False, True]}
    assert inspect(put(tmp_path, "brands", None, masked), "brands").rows == 2


# the canonical table


def test_events_are_by_user_then_time_in_seconds_with_ties_in_the_files_order(tmp_path):
    columns = event_columns(MARKET, 20)
    at = 20 * DAY_US + np.array([2_000_000, 1_900_000, 1_900_000])
    columns |= {"timestamp": pa.array(at, pa.duration("us")), "user_id": [1, 1, 1]}
    columns |= {"item_id": ["nfmcg_3", "nfmcg_2", "nfmcg_1"]}
    put(tmp_path, MARKET, 20, columns)
    put(tmp_path, MARKET, 21, event_columns(MARKET, 21) | {"user_id": [2, 1, 0]})
    events = tecd.events(root=tmp_path)
    assert list(events.columns) == ["user", "item", "time", "action", "domain"]
    assert events["user"].tolist() == [0, 1, 1, 1, 1, 2]
    assert events["item"].tolist()[1:5] == ["nfmcg_2", "nfmcg_1", "nfmcg_3", "nfmcg_5"]
    assert (events["time"][1:4] - 20 * 86_400).tolist() == [1, 1, 2]
    assert set(events["domain"]) == {"marketplace"}


def test_an_event_reported_twice_within_a_second_is_one_event(tmp_path):
    columns = event_columns(MARKET, 20)
    at = 20 * DAY_US + np.array([1_000_000, 1_000_001, 2_000_000])
    columns |= {"timestamp": pa.array(at, pa.duration("us")), "user_id": [1, 1, 1]}
    columns |= {"item_id": ["nfmcg_3"] * 3, "action_type": ["view"] * 3}
    put(tmp_path, MARKET, 20, columns)
    assert tecd.events(root=tmp_path)["time"].tolist() == [20 * 86_400 + 1, 20 * 86_400 + 2]


def test_a_surface_is_that_of_the_event_that_stays_and_no_part_of_what_makes_two_equal(tmp_path):
    columns = event_columns(MARKET, 20)
    at = 20 * DAY_US + np.array([1_000_001, 1_000_000, 2_000_000])
    columns |= {"timestamp": pa.array(at, pa.duration("us")), "user_id": [1, 1, 1]}
    columns |= {"item_id": ["nfmcg_3"] * 3, "action_type": ["view", "view", "like"]}
    columns |= {"subdomain": pa.array(["search", "u2i", None])}
    put(tmp_path, MARKET, 20, columns)
    events = tecd.events(root=tmp_path, surface=True)
    assert events["surface"].tolist() == ["u2i", "none"]  # the view of 1,000,000 us came first
    assert_frame_equal(events.drop(columns="surface"), tecd.events(root=tmp_path))


def test_a_domain_without_surfaces_says_none(days_of_all):
    events = tecd.events((MARKET, OFFERS), [10], days_of_all, surface=True)
    assert set(events.loc[events["domain"] == "offers", "surface"]) == {"none"}
    assert set(events.loc[events["domain"] == "marketplace", "surface"]) == {
        "u2i", "catalog", "none"
    }  # fmt: skip


def test_events_of_several_domains_are_one_history(days_of_all):
    events = tecd.events((MARKET, RETAIL, OFFERS), [10], days_of_all)
    assert len(events) == 9
    user = events[events["user"] == 3]
    assert user["domain"].tolist() == ["marketplace", "retail", "offers"]  # a tie: in this order
    assert user["action"].tolist() == ["click", "added_to_cart", "click"]


def test_tables_of_two_revisions_are_not_joined(days_of_all):
    put(days_of_all, OFFERS, 10, event_columns(OFFERS, 10, WORDS_A))
    with pytest.raises(TecdError, match="tables of two revisions"):
        tecd.events((RETAIL, OFFERS), [10], days_of_all)


# the real files


def test_the_real_days_have_their_published_rows_in_their_own_day(duck):
    root = real().parents[2]
    for day, rows in REAL.items():
        found = inspect(real(day), MARKET, day)
        assert found.rows == rows
        assert day * DAY_US <= found.first < found.last < (day + 1) * DAY_US
    table = read(duck, MARKET, list(REAL), root)
    counts = table.group_by("day").agg(
        rows=table.count(),
        least=table.timestamp.min(),
        largest=table.timestamp.max(),
        odd=(table.subdomain.isnull() != (table.action_type == "like")).sum(),
    )
    frame = duck.frame(counts.order_by("day"))
    assert dict(zip(frame["day"], frame["rows"], strict=True)) == REAL
    assert (frame["least"] >= frame["day"] * DAY_US).all()
    assert (frame["largest"] < (frame["day"] + 1) * DAY_US).all()
    assert frame["odd"].tolist() == [0, 0, 0]  # no surface if and only if it is a like
    assert revision_of(duck, root, MARKET, list(REAL)) is None


def test_the_real_events_are_the_rows_of_the_files(duck):
    path = real(1295)
    events = tecd.events(days=[1295], root=path.parents[2])
    rows = pq.read_table(path).to_pandas()
    rows["time"] = rows["timestamp"].dt.total_seconds().astype("int64")
    key = ["user_id", "item_id", "time", "action_type"]
    rows = rows.sort_values(["user_id", "timestamp"], kind="stable").drop_duplicates(key)
    assert 0 < REAL[1295] - len(events) < 50
    assert (events["item"].to_numpy() == rows["item_id"].to_numpy()).all()
    assert (events["user"].to_numpy() == rows["user_id"].to_numpy()).all()
    assert (events["time"].to_numpy() == rows["time"].to_numpy()).all()
    assert (events["action"].to_numpy() == rows["action_type"].to_numpy()).all()
    seen = tecd.events(days=[1295], root=path.parents[2], surface=True)
    assert (seen["surface"].to_numpy() == rows["subdomain"].fillna("none").to_numpy()).all()
    assert_frame_equal(seen.drop(columns="surface"), events)


# the other engine


@pytest.mark.slow
def test_spark_reads_the_same_events_in_the_same_words(tmp_path, duck, spark):
    for day in (20, 21):
        put(tmp_path, RETAIL, day, event_columns(RETAIL, day, WORDS_A))
    frames = []
    for engine in (duck, spark):
        rows = read(engine, RETAIL, root=tmp_path, revision="A")
        frames.append(engine.frame(rows.order_by("timestamp")))
    assert_frame_equal(*[frame.astype(object).fillna("none") for frame in frames])
    assert frames[0]["day"].tolist() == [20, 20, 20, 21, 21, 21]
    assert frames[0]["action_type"].tolist() == ["view", "added_to_cart", "click"] * 2
    put(tmp_path, RETAIL, 22)
    with pytest.raises(TecdError, match="mixes two revisions: A on day 20-21, B on day 22"):
        read(spark, RETAIL, root=tmp_path)


@pytest.mark.slow
def test_spark_reads_empty_embeddings_and_hashes_as_null(tmp_path, duck, spark):
    brands(tmp_path)
    payments(tmp_path)
    for engine in (duck, spark):
        rows = read(engine, "brands", root=tmp_path).mutate(n=lambda t: t.embedding.length())
        assert values(engine, rows.select("brand_id", "n"), "n", "brand_id") == [300, None, None]
        rows = read(engine, "payments/events", root=tmp_path)
        assert values(engine, rows, "transaction_hash") == ["0" * 16, None, None]
        assert values(engine, rows, "brand_id") == [0, None, 5]


def test_an_overview_counts_rows_days_and_files_from_the_footers(tmp_path):
    for day in (1294, 1295, 1297):
        put(tmp_path, MARKET, day)
    brands(tmp_path)
    found = tecd.overview(tmp_path).set_index("table")
    counts = ["files", "days", "rows", "columns"]
    assert found.loc[MARKET, counts].tolist() == [3, "1294-1295, 1297", 9, 6]
    assert found.loc["brands", counts].tolist() == [1, "", 3, 2]
    sizes = [tecd.path_of(tmp_path, MARKET, day).stat().st_size for day in (1294, 1295, 1297)]
    assert found.loc[MARKET, "bytes"] == sum(sizes)
    assert tecd.overview(tmp_path / "nothing").empty


def test_missing_values_are_counted_by_column_empty_lists_and_the_shared_hash_included(tmp_path):
    payments(tmp_path)
    brands(tmp_path)
    with connect() as engine:
        found = tecd.missing(engine, tmp_path).set_index(["table", "column"])
    assert found.loc[("brands", "embedding"), ["rows", "missing"]].tolist() == [3, 2]
    assert found.loc[("payments/events", "transaction_hash"), "missing"] == 2
    assert found.loc[("payments/events", "brand_id"), "missing"] == 1
    assert found.loc[("payments/events", "user_id"), "share"] == 0
