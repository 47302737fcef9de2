"""A valid log is read as it is; an invalid one ends in an error that says where and why."""

import ast
import datetime
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from seqrec_lib.data import events, tables, times
from seqrec_lib.data.refusals import EventError

NOON = 1_318_939_200  # 2011-10-18 12:00 UTC
SOURCE = "log.csv"


def table(*rows, columns=("user", "item", "time")):
    return pd.DataFrame(list(rows), columns=list(columns))


SMALL = table((1, 7, NOON), (1, 8, NOON), (1, 7, NOON + 5), (2, 8, NOON - 9))

numbers = st.integers(0, 2**63 - 1)
few = settings(max_examples=25, deadline=None)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(
    lambda word: f"n°{word}".strip()
)


@st.composite
def logs(draw, min_time=0):
    """Canonical tables: whole-number or text ids, ties, optional columns."""
    users, items, baskets = (draw(st.sampled_from([numbers, words])) for _ in range(3))
    some_users = st.sampled_from(draw(st.lists(users, min_size=1, max_size=4, unique=True)))
    some_times = st.sampled_from(
        draw(st.lists(st.integers(min_time, times.LATEST), min_size=1, max_size=4, unique=True))
    )
    columns = {"user": some_users, "item": items, "time": some_times}
    optional = {"action": words, "domain": words, "basket": baskets}
    for column in draw(st.sets(st.sampled_from(sorted(optional)))):
        columns[column] = optional[column]
    order = [*events.REQUIRED, *(c for c in events.OPTIONAL if c in columns)]
    rows = draw(
        st.lists(st.tuples(*(columns[c] for c in order)), min_size=1, max_size=12, unique=True)
    )
    rows = sorted(rows, key=lambda row: (row[0], row[2]))  # stable
    log = table(*rows, columns=order)
    return log.astype({c: "str" if isinstance(log[c].iloc[0], str) else "int64" for c in order})


@few
@given(logs())
def test_a_valid_table_passes_as_it_is(log):
    assert_frame_equal(events.check(log, SOURCE), log)


@pytest.mark.parametrize("end", [end for end in tables.FORMATS if "inter" not in end])
@few
@given(log=logs())
def test_a_valid_table_survives_a_file(tmp_path_factory, end, log):
    log = log.assign(channel="store", rating=0.5, known=np.minimum(log["time"] + 60, times.LATEST))
    log = log[[column for column in events.REQUIRED + events.OPTIONAL if column in log]]
    path = tmp_path_factory.mktemp("logs") / f"log{end}"
    if end in (".parquet", ".pq"):
        log.to_parquet(path)
    else:
        compression = "gzip" if end.endswith(".gz") else None
        log.to_csv(path, index=False, sep="\t" if "tsv" in end else ",", compression=compression)
    assert_frame_equal(events.read(path, unit="s"), log)


@few
@given(logs(), st.randoms(use_true_random=False))
def test_sort_restores_the_order_and_leaves_ties_as_they_come(log, random):
    rows = random.sample(range(len(log)), len(log))
    shuffled = log.iloc[rows]
    expected = shuffled.sort_values(["user", "time"], kind="stable").reset_index(drop=True)
    assert_frame_equal(events.check(shuffled, SOURCE, sort=True), expected)


@few
@given(logs(), st.data())
def test_an_event_written_twice_is_refused_or_dropped_and_the_second_row_is_named(log, data):
    row = data.draw(st.integers(0, len(log) - 1))
    place = data.draw(st.integers(row + 1, len(log)))
    doubled = pd.concat([log[:place], log[row : row + 1], log[place:]])
    with pytest.raises(EventError, match=f"row {place} .* drop_duplicates=True") as caught:
        events.check(doubled, SOURCE, sort=True)
    assert f"1 of {len(log) + 1} rows" in str(caught.value)
    assert_frame_equal(events.check(doubled, SOURCE, sort=True, drop_duplicates=True), log)


def put(column, value):
    """A corruption: one value of one column, with the column as pandas would then hold it."""

    def corrupt(log, row):
        values = log[column].astype(object).tolist()
        values[row] = value(values[row]) if callable(value) else value
        return log.assign(**{column: pd.Series(values, dtype=pd.Series(values).dtype)})

    return corrupt


