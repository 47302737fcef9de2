import numpy as np
import pandas as pd

from seqrec_lib.studies.sequences import inspected


def test_each_measure_by_hand(log_of):
    log = log_of([1, 2, 3, 2, 9], [4, 1, 5, 9], [6, 7, 8, 9])
    positions = np.array([0, 1, 2, 3, 5, 6, 7, 9, 10, 11])  # all but the last event of each
    told = [  # user, way, items, log-probability with END
        (0, 0, [1, 3], -3.0),
        (0, 2, [3, 1, 5], -8.0),
        (1, 1, [4, 5], -1.5),
        (2, 0, [6, 9], -6.0),
    ]
    written = pd.DataFrame(
        [
            (i, user, way, chance, item)
            for i, (user, way, row, chance) in enumerate(told)
            for item in row
        ],
        columns=["sequence", "user", "way", "log_chance", "item"],
    )
    found = inspected(written, log, positions)
    assert found["length"].tolist() == [2, 3, 2, 2]
    np.testing.assert_allclose(found["own"], [1, 2 / 3, 1, 1 / 2])
    assert found["retold"].tolist() == [True, False, True, False]
    # 1-3 is new, as is 3-1, 1-5 was seen at user 1; 4-5 is new, 6-9 as well: 9 is held out
    np.testing.assert_allclose(found["known"], [0, 1 / 2, 0, 0])
    # user 1 holds 1; and 1 and 5; user 0 holds neither 4 nor 5
    np.testing.assert_allclose(found["nearest"], [1 / 2, 2 / 3, 0, 0])
    np.testing.assert_allclose(found["log_chance"], [-1, -2, -0.5, -2])


def test_a_history_that_repeats_an_item_holds_it_once(log_of):
    log = log_of([1, 2], [2, 2, 2, 3])
    written = pd.DataFrame({"sequence": 0, "user": 0, "way": 0, "log_chance": -1.0, "item": [1, 2]})
    assert inspected(written, log, np.arange(6))["nearest"].tolist() == [0.5]
