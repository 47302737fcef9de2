"""The best runs beside print, their costs, and which steps were taken before."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.report.chapters import best

RANKS = np.r_[np.full(100, 1), np.full(100, 50)]  # NDCG@10 of a half
WORSE = np.r_[np.full(50, 1), np.full(150, 50)]  # of a quarter


@pytest.fixture
def of(made):
    seconds = {"sasrec": 60.0, "sasrec-wide": 120.0, "gru": 30.0, "slit": 30.0, "ensemble": 6.0}
    models = dict.fromkeys(seconds, "sasrec") | {"slit": "markov"}
    return {
        name: made(
            name, *[RANKS if name == "ensemble" else WORSE] * 3, seconds=s, model=models[name]
        )
        for name, s in seconds.items()
    }


def test_an_ensemble_takes_what_its_members_take(of):
    minutes, seconds = best.spent(of["ensemble"], of)
    assert minutes == pytest.approx(4.1) and seconds == 1.0
    assert best.spent(of["sasrec"], of) == (1.0, 1.0)
    table = best.with_costs(["sasrec", "ensemble"], of)
    assert table["training, minutes"].tolist() == [1.0, pytest.approx(4.1)]
    assert table["NDCG@10 M"].iloc[1].startswith("0.5000 ± 0.")
    alone = dict(of, sasrec=replace(of["sasrec"], seeds=of["sasrec"].seeds[:1]))
    assert best.with_costs(["sasrec"], alone)["NDCG@10 U"].iloc[0].endswith(", one seed")


def test_pupils_stand_beside_sasrec_file_by_file(of):
    pair = {name: of[name] for name in ("sasrec", "ensemble")}
    found = best.compared({"beauty": pair, "toys": pair})
    assert list(found) == ["Beauty, M", "Beauty, U", "Toys, M", "Toys, U"]
    assert all(table.index.tolist() == ["SASRec", "ensemble"] for table in found.values())
    assert "(higher)" in found["Toys, U"]["NDCG@10 U against SASRec"].iloc[1]
    assert not [name for name in found["Toys, U"] if " M" in name]


def test_a_run_is_held_against_print_in_percent(of):
    figure, ax = plt.subplots()
    sets = {"beauty": of, "shop": of}
    found = best.against_print(ax, sets, ["sasrec", "ensemble", "other"], {"beauty": (0.9, 0.4)})
    of_beauty = found.loc[("Beauty", "ensemble"), "ensemble"]
    assert of_beauty.mean == pytest.approx(25) and of_beauty.low < 25 < of_beauty.high
    assert found.loc[("Beauty", "SASRec"), "sasrec"].mean == pytest.approx(-37.5)
    # nothing in print: against the first of those shown
    assert found.loc[("Shop", "ensemble"), "ensemble"].mean == pytest.approx(100)
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["Beauty", "SASRec", "ensemble", "Shop", "SASRec", "ensemble"]
    written = [(text.get_text(), text.get_position()[1]) for text in ax.texts]
    assert ("train,\nmin", 0.4) in written and ("score,\ns", 0.4) in written
    assert written[-1] == ("1", 5) and ("4", 5) in written  # beside the last ensemble
    plt.close(figure)


def test_gains_are_of_the_first_over_the_second_and_in_brackets_if_none(of):
    pairs = {"better": (of["ensemble"], of["sasrec"]), "same": (of["gru"], of["sasrec"])}
    table = best.gains(pairs)
    assert table.loc["better", "NDCG@10 M"] == "0.5000"
    assert table.loc["better", "change U"].startswith("+0.2500 [+0.")
    assert table.loc["same", "change M"].startswith("(+0.0000 [") and len(table.columns) == 4


def test_a_step_was_taken_before_if_some_training_history_took_it(log_of):
    log = log_of([1, 2, 3, 4, 5], [2, 3, 1, 2], [4, 5, 9, 4, 5])
    split = leave_last_out(log)
    # 4-5 is in the training part of the third user, 1-2 in that of the first; 4-5 again
    assert best.taken_before(log, split).tolist() == [True, True, True]
    other = log_of([1, 2, 3, 4, 5], [2, 3, 2, 1], [4, 5, 9, 5, 4])
    assert best.taken_before(other, split).tolist() == [True, False, False]


def test_a_pupil_keeps_its_share_of_what_teachers_have_over_a_plain_network(made):
    plain, pupil, teachers = (
        made(name, np.array([rank, rank]), model="sasrec")
        for name, rank in (("sasrec", 15), ("sasrec-taught", 3), ("ensemble", 1))
    )
    assert best.kept(pupil, plain, teachers, "masked") == pytest.approx(0.5)
    assert best.kept(teachers, plain, teachers, "unmasked") == 1