CORRUPTIONS = {
    "a missing user": (put("user", None), "'user'", "is missing"),
    "a missing item": (put("item", None), "'item'", "is missing"),
    "a missing time": (put("time", None), "'time'", "is missing"),
    "a user that is not a number": (put("user", np.nan), "'user'", "is missing"),
    "an empty item": (put("item", ""), "'item'", "is empty text|of another type"),
    "a negative user": (put("user", -1), "'user'", "negative|of another type"),
    "a negative item": (put("item", -1), "'item'", "negative|of another type"),
    "a negative time": (put("time", -1), "'time'", "negative"),
    "a fraction of a user": (put("user", 1.5), "'user'", "a float|of another type"),
    "a fraction of an item": (put("item", 1.5), "'item'", "a float|of another type"),
    "milliseconds": (put("time", lambda t: t * 10**3), "'time'", "unit='ms'|Rows of two units"),
    "microseconds": (put("time", lambda t: t * 10**6), "'time'", "unit='us'|Rows of two units"),
    "a time in words": (put("time", "noon"), "'time'", "is 'noon'.*time_format"),
    "an infinite time": (put("time", float("inf")), "'time'", "no finite number"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
@few
@given(log=logs(min_time=NOON), data=st.data())
def test_any_single_corruption_is_caught_at_its_row(name, log, data):
    corrupt, column, words = CORRUPTIONS[name]
    row = data.draw(st.integers(0, len(log) - 1))
    with pytest.raises(EventError, match=f"(?s)^{SOURCE}: column {column}.*({words})") as caught:
        events.check(corrupt(log, row), SOURCE)
    # of two types, the one in row 0 is taken for the right one
    other = row == 0 and "of another type" in str(caught.value)
    assert f"row {1 if other else row} (from 0)" in str(caught.value)
    assert f"{len(log) - 1 if other else 1} of {len(log)} rows" in str(caught.value)


@few
@given(logs(), st.data())
def test_a_user_who_comes_again_after_another_is_refused(log, data):
    row = data.draw(st.integers(0, len(log) - 1))
    stranger = log.iloc[[row]].assign(user="stranger" if log["user"].dtype != "int64" else 2**62)
    apart = pd.concat([log[: row + 1], stranger, log[row:]])
    assume(not (log["user"] == stranger["user"].iloc[0]).any())
    with pytest.raises(EventError, match=f"'user', row {row + 2} .* not sorted.*sort=True"):
        events.check(apart, SOURCE)


@few
@given(logs(min_time=1), st.data())
def test_any_step_back_in_time_is_refused(log, data):
    row = data.draw(st.integers(0, len(log) - 1))
    back = log.iloc[[row]].assign(time=log["time"].iloc[row] - 1)
    last = log.index[log["user"] == log["user"].iloc[row]].max()
    with pytest.raises(EventError, match=f"'time', row {last + 1} .* not sorted.*sort=True"):
        events.check(pd.concat([log[: last + 1], back, log[last + 1 :]]), SOURCE)


@pytest.mark.parametrize("column", events.REQUIRED)
def test_a_missing_column_is_named_with_the_columns_that_are_there(column):
    with pytest.raises(EventError) as caught:
        events.check(SMALL.rename(columns={column: "customer"}), SOURCE)
    message = str(caught.value)
    assert message.startswith(f"{SOURCE}: no column ['{column}']")
    assert "'customer'" in message and "columns={" in message


def test_a_mapping_names_the_columns_and_errors_speak_of_the_source_s_names():
    names = {"user": "customer", "time": "stamp"}
    log = SMALL.rename(columns=names).assign(price=1.5)
    assert_frame_equal(events.check(log, SOURCE, names), SMALL)
    with pytest.raises(EventError, match=r"column 'customer' \(user\), row 2 .*missing"):
        events.check(log.assign(customer=[1, 1, None, 2]), SOURCE, names)


def test_a_mapping_the_wrong_way_round_is_refused():
    with pytest.raises(EventError, match=r"\['customer'\], not our names"):
        events.check(SMALL, SOURCE, {"customer": "user"})


@pytest.mark.parametrize("columns", [{"item": "user"}, {"item": "user", "user": "user"}])
def test_a_column_that_is_to_be_two_of_ours_is_refused(columns):
    with pytest.raises(EventError, match="column 'user' is to be both 'user' and 'item'; each"):
        events.check(SMALL, SOURCE, columns)
    at_once = events.check(SMALL, SOURCE, {"known": "time", "basket": "time"})
    assert at_once["known"].tolist() == at_once["basket"].tolist() == SMALL["time"].tolist()


def test_a_column_that_is_there_twice_is_refused():
    twice = pd.concat([SMALL, SMALL[["item"]]], axis=1)
    with pytest.raises(EventError, match="'item' is there twice"):
        events.check(twice, SOURCE)


def test_other_columns_are_left_out_and_the_given_table_is_not_changed():
    log = SMALL.assign(price=1.5, basket=[3, 3, 4, 5])[["price", "basket", "time", "item", "user"]]
    before = log.copy()
    assert list(events.check(log, SOURCE)) == ["user", "item", "time", "basket"]
    assert list(events.check(log, SOURCE, {"user": "user"})) == ["user", "item", "time"]
    assert_frame_equal(log, before)


def test_no_events_is_an_error():
    with pytest.raises(EventError, match="log.csv: no events"):
        events.check(SMALL[:0], SOURCE)


def test_the_same_item_again_and_a_tie_of_two_items_are_no_duplicates():
    log = table((1, 7, NOON), (1, 8, NOON), (1, 7, NOON + 1), (2, 7, NOON))
    assert len(events.check(log, SOURCE, drop_duplicates=True)) == 4


def test_events_that_differ_in_an_optional_column_are_no_duplicates():
    log = table((1, 7, NOON), (1, 7, NOON)).assign(action=["view", "order"])
    assert len(events.check(log, SOURCE)) == 2
    with pytest.raises(EventError, match="columns user, item, time, row 1"):
        events.check(log, SOURCE, {"user": "user"})


def test_times_that_count_from_a_first_day_are_not_too_early():
    assert events.check(SMALL.assign(time=[0, 0, 86_400, 5]), SOURCE)["time"].max() == 86_400


def test_the_year_2100_is_where_seconds_end():
    log = table((1, 7, times.LATEST))
    assert len(events.check(log, SOURCE)) == 1
    with pytest.raises(EventError, match="after the year 2100 if in seconds"):
        events.check(log.assign(time=times.LATEST + 1), SOURCE)


@pytest.mark.parametrize("unit", times.PER_SECOND)
def test_a_unit_is_turned_into_seconds_and_fractions_are_cut_off(unit):
    per_second = times.PER_SECOND[unit]
    log = SMALL.assign(time=SMALL["time"] * per_second + per_second - 1)
    assert_frame_equal(events.check(log, SOURCE, unit=unit), SMALL)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit is 'seconds'.* s, ms, us, ns"):
        events.check(SMALL, SOURCE, unit="seconds")


def test_order_within_a_second_counts_where_the_source_has_it():
    log = table((1, 7, 900), (1, 8, 100))
    with pytest.raises(EventError, match="row 1 .* earlier"):
        events.check(log, SOURCE, unit="ms")
    assert events.check(log, SOURCE, unit="ms", sort=True)["item"].tolist() == [8, 7]


DATES = {
    "naive": lambda t: pd.to_datetime(t, unit="s"),
    "UTC": lambda t: pd.to_datetime(t, unit="s", utc=True),
    "of another zone": lambda t: pd.to_datetime(t, unit="s", utc=True).dt.tz_convert("Asia/Tokyo"),
    "in nanoseconds": lambda t: pd.to_datetime(t, unit="s").astype("datetime64[ns]"),
    "durations": lambda t: pd.to_timedelta(t, unit="s"),
    "of Python": lambda t: t.map(lambda s: datetime.datetime.fromtimestamp(s, datetime.UTC)).astype(
        object
    ),
    "floats": lambda t: t.astype("float64"),
    "of Arrow": lambda t: t.astype(pd.ArrowDtype(pa.int64())),
    "nullable": lambda t: t.astype("Int64"),
}


@pytest.mark.parametrize("kind", DATES)
def test_every_kind_of_time_is_turned_into_the_same_seconds(kind):
    log = SMALL.assign(time=DATES[kind](SMALL["time"]))
    assert_frame_equal(events.check(log, SOURCE), SMALL)


@pytest.mark.parametrize("kind", ["naive", "UTC", "durations", "nullable"])
def test_a_missing_date_is_refused_at_its_row(kind):
    log = SMALL.assign(time=DATES[kind](SMALL["time"]))
    log.loc[2, "time"] = pd.NaT if kind != "nullable" else pd.NA
    with pytest.raises(EventError, match="'time', row 2 .* is missing. 1 of 4 rows"):
        events.check(log, SOURCE)


def test_a_date_after_2100_is_shown_as_a_date():
    log = SMALL.assign(time=pd.to_datetime(["2011-10-18"] * 3 + ["2222-01-01"]))
    with pytest.raises(EventError, match="row 3 .* is 2222-01-01 00:00:00, after the year 2100"):
        events.check(log, SOURCE)


IDS = {
    "int32": ([1, 1, 1, 2], "int32"),
    "uint64": ([1, 1, 1, 2], "uint64"),
    "nullable": ([1, 1, 1, 2], "Int64"),
    "Arrow": ([1, 1, 1, 2], "int64[pyarrow]"),
    "categories": ([1, 1, 1, 2], "category"),
    "objects": ([1, 1, 1, 2], "object"),
    "text": (["a", "a", "a", "b"], "str"),
    "text objects": (["a", "a", "a", "b"], "object"),
    "nullable text": (["a", "a", "a", "b"], "string"),
    "text categories": (["a", "a", "a", "b"], "category"),
}


@pytest.mark.parametrize("kind", IDS)
def test_every_kind_of_id_is_turned_into_int64_or_text(kind):
    values, dtype = IDS[kind]
    user = events.check(SMALL.assign(user=pd.Series(values, dtype=dtype)), SOURCE)["user"]
    expected = pd.Series(values, dtype="str" if "a" in values else "int64", name="user")
    pd.testing.assert_series_equal(user, expected)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 1.0, 1.0, 2.0], "is 1.0, a float. 4 of 4 rows"),
        ([True, True, True, False], "of type bool"),
        ([b"a", b"a", b"a", b"b"], "of type bytes"),
        ([1, 1, 1, "b"], "row 3 .* is 'b', of another type than row 0"),
        ([1, 1, 1, 2**63], "row 3 .* too large for int64"),
    ],
)
def test_ids_that_are_neither_whole_numbers_nor_text_are_refused(values, words):
    with pytest.raises(EventError, match=f"^log.csv: column 'item'.*{words}"):
        events.check(SMALL.assign(item=values), SOURCE)


