"""A file gives all its rows, or words that say what to do: logs as strangers bring them."""

import gzip
import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqrec_lib.data import events
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.events import EventError

NOON = 1_318_939_200
HEAD = "user,item,time,title\n"


def rows(count, title=lambda row: f"t{row}"):
    return [f"u{row},{row % 7},{NOON + row},{title(row)}\n" for row in range(count)]


def write(path, text, encoding="utf-8"):
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# --- quotes --------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    places=st.sets(st.integers(0, 59), min_size=1, max_size=3),
    words=st.sampled_from(['"Heroes (live)', '"', '"a b', '""x', '"5" disk', 'x"', '27"']),
    end=st.sampled_from([".csv", ".tsv", ".csv.gz"]),
)
def test_no_stray_quote_swallows_a_row_without_a_word(tmp_path_factory, places, words, end):
    lines = rows(60, lambda row: words if row in places else f"t{row}")
    text = HEAD + "".join(lines)
    path = tmp_path_factory.mktemp("log") / f"log{end}"
    write(path, text.replace(",", "\t") if "tsv" in end else text)
    try:
        assert len(events.read(path)) == 60
    except EventError as error:
        assert "quotes=False" in str(error)
    assert len(events.read(path, quotes=False)) == 60


def test_the_line_at_which_a_quote_opens_is_named(tmp_path):
    path = write(
        tmp_path / "log.csv", HEAD + "".join(rows(10_000, lambda r: '"x' if r == 99 else "t"))
    )
    with pytest.raises(
        EventError, match=r"log.csv, line 101: a quote opens .* 9900 of 10000 lines"
    ):
        events.read(path)
    closed = rows(300, lambda r: {99: '"Heroes', 199: '5"'}.get(r, "t"))
    with pytest.raises(EventError, match=r"line 101: .* closes at line 201; 100 of 300 lines"):
        events.read(write(path, HEAD + "".join(closed)))


def test_values_that_hold_line_ends_are_kept_and_told(tmp_path, caplog):
    text = HEAD + f'1,2,{NOON},"one\ntwo, ""three""\r\n\nfour"\n\n2,3,{NOON},\n'
    with caplog.at_level(logging.WARNING):
        assert len(events.read(write(tmp_path / "log.csv", text))) == 2
    assert "2 rows in 4 lines" in caplog.text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_and_any_line_end_are_no_loss(tmp_path, end, caplog):
    text = (HEAD + "\n" + "".join(rows(50)) + "\n\n").replace("\n", end)
    with caplog.at_level(logging.WARNING):
        assert len(events.read(write(tmp_path / "log.csv", text))) == 50
    assert not caplog.text


# --- how text is written -------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "|", "\t", " "])
def test_another_separator_is_asked_for_and_then_read(tmp_path, separator):
    text = "user,item,time\n1,2,1318939200\n".replace(",", separator)
    path = write(tmp_path / "log.csv", text)
    with pytest.raises(EventError, match="Is the separator .* Then pass separator=") as caught:
        events.read(path)
    assert repr(separator) in str(caught.value)
    assert events.read(path, separator=separator)["item"].tolist() == [2]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"PAR1", "log.csv", "It is Parquet: let its name end in .parquet"),
        (b"PAR1", "log.tsv.gz", "It is Parquet"),
        (b"gzip", "log.csv", "It is compressed by gzip: let its name end in .gz"),
        (b"PK\x03\x04", "log.csv", "a zip archive, or a workbook: unpack it, or save its sheet"),
    ],
)
def test_what_is_no_text_is_known_by_its_bytes(tmp_path, content, name, words):
    table = pd.DataFrame({"user": [1, 2], "item": [3, 4], "time": [NOON, NOON]})
    path = tmp_path / name
    if content == b"PAR1":
        table.to_parquet(path)
    elif content == b"gzip":
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    else:
        path.write_bytes(content + b"\x14\x00\x06\xff" * 50)
    with pytest.raises(EventError, match=words) as caught:
        events.read(path)
    assert "encoding" not in str(caught.value)


