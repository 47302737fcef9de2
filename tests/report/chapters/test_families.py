"""Models by family, elsewhere, and before and after a file was changed."""

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


def test_rows_in_print_stand_beside_the_same_networks_and_a_chain(made):
    runs = {name: made(name, np.array([1, 3])) for name in families.PRINTED}
    runs["markov-1"] = made("markov-1", np.array([1, 3]), model="markov")
    found = families.beside_print(runs, "beauty")
    assert found["NDCG@10 M in print"].tolist()[1:] == [0.0137, 0.0176, 0.0224, 0.0318, 0.0439]
    assert found["loss in print"].tolist()[1:] == [loss for _, loss in families.PRINTED.values()]
    assert found["NDCG@10 M here"].str.startswith("0.7500 ± ").all()
    assert found.iloc[0].isna().tolist() == [False, False, True, True, True]
    assert families.beside_print(runs, "a log of one's own")["HR@10 M in print"].isna().all()


def test_a_model_that_was_not_trained_elsewhere_leaves_its_cell_empty(made):
    one, other = made("gru", np.array([1, 3])), made("sasrec", np.array([1, 1]))
    found = families.elsewhere({"Beauty": [one, other], "Toys": [other]})
    assert list(found) == list(report.WORDS.values())
    table = found[report.WORDS["masked"]]
    assert table.loc[report.label("sasrec"), "Toys"].startswith("1.0000")
    assert table.loc[report.label("gru"), "Beauty"].startswith("0.7500 ± ")
    assert table.isna().loc[report.label("gru"), "Toys"]


def test_what_is_lost_is_a_share_of_what_was_there(made):
    before = made("gru", np.array([1, 1]), unmasked=np.array([1, 3]))
    after = made("gru", np.array([3, 50]), unmasked=np.array([1, 50]))
    row = families.kept([before], [after]).loc[report.label("gru")]
    assert row["lost M, %"] == pytest.approx(75)
    assert row["lost U, %"] == pytest.approx(100 * (1 - 0.5 / 0.75))


def test_models_of_two_names_are_not_compared(made):
    with pytest.raises(ValueError, match="gru is compared with sasrec; pair models by name"):
        families.kept([made("gru", np.array([1]))], [made("sasrec", np.array([1]))])
