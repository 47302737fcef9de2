import pyarrow as pa
import pytest

from seqrec_lib.data.hybrid.contract import CANONICAL, ContractError, conform


def online(**columns):
    size = len(next(iter(columns.values()), [1]))
    plain = {"event_id": list(range(size)), "user": [1] * size, "item": [2] * size}
    return pa.table({**plain, "time": [3] * size, **columns})


def test_both_sources_take_one_form():
    found = conform(online(), "online").table
    receipt = online(basket=[4], amount=[1_500_000])
    line = conform(receipt, "store").table
    assert found.schema == line.schema == CANONICAL
    (one,), (other,) = found.to_pylist(), line.to_pylist()
    assert (one["source"], one["action"], one["basket"], one["amount"]) == (0, "view", -1, 0)
    assert (other["source"], other["action"], other["basket"]) == (1, "buy", 4)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (online().drop_columns(["item"]), "log.pq: contract online 1: column 'item' is missing.*R"),
        (online(campaign=["x"]), "column 'campaign' is not part of it.*Leave it out"),
        (online(user=["7"]), "column 'user' is of type string, not int64.*Write it as before"),
        (online(amount=[1.5]), "column 'amount' is of type double"),
    ],
)
def test_another_structure_is_refused_whole(table, words):
    with pytest.raises(ContractError, match=words):
        conform(table, "online", file="log.pq")


def test_an_unknown_version_is_refused():
    with pytest.raises(ContractError, match="no contract online 2; there are online 1, store 1"):
        conform(online(), "online", 2)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("user", None, "user is missing"),
        ("item", -1, "item is negative"),
        ("time", 10**17, "after 2100: is it in microseconds"),
        ("action", "stolen", "action is none of view"),
        ("amount", 10**17, "amount is beyond"),
    ],
)
def test_a_row_that_cannot_be_meant_is_put_aside(column, value, words):
    good = {"user": 1, "item": 2, "time": 3, "action": "cart", "amount": 4}
    table = online(**{column: [good[column], value, good[column]]})
    found = conform(table, "online")
    assert found.table["event_id"].to_pylist() == [0, 2]
    assert words in found.refused["reason"][0].as_py()
    assert found.refused.drop_columns(["reason"]) == table.slice(1, 1)


def test_one_number_for_two_events_is_refused_and_a_repetition_is_not():
    found = conform(online(event_id=[5, 5, 5], item=[2, 2, 3]), "online")
    assert (len(found.table), len(found.refused)) == (2, 1)
    assert "another event" in found.refused["reason"][0].as_py()


def test_dates_become_microseconds():
    times = pa.array([1, 2], pa.timestamp("ms", "UTC"))
    assert conform(online(time=times), "online").table["time"].to_pylist() == [1000, 2000]
