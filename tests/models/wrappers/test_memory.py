import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.models.wrappers.memory import Memory


def filled(size=300, width=6, owners=None, positions=None, seed=0):
    rng = np.random.default_rng(seed)
    keys = F.normalize(torch.from_numpy(rng.normal(size=(size, width)).astype(np.float32)), dim=1)
    memory = Memory(width)
    owners = rng.integers(0, 40, size) if owners is None else owners
    positions = np.arange(size) if positions is None else positions
    memory.fill(keys, rng.integers(1, 99, size), owners, positions)
    return memory


def brute_force(memory, query, count, owner=None, position=None, start=0):
    """The most similar entries that are not the owner's own but from ``start`` to ``position``."""
    cosine = (memory.keys.double() @ query.double()).numpy()
    if owner is not None:
        own = (memory.owners.numpy().reshape(len(memory), -1) == owner).any(1)
        when = memory.positions.numpy()
        cosine[own & ((when >= position) | (when < start))] = -np.inf
    return np.argsort(-cosine, kind="stable")[:count].tolist()


def test_the_nearest_are_those_of_a_full_sort():
    memory = filled()
    queries = F.normalize(torch.randn(20, 6, generator=torch.manual_seed(1)), dim=1)
    found = memory.nearest(queries, 7)
    assert found.tolist() == [brute_force(memory, query, 7) for query in queries]


def test_an_entry_is_nearest_to_itself():
    memory = filled()
    assert memory.nearest(memory.keys, 1).flatten().tolist() == list(range(300))


def test_neighbours_leave_out_the_owners_present_and_future_and_nothing_else():
    memory = filled()
    owners, positions = memory.owners.numpy(), memory.positions.numpy()
    found = memory.nearest_allowed(memory.keys, 9, owners, positions, np.zeros(300, dtype=int))
    asked = zip(memory.keys, owners, positions, strict=True)
    assert found.tolist() == [brute_force(memory, *((q, 9, o, p))) for q, o, p in asked]
    own = owners[found] == owners[:, None]
    assert own.any()  # earlier ones stay
    assert (positions[found][own] < np.broadcast_to(positions[:, None], found.shape)[own]).all()


def test_an_owner_of_most_of_the_memory_still_finds_others():
    owners = np.r_[np.zeros(290, dtype=int), np.arange(1, 11)]
    memory = filled(owners=owners)
    found = memory.nearest_allowed(memory.keys[:1], 10, *np.zeros((3, 1), dtype=int))
    assert sorted(found[0].tolist()) == list(range(290, 300))


def test_nobodys_entries_are_open_to_all():
    memory = filled(owners=np.full(300, -1))
    found = memory.nearest_allowed(memory.keys[:5], 1, *[np.arange(5)] * 3)
    assert found.flatten().tolist() == [0, 1, 2, 3, 4]


def test_positions_later_than_any_entry_bar_nothing():
    memory = filled()
    owners = memory.owners.numpy()
    found = memory.nearest_allowed(memory.keys, 1, owners, np.full(300, 10_000), np.zeros(300, int))
    assert found.flatten().tolist() == list(range(300))


def test_what_was_made_of_the_owners_events_is_barred_as_well():
    """Entries before the history's start are another sequence's of the same owner."""
    memory = filled()
    owners, positions = memory.owners.numpy(), memory.positions.numpy()
    starts = np.maximum(positions - 120, 0)
    found = memory.nearest_allowed(memory.keys, 9, owners, positions, starts)
    asked = zip(memory.keys, owners, positions, starts, strict=True)
    assert found.tolist() == [brute_force(memory, q, 9, o, p, s) for q, o, p, s in asked]


def test_an_entry_of_several_owners_is_barred_for_each():
    owners = np.random.default_rng(3).integers(-1, 20, (300, 2))
    memory = filled(owners=owners, positions=np.full(300, 1_000))
    asked = np.arange(20)
    found = memory.nearest_allowed(memory.keys[:20], 9, asked, asked, np.zeros(20, dtype=int))
    rows = enumerate(memory.keys[:20])
    assert found.tolist() == [brute_force(memory, query, 9, user, user) for user, query in rows]