@pytest.mark.parametrize("end", [".CSV", ".Csv.Gz", ".CSV.GZ", ".PARQUET", ".Tsv"])
def test_an_ending_may_be_in_capitals(tmp_path, end):
    table = pd.DataFrame({"user": [1, 2], "item": [3, 4], "time": [NOON, NOON]})
    path = tmp_path / f"Log{end}"
    if end == ".PARQUET":
        table.to_parquet(path)
    else:
        write(path, text := table.to_csv(index=False, sep="\t" if end == ".Tsv" else ","))
        if end.endswith(("Gz", "GZ")):
            path.write_bytes(gzip.compress(text.encode()))
    assert events.read(path)["item"].tolist() == [3, 4]
    assert Dataset.parse(str(path)).name == "Log"


@pytest.mark.parametrize(
    ("note", "separator", "words"),
    [
        ("# exported by the shop", ",", "looks like a note: delete all before the header"),
        ("# exported, by the shop", ",", "looks like a note"),
        ("# exported, by, the shop", ",", "looks like a note"),
        ("# one\n# two", ";", "looks like a note"),
        ("Orders of 2011", ",", "'Orders of 2011', looks like a note"),
        ("sep=;", ";", "'sep=;', is a note to a spreadsheet: delete it, and pass separator=';'"),
        ('"sep=,"', ",", "is a note to a spreadsheet: delete it."),
    ],
)
def test_a_note_before_the_header_is_no_matter_of_separators_or_quotes(
    tmp_path, note, separator, words
):
    text = f"user,item,time\n1,2,{NOON}\n2,3,{NOON}\n".replace(",", separator)
    path = write(tmp_path / "log.csv", f"{note}\n{text}")
    for named in (None, separator):
        with pytest.raises(EventError) as caught:
            events.read(path, separator=named)
        if named or note.startswith(("#", "sep")):
            assert "quotes" not in str(caught.value)
        if named or separator == ",":
            assert words.split(", and pass")[0] in str(caught.value)
        else:
            assert words in str(caught.value)


def test_any_text_file_is_read_once_its_separator_is_named(tmp_path):
    path = write(tmp_path / "u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")
    with pytest.raises(EventError, match="unknown format.* separator="):
        events.read(path)
    how = {"separator": "\t", "header": False, "columns": {"user": "0", "item": "1", "time": "3"}}
    assert events.read(path, **how)["time"].tolist() == [881250949, 891717742]
    with pytest.raises(ValueError, match="one character.*'::'"):
        events.read(path, separator="::")


def test_a_first_line_that_is_an_event_is_not_taken_for_names(tmp_path):
    path = write(
        tmp_path / "log.csv", "1,2268318,2520377,pv,1511544070\n1,2333346,2,pv,1511561733\n"
    )
    with pytest.raises(EventError, match="no column .* is there no header. Then pass header=False"):
        events.read(path)
    by_values = {"user": "1", "item": "2268318", "time": "1511544070"}
    with pytest.raises(EventError, match="looks like an event: is there no header"):
        events.read(path, by_values)
    named = {"user": "0", "item": "1", "action": "3", "time": "4"}
    assert events.read(path, named, header=False)["item"].tolist() == [2268318, 2333346]
    numbered = write(tmp_path / "numbered.csv", "0,1,2\n1,5,1511544070\n")
    assert len(events.read(numbered, {"user": "0", "item": "1", "time": "2"})) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_another_encoding_is_named_with_its_line_and_read_once_told(tmp_path, encoding):
    text = "user,item,time\n" + f"1,a,{NOON}\n" * 20 + f"2,Café,{NOON}\n"
    path = write(
        tmp_path / "log.csv", text.replace("a,", "é,", 1) if encoding == "x" else text, encoding
    )
    words = (
        "utf-16. Pass encoding='utf-16'" if encoding == "utf-16" else "line 22: byte .*encoding="
    )
    with pytest.raises(EventError, match=words):
        events.read(path)
    log = events.read(path, encoding=encoding, drop_duplicates=True)
    assert log["item"].tolist() == ["a", "Café"]
    with pytest.raises(ValueError, match="encoding 'utf-9' is not known"):
        events.read(path, encoding="utf-9")


@pytest.mark.parametrize("end", [".inter", ".inter.gz"])
def test_recbole_s_own_files_are_read_as_they_are(tmp_path, end):
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    text += '196\t24"2\t3\t881250949\n186\t302\t3\t891717742.0\n186\t"377\t1\t878887116\n'
    path = write(tmp_path / f"ml{end}", text)
    with pytest.raises(EventError, match=r"timestamp.*sort=True"):
        events.read(path)
    log = events.read(path, sort=True)
    assert log.values.tolist() == [
        ["186", '"377', 878887116],
        ["186", "302", 891717742],
        ["196", '24"2', 881250949],
    ] or log["item"].tolist() == ['"377', "302", '24"2']
    sessions = write(tmp_path / f"s{end}", text.replace("user_id", "session_id"))
    with pytest.raises(EventError, match=r"no column \['user_id'\]; there are \['session_id'"):
        events.read(sessions)
    names = {"user": "session_id", "item": "item_id", "time": "timestamp"}
    assert len(events.read(sessions, names, sort=True)) == 3


def test_a_folder_of_parts_is_one_table(tmp_path):
    folder = tmp_path / "01295.pq"
    folder.mkdir()
    for part in range(3):
        table = pd.DataFrame({"user": [part], "item": [7], "time": [NOON]})
        table.to_parquet(folder / f"part-0000{part}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part.crc").write_text("x")
    assert events.read(folder)["user"].tolist() == [0, 1, 2]
    pd.DataFrame({"user": ["9"], "item": [7], "time": [NOON]}).to_parquet(folder / "part-9.parquet")
    with pytest.raises(EventError, match="a column is of another type in another part .*user"):
        events.read(folder)
    pd.DataFrame({"user": [9], "sku": [7], "time": [NOON]}).to_parquet(folder / "part-9.parquet")
    with pytest.raises(EventError, match=r"part-9.parquet: columns .*sku.* part-00000.parquet has"):
        events.read(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EventError, match="a folder without a file"):
        events.read(tmp_path / "empty")
    texts = tmp_path / "texts"
    texts.mkdir()
    write(texts / "a.csv", f"user,item,time\n1,2,{NOON}\n")
    write(texts / "b.csv", f"user,item,time\n2,2,{NOON}.5\n")
    assert events.read(texts)["user"].tolist() == [1, 2]


# --- times that are no seconds -------------------------------------------------------------------


def timed(path, times):
    return write(path, "user,item,time\n" + "".join(f"1,{n},{t}\n" for n, t in enumerate(times)))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (["20220408", "20220501"], "look like dates .*time_format='%Y%m%d'"),
        (["20220408.0", "20220501.0"], "look like dates"),
        (["1111", "229", "701"], "days of a year"),
        (["2020111700", "2020113023"], "look like dates .*hour.* .*time_format='%Y%m%d%H'"),
        (["2411170930", "2411302359"], "look like dates .*time_format='%y%m%d%H%M'"),
        (["44562", "44563"], "a spreadsheet's days"),
        (["44562.354167", "44563.5"], "a spreadsheet's days"),
    ],
)
def test_numbers_that_look_like_days_are_seconds_only_if_told_so(tmp_path, times, words):
    lines = "".join(f"{user},1,{time}\n" for user, time in enumerate(times))
    path = write(tmp_path / "log.csv", "user,item,time\n" + lines)
    with pytest.raises(EventError, match=f"{words}.*unit='s'"):
        events.read(path)
    assert len(events.read(path, unit="s")) == len(times)


@pytest.mark.parametrize(
    ("time", "time_format"),
    [
        ("202011170930", "%Y%m%d%H%M"),
        ("241117093005", "%y%m%d%H%M%S"),
        ("20201117093005", "%Y%m%d%H%M%S"),
        ("20201117093005123", "%Y%m%d%H%M%S%f"),
    ],
)
def test_dates_in_many_digits_are_known_and_read_as_told(tmp_path, time, time_format):
    path = timed(tmp_path / "log.csv", [time])
    with pytest.raises(EventError, match=f"look like dates.*pass time_format='{time_format}'"):
        events.read(path)
    found = pd.Timestamp(events.read(path, time_format=time_format)["time"][0], unit="s")
    assert (found.month, found.day, found.hour, found.minute) == (11, 17, 9, 30)


