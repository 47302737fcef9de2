"""A simulated T-ECD has the layout, the defects and the structure that it says it has."""

import hashlib
import json
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqrec_lib.data import tecd
from seqrec_lib.data.simulator import marginals, static, store
from seqrec_lib.data.simulator import online as onlines
from seqrec_lib.data.simulator import world as worlds
from seqrec_lib.data.simulator.needs import (
    IDS,
    complements,
    hashed,
    interest,
    need_of,
    need_shares,
    numbers,
    places,
    sized,
)
from seqrec_lib.data.simulator.world import World, linkage, write

DAY = 1082
WORLD = sized(0.003, seed=5)
ROWS = {
    "marketplace/events": 6_000,
    "retail/events": 5_000,
    "offers/events": 2_000,
    "reviews": 400,
    "payments/events": 13_000,
    "payments/receipts": 12_000,
}
DAILY = [table for table in tecd.TABLES if tecd.TABLES[table].daily]
STATIC = [table for table in tecd.TABLES if not tecd.TABLES[table].daily]
EMBEDDED = [table for table in tecd.TABLES if "embedding" in tecd.TABLES[table].columns]


@pytest.fixture(scope="module", autouse=True)
def slices():
    """Slices of 5,000 rows, so that small files have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SLICE", 5_000)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All tables of a small world, one day."""
    root = tmp_path_factory.mktemp("world")
    write(WORLD, root, [DAY], rows=ROWS)
    return root


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The same world without defects; brands and items are fewer, since all have an embedding."""
    root = tmp_path_factory.mktemp("clean")
    few = replace(WORLD, marketplace_items=300, retail_items=200)
    write(few, root, [DAY], rows=ROWS, defects=False)
    return root


def where(root, table, day=DAY):
    return tecd.path_of(root, table, day if tecd.TABLES[table].daily else None)


def query(root, table, columns, condition="true", day=DAY):
    """One row of results from DuckDB."""
    sql = f"select {columns} from read_parquet('{where(root, table, day)}') where {condition}"
    return duckdb.sql(sql).fetchall()[0]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said(root, table):
    """What defects.json says of a file."""
    truth = json.loads((root / "defects.json").read_text())
    return truth["files"][where(root, table).relative_to(root).as_posix()]


# ---- files


@pytest.mark.parametrize("table", tecd.TABLES)
def test_a_file_has_the_columns_and_types_of_the_layout(root, table):
    assert pq.read_schema(where(root, table)) == pa.schema(tecd.TABLES[table].columns)


@pytest.mark.parametrize("table", tecd.TABLES)
def test_a_file_says_that_it_is_simulated(root, table):
    assert pq.read_metadata(where(root, table)).metadata[b"simulated"] == b"by seqrec_lib"
    assert json.loads((root / "defects.json").read_text())["simulated"] is True


@pytest.mark.parametrize("table", DAILY)
def test_a_daily_file_is_sorted_and_within_its_day(root, table):
    path = where(root, table)
    time = pq.read_table(path, columns=["timestamp"])["timestamp"].cast("int64").to_numpy()
    assert len(time) == ROWS[table] and (np.diff(time) >= 0).all()
    assert (time // tecd.DAY_US == DAY).all()
    assert len(np.unique(time // 3_600_000_000)) >= 23  # and is not all in one hour
    assert tecd.inspect(path, table, DAY).rows == ROWS[table]


@pytest.mark.parametrize("table", EMBEDDED)
def test_arrow_cannot_read_the_embeddings_and_duckdb_can(root, clean, table):
    size = tecd.TABLES[table].columns["embedding"].list_size
    with pytest.raises(pa.ArrowInvalid, match=f"Expected all lists to be of size={size}"):
        pq.read_table(where(root, table))
    lengths = "list_sort(list_distinct(list(len(embedding))))"
    assert query(root, table, lengths) == ([0, size],)
    assert query(clean, table, lengths) == ([size],)
    assert pq.read_table(where(clean, table)).num_rows > 0


def test_files_are_the_same_bytes_whatever_else_is_written(root, tmp_path):
    for table in tecd.TABLES:
        days = [DAY, DAY + 1] if table in DAILY else []
        write(WORLD, tmp_path / table, days, [table], ROWS)
        assert digest(where(tmp_path / table, table)) == digest(where(root, table))
        if days:
            assert digest(where(tmp_path / table, table, DAY + 1)) != digest(where(root, table))


def test_another_seed_is_another_world(root, tmp_path):
    write(replace(WORLD, seed=6), tmp_path, [DAY], rows=ROWS)
    assert all(digest(where(tmp_path, t)) != digest(where(root, t)) for t in tecd.TABLES)


def test_earlier_slices_do_not_change_as_a_day_grows():
    small, large = (store.Plan(DAY, n * 5_000, n * 5_000) for n in (2, 6))
    for simulate in (store.receipts, store.payments):
        one, other = (simulate(WORLD, plan, 1, True) for plan in (small, large))
        for column in ("user", "item", "count", "price", "hash", "brand", "null_brand"):
            if column in one:
                a, b = one[column], other[column]
                same = np.sort(a) == np.sort(b)  # payments of a slice are sorted by time
                assert same.all(), column


def test_a_slice_is_a_row_group_and_all_rows_are_in_one(root):
    footer = pq.read_metadata(where(root, "payments/receipts"))
    sizes = [footer.row_group(k).num_rows for k in range(footer.num_row_groups)]
    assert sizes == [4_000, 4_000, 4_000]


def test_a_flipped_bit_is_found_by_its_page_checksum(root, tmp_path):
    path = where(root, "payments/receipts")
    column = pq.read_metadata(path).row_group(1).column(5)  # price
    damaged = bytearray(path.read_bytes())
    damaged[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    (tmp_path / "damaged.pq").write_bytes(damaged)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(tmp_path / "damaged.pq", page_checksum_verification=True)


def test_resuming_keeps_finished_files_and_rewrites_others(tmp_path):
    def stamps(**settings):
        write(WORLD, tmp_path, [DAY], ["reviews", "users"], ROWS, **settings)
        return [where(tmp_path, table).stat().st_mtime_ns for table in ("reviews", "users")]

    first = stamps()
    assert stamps(resume=True) == first
    where(tmp_path, "reviews").unlink()
    again = stamps(resume=True)
    assert again[0] != first[0] and again[1] == first[1]
    assert set(stamps(resume=True, defects=False)).isdisjoint(again)


def test_a_stop_half_way_leaves_no_file_and_no_debris(tmp_path, monkeypatch):
    simulate = store.receipts

    def stops(world, plan, number, defects):
        if number == 2:
            raise KeyboardInterrupt
        return simulate(world, plan, number, defects)

    monkeypatch.setattr(store, "receipts", stops)
    with pytest.raises(KeyboardInterrupt):
        write(WORLD, tmp_path, [DAY], ["users", "payments/receipts"], ROWS)
    monkeypatch.setattr(store, "receipts", simulate)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert files == {"users.pq", "defects.json"}
    write(WORLD, tmp_path, [DAY], ["users", "payments/receipts"], ROWS, resume=True)
    assert where(tmp_path, "payments/receipts").exists()


def test_no_rows_are_an_empty_file(tmp_path):
    found = write(WORLD, tmp_path, [DAY], DAILY, scale=0.0)
    assert [file["rows"] for file in found.values()] == [0] * len(DAILY)
    assert query(tmp_path, "payments/receipts", "count(*)") == (0,)


@pytest.mark.parametrize("payments, receipts", [(100, 9_000), (9_000, 0), (0, 9_000), (1, 1)])
def test_stores_have_the_rows_asked_for_whatever_their_proportion(tmp_path, payments, receipts):
    rows = {"payments/events": payments, "payments/receipts": receipts}
    found = write(WORLD, tmp_path, [DAY], tecd.FULL_ONLY, rows)
    assert [file["rows"] for file in found.values()] == [payments, receipts]


def test_payments_not_asked_for_are_in_proportion_to_receipts(tmp_path):
    found = write(WORLD, tmp_path, [DAY], tecd.FULL_ONLY, {"payments/receipts": 6_075})
    assert [file["rows"] for file in found.values()] == [6_885, 6_075]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"tables": ["recepits"]}, "no table 'recepits'"),
        ({"rows": {"payments": 5}}, "no table 'payments'"),
        ({"revision": "C"}, "no revision 'C'"),
        ({"rows": {"marketplace/events": 300_000}}, "need .* users, the world has 10500"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, arguments, message):
    arguments = {"rows": ROWS, **arguments}
    with pytest.raises(ValueError, match=message):
        write(WORLD, tmp_path, [DAY], **arguments)


def test_another_world_does_not_go_into_the_same_folder(root):
    with pytest.raises(ValueError, match="another world"):
        write(replace(WORLD, strength=0.0), root, [DAY], ["users"])


@pytest.mark.parametrize(
    "field, value",
    [("num_users", 100_000_000), ("num_needs", 40), ("strength", 1.5), ("num_brands", 0)],
)
def test_an_impossible_world_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        replace(WORLD, **{field: value})


# ---- defects


@pytest.mark.parametrize("table", tecd.TABLES)
def test_the_defects_found_are_those_planted(root, table):
    columns = tecd.TABLES[table].columns
    found = {"rows": query(root, table, "count(*)")[0]}
    for column in columns:
        found[f"null {column}"] = query(root, table, f"count(*) - count({column})")[0]
    if table in EMBEDDED:
        found["empty embedding"] = query(root, table, "count(*)", "len(embedding) = 0")[0]
    if table == "brands":
        unique = query(root, table, "count(distinct brand_id)")[0]
        found["duplicate brand_id"] = found["rows"] - unique
    if table == "payments/receipts":
        nothing = f"transaction_hash = '{tecd.NO_TRANSACTION}'"
        found["no transaction"] = query(root, table, "count(*)", nothing)[0]
    if table in ("marketplace/events", "retail/events", "offers/events"):
        heavy = numbers("user", np.zeros(1))[0]
        found["events of the heavy user"] = query(root, table, "count(*)", f"user_id = {heavy}")[0]
    planted = said(root, table)
    assert planted.pop("settings") == said(root, table)["settings"]
    assert {name: n for name, n in found.items() if n} == {k: n for k, n in planted.items() if n}


RATES = [  # documented shares of rows
    ("brands", "empty embedding", 0.732),
    ("marketplace/items", "null category", 0.4156),
    ("marketplace/items", "null subcategory", 0.5302),
    ("retail/items", "null category", 0.0383),
    ("retail/items", "null price", 0.1059),
    ("payments/events", "null brand_id", 0.4836),
    ("payments/receipts", "null brand_id", 0.8580),
    ("payments/receipts", "null price", 0.0142),
    ("users", "null region", 0.0168),
]


@pytest.mark.parametrize("table, defect, rate", RATES)
def test_defects_have_their_documented_rates(root, table, defect, rate):
    rows = said(root, table)["rows"]
    assert said(root, table)[defect] / rows == pytest.approx(
        rate, abs=4 * (rate * (1 - rate) / rows) ** 0.5
    )


def test_half_of_the_receipt_lines_have_the_hash_of_nothing(root):
    planted = said(root, "payments/receipts")["no transaction"]
    assert planted / 12_000 == pytest.approx(0.509, abs=0.04)  # whole baskets: a wider margin


def test_the_rarest_defects_are_there_in_the_smallest_file(root):
    assert said(root, "payments/receipts")["null count"] == 1
    assert said(root, "payments/events")["null price"] == 1


def test_a_brand_is_there_seven_times(root):
    path = where(root, "brands")
    sql = f"select brand_id, count(*) n from read_parquet('{path}') group by 1 order by n desc"
    assert duckdb.sql(sql).fetchall()[0] == (37_799, 7)


def test_at_full_size_46_brands_are_too_many():
    blocks = list(static.brands(replace(World(), embedded_share=0.0), True))
    assert sum(len(block["brand"]) for block in blocks) == 24_513
    assert sum(block["again"].sum() for block in blocks) == 46


def test_the_heavy_user_has_47649_events_in_ten_days_of_published_size():
    sizes = {domain: worlds.DAY_ROWS[f"{domain}/events"] for domain in ("marketplace", "retail")}
    events = [
        onlines.heavy_events(domain, day, rows)
        for domain, rows in sizes.items()
        for day in range(1082, 1092)
    ]
    assert sum(events) == 47_649
    assert onlines.heavy_events("retail", 1082, 1_000) == 6


def test_a_clean_world_has_no_defects(clean):
    for table in tecd.TABLES:
        planted = said(clean, table)
        assert planted.pop("settings")["defects"] is False and planted.pop("rows") > 0
        likes = planted.pop("null subdomain", 0)
        assert set(planted.values()) <= {0}, table
        nulls = "+".join(f"count(*) - count({name})" for name in tecd.TABLES[table].columns)
        assert query(clean, table, nulls) == (likes,)


@pytest.mark.parametrize("revision", "AB")
def test_each_revision_has_its_own_words(tmp_path, revision):
    other = "B" if revision == "A" else "A"
    tables = ["marketplace/events", "retail/events", "offers/events"]
    write(WORLD, tmp_path, [DAY], tables, {t: 20_000 for t in tables}, revision=revision)
    for domain, only in tecd.ONLY_IN.items():
        names = ["action_type"] + ["subdomain"] * (domain == "retail")
        found = set()
        for name in names:
            found |= set(query(tmp_path, f"{domain}/events", f"list(distinct {name})")[0])
        assert only[revision] <= found and not only[other] & found
        actions = query(tmp_path, f"{domain}/events", "list(distinct action_type)")[0]
        assert {tecd.SPELLINGS.get(word, word) for word in actions} <= tecd.ACTIONS[domain]
    missing = query(tmp_path, "marketplace/events", "count(*)", "subdomain is null")
    assert missing == query(tmp_path, "marketplace/events", "count(*)", "action_type = 'like'")
    assert missing[0] > 0
    other_is_order = "(subdomain = 'other') <> (action_type = 'order')"
    assert query(tmp_path, "retail/events", "count(*)", other_is_order) == (0,)


# ---- people and things


def test_numbers_in_files_and_places_are_one_to_one():
    for kind, ids in IDS.items():
        some = np.array([0, 1, 7, 12_345, ids.prime - 1])
        found = numbers(kind, some)
        assert (places(kind, found) == some).all()
        assert (found >= ids.low).all() and (found < ids.low + ids.prime).all()


def test_hashes_are_those_of_splitmix64():
    # the first outputs of the reference generator (Vigna) from states 0 and 1234567
    assert hashed(0)[0] == 0xE220A8397B1DCDAF
    assert hashed(1234567)[0] == 6_457_827_717_110_365_317


def test_an_interest_is_one_of_three_favourites_by_the_popularity_of_needs():
    users = numbers("user", np.arange(3_000))
    days = np.array([interest(WORLD, users, day) for day in range(40)])
    favourites = [len(set(column)) for column in days.T]
    assert max(favourites) == 3 and np.mean(favourites) > 2.5
    found = np.bincount(days[0], minlength=WORLD.num_needs) / 3_000
    assert np.abs(found - need_shares(WORLD)).max() < 4 * (0.15 / 3_000) ** 0.5
    assert (interest(WORLD, users[5:9], 7) == days[7][5:9]).all()


def test_complements_are_one_cycle_of_all_needs():
    goes_with, need, seen = complements(WORLD), 0, set()
    while need not in seen:
        seen.add(need)
        need = int(goes_with[need])
    assert len(seen) == WORLD.num_needs


def online(root, domain):
    path = where(root, f"{domain}/events")
    return pq.read_table(path, columns=["user_id", "item_id"]).to_pandas()


@pytest.mark.parametrize("domain", ["marketplace", "retail", "offers"])
def test_sessions_are_about_the_interest_of_the_day_and_its_complement(root, domain):
    events = online(root, domain)
    item = events["item_id"].str.removeprefix(IDS[domain].prefix).astype(int).to_numpy()
    events = events[~worlds.showcased(WORLD, item, domain)]
    need = need_of(WORLD, item, domain)[events.index]
    wanted = interest(WORLD, events["user_id"].to_numpy(), DAY)
    partner = complements(WORLD)[wanted]
    assert ((need == wanted) | (need == partner)).all()
    assert 0.2 < (need == partner).mean() < 0.4  # a quarter of steps, and what follows them


def test_the_complement_comes_as_the_partner_of_the_item_before():
    day = onlines.simulate(replace(WORLD, strength=0.0), "retail", DAY, 20_000, "B", False)
    order = np.lexsort([np.arange(20_000), day.user])
    user, item = day.user[order], day.item[order]
    need, partner = item % WORLD.num_needs, complements(WORLD)
    steps = (user[1:] == user[:-1]) & (item[:-1] >= WORLD.num_needs)
    as_popular = item[1:] // WORLD.num_needs == item[:-1] // WORLD.num_needs
    pairs = steps & as_popular & (need[1:] == partner[need[:-1]])
    assert pairs.sum() / steps.sum() > 0.05  # chance: below 0.01
    against = steps & as_popular & (need[:-1] == partner[need[1:]])
    assert against.sum() < pairs.sum() / 2


def test_a_basket_has_one_user_and_time_and_its_payment_follows_within_a_minute(root):
    receipts, payments = (where(root, table) for table in tecd.FULL_ONLY[::-1])
    baskets = duckdb.sql(f"""
        select transaction_hash, count(*) n, count(distinct user_id) users,
            count(distinct timestamp) times, min(user_id) user_id, min(timestamp) time
        from read_parquet('{receipts}') where transaction_hash <> '{tecd.NO_TRANSACTION}' group by 1
    """)
    totals = "count(*), max(users), max(times), max(n), median(n), avg(n)"
    count, users, times, most, median, mean = baskets.aggregate(totals).fetchall()[0]
    assert (users, times, median) == (1, 1, 2) and 10 < most <= 137
    assert mean == pytest.approx(2.64, abs=0.2)  # 29,827,732 lines in 11,286,477 baskets
    found = duckdb.sql(f"""
        select count(distinct b.transaction_hash), bool_and(b.user_id = p.user_id),
            min(first - time), max(first - time)
        from baskets b join (
            select transaction_hash, min(user_id) user_id, min(timestamp) first
            from read_parquet('{payments}') group by 1
        ) p using (transaction_hash)
    """).fetchall()[0]
    assert found[:2] == (count, True)
    assert 0 <= found[2] and found[3] < 60_000_000


def test_payments_share_hashes_as_often_as_published(root):
    sql = f"select count(*) n from read_parquet('{where(root, 'payments/events')}')"
    repeats = duckdb.sql(f"{sql} group by transaction_hash").aggregate("max(n), 1 / avg(n)")
    most, distinct = repeats.fetchall()[0]
    assert 1 < most <= 11 and distinct == pytest.approx(59_836_472 / 68_857_371, abs=0.015)


def test_no_receipt_line_is_there_twice(root):
    unique = f"select distinct * from read_parquet('{where(root, 'payments/receipts')}')"
    assert duckdb.sql(f"select count(*) from ({unique})").fetchall() == [(12_000,)]


@pytest.mark.parametrize("share", [0.0, 0.06, 0.2])
def test_the_share_of_receipt_products_in_the_catalogue_is_the_one_asked_for(tmp_path, share):
    world = replace(WORLD, matched_share=share)
    tables = ["payments/receipts", "marketplace/items", "retail/items"]
    write(world, tmp_path, [DAY], tables, {**ROWS, "payments/receipts": 30_000})
    items = [where(tmp_path, table).as_posix() for table in tables[1:]]
    found, total = duckdb.sql(f"""
        select count(*) filter (approximate_item_id in (select item_id from read_parquet({items}))),
            count(*)
        from (select distinct approximate_item_id from read_parquet('{where(tmp_path, tables[0])}'))
    """).fetchall()[0]
    assert total > 2_000
    assert found / total == pytest.approx(share, abs=4 * (share * (1 - share) / total) ** 0.5)


def test_prices_and_amounts_are_as_published(root):
    for table, (mean, deviation) in store.PRICE.items():
        columns = "min(price), max(price), avg(price), stddev(price)"
        low, high, found, spread = query(root, table, columns)
        assert -10 <= low < high <= 10
        assert found == pytest.approx(mean, abs=0.08)
        assert spread == pytest.approx(deviation, abs=0.08)
    least, most, median = query(root, "payments/receipts", "min(count), max(count), median(count)")
    assert 1e-4 <= least < 1 and median == 1 and 2 < most <= 988_627
    assert query(root, "payments/events", "count(*)", "brand_id = 0")[0] > 0


# ---- the link between online and in-store


def test_receipts_follow_online_interest_as_strongly_as_asked_and_not_at_all_at_0(tmp_path):
    tables = ["marketplace/events", "retail/events", "payments/receipts"]
    rows = {"marketplace/events": 12_000, "retail/events": 12_000, "payments/receipts": 30_000}
    excess = []
    for strength in (0.0, 0.25, 0.5, 1.0):
        root = tmp_path / str(strength)
        write(replace(WORLD, strength=strength), root, [DAY - 1, DAY], tables, rows)
        found = linkage(replace(WORLD, strength=strength), root, DAY)
        assert found.lines > 3_000
        excess.append(found.excess)
    assert abs(excess[0]) < 0.02
    assert excess[1] - excess[0] > 0.15 and excess[2] - excess[1] > 0.15
    assert excess[3] - excess[2] > 0.3 and excess[3] > 0.85


def test_linkage_needs_people_in_both(tmp_path):
    write(WORLD, tmp_path, [DAY - 1, DAY], rows=ROWS | {"payments/receipts": 0})
    with pytest.raises(ValueError, match="nobody was online on day 1081"):
        linkage(WORLD, tmp_path, DAY)


# ---- marginals


def test_a_simulated_marketplace_is_near_the_real_one(tmp_path):
    days = range(1294, 1297)
    world = sized(0.12)
    write(world, tmp_path, days, ["marketplace/events"], {"marketplace/events": 50_000})
    tables = [pq.read_table(where(tmp_path, "marketplace/events", day)) for day in days]
    found = marginals.fit(pa.concat_tables(tables).to_pandas())
    far = marginals.distances(found, marginals.REAL).set_index("marginal")["distance"]
    # fewer events than in the real days: fewer rare items and fewer days of heavy users
    most = {"popularity of items": 0.15, "item seen before": 0.04}
    assert all(far[name] < most.get(name, 0.06) for name in far.index), far
