import numpy as np
import pyarrow as pa
import pytest

from seqrec_lib.data.engine import EngineError, connect
from seqrec_lib.data.hybrid import tiles
from seqrec_lib.data.hybrid.online import OnlineStore
from seqrec_lib.data.hybrid.registry import DAY, HOUR, TILE, Feature, FeatureSet
from seqrec_lib.data.hybrid.stream import catch_up


@pytest.fixture(scope="module")
def engine():
    with connect(threads=1) as running:
        yield running


def requests(*rows):
    user, t, seq = (list(column) for column in zip(*rows, strict=True))
    return pa.table({"request": range(len(rows)), "user": user, "t": t, "seq": seq})


@pytest.fixture
def drawn(append):
    """Eight segments with late, doubled and simultaneous events of three users."""
    rng, number, before = np.random.default_rng(3), 0, []
    near = [k * HOUR + shift for k in (0, 1, 2, 24, 25, 26) for shift in (-1, 0, 1, TILE)][1:]
    for seq in range(8):
        source, events = "online" if seq % 3 else "store", []
        for _ in range(40):
            number += 1
            event = {"user": int(rng.integers(3)), "time": int(rng.choice(near))}
            event |= {"event_id": number, "item": int(rng.integers(9))}
            events.append(event | {"amount": int(rng.integers(2**52, 2**53))})
        again = [dict(event, item=99) for event, its in before[-60::6] if its == source]
        append(*events, *again, source=source)
        before += [(event, source) for event in events]
    return near


SMALL = FeatureSet(
    (
        Feature("hour", 1, "count", HOUR),
        Feature("views", 1, "count", DAY, "online", "view"),
        Feature("spend", 1, "sum", 2 * DAY, "store"),
        Feature("store", 1, "since", source="store"),
        Feature("last_4", 1, "last", 4),
        Feature("bought_2", 1, "last", 2, "store"),
    )
)


def test_features_as_known_are_those_by_brute_force(engine, journal, drawn, by_brute_force):
    rng = np.random.default_rng(4)
    asked = [
        (int(rng.integers(4)), int(rng.choice(drawn)) + shift, int(rng.integers(-1, 8)))
        for shift in (0, HOUR - 1, HOUR, DAY, 2 * DAY)
        for _ in range(60)
    ]
    found = tiles.joined(engine, journal, requests(*asked), SMALL)
    columns = [found[name].to_pylist() for name in SMALL.columns]
    for one, *values in zip(asked, *columns, strict=True):
        assert values == by_brute_force(journal, SMALL, *one), one


def test_tiles_are_the_stores(engine, journal, drawn, tmp_path):
    store = OnlineStore(tmp_path / "store", SMALL)
    catch_up(journal, store)
    names = ["user", "source", "action", "tile", "number", "amount"]
    found = engine.arrow(tiles.tiles(journal.table(engine))).select(names)
    rows = sorted(tuple(row.values()) for row in found.to_pylist())
    assert rows == store.connection.execute("select * from tile order by 1, 2, 3, 4").fetchall()
    assert found.schema.field("amount").type == pa.int64()


def test_a_receipt_of_yesterday_is_history_only_once_it_has_arrived(engine, journal, table_of):
    lines = table_of([{"time": 10 * HOUR}], "store")
    journal.append("store", lines.append_column("known", pa.array([27 * HOUR])))
    asked = requests((1, 12 * HOUR, 0), (1, 28 * HOUR, 0))
    by = {
        clock: tiles.joined(engine, journal, asked, SMALL, clock)["last_4_item"].to_pylist()
        for clock in (tiles.by_arrival, tiles.by_event_time, None)
    }
    assert by == {tiles.by_arrival: [[], [1]], tiles.by_event_time: [[1], [1]], None: [[1], [1]]}


def test_money_beyond_64_bits_is_an_error(engine, journal, append):
    most = 2**53  # of one event; 64 bits hold 1,023 of them
    lines = [{"event_id": n, "time": 0, "amount": most} for n in range(1_023)]
    append(*lines, source="store")
    asked = requests((1, HOUR, 0))
    assert tiles.joined(engine, journal, asked, SMALL)["spend"].to_pylist() == [1_023 * most]
    append({**lines[0], "event_id": 2_000}, source="store")
    with pytest.raises(EngineError, match="beyond 64 bits: give amounts in a larger unit"):
        tiles.joined(engine, journal, asked, SMALL)