@pytest.mark.parametrize(
    ("ticks", "words"),
    [
        ((NOON + 62_135_596_800) * 10**7, "NET ticks .*subtract 621355968000000000, divide by 10,"),
        ((NOON + 11_644_473_600) * 10**7, "Windows file times .*divide by 10,"),
        ((NOON + 11_644_473_600) * 10**6, "microseconds since 1601.*subtract 11644473600000000,"),
    ],
)
def test_clocks_that_count_from_another_year_are_named(tmp_path, ticks, words, caplog):
    path = timed(tmp_path / "log.csv", [ticks, ticks + 1])
    for unit in (None, "s", "us"):
        with pytest.raises(EventError, match=f"{words}.*unit='us'"):
            events.read(path, unit=unit)
    events.read(path, unit="ns")
    assert "all look like" in caplog.text


@pytest.mark.parametrize("cut", ["{:.5E}", "{:.6e}", "{:.2E}", "{:.5g}"])
@pytest.mark.parametrize("unit", ["s", "ms"])
def test_times_that_a_spreadsheet_cut_are_refused(tmp_path, cut, unit):
    times = [(NOON + 86_401 * n) * events.PER_SECOND[unit] for n in range(60)]
    path = timed(tmp_path / "log.csv", [cut.format(time) for time in times])
    with pytest.raises(EventError, match="a float, and all are whole multiples of .* spreadsheet"):
        events.read(path, unit=unit)
    comma = [f'"{cut.format(time).replace(".", ",")}"' for time in times]
    with pytest.raises(EventError, match="A spreadsheet wrote a long number so"):
        events.read(timed(tmp_path / "log.csv", comma), unit=unit)
    hours = [float(NOON + 3600 * n) * events.PER_SECOND[unit] for n in range(60)]
    days = [float(NOON + 86_400 * n) * events.PER_SECOND[unit] for n in range(60)]
    for whole in (hours, days):
        assert len(events.read(timed(tmp_path / "log.csv", whole), unit=unit)) == 60


@pytest.mark.parametrize(
    ("time", "time_format"),
    [
        ("20111018", "%Y%m%d"),
        ("2011/10/18", "%Y/%m/%d"),
        ("18/10/2011 12:00", "%d/%m/%Y %H:%M"),
        ("Tue Oct 18 12:00:00 +0000 2011", "%a %b %d %H:%M:%S %z %Y"),
        ("10/18/2011 12:00:00 PM", "%m/%d/%Y %I:%M:%S %p"),
        ("2011-10-18", "%Y-%m-%d"),
    ],
)
def test_a_form_of_time_is_read_once_it_is_named(tmp_path, time, time_format):
    path = write(tmp_path / "log.csv", f"user,item,time\n1,2,{time}\n")
    found = events.read(path, time_format=time_format)["time"].tolist()
    assert found == [NOON if ":" in time else NOON - 43_200]
    with pytest.raises(EventError, match="row 0 .*not of the form '%H'.*time_format="):
        events.read(path, time_format="%H")


@pytest.mark.parametrize(
    ("time_format", "words"),
    [
        ("%d/%m/%Y %H:%M %p", "%p counts beside %I alone; write %I in place of %H"),
        ("%d/%m/%Y %X %p", "%p counts beside %I alone"),
        ("%d/%m/%Y %I:%M", "%I is one of twelve hours.*write %H"),
        ("%d/%m/%Y %I:%M %%p", "%I is one of twelve hours"),
    ],
)
def test_an_hour_that_would_lose_its_half_of_the_day_is_refused(tmp_path, time_format, words):
    path = timed(tmp_path / "log.csv", ["18/10/2011 02:00 PM"])
    with pytest.raises(EventError, match=words):
        events.read(path, time_format=time_format)
    with pytest.raises(EventError, match="not of the form"):
        events.read(path, time_format="%d/%m/%Y %H:%M %%p")
    afternoon = events.read(path, time_format="%d/%m/%Y %I:%M %p")["time"]
    assert afternoon.tolist() == [NOON + 2 * 3600]


def test_what_to_do_about_a_time_depends_on_what_stands_there(tmp_path):
    for time, words in (
        ('"1,588,687,728"', "thousands"),
        ("time", "header inside the file"),
        ("18/10/2011", "time_format="),
    ):
        path = write(tmp_path / "log.csv", f"user,item,time\n1,2,{NOON}\n3,4,{time}\n")
        with pytest.raises(EventError, match=f"row 1 .*{words}"):
            events.read(path)