@pytest.mark.parametrize("column", ["action", "domain"])
def test_an_optional_column_is_held_to_the_same_rules(column):
    log = SMALL.assign(**{column: ["a", "a", None, "b"]})
    with pytest.raises(EventError, match=f"'{column}', row 2 .* is missing"):
        events.check(log, SOURCE)


def test_an_action_is_a_word_or_a_whole_number_which_is_one(tmp_path):
    log = SMALL.assign(action=np.array([1, 2, 1, 3], dtype="int16"))
    assert events.check(log, SOURCE)["action"].tolist() == ["1", "2", "1", "3"]
    log.to_parquet(tmp_path / "log.parquet")
    log.to_csv(tmp_path / "log.csv", index=False)
    both = [events.read(tmp_path / name) for name in ("log.parquet", "log.csv")]
    assert_frame_equal(*both)
    with pytest.raises(EventError, match="'action', row 0 .* of type bool.* words"):
        events.check(SMALL.assign(action=True), SOURCE)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("rating", [5, None, 3, None], "row 1 .* is missing"),
        ("rating", ["5", "good", "3", "2"], "row 1 .* is 'good', no number"),
        ("action", ["view", None, None, "buy"], "row 1 .* is missing"),
        ("action", [1, None, 2, 1], "row 1 .* is missing"),
        ("known", ["yes", "no", "yes", "yes"], "is 'yes', .* It is a mark and no time. Or leave"),
        ("known", [True, False, True, True], "It is a mark and no time. Or leave"),
        ("known", [1, 0, 1, 1], "is earlier than the event's time"),
        ("known", [44562, 44563, 44562, 44562], "a spreadsheet's days"),
        ("basket", [None] * 4, "row 0 .* is missing"),
    ],
)
def test_an_optional_column_that_cannot_be_read_can_be_left_out(tmp_path, column, values, words):
    table = SMALL.rename(columns={"user": "who is it"}).assign(domain="shop")
    table = table.assign(**{column: pd.Series(values, dtype=object)})
    names = {"user": "who is it", "domain": "domain"}
    table.convert_dtypes().to_parquet(tmp_path / "log.parquet")
    table.to_csv(tmp_path / "log.csv", index=False)
    for path in (tmp_path / "log.parquet", tmp_path / "log.csv"):
        with pytest.raises(EventError, match=words) as caught:
            events.read(path, names | {column: column})
        _, _, way = str(caught.value).partition("Or leave the column out: columns=")
        told, _, line = way.partition(" (--columns ")
        without = events.read(path, ast.literal_eval(told))
        assert list(without) == ["user", "item", "time", "domain"]
        assert line == "'user=who is it' item=item time=time domain=domain)."