def test_too_small_a_memory_says_so():
    memory = filled(size=4)
    with pytest.raises(ValueError, match="5 neighbours asked of a memory of 4"):
        memory.nearest(memory.keys, 5)
    with pytest.raises(ValueError, match="a memory of 4 has no 4 neighbours for all"):
        memory.nearest_allowed(
            memory.keys[:1], 4, memory.owners[:1].numpy(), *np.zeros((2, 1), int)
        )


def test_another_filling_forgets_the_first():
    memory = filled()
    memory.nearest(memory.keys[:1], 1)
    memory.fill(memory.keys[:10].flip(0), *(np.arange(10) for _ in range(3)))
    assert len(memory) == 10 and memory.nearest(memory.keys[:1], 1).item() == 0


def test_it_is_stored_and_loaded_at_any_size():
    memory, other = filled(), filled(size=20, seed=5)
    other.load_state_dict(memory.state_dict())
    assert len(other) == 300
    assert other.nearest(memory.keys, 3).equal(memory.nearest(memory.keys, 3))


@pytest.mark.parametrize("index, settings", [("HNSW4,Flat", "efSearch=8"), ("IVF4,Flat", "")])
def test_an_approximate_index_finds_many_of_the_nearest_and_not_all(index, settings):
    memory = filled(2_000, 16)
    queries = F.normalize(torch.randn(200, 16, generator=torch.manual_seed(1)), dim=1)
    exact = memory.nearest(queries, 5)
    memory.use(index, settings)
    found = memory.nearest(queries, 5)
    share = (found[:, :, None] == exact[:, None]).any(1).float().mean()
    assert 0.3 < share < 1
    memory.use("Flat")
    assert memory.nearest(queries, 5).equal(exact)


def test_settings_of_an_index_last_until_others_are_given():
    memory = filled(2_000, 16)
    queries = F.normalize(torch.randn(200, 16, generator=torch.manual_seed(1)), dim=1)
    exact = memory.nearest(queries, 5)
    memory.use("IVF20,Flat")
    narrow = memory.nearest(queries, 5)
    memory.use("IVF20,Flat", "nprobe=20")
    assert memory.nearest(queries, 5).equal(exact)
    memory.use("IVF20,Flat")
    assert memory.nearest(queries, 5).equal(narrow) and not narrow.equal(exact)


def test_an_index_follows_another_filling_and_other_weights():
    memory, other = filled(800), filled(800, seed=5)
    for one in (memory, other):
        one.use("IVF4,Flat", "nprobe=4")  # finds all
        one.nearest(one.keys[:1], 1)
    other.load_state_dict(memory.state_dict())
    assert other.nearest(memory.keys, 1).flatten().tolist() == list(range(800))
    memory.fill(memory.keys[:300].flip(0), *(np.arange(300) for _ in range(3)))
    assert memory.nearest(memory.keys, 1).flatten().tolist() == list(range(300))


def test_an_index_that_cannot_be_made_leaves_none_behind():
    memory = filled(10)
    memory.use("IVF20,Flat")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"points \(10\) .*clusters \(20\)"):
            memory.nearest(memory.keys, 1)


def test_an_index_that_looks_at_too_little_says_what_to_do():
    memory = filled(800)
    memory.use("IVF20,Flat", "nprobe=1")
    with pytest.raises(ValueError, match="IVF20,Flat nprobe=1 found no 100 .*a larger nprobe"):
        memory.nearest(memory.keys[:5], 100)
    memory.use("IVF20,Flat", "nprobe=20")
    assert memory.nearest(memory.keys[:5], 100).shape == (5, 100)


def test_kept_answers_are_bounded_by_their_bytes(monkeypatch):
    memory, queries = filled(), torch.eye(6)
    three = 3 * 6 * 5 * 8 + 1
    monkeypatch.setattr("seqrec_lib.models.wrappers.memory.KEPT_BYTES", three)
    found = [memory.nearest(queries.roll(shift, 1) * 0.5, 5) for shift in range(6)]
    assert len(memory._answers) == 3
    again = [memory.nearest(queries.roll(shift, 1) * 0.5, 5) for shift in range(6)]
    assert all(one.equal(other) for one, other in zip(found, again, strict=True))
    assert [one is other for one, other in zip(found, again, strict=True)] == 3 * [True] + 3 * [
        False
    ]