def test_fractions_of_a_second_order_events_and_are_cut_off(tmp_path):
    path = write(
        tmp_path / "log.tsv", "user\titem\ttime\n1\t5\t1396321232.277\n1\t6\t1396321232.2\n"
    )
    with pytest.raises(EventError, match="row 1 .*sort=True"):
        events.read(path)
    log = events.read(path, sort=True)
    assert log["item"].tolist() == [6, 5] and log["time"].tolist() == [1396321232] * 2


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_floats_too_short_to_tell_seconds_are_refused(tmp_path, kind):
    times = [881250949, 881250960, 881250900] if kind == "float32" else [30001, 30002, 30003]
    table = pa.table({"user": [1, 1, 1], "item": [9, 8, 7], "time": np.array(times, dtype=kind)})
    pq.write_table(table, tmp_path / "log.parquet")
    with pytest.raises(EventError, match="-bit floats: the next time .*int64"):
        events.read(tmp_path / "log.parquet", sort=True, unit="s")
    short = table.set_column(2, "time", pa.array(np.array([5, 6, 7], dtype=kind)))
    pq.write_table(short, tmp_path / "log.parquet")
    assert events.read(tmp_path / "log.parquet")["time"].tolist() == [5, 6, 7]


def test_times_soon_after_1970_are_told(tmp_path, caplog):
    path = write(tmp_path / "log.csv", "user,item,time\n1,2,26000000\n1,3,26000010\n")
    with caplog.at_level(logging.WARNING):
        events.read(path)
    assert "from 1970-10-28" in caplog.text and "unit=" in caplog.text
    caplog.clear()
    events.read(path, unit="s")
    assert not caplog.text
    path = write(tmp_path / "log.csv", "user,item,time\n1,2,1600000000000\n1,3,1600000001000\n")
    events.read(path, unit="us")  # they are milliseconds
    assert "taken as microseconds, its times run from 1970-01-19" in caplog.text
    caplog.clear()
    events.read(path, unit="ms")
    assert not caplog.text


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_rows_of_two_units_are_refused_whichever_unit_is_named(tmp_path, unit):
    times = [(NOON + n) * (1 if n % 2 else events.PER_SECOND[unit]) for n in range(9)]
    path = timed(tmp_path / "log.csv", times)
    with pytest.raises(EventError, match=r"row 0 .*like rows 2, 4, 6, ...; .*two units") as caught:
        events.read(path, sort=True)
    assert "5 of 9 rows" in str(caught.value) and "unit=" not in str(caught.value)
    with pytest.raises(EventError, match=r"row 1 .*, in 1970 if in .*like rows 3, 5, 7; .* 2011"):
        events.read(path, sort=True, unit=unit)


