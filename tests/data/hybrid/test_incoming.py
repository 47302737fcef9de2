import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data.hybrid import incoming
from seqrec_lib.data.hybrid.names import code
from seqrec_lib.data.hybrid.registry import DAY, HOUR
from seqrec_lib.data.refusals import EventError
from seqrec_lib.data.tables import Format

ONLINE = "user,item,time\nann,7,1700000000\nbob,8,1700000001\nann,7,1700000000\n"
LINES = "user,item,time,basket,amount\nann,7,1700000000,r1,12.50\nann,7,1700000000,r1,-0.1\n"


@pytest.fixture
def given(tmp_path):
    """``given("user,item...")``: the path of a file of this text."""

    def write(text, name="log.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_file_becomes_canonical_rows_and_its_texts_are_kept(journal, given):
    (segment,) = incoming.append(journal, given(ONLINE), "online", "0s", unit="s")
    table = journal.read(segment)
    assert table["user"].to_pylist() == [code("ann"), code("ann"), code("bob")]
    assert table["item"].to_pylist() == [7, 7, 8]
    assert table["time"].to_pylist()[0] == table["known"].to_pylist()[0] == 1700000000 * 10**6
    assert journal.names.texts([code("bob")]) == {code("bob"): "bob"}
    assert segment.origin == "log.csv"


def test_the_same_file_again_is_the_same_events_and_equal_rows_are_two(journal, given):
    """Whatever the order of the rows."""
    lines = ONLINE.splitlines()
    again = "\n".join([lines[0], *reversed(lines[1:])])
    ids = []
    for path in (given(ONLINE), given(again, "again.csv")):
        (segment,) = incoming.append(journal, path, "online", "now")
        ids.append(sorted(journal.read(segment)["event_id"].to_pylist()))
    assert ids[0] == ids[1] and len(set(ids[0])) == 3


def test_what_a_row_says_makes_its_number():
    plain = {name: np.array([5]) for name in ("user", "item", "time", "basket", "amount")}
    plain["action"] = np.array(["view"])
    numbers = {int(incoming.event_ids(plain, "online")[0])}
    for name in plain:
        other = np.array(["cart"]) if name == "action" else np.array([6])
        numbers.add(int(incoming.event_ids(plain | {name: other}, "online")[0]))
    assert len(numbers) == 7 and min(numbers) >= 0
    assert incoming.mixed(np.array([1]))[0] == 2612804094800205616  # on every machine


def test_money_becomes_micro_units_exactly(given, tmp_path):
    amounts = incoming.read(given(LINES), "store", "0s")[0]["amount"].to_pylist()
    assert amounts == [12_500_000, -100_000]
    pd.DataFrame({"user": [1], "item": [2], "time": [3], "amount": [0.1]}).to_parquet(
        tmp_path / "log.parquet"
    )
    table, _ = incoming.read(tmp_path / "log.parquet", "online", "0s", unit="s")
    assert table["amount"].to_pylist() == [100_000]


@pytest.mark.parametrize("amount", ["12,50 EUR", "0.1234567", "99999999999999", ""])
def test_money_that_is_no_plain_number_is_refused(given, amount):
    path = given(f'user,item,time,amount\n1,2,3,"{amount}"\n')
    with pytest.raises(EventError, match="'amount'.*(Write plain numbers|Write 0|Mend)"):
        incoming.read(path, "online", "0s", unit="s")


def test_lines_without_a_basket_are_one_by_user_and_time(given):
    text = "user,item,time\n1,7,50\n1,8,50\n1,9,60\n2,7,50\n"
    basket = incoming.read(given(text), "store", "0s", unit="s")[0]["basket"].to_pylist()
    assert basket[0] == basket[1] and len(set(basket)) == 3


def test_rows_go_in_by_arrival(journal, given):
    text = "user,item,time,at\n1,7,50,900\n1,8,60,70\n"
    path = given(text)
    found = incoming.append(
        journal, path, "online", "column", {"known": "at"}, unit="s", segment_rows=1
    )
    assert [journal.read(segment)["item"].to_pylist() for segment in found] == [[8], [7]]
    assert journal.read(found[1])["known"].to_pylist() == [900 * 10**6]


@pytest.mark.parametrize(
    ("known", "after"),
    [("0s", 0), ("90s", 90 * 10**6), ("6h", 6 * HOUR), ("2d", 2 * DAY), ("03:00", 17 * HOUR)],
)
def test_arrival_by_a_delay_or_the_next_time_of_day(known, after):
    assert incoming.known_at(np.array([10 * HOUR]), known)[0] == 10 * HOUR + after


@pytest.mark.parametrize("known", ["tomorrow", "24:00", "5", ""])
def test_an_arrival_that_cannot_be_meant_is_refused(known):
    with pytest.raises(ValueError, match="use now, column, a delay such as 0s, 6h, 1d"):
        incoming.known_at(np.array([0]), known)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("user,sku,time\n1,2,3\n", {}, "no column 'item'; there are .*columns user=customer"),
        ("user;item;time\n1;2;3\n", {}, "Is the separator ';'"),
        (ONLINE, {"columns": {"who": "user"}}, r"columns has \['who'\]; our names are user"),
        (ONLINE, {"known": "column"}, "no column 'known'; name it"),
        ("user,item,time,action\n1,2,3,add\n", {}, "'add' is no action of online.*actions add="),
        ("user,item,time\n1,2,20260301\n", {}, "look like dates.*time_format"),
        ("user,item,time\n1,,3\n", {"unit": "s"}, "'item', row 0 .*is missing"),
        ("user,item,time\n", {}, "no rows. Was the file"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(journal, given, text, options, words):
    with pytest.raises(EventError, match=words):
        incoming.append(journal, given(text), "online", **({"known": "0s"} | options))
    assert journal.last == -1


def test_words_options_and_formats_are_taken(journal, given):
    text = "who;what;when;how\n1;2;01/03/2026 12:00;add\n"
    (segment,) = incoming.append(
        journal,
        given(text),
        "online",
        "0s",
        {"user": "who", "item": "what", "time": "when", "action": "how"},
        {"add": "cart"},
        time_format="%d/%m/%Y %H:%M",
        how=Format(";"),
    )
    (row,) = journal.read(segment).to_pylist()
    assert (row["action"], row["time"]) == ("cart", 1772366400 * 10**6)
