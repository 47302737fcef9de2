"""Models by family."""

import numpy as np
import pytest

from seqrec_lib import report
from seqrec_lib.report.chapters import families


def test_a_row_stands_under_its_family_with_what_masking_adds(made):
    chain = made("markov-1", np.array([1, 2, 50]), unmasked=np.array([1, 4, 90]), model="markov")
    net = made("gru", np.array([1, 1, 1]), np.array([1, 1, 2]), seconds=120.0)
    found = families.table([chain, net])
    assert list(found.index) == [
        ("counts", report.label("markov-1")),
        ("recurrence", report.label("gru")),
    ]
    before, after = 1 + 1 / np.log2(5), 1 + 1 / np.log2(3)
    assert found["added by masking, %"].iloc[0] == pytest.approx(100 * (after / before - 1), abs=1)
    assert found["minutes"].iloc[1] == 2 and found["parameters"].iloc[1] == 7


def test_a_model_without_a_family_is_refused(made):
    with pytest.raises(KeyError, match="duorec"):
        families.table([made("duorec", np.array([1]))])
