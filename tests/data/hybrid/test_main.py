"""The four commands on two files, as a reader would type them."""

import json

import pandas as pd
import pytest

from seqrec_lib.data import events
from seqrec_lib.data.hybrid.__main__ import main
from seqrec_lib.data.hybrid.history import features_of
from seqrec_lib.data.hybrid.registry import HOUR, SET_1, FeatureSet

ONLINE = """customer,sku,at,what
ann,p1,2026-03-01T09:00:00,view
ann,p2,2026-03-01T09:05:00,add
bob,p1,2026-03-01T10:00:00,view
ann,p1,2026-03-02T12:00:00,view
"""
RECEIPTS = """user,item,time,basket,amount
ann,p7,2026-03-01T10:00:00,r1,12.50
ann,p8,2026-03-01T10:00:00,r1,3.1
"""
REQUESTS = """user,time
ann,2026-03-01T12:00:00
ann,2026-03-02T12:00:00
zoe,2026-03-02T12:00:00
"""
COLUMNS = ["--columns", "user=customer", "item=sku", "time=at", "action=what"]


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """``shop("run shop")``: what the command prints, in a folder with the three files."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("online", ONLINE), ("receipts", RECEIPTS), ("requests", REQUESTS)):
        (tmp_path / f"{name}.csv").write_text(text)

    def command(line, *more):
        main([*line.split(), *more])
        return capsys.readouterr().out

    return command


@pytest.fixture
def filled(shop):
    told = shop("append shop online.csv --known 0s --actions add=cart", *COLUMNS)
    assert told == "online.csv: 4 rows, 0 refused; segments 0 to 0\n"
    shop("append shop receipts.csv --source store --known 03:00")
    assert shop("run shop") == "6 rows in 2 segments: 6 applied, 0 duplicate, 0 refused\n"
    return shop


def test_features_are_read_by_the_readers_own_ids(filled):
    told = filled("read shop ann zoe --at 2026-03-01T12:00").splitlines()
    ann, zoe = map(json.loads, told)
    assert ann["last_50_item"] == ["p1", "p2", "p7", "p8"] and ann["carts_24h"] == 1
    assert ann["store_spend_30d"] == 15_600_000 and ann["since_store_us"] == 2 * HOUR
    assert (zoe["user"], zoe["views_7d"], zoe["last_50_item"]) == ("zoe", 0, [])


def test_the_journal_as_a_log_has_every_event_once_and_when_it_was_known(filled, tmp_path):
    filled("append shop online.csv --known 0s --actions add=cart", *COLUMNS)  # again
    told = filled("log shop shop.parquet")
    assert told == f"shop.parquet: 6 events, features {SET_1.digest()[:12]}\n"
    assert features_of(tmp_path / "shop.parquet") == SET_1.digest()
    log = events.read(tmp_path / "shop.parquet").sort_values("user", kind="stable")
    log = log.reset_index(drop=True)
    assert log["user"].tolist() == ["ann"] * 5 + ["bob"]
    assert log["item"].tolist() == ["p1", "p2", "p7", "p8", "p1", "p1"]
    assert log["channel"].tolist() == ["online"] * 2 + ["store"] * 2 + ["online"] * 2
    night = pd.Timestamp("2026-03-02T03:00").timestamp()
    assert log["known"][2:4].tolist() == [night, night]
    assert (log["known"] == log["time"])[[0, 1, 4, 5]].all()
    with pytest.raises(SystemExit, match="shop.csv: a log is written as .parquet"):
        filled("log shop shop.csv")


def test_offline_a_receipt_is_known_from_its_arrival_on(filled, tmp_path):
    told = filled("offline shop requests.csv features.parquet")
    assert told.startswith("features.parquet: 3 requests") and "by arrival" in told
    found = pd.read_parquet(tmp_path / "features.parquet")
    assert found["user"].tolist() == ["ann", "ann", "zoe"]
    assert found["store_lines_7d"].tolist() == [0, 2, 0]
    assert [list(items) for items in found["last_50_item"]] == [
        ["p1", "p2"], ["p1", "p2", "p7", "p8", "p1"], [],
    ]  # fmt: skip
    filled("offline shop requests.csv features.csv --clock time")
    by_time = pd.read_csv(tmp_path / "features.csv")
    assert by_time["store_lines_7d"].tolist() == [2, 2, 0]
    assert json.loads(by_time["last_50_item"][0]) == ["p1", "p2", "p7", "p8"]


def test_offline_by_the_log_gives_what_was_served(filled, tmp_path):
    (tmp_path / "asked.csv").write_text("user,time,seq\nann,2026-03-01T12:00:00,0\n")
    assert "by log" in filled("offline shop asked.csv features.parquet")
    assert pd.read_parquet(tmp_path / "features.parquet")["store_lines_7d"].tolist() == [0]


def test_the_same_file_again_is_duplicates(filled):
    filled("append shop receipts.csv --source store --known 03:00")
    assert "6 applied, 2 duplicate, 0 refused" in filled("run shop")


def test_a_journal_is_replayed_and_rebuilt(filled):
    assert filled("skew shop --requests 3") == "6 requests, 0 differ {}\n"
    assert "6 applied" in filled("rebuild shop")


def test_other_features_need_a_version_and_a_rebuild(filled, tmp_path):
    features = json.loads((tmp_path / "shop/features.json").read_text())
    features[0] |= {"window": 2 * HOUR}
    (tmp_path / "mine.json").write_text(json.dumps(features))
    with pytest.raises(SystemExit, match="give it version 2"):
        filled("run shop --features mine.json")
    features[0]["version"] = 2
    (tmp_path / "mine.json").write_text(json.dumps(features))
    with pytest.raises(SystemExit, match="rebuild it from the journal"):
        filled("read shop ann --features mine.json")
    filled("rebuild shop --features mine.json")
    assert '"views_1h": 0' in filled("read shop ann --features mine.json")
    assert FeatureSet.load(tmp_path / "shop/features.json") != SET_1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run empty", "empty has no events: append a file first"),
        ("append shop gone.csv --known 0s", "gone.csv: no such file"),
        ("append shop online.csv --known soon", "no column 'user'|known is 'soon'"),
        ("offline shop requests.csv out.csv --clock log", "has no column 'seq'"),
        ("read shop ann --at noon", "--at is 'noon'; use seconds"),
    ],
)
def test_what_cannot_be_done_ends_in_a_sentence(filled, line, words):
    with pytest.raises(SystemExit, match=words):
        filled(line)


def test_a_backfill_known_only_now_is_told(shop):
    shop("append shop receipts.csv --source store --known now")
    with pytest.raises(SystemExit, match="before anything was known.*--known 0s"):
        shop("offline shop requests.csv out.parquet")
