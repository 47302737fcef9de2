"""The parts of an interest graph by hand, at their limits and at their minima."""

import numpy as np
import pytest
import torch

from seqrec_lib.models.rankers import interest_graph as graph

REAL = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def like(*rows):
    """Symmetric likenesses with ones between a step and itself, given above the diagonal."""
    size = len(rows) + 1
    found = torch.eye(size)
    for i, row in enumerate(rows):
        for j, value in enumerate(row, start=i + 1):
            found[i, j] = found[j, i] = value
    return found[None]


# --- likeness ------------------------------------------------------------------------------------


@torch.no_grad()
def test_likeness_is_the_mean_of_cosines_of_stretched_vectors():
    likeness, vectors = graph.Likeness(4, 3), torch.randn(2, 5, 4)
    found = likeness(vectors)
    for row, i, j in [(0, 1, 4), (1, 0, 3), (1, 2, 2)]:
        cosines = []
        for weight in likeness.weight.numpy():
            a, b = weight * vectors[row, i].numpy(), weight * vectors[row, j].numpy()
            cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        np.testing.assert_allclose(found[row, i, j], np.mean(cosines), rtol=1e-5)
    assert found.equal(found.mT)
    torch.testing.assert_close(found.diagonal(dim1=1, dim2=2), torch.ones(2, 5))


@torch.no_grad()
def test_weights_decide_which_axes_count():
    likeness = graph.Likeness(2, 1)
    likeness.weight[:] = torch.tensor([1.0, 0.0])
    vectors = torch.tensor([[[1.0, 5.0], [2.0, -7.0], [-1.0, 5.0]]])
    torch.testing.assert_close(likeness(vectors)[0, 0], torch.tensor([1.0, 1.0, -1.0]))


# --- pruning -------------------------------------------------------------------------------------


def test_the_highest_of_all_pairs_stay_a_step_with_itself_first():
    likeness = like([0.9, 0.1, 0.3], [0.2, 0.8], [0.7])
    kept = graph.kept_edges(likeness, torch.ones(1, 4, dtype=torch.bool), 0.5)[0]
    # 8 of 16: four steps with themselves, and two edges, each in two directions
    assert kept.equal(like([1, 0, 0], [0, 1], [0])[0].bool())


@pytest.mark.parametrize("share, edges", [(0.1, 0), (0.25, 0), (0.26, 1), (0.5, 2), (1.0, 6)])
def test_a_share_is_of_n_squared_and_rounded_up(share, edges):
    # 0.26 of 16 is 4.16, the fifth: with it its other direction, which ties with it
    likeness = like([0.9, 0.1, 0.3], [0.2, 0.8], [0.7])
    kept = graph.kept_edges(likeness, torch.ones(1, 4, dtype=torch.bool), share)
    assert kept.sum() == 4 + 2 * edges


def test_a_whole_share_is_not_rounded_up_by_the_last_bit():
    likeness = torch.rand(1, 10, 10)
    likeness = likeness + likeness.mT
    everyone = torch.ones(1, 10, dtype=torch.bool)
    for tenths in range(2, 11, 2):
        kept = graph.kept_edges(likeness, everyone, tenths / 10)
        assert kept.sum() == 10 * tenths


def test_all_that_tie_with_the_last_one_stay():
    likeness = like([0.9, 0.5, 0.5], [0.5, 0.1], [0.0])
    likeness[0, 0, 2] += 1e-7  # the same, summed in another order
    kept = graph.kept_edges(likeness, torch.ones(1, 4, dtype=torch.bool), 0.4)[0]
    assert kept.equal(like([1, 1, 1], [1, 0], [0])[0].bool())


def test_padding_neither_ranks_nor_stays():
    likeness = torch.rand(3, 5, 5)
    likeness = (likeness + likeness.mT) / 2
    likeness[1:, 3:] = likeness[1:, :, 3:] = 1.0  # were it to rank, it would come first
    kept = graph.kept_edges(likeness, REAL, 0.6)
    for row, length in enumerate(REAL.sum(1).tolist()):
        alone = graph.kept_edges(
            likeness[row : row + 1, :length, :length], REAL[row : row + 1, :length], 0.6
        )
        assert kept[row, :length, :length].equal(alone[0])
        assert kept[row].sum() == alone.sum() >= length
    none = graph.kept_edges(likeness[:1], torch.zeros(1, 5, dtype=torch.bool), 0.6)
    assert not none.any()


def test_steps_in_another_order_keep_the_same_edges():
    vectors, order = torch.randn(1, 5, 4), torch.tensor([3, 0, 4, 1, 2])
    likeness = graph.Likeness(4, 2)(vectors).detach()
    moved = graph.Likeness(4, 2)
    kept = graph.kept_edges(likeness, REAL[:1], 0.5)
    again = graph.kept_edges(likeness[:, order][:, :, order], REAL[:1], 0.5)
    assert again.equal(kept[:, order][:, :, order])
    assert moved.weight.requires_grad and 5 < kept.sum() < 25


# --- fusion --------------------------------------------------------------------------------------


