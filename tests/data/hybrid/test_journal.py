import json

import pytest

from seqrec_lib.data.hybrid.contract import ContractError
from seqrec_lib.data.hybrid.journal import Journal, JournalError


def test_segments_are_numbered_and_read_back(journal, append):
    first, second = append({"time": 5}, {"time": 7, "event_id": 2}), append(source="store")
    assert (first.seq, first.rows, second.seq, second.rows) == (0, 2, 1, 1)
    assert journal.segments() == [first, second] and journal.segments(after=0) == [second]
    table = journal.read(first)
    assert table["time"].to_pylist() == [5, 7] and set(table["seq"].to_pylist()) == {0}


def test_another_process_sees_what_was_appended_since(journal, append):
    other = Journal(journal.folder)
    assert other.last == -1
    append({})
    assert other.last == 0


def test_refused_rows_are_kept_and_counted(journal, append):
    segment = append({"user": 1}, {"user": -1, "event_id": 2})
    assert (segment.rows, segment.refused) == (1, 1)
    assert [path.name for path in (journal.folder / "refused").iterdir()] == ["00000000.parquet"]


def test_a_refused_table_leaves_no_trace(journal, append, table_of):
    append({})
    with pytest.raises(ContractError):
        journal.append("store", table_of([{}], "online"))
    assert journal.last == 0 and len(list((journal.folder / "segments").iterdir())) == 1


@pytest.mark.parametrize("torn", [b'{"seq": 1, "sour', b"\0\0\0\0"])
def test_a_torn_last_line_was_never_committed(journal, append, torn):
    append({})
    with journal.manifest.open("ab") as file:
        file.write(torn)
    again = Journal(journal.folder)
    assert again.last == 0
    assert journal.last == 0 and append({}).seq == 1
    assert again.last == 1 and len(Journal(journal.folder).segments()) == 2


def test_a_file_without_its_line_is_passed_over(journal, append, monkeypatch):
    append({"item": 1})
    monkeypatch.setattr(Journal, "_commit", lambda *_: None)  # killed before the line
    append({"item": 2})
    monkeypatch.undo()
    assert journal.last == 0
    committed = append({"item": 3})
    assert journal.read(committed)["item"].to_pylist() == [3]


def test_a_damaged_segment_is_not_read(journal, append):
    segment = append({})
    path = journal.folder / segment.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(JournalError, match="is not what was committed: restore it"):
        journal.read(segment)
    path.unlink()
    with pytest.raises(JournalError, match="is missing: restore it"):
        journal.read(segment)


def test_a_damaged_line_in_the_middle_is_an_error(journal, append):
    append({})
    append({})
    lines = journal.manifest.read_bytes().splitlines(keepends=True)
    journal.manifest.write_bytes(b"?" + lines[0] + lines[1])
    with pytest.raises(JournalError, match="a line in its middle cannot be read"):
        Journal(journal.folder).segments()
    journal.manifest.write_bytes(lines[1])
    with pytest.raises(JournalError, match="segment 1 where 0 should be"):
        Journal(journal.folder).segments()


def test_the_segment_of_a_moment(journal, append):
    assert journal.seq_at(10**18) == -1
    first, second = append({}), append({})
    assert journal.seq_at(first.committed_at - 1) == -1
    assert journal.seq_at(second.committed_at) == 1
    assert json.loads(journal.manifest.read_text().splitlines()[0])["rows"] == 1
