"""Small logs for all tests, and one thread, so that sums come out the same on every machine."""

import dataclasses
import gc
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import leave_last_out

# jsonschema, which reads notebooks, would compile grammars of addresses for seconds, and needs none
sys.modules.setdefault("rfc3987_syntax", None)


def pytest_collection_finish():
    # what was imported and collected stays to the end: nobody needs to look through it again
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def log_of():
    """``log_of([1, 2], [3, 1, 2])``: a log of these histories, one event a day."""

    def build(*histories, days=None):
        users = np.repeat(np.arange(1, len(histories) + 1), [len(one) for one in histories])
        days = [range(len(one)) for one in histories] if days is None else days
        time = 86_400 * np.concatenate([np.array(one, dtype=np.int64) for one in days])
        item = np.concatenate(histories)
        return EventLog.build(pd.DataFrame({"user": users, "item": item, "time": time}))

    return build


@pytest.fixture(scope="session")
def small_log():
    """200 users of a world of 40 items in which a known item follows each item."""
    log = EventLog.build(small_world(num_users=200, num_items=40, seed=1))
    return dataclasses.replace(log, basket=np.arange(len(log)) // 2)


@pytest.fixture(scope="session")
def small_split(small_log):
    return leave_last_out(small_log)


@pytest.fixture(scope="session")
def small_catalogue(small_log, small_split):
    return Catalogue.learned(small_log, small_split.train)


@pytest.fixture(scope="session")
def with_other_items():
    """The same log with other items at the positions given: each is moved to the next id."""

    def change(log, positions):
        item = log.item.copy()
        item[positions] = item[positions] % log.num_items + 1
        basket = None if log.basket is None else log.basket.copy()
        return dataclasses.replace(log, item=item, basket=basket)

    return change


@pytest.fixture(scope="session")
def shaken():
    """A model that tells items apart without training: noise on all weights, but no padding."""

    def shake(model, scale):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * scale)
            model.items.weight[0] = 0
        return model.eval()

    return shake


@pytest.fixture
def nothing_kept(tmp_path, monkeypatch):
    """A project that has no records: what is committed is not found beside a study's own."""
    monkeypatch.setattr("seqrec_lib.records.store.root", lambda: tmp_path)