def test_an_average_is_of_neighbours_by_the_weight_of_their_edges():
    adjacency = torch.tensor([[[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    averaged = graph.averaging(adjacency)[0]
    np.testing.assert_allclose(averaged[0], [2 / 3, 1 / 3, 0], rtol=1e-6)
    assert averaged[2].abs().max() == 0


def test_attention_is_a_softmax_over_neighbours_of_bent_sums():
    to, of = torch.randn(2, 4), torch.randn(2, 4)
    edges = torch.rand(2, 4, 4) > 0.4
    edges |= torch.eye(4, dtype=torch.bool)
    found = graph.attention(to, of, edges).numpy()
    for row in range(2):
        for i in range(4):
            score = to[row, i].numpy() + of[row].numpy()
            score = np.where(score > 0, score, 0.2 * score)
            share = np.exp(score) * edges[row, i].numpy()
            np.testing.assert_allclose(found[row, i], share / share.sum(), rtol=1e-5, atol=1e-7)


def test_without_a_bend_who_hears_would_have_no_say():
    """Where all scores are above zero the bend does nothing, and one of two attentions cancels."""
    of, edges = torch.rand(4), torch.ones(4, 4, dtype=torch.bool)
    a, b = (graph.attention(to, of, edges) for to in (torch.rand(4), torch.rand(4) + 3))
    torch.testing.assert_close(a, b)
    bent = graph.attention(torch.rand(4) - 0.8, of, edges)
    assert (bent - a).abs().max() > 1e-2


# --- pooling -------------------------------------------------------------------------------------


@torch.no_grad()
def test_clusters_begin_as_stretches_of_equal_length():
    assign = graph.Assignment(4, 3, placed=True)
    nothing, flat = torch.zeros(1, 1, 9, 4), torch.eye(9)[None]
    assigned = assign(nothing, flat, torch.ones(1, 9, dtype=torch.bool))[0, 0]
    assert assigned.argmax(1).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    torch.testing.assert_close(assigned.sum(1), torch.ones(9))
    short = assign(nothing, flat, torch.arange(9)[None] < 3)[0, 0]
    assert short.argmax(1)[:3].tolist() == [0, 1, 2] and short[3:].abs().max() == 0


@torch.no_grad()
def test_assignment_by_hand():
    assign, nodes = graph.Assignment(4, 3, placed=False), torch.randn(1, 2, 5, 4)
    averaged = graph.averaging(torch.rand(1, 5, 5))
    logits = averaged[0].numpy() @ nodes[0, 1].numpy() @ assign.content.weight.numpy().T
    share = np.exp(logits)
    share /= share.sum(1, keepdims=True)
    np.testing.assert_allclose(assign(nodes, averaged, REAL[:1])[0, 1], share, rtol=1e-5)


def test_a_place_is_the_middle_of_a_steps_part():
    found = graph.places(REAL[:2])
    np.testing.assert_allclose(found[0], [0.1, 0.3, 0.5, 0.7, 0.9], rtol=1e-6)
    np.testing.assert_allclose(found[1, :3], [1 / 6, 1 / 2, 5 / 6], rtol=1e-6)


# --- what assignments are held to ----------------------------------------------------------------

STRETCHES = torch.eye(3).repeat_interleave(2, 0)  # six steps, two a cluster, in order
EVEN = torch.full((6, 3), 1 / 3)
ALL = torch.ones(6, dtype=torch.bool)


def test_same_mapping_is_least_for_cliques_that_are_clusters():
    cliques = STRETCHES @ STRETCHES.T
    assert graph.same_mapping(STRETCHES, cliques, ALL) == 0
    torch.testing.assert_close(
        graph.same_mapping(STRETCHES, torch.eye(6), ALL), torch.tensor(6 / 36)
    )
    # evenly assigned, all pairs share a third: twelve ones are 2/3 away, the others 1/3
    expected = torch.tensor((12 * 4 / 9 + 24 / 9) / 36)
    torch.testing.assert_close(graph.same_mapping(EVEN, cliques, ALL), expected)


def test_single_affiliation_is_none_for_one_cluster_a_node_and_most_for_even_shares():
    assert graph.single_affiliation(STRETCHES, ALL) < 1e-6
    torch.testing.assert_close(graph.single_affiliation(EVEN, ALL), torch.tensor(3.0).log())


def test_relative_position_is_none_for_stretches_in_order_and_tells_any_other_order():
    assert graph.relative_position(STRETCHES, ALL) < 1e-12
    backwards = graph.relative_position(STRETCHES.flip(0), ALL)
    even = graph.relative_position(EVEN, ALL)
    np.testing.assert_allclose(backwards, (2 / 3) ** 2 * 2 / 3, rtol=1e-5)
    np.testing.assert_allclose(even, (1 / 3) ** 2 * 2 / 3, rtol=1e-5)


def test_the_papers_sums_of_positions_cannot_tell_order():
    """Why means stand here: stretches in their order are no better off than any even mixture."""
    steps, numbers = torch.arange(1, 7).float(), torch.arange(1, 4).float()
    paper = {
        name: (steps @ one - numbers).norm().item()
        for name, one in {"order": STRETCHES, "even": EVEN}.items()
    }
    assert paper["even"] < paper["order"]


@pytest.mark.parametrize("of", [graph.single_affiliation, graph.relative_position])
def test_padding_is_held_to_nothing(of):
    assigned = torch.rand(6, 3).softmax(-1)
    padded = torch.cat([assigned, torch.zeros(2, 3)])
    more = torch.cat([ALL, torch.zeros(2, dtype=torch.bool)])
    torch.testing.assert_close(of(padded, more), of(assigned, ALL))
    adjacency = torch.rand(6, 6)
    wide = torch.nn.functional.pad(adjacency, (0, 2, 0, 2))
    torch.testing.assert_close(
        graph.same_mapping(padded, wide, more), graph.same_mapping(assigned, adjacency, ALL)
    )


def test_gradients_stay_finite_at_the_minima():
    assigned = STRETCHES.clone().requires_grad_()
    held = (
        graph.same_mapping(assigned, STRETCHES @ STRETCHES.T, ALL)
        + graph.single_affiliation(assigned, ALL)
        + graph.relative_position(assigned, ALL)
    )
    held.backward()
    assert assigned.grad.isfinite().all()