@pytest.mark.parametrize("odd", [0, 16033, NOON // 10, NOON // 10 + 0.5])
def test_rows_whose_time_is_none_or_cut_are_refused(tmp_path, odd, caplog):
    times = [odd if n % 7 == 6 else NOON + n for n in range(14)]
    path = timed(tmp_path / "log.csv", times)
    with pytest.raises(EventError, match=r"row 6 .*like row 13; the other rows begin in 2011.* 2 "):
        events.read(path, sort=True)
    assert events.read(path, sort=True, unit="s")["time"].min() == int(odd)
    assert "row 6 (from 0)" in caplog.text  # whoever says so is told all the same
    coarse = timed(tmp_path / "log.csv", [int(time * 1000) for time in times])
    with pytest.raises(EventError, match="row 6 .* if in milliseconds.* the other rows begin"):
        events.read(coarse, sort=True)


def test_a_date_that_stands_for_no_time_is_told(tmp_path, caplog):
    path = timed(tmp_path / "log.csv", ["1970-01-01", "2011-10-18", "2011-10-19"])
    events.read(path)
    assert "row 0 (from 0): is 1970-01-01" in caplog.text and "second" not in caplog.text


@pytest.mark.parametrize("step", [1, 86_400, 10**7, 10**8])
def test_a_clock_that_runs_on_from_0_is_one_clock(tmp_path, step):
    times = [step * n for n in range(20)]
    assert events.read(timed(tmp_path / "log.csv", times))["time"].tolist() == times
    with_ms = timed(tmp_path / "log.csv", [time * 1000 for time in times])
    assert events.read(with_ms, unit="ms")["time"].tolist() == times


@pytest.mark.parametrize("form", ["mixed", "ISO8601", "dd/mm/yyyy", ""])
def test_a_form_that_would_be_guessed_is_refused(tmp_path, form):
    path = write(tmp_path / "log.csv", "user,item,time\n1,2,03/04/2021\n1,3,13/04/2021\n")
    with pytest.raises(EventError, match="in the codes of strptime.*nothing is guessed"):
        events.read(path, time_format=form, sort=True)
    found = events.read(path, time_format="%d/%m/%Y")
    assert np.diff(found["time"]).tolist() == [10 * 86_400]


# --- ids -----------------------------------------------------------------------------------------


def test_numbers_that_parquet_has_as_text_are_no_matter_of_a_form(tmp_path):
    path = tmp_path / "log.parquet"
    for time in (f"{NOON}", f"{NOON}000", f"{NOON}.5"):
        table = pd.DataFrame({"user": [1], "item": [2], "time": [time]})
        table.to_parquet(path)
        with pytest.raises(EventError, match="kept as text: write it as a whole number") as caught:
            events.read(path)
        assert "time_format" not in str(caught.value)


def test_ids_that_differ_in_blanks_alone_are_refused(tmp_path):
    path = write(tmp_path / "log.csv", f"user,item,time\n12 ,a,{NOON}\n12,b,{NOON}\n")
    with pytest.raises(EventError, match="'user', row 0 .*'12 ', with blanks around it. 1 of 2"):
        events.read(path)
    padded = write(tmp_path / "log.csv", f"user,item,time\n12 ,a,{NOON}\n13 ,b,{NOON}\n")
    assert len(events.read(padded)) == 2  # all of a width: nobody is two


@pytest.mark.parametrize(
    "cut", ["8.90E+12", "4,00638E+12", "4.00638e12", "4,00638e12", "4E+12", "40.06E+11", "4.0E12"]
)
def test_ids_that_a_spreadsheet_cut_are_refused(tmp_path, cut):
    path = write(tmp_path / "log.csv", f'user,item,time\na,5,{NOON}\na,"{cut}",{NOON}\n')
    with pytest.raises(EventError, match="'item', row 1 .*1 of 2 rows. A spreadsheet") as caught:
        events.read(path)
    assert f"is {cut}. " in str(caught.value)
    for code in ("4e12", "12E3", "a4.0E12", "4.00638"):  # codes of a shop
        path = write(tmp_path / "log.csv", f"user,item,time\na,x,{NOON}\na,{code},{NOON}\n")
        assert events.read(path)["item"].tolist() == ["x", code]


def test_events_without_a_basket_stay(tmp_path):
    text = "user,item,time,basket\n1,5,1318939200,\n1,6,1318939201,77\n"
    assert events.read(write(tmp_path / "log.csv", text))["basket"].tolist() == [-1, 77]
    words = text.replace("77", "r77")
    assert events.read(write(tmp_path / "log.csv", words))["basket"].tolist() == ["", "r77"]
    table = pd.DataFrame({"user": [1, 1], "item": [5, 6], "time": [1, 2], "basket": [np.nan, 7.0]})
    assert events.check(table, "t")["basket"].tolist() == [-1, 7]


# --- users with few and many events --------------------------------------------------------------


def test_users_of_few_events_and_events_before_the_last_are_left_out_and_told(tmp_path, caplog):
    lines = [(user, event, NOON + event) for user in (1, 2, 3) for event in range(2 * user)]
    text = "user,item,time\n" + "".join("{},{},{}\n".format(*line) for line in lines)
    path = write(tmp_path / "log.csv", text)
    with caplog.at_level(logging.WARNING):
        log = events.read(path, fewest=3, most=5)
    assert log.groupby("user")["item"].agg(list).to_dict() == {2: [0, 1, 2, 3], 3: [1, 2, 3, 4, 5]}
    assert "1 users of fewer than 3" in caplog.text and "1 events before" in caplog.text
    with pytest.raises(ValueError, match="1 <= fewest <= most"):
        events.read(path, fewest=5, most=3)
    with pytest.raises(EventError, match="no user has 9 events; the longest history has 6"):
        events.read(path, fewest=9)


def test_a_comma_in_a_table_of_semicolons_is_a_matter_of_the_separator(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user;item;time\n1;pen, red;3\n")
    with pytest.raises(EventError, match="Is the separator another one. Pass it: separator=';'"):
        events.read(path)