# ---- files


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_text_file_is_read_by_its_mapping(tmp_path):
    text = 'customer,review,article,day\n7,"two\nlines, ""quoted""",b,2011-10-18\n'
    names = {"user": "customer", "item": "article", "time": "day"}
    log = events.read(write(tmp_path / "log.csv.gz", text), names)
    assert log.values.tolist() == [[7, "b", NOON - 43_200]]


def test_quoted_line_ends_do_not_break_rows_wherever_the_reader_cuts_its_blocks(tmp_path):
    text = '"' + "a line\n" * 50 + '"'
    rows = "".join(f"{user},7,{NOON},{text}\n" for user in range(6000))  # 2 MB, some blocks
    log = events.read(write(tmp_path / "log.csv", "user,item,time,review\n" + rows))
    assert log["user"].tolist() == list(range(6000))


def test_a_parquet_file_is_read_by_its_mapping_whatever_its_index(tmp_path):
    path = tmp_path / "log.parquet"
    dates = pd.to_datetime(SMALL["time"], unit="s")
    SMALL.assign(time=dates).rename(columns={"item": "item.id"}).set_index("user").to_parquet(path)
    assert_frame_equal(events.read(path, {"item": "item.id"}), SMALL)


def test_plain_dates_and_dictionaries_in_parquet_are_read(tmp_path):
    path = tmp_path / "log.parquet"
    log = pa.table(
        {
            "user": pa.array(["a", "b"]).dictionary_encode(),
            "item": pa.array([1, 2], pa.uint16()),
            "time": pa.array([datetime.date(1970, 1, 2)] * 2),
        }
    )
    pq.write_table(log, path)
    assert events.read(path).values.tolist() == [["a", 1, 86_400], ["b", 2, 86_400]]


