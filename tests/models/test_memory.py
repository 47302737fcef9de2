import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seqrec_lib.models.memory import Memory


def filled(size=300, width=6, owners=None, positions=None, seed=0):
    rng = np.random.default_rng(seed)
    keys = F.normalize(torch.from_numpy(rng.normal(size=(size, width)).astype(np.float32)), dim=1)
    memory = Memory(width)
    owners = rng.integers(0, 40, size) if owners is None else owners
    positions = np.arange(size) if positions is None else positions
    memory.fill(keys, rng.integers(1, 99, size), owners, positions)
    return memory


def brute_force(memory, query, count, owner=None, position=None):
    """The most similar entries that are not the owner's own from ``position`` on."""
    cosine = (memory.keys.double() @ query.double()).numpy()
    if owner is not None:
        own = memory.owners.numpy() == owner
        cosine[own & (memory.positions.numpy() >= position)] = -np.inf
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
    found = memory.neighbours(memory.keys, 9, owners, positions)
    asked = zip(memory.keys, owners, positions, strict=True)
    assert found.tolist() == [brute_force(memory, *((q, 9, o, p))) for q, o, p in asked]
    own = owners[found] == owners[:, None]
    assert own.any()  # earlier ones stay
    assert (positions[found][own] < np.broadcast_to(positions[:, None], found.shape)[own]).all()


def test_an_owner_of_most_of_the_memory_still_finds_others():
    owners = np.r_[np.zeros(290, dtype=int), np.arange(1, 11)]
    memory = filled(owners=owners)
    found = memory.neighbours(memory.keys[:1], 10, np.array([0]), np.array([0]))
    assert sorted(found[0].tolist()) == list(range(290, 300))


def test_nobodys_entries_are_open_to_all():
    memory = filled(owners=np.full(300, -1))
    found = memory.neighbours(memory.keys[:5], 1, np.arange(5), np.arange(5))
    assert found.flatten().tolist() == [0, 1, 2, 3, 4]


def test_positions_later_than_any_entry_bar_nothing():
    memory = filled()
    owners = memory.owners.numpy()
    found = memory.neighbours(memory.keys, 1, owners, np.full(300, 10_000))
    assert found.flatten().tolist() == list(range(300))


def test_too_small_a_memory_says_so():
    memory = filled(size=4)
    with pytest.raises(ValueError, match="5 neighbours asked of a memory of 4"):
        memory.nearest(memory.keys, 5)
    with pytest.raises(ValueError, match="a memory of 4 has no 4 neighbours for all"):
        memory.neighbours(memory.keys[:1], 4, memory.owners[:1].numpy(), np.array([0]))


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
