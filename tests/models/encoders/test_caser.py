import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.encoders.caser import Caser

CATALOGUE = Catalogue(9, np.r_[0, np.ones(9, dtype=np.int64)], num_users=3)


def model_of(**config):
    """A small model with large random weights; who asks is known."""
    torch.manual_seed(0)
    small = {"embed_dim": 4, "height": 3, "horizontal": 2, "vertical": 2, "dropout": 0.0}
    model = Caser(CATALOGUE, Caser.Config(**small | config)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight))
        model.items.weight[0] = 0
    if model.users is not None:
        model.users.known[:] = True
    return model


def batch_of(*items, user=1):
    return Batch(torch.tensor([items]), user=torch.tensor([user]))


@torch.no_grad()
def test_answers_of_filters_worked_out_one_by_one():
    model = model_of()
    items = [3, 1, 4, 5]
    picture = model.items.weight[items[-3:]]  # the last three, oldest first
    vertical = model.tall.weight  # filters x rows
    expected = [torch.einsum("fr,rd->df", vertical, picture).flatten()]
    for h, filters in enumerate(model.wide, start=1):
        windows = [picture[i : i + h].flatten() for i in range(3 - h + 1)]
        answers = torch.stack([filters(one).relu() for one in windows])
        expected.append(answers.amax(0))
    found = model._answers(model.items(torch.tensor([items])))[0, -1]
    torch.testing.assert_close(found, torch.cat(expected))


@torch.no_grad()
def test_pooled_filters_find_a_union_wherever_it_stands_and_others_tell_where():
    early, late = batch_of(7, 2, 3, 7, 7), batch_of(7, 7, 2, 3, 7)  # the same pairs of neighbours
    for pooled, moves in ((True, False), (False, True)):
        model = model_of(height=5, vertical=0, pooled=pooled, user=False)
        # of filters of height two alone: those of other heights see another number of fillers
        answers = [model._answers(model.items(one.item))[0, -1] for one in (early, late)]
        sizes = [2 * (1 if pooled else 5 - h + 1) for h in range(1, 6)]
        two = [part.split(sizes)[1] for part in answers]
        assert two[0].equal(two[1]) != moves


@torch.no_grad()
def test_it_sees_the_last_rows_and_nothing_before():
    model = model_of(height=3)
    state = model.encode(batch_of(1, 2, 3, 4))[0, -1]
    assert model.encode(batch_of(9, 2, 3, 4))[0, -1].equal(state)
    assert not model.encode(batch_of(1, 9, 3, 4))[0, -1].equal(state)


@torch.no_grad()
def test_the_authors_form_has_an_output_table_of_its_own_twice_as_wide():
    model = model_of(tied=False)
    vectors, bias = model.item_vectors()
    assert vectors.shape == (10, 8) and bias.shape == (10,)
    state = model.encode(batch_of(1, 2, 3))[0, -1]
    # picture, then who asks: a vector of the user, as it is
    torch.testing.assert_close(state[4:], model.users.vectors.weight[1])
    assert model_of(tied=True, rectified=True).encode(batch_of(1, 2, 3)).min() >= 0
    for user in (True, False):
        assert model_of(tied=True, user=user).encode(batch_of(1, 2, 3)).min() < 0


def test_without_filters_it_is_refused():
    with pytest.raises(ValueError, match="sees nothing; use horizontal or vertical"):
        model_of(horizontal=0, vertical=0)