def test_ids_in_text_stay_text_if_numbers_would_merge_them(tmp_path):
    path = write(tmp_path / "log.csv", "user,item,time\n1,007,5\n1,7,5\n")
    assert events.read(path)["item"].tolist() == ["007", "7"]


@pytest.mark.parametrize("ids", [("1.0", "2.0"), ("1", "2.5")])
def test_floats_as_ids_in_a_text_file_are_refused(tmp_path, ids):
    path = write(tmp_path / "log.csv", "user,item,time\n1,{},5\n1,{},6\n".format(*ids))
    with pytest.raises(EventError, match="log.csv: column 'item', row . .* a float"):
        events.read(path)


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "null"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_missing_value_in_a_text_file_is_refused_at_its_row(tmp_path, missing, column):
    row = ["2", "b", "5"]
    row[column] = missing
    path = write(tmp_path / "log.tsv", "user\titem\ttime\n1\ta\t5\n" + "\t".join(row) + "\n")
    with pytest.raises(EventError, match=f"'{events.REQUIRED[column]}', row 1 .* is missing"):
        events.read(path)


def test_a_text_file_in_milliseconds_says_so_and_is_read_once_told(tmp_path):
    path = write(tmp_path / "log.csv", f"user,item,time\n1,7,{NOON}123\n")
    with pytest.raises(EventError, match=r"log.csv: .*milliseconds\? Then pass unit='ms'"):
        events.read(path)
    assert events.read(path, unit="ms")["time"].tolist() == [NOON]


