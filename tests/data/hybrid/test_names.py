import pyarrow as pa
import pytest

from seqrec_lib.data.hybrid import names
from seqrec_lib.data.hybrid.names import WORDS, NameClash, Names, code, codes


def test_plain_numbers_are_themselves_and_text_is_above_them():
    assert [code(text) for text in ("0", "42")] == [0, 42]
    assert all(WORDS <= code(text) < 2**63 for text in ("007", "-1", "", "x", "٣", str(WORDS)))


def test_a_text_has_the_same_number_everywhere():
    assert code("alice") == 6015325874731431586
    numbers, texts = codes(pa.chunked_array([["alice", "7"], ["alice"]]))
    assert numbers.tolist() == [code("alice"), 7, code("alice")]
    assert texts == {code("alice"): "alice"}


def test_texts_are_found_again(tmp_path):
    Names(tmp_path / "n").add({code("alice"): "alice"})
    assert Names(tmp_path / "n").texts([code("alice"), 7]) == {code("alice"): "alice", 7: "7"}


def test_two_texts_of_one_number_are_refused(tmp_path, monkeypatch):
    kept = Names(tmp_path / "n")
    kept.add({WORDS: "alice"})
    with pytest.raises(NameClash, match="'bob' and 'alice' both have the number"):
        kept.add({WORDS: "bob"})
    monkeypatch.setattr(names, "code", lambda text: WORDS)
    with pytest.raises(NameClash, match="rename one of them"):
        codes(pa.chunked_array([["alice", "bob"]]))
