"""A wrapper trains only what learns from the batches that it makes."""

import numpy as np
import pytest

from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.retrieval import Retrieval

OWN = [(PinnerFormer, "windows and prepared"), (GRU4Rec, "training_batches")]


def first_batch(model, log, split):
    return next(model.training_batches(log, split.train, 8, 20, np.random.default_rng(0)))


@pytest.mark.parametrize(("kind", "made"), OWN)
def test_those_who_make_their_own_are_refused(kind, made, small_catalogue, small_log, small_split):
    both = Ensemble(small_catalogue, Ensemble.Config((SASRec.Config(), kind.Config())))
    words = f"{kind.__name__} makes its own {made}"
    with pytest.raises(ValueError, match=words):
        first_batch(both, small_log, small_split)
    Retrieval(small_catalogue, Retrieval.Config(kind.Config()))  # frozen, it learns nothing
    with pytest.raises(ValueError, match=words):
        Retrieval(small_catalogue, Retrieval.Config(kind.Config(), frozen=False))


def test_members_get_ready_for_a_pass(small_catalogue, small_log, small_split):
    both = Ensemble(small_catalogue, Ensemble.Config((SASRec.Config(), FPMC.Config())))
    first_batch(both, small_log, small_split)
    assert both.members[1].users.known.any()  # else all would be strangers to it
    beside = Retrieval(small_catalogue, Retrieval.Config(FPMC.Config(), frozen=False))
    first_batch(beside, small_log, small_split)
    assert beside.encoder.users.known.any()