def test_sort_and_drop_duplicates_reach_through_read(tmp_path):
    path = write(tmp_path / "log.csv", "user,item,time\n2,7,5\n1,7,5\n2,7,5\n")
    with pytest.raises(EventError, match="row 2 .*sort=True"):
        events.read(path)
    with pytest.raises(EventError, match="row 2 .*drop_duplicates=True"):
        events.read(path, sort=True)
    assert events.read(path, sort=True, drop_duplicates=True)["user"].tolist() == [1, 2]


BAD_FILES = {
    "nothing at all": ("log.csv", b"", "the file is empty"),
    "nothing in Parquet": ("log.parquet", b"", "the file is empty"),
    "only names": ("log.csv", b"user,item,time\n", "no events"),
    "only blank lines": ("log.csv", b"\n\n", "cannot be read as .csv"),
    "another separator": ("log.csv", b"user;item;time\n1;2;3\n", "Is the separator ';'"),
    "a row cut short": (
        "log.csv",
        b"user,item,time\n1,2,3\n1,2",
        "Expected 3 columns, got 2.*cut short",
    ),
    "another encoding": ("log.csv", b"user,item,time\n1,caf\xe9,3\n", "line 2: byte .*encoding="),
    "another encoding of names": ("log.csv", b"user,item,time,caf\xe9\n1,2,3,4\n", "log.csv"),
    "text called Parquet": ("log.parquet", b"user,item,time\n1,2,3\n", "cannot be read as .parq"),
    "text called gzip": ("log.csv.gz", b"user,item,time\n1,2,3\n", "cannot be read as .csv.gz"),
    "an unknown format": (
        "log.xlsx",
        b"user,item,time\n1,2,3\n",
        "Names end in .parquet, .pq.*separator=",
    ),
    "dates day first": ("log.csv", b"user,item,time\n1,2,31/12/2011\n", "row 0.*time_format"),
    "one bad time": ("log.csv", b"user,item,time\n1,2,3\n1,2,x\n", "row 1 .*is 'x'.* 1 of 2 rows"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_and_the_reason_given(tmp_path, name):
    file, content, words = BAD_FILES[name]
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(EventError, match=words) as caught:
        events.read(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EventError, match="absent.csv: no such file .*Is the path right"):
        events.read(tmp_path / "absent.csv")


@pytest.mark.parametrize("end", [".parquet", ".csv.gz"])
def test_a_file_truncated_anywhere_is_refused(tmp_path, end):
    path = tmp_path / f"log{end}"
    log = table(*((user, item, NOON) for user in range(30) for item in range(30)))
    log.to_parquet(path) if end == ".parquet" else log.to_csv(path, index=False)
    assert len(events.read(path)) == 900
    whole = path.read_bytes()
    for size in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:size])
        with pytest.raises(EventError, match=f"log{end}: (cannot be read|the file is empty)"):
            events.read(path)


def test_a_damaged_column_that_is_not_needed_is_not_read(tmp_path):
    path = tmp_path / "log.parquet"
    SMALL.assign(action="view", price=1.5).to_parquet(path)
    content = bytearray(path.read_bytes())
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(3)
    assert chunk.path_in_schema == "action"
    start = chunk.dictionary_page_offset
    content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    path.write_bytes(content)
    assert_frame_equal(events.read(path, {"user": "user"}), SMALL)
    with pytest.raises(EventError, match="cannot be read as .parquet"):
        events.read(path)
