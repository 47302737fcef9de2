"""Whatever happens to a journal and its store, in any order, features are those by brute force."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from seqrec_lib.data.hybrid.journal import Journal
from seqrec_lib.data.hybrid.online import OnlineStore, StoreError
from seqrec_lib.data.hybrid.registry import HOUR, TILE, Feature, FeatureSet
from seqrec_lib.data.hybrid.stream import catch_up

FEATURES = (
    Feature("tile", 1, "count", TILE),
    Feature("hour", 1, "sum", HOUR, "store"),
    Feature("carts", 1, "count", HOUR, "online", "cart"),
    Feature("store", 1, "since", source="store"),
    Feature("last_3", 1, "last", 3),
)
TIMES = st.sampled_from([k * TILE + shift for k in (1, 2, 3, 12, 13, 14) for shift in (-1, 0, 1)])
EVENT = st.fixed_dictionaries(
    {
        "user": st.integers(1, 2),
        "event_id": st.integers(0, 3),
        "item": st.integers(1, 3),
        "time": TIMES,
        "amount": st.integers(-(2**53), 2**53),
    }
)


class Pipeline(RuleBasedStateMachine):
    """The features' version goes up at each rebuild, so that every store made before is stale."""

    @initialize()
    def begin(self):
        self.place = tempfile.TemporaryDirectory()
        self.version = 1
        self.journal = Journal(Path(self.place.name, "journal"))
        self.store = self.opened()

    def opened(self):
        features = FeatureSet((*FEATURES[1:], Feature("tile", self.version, "count", TILE)))
        return OnlineStore(Path(self.place.name, "store"), features)

    @rule(events=st.lists(EVENT, max_size=6), source=st.sampled_from(["online", "store"]))
    def append(self, events, source):
        self.journal.append(source, self.table_of(events or [{"time": -1}], source))

    @rule(data=st.data())
    def apply_again(self, data):
        segments = self.journal.segments()
        if segments:
            segment = data.draw(st.sampled_from(segments))
            if segment.seq <= self.store.seq:
                assert self.store.apply(segment, self.journal.read(segment)) == 0

    @rule(some=st.integers(0, 3))
    def run(self, some):
        catch_up(self.journal, self.store, until=self.store.seq + some)

    @rule(torn=st.binary(min_size=1, max_size=9).filter(lambda part: b"\n" not in part))
    def kill(self, torn):
        """Everything is opened anew, after a line was begun and not ended."""
        self.journal.folder.mkdir(exist_ok=True)
        with self.journal.manifest.open("ab") as file:
            file.write(torn)
        self.journal = Journal(self.journal.folder)
        self.store.close()
        self.store = self.opened()

    @rule()
    def raise_a_version(self):
        self.version += 1
        self.store.close()
        self.store = self.opened()
        with pytest.raises(StoreError, match="rebuild"):
            self.store.read([1], HOUR)
        self.store.rebuild(self.journal)

    @rule(user=st.integers(1, 3), t=TIMES, later=st.sampled_from([0, TILE - 1, TILE, HOUR]))
    def read(self, user, t, later):
        served = self.store.read([user], t + later)
        assert served.seq == self.store.seq
        found = [served.values[name][0] for name in self.store.features.columns]
        assert found == self.brute(self.journal, self.store.features, user, t + later, served.seq)

    @invariant()
    def adds_up(self):
        if hasattr(self, "store"):
            self.store.counts()

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            self.place.cleanup()


def test_any_history_of_a_pipeline(by_brute_force, table_of):
    from hypothesis.stateful import run_state_machine_as_test

    Pipeline.brute, Pipeline.table_of = staticmethod(by_brute_force), staticmethod(table_of)
    run_state_machine_as_test(
        Pipeline, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )
