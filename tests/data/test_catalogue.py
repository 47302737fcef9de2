import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqrec_lib.data.catalogue import Catalogue, Vocabulary

few = settings(max_examples=30, deadline=None)
raw_ids = st.one_of(
    st.lists(st.integers(0, 2**62), min_size=1, max_size=20),
    st.lists(st.text("aβ9 ", max_size=4), min_size=1, max_size=20),
)


@few
@given(raw_ids)
def test_encoding_is_one_to_one_onto_1_to_n_in_sorted_order(raw):
    raw = np.array(raw)
    vocabulary = Vocabulary.build(raw)
    ids = vocabulary.encode(raw)
    assert sorted(set(ids.tolist())) == list(range(1, len(set(raw.tolist())) + 1))
    assert [raw[i] < raw[j] for i in range(len(raw)) for j in range(len(raw))] == [
        ids[i] < ids[j] for i in range(len(raw)) for j in range(len(raw))
    ]
    np.testing.assert_array_equal(vocabulary.decode(ids), raw)


def test_attributes_below_0_are_refused():
    """As pandas.factorize numbers what is missing."""
    with pytest.raises(ValueError, match="attributes are whole numbers from 1.*the least -1"):
        Catalogue(2, np.array([0, 1, 1]), np.array([[0], [1], [-1]]))


@pytest.mark.parametrize("unknown", [0, 25, 99])
def test_an_unknown_id_is_named(unknown):
    vocabulary = Vocabulary.build(np.array([10, 20, 30]))
    with pytest.raises(KeyError, match=f"2 ids are not in the vocabulary of 3.*{unknown}"):
        vocabulary.encode(np.array([20, unknown, 30, unknown]))


@pytest.mark.parametrize("ids", [[1, 0], [-1], [4]])
def test_padding_and_ids_beyond_the_end_have_no_raw_id(ids):
    vocabulary = Vocabulary.build(np.array(["a", "b", "c"]))
    with pytest.raises(IndexError, match=r"1\.\.3; 0 is padding"):
        vocabulary.decode(np.array(ids))


def test_frequencies_are_counted_on_training_positions_only(log_of):
    log = log_of([1, 2, 2, 3], [2, 4, 1])
    catalogue = Catalogue.learned(log, np.array([0, 1, 2, 4]))
    assert catalogue.num_items == 4
    assert catalogue.frequency.tolist() == [0, 1, 3, 0, 0]


def test_held_out_events_change_nothing_that_is_learned(
    small_log, small_split, small_catalogue, with_other_items
):
    held_out = np.r_[small_split.valid, small_split.test]
    other = with_other_items(small_log, held_out)
    assert (other.item != small_log.item).sum() == len(held_out)
    again = Catalogue.learned(other, small_split.train)
    np.testing.assert_array_equal(again.frequency, small_catalogue.frequency)
    assert again.frequency.sum() == len(small_split.train)


@pytest.mark.parametrize("frequency", [[0, 1], [0, 1, 2, 3], [1, 1, 1]])
def test_a_frequency_table_of_the_wrong_form_is_refused(frequency):
    with pytest.raises(ValueError, match=r"needs 3 entries, the first \(padding\) 0"):
        Catalogue(2, np.array(frequency))
