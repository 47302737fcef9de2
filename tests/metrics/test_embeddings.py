import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqrec_lib.metrics import embeddings
from seqrec_lib.metrics.embeddings import (
    alignment,
    chance_nearest,
    chance_purity,
    nearest,
    purity,
    uniformity,
)

DRAWN = np.random.default_rng(0).normal(size=(400, 8))
SEED = st.integers(0, 2**32 - 1)


def on_a_circle(*degrees):
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def test_alignment_by_hand():
    vectors = on_a_circle(0, 60, 90, 180)
    pairs = np.array([[0, 1], [0, 2], [0, 3], [2, 2]])
    assert alignment(vectors, pairs) == pytest.approx((1 + 2 + 4 + 0) / 4)


def test_uniformity_by_hand():
    # squared distances of the three pairs: 1, 2, 2 - 2 cos 30
    expected = np.log(np.exp([-2.0, -4.0, -2 * (2 - np.sqrt(3))]).mean())
    assert uniformity(on_a_circle(0, 60, 90)) == pytest.approx(expected)


def test_the_ends_of_the_scales():
    equal, opposite = np.ones((5, 3)), np.array([[1.0, 2], [-2, -4]])
    assert uniformity(equal) == pytest.approx(0, abs=1e-12)
    assert alignment(equal, np.array([[0, 4]])) == pytest.approx(0, abs=1e-12)
    assert uniformity(opposite) == pytest.approx(-8)
    assert alignment(opposite, np.array([[0, 1]])) == pytest.approx(4)


def test_vectors_at_random_are_two_apart_and_nearly_even():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(2000, 128))
    pairs = rng.integers(0, 2000, (5000, 2))
    assert alignment(vectors, pairs) == pytest.approx(2, abs=0.02)
    # exp(-4) times the mean of exp(4 cosine), cosine of variance 1/128: -4 + 8 / 128
    assert uniformity(vectors) == pytest.approx(-4 + 8 / 128, abs=0.01)


@given(SEED)
def test_lengths_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    stretched = DRAWN * rng.uniform(0.1, 10, (400, 1))
    pairs = rng.integers(0, 400, (50, 2))
    assert alignment(stretched, pairs) == pytest.approx(alignment(DRAWN, pairs))
    assert uniformity(stretched) == pytest.approx(uniformity(DRAWN))
    np.testing.assert_array_equal(nearest(stretched, 5)[0], nearest(DRAWN, 5)[0])


def test_neighbours_by_hand():
    found, cosine = nearest(on_a_circle(0, 60, 90, 200), k=3)
    assert found.tolist() == [[1, 2, 3], [2, 0, 3], [1, 0, 3], [2, 1, 0]]
    np.testing.assert_allclose(cosine[0], np.cos(np.radians([60, 90, 160])), atol=1e-12)


def test_neighbours_are_those_of_a_full_sort_whatever_the_chunk(monkeypatch):
    unit = DRAWN / np.linalg.norm(DRAWN, axis=1, keepdims=True)
    every = unit @ unit.T
    np.fill_diagonal(every, -np.inf)
    expected = np.argsort(-every, axis=1)[:, :7]
    whole = uniformity(DRAWN)
    monkeypatch.setattr(embeddings, "CHUNK", 400 * 33)
    found, cosine = nearest(DRAWN, 7)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(cosine, np.take_along_axis(every, expected, 1), atol=1e-12)
    rows = np.array([399, 3, 3])
    np.testing.assert_array_equal(nearest(DRAWN, 7, rows)[0], expected[rows])
    np.testing.assert_array_equal(nearest(DRAWN, 1)[0], expected[:, :1])
    assert uniformity(DRAWN) == pytest.approx(whole, abs=1e-12)


def test_a_row_is_no_neighbour_of_its_own_even_among_equals():
    found, _ = nearest(np.ones((4, 2)), k=3)
    assert [sorted(row) for row in found.tolist()] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_purity_of_two_clusters_is_one_and_of_mixed_labels_is_chance():
    rng = np.random.default_rng(2)
    near = np.repeat([[1.0, 0, 0], [0, 1, 0]], 50, 0) + rng.normal(size=(100, 3)) * 0.01
    cluster = np.repeat(["a", "b"], 50)
    found, _ = nearest(near, 10)
    assert purity(found, cluster).tolist() == [1.0] * 100
    rows = np.array([0, 99])
    assert purity(found[rows], cluster, rows).tolist() == [1.0, 1.0]
    mixed = rng.permutation(np.repeat(["x", "y", "z"], [70, 20, 10]))
    every_other, _ = nearest(near, 99)
    # all other rows as neighbours: exactly the chance
    assert purity(every_other, mixed).mean() == pytest.approx(chance_purity(mixed))
    expected = (70 * 69 + 20 * 19 + 10 * 9) / (100 * 99)
    assert chance_purity(mixed) == pytest.approx(expected)
    rare = np.flatnonzero(mixed == "z")
    assert chance_purity(mixed, rare) == pytest.approx(9 / 99)
    assert purity(every_other[rare], mixed, rare).tolist() == pytest.approx([9 / 99] * 10)


def test_the_nearest_of_many_random_directions_is_as_near_as_computed():
    rng = np.random.default_rng(3)
    for count, dim in ((1, 5), (100, 3), (1000, 32)):
        one, many = rng.normal(size=(2000, dim)), rng.normal(size=(count, dim))
        unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, many)]
        best = (unit[0] @ unit[1].T).max(1)
        assert np.median(best) == pytest.approx(chance_nearest(count, dim), abs=0.03)
    # on a circle the angle to one direction is uniform: of two, the nearest is within 90 degrees
    # times 1 - sqrt(1/2), times two
    assert chance_nearest(2, 2) == pytest.approx(np.cos(np.pi * (1 - 0.5**0.5)))
    with pytest.raises(ValueError, match="0 directions in 4 dimensions"):
        chance_nearest(0, 4)


def test_bad_input_is_refused_in_words():
    padded = np.array([[0.0, 0], [1, 0], [0, 1]])
    pair = np.array([[0, 1]])
    for metric in (uniformity, lambda v: nearest(v, 1), lambda v: alignment(v, pair)):
        with pytest.raises(ValueError, match="padding row"):
            metric(padded)
    with pytest.raises(ValueError, match="1 rows are zero or not numbers"):
        uniformity(np.array([[1.0, 0], [np.nan, 1]]))
    with pytest.raises(ValueError, match="two rows or more"):
        uniformity(padded[1:2])
    for k in (0, 2):
        with pytest.raises(ValueError, match=f"k is {k}; 2 rows have 1 to 1 neighbours"):
            nearest(padded[1:], k)
