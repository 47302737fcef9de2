"""Bits in words: packed, counted and compared as plain Python does."""

import pytest
import torch

from seqrec_lib.models.rankers.words import added, hamming, ones, packed, share


@pytest.mark.parametrize("bits", [1, 32, 63, 64, 65, 256])
def test_words_differ_where_their_bits_do(bits):
    torch.manual_seed(0)
    a, b = (torch.rand(50, bits) < 0.5 for _ in range(2))
    a[0], b[0] = True, False
    assert packed(a).shape == (50, (bits + 63) // 64)
    found = hamming(packed(a), packed(b))
    assert found.long().equal((a != b).sum(1)) and found[0] == bits
    assert hamming(packed(a)[:, None], packed(b)[None]).shape == (50, 50)


def test_the_ones_of_a_word_are_those_that_python_counts():
    torch.manual_seed(0)
    words = torch.randint(-(2**63), 2**63 - 1, (200,))
    words[:3] = torch.tensor([-(2**63), 2**63 - 1, -1])
    expected = [(one % 2**64).bit_count() for one in words.tolist()]
    assert ones(words).tolist() == added(words).tolist() == expected
    assert ones(words[::2]).tolist() == expected[::2]


@pytest.mark.parametrize("bits", [19, 64, 200])
def test_sets_share_what_both_have(bits):
    torch.manual_seed(0)
    a, b = (torch.rand(100, bits) < bits**-0.5 for _ in range(2))
    expected = (a & b).any(1)
    assert share(packed(a), packed(b)).equal(expected) and 0 < expected.sum() < 100
