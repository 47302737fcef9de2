"""No model takes a setting that nothing can be made of and fails, or learns nothing, later."""

import dataclasses

import numpy as np
import pytest

from seqrec_lib.data.catalogue import Catalogue
from seqrec_lib.models.losses import BCE, GBCE, BPRMax, SampledSoftmax
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.registry import MODELS

# settings of which 0 says something: no layer, no term of a loss, nobody left out
NONE = {
    *("num_layers", "dropout", "dropout_embed", "dropout_hidden", "drop_events", "gap_s", "share"),
    *("horizontal", "vertical", "weight", "alpha", "beta", "sharpness", "copied", "regularisation"),
    *("latest", "window_s", "warm_up", "terms", "power"),
}
NOT_NONE = {  # but for these
    *(("dien", "share"), ("transact", "share"), ("twin-v2", "share"), ("surge", "share")),
    *(("slit", "regularisation"), ("sim-soft", "beta"), ("pinnerformer", "window_s")),
    *(("gru", "num_layers"), ("gru4rec", "num_layers")),
}


def numbers():
    """Every setting of every model that is a number, or a row of them."""
    for name, kind in MODELS.items():
        for field in dataclasses.fields(kind.Config):
            value, declared = getattr(kind.Config(), field.name), str(field.type)
            number = declared.startswith(("int", "float")) and not isinstance(value, bool)
            if number or (isinstance(value, tuple) and set(map(type, value)) == {int}):
                values = ((), (0,), (-1,)) if isinstance(value, tuple) else (0, -1)
                yield name, field.name, (0.0, -1.0) if declared.startswith("float") else values


@pytest.fixture(scope="module")
def catalogue():
    attributes = np.arange(41, dtype=np.int32)[:, None] % 7
    return Catalogue(40, np.arange(41), attributes, num_users=5)


def made(catalogue, name, **settings):
    kind = MODELS[name]
    return kind(catalogue, dataclasses.replace(kind.Config(), **settings))


@pytest.mark.parametrize(("name", "setting", "values"), list(numbers()))
def test_a_setting_that_nothing_can_be_made_of_is_refused(catalogue, name, setting, values):
    for value in values:
        if value == 0 and setting in NONE and (name, setting) not in NOT_NONE:
            made(catalogue, name, **{setting: value})
        else:
            with pytest.raises(ValueError, match=r"[a-z]"):
                made(catalogue, name, **{setting: value})


@pytest.mark.parametrize("objective", [SampledSoftmax, BCE, GBCE, BPRMax])
def test_an_objective_needs_something_to_tell_a_target_from(objective):
    if hasattr(objective(), "in_batch"):
        with pytest.raises(ValueError, match="num_negatives is 0; use 1 or more"):
            objective(0, in_batch=False)
        assert objective(0, in_batch=True).contrasts_batch
    else:
        with pytest.raises(ValueError, match="num_negatives is 0; use 1 or more"):
            objective(0)
    with pytest.raises(ValueError, match="num_negatives is -3"):
        objective(-3)


def test_a_feature_that_is_named_twice_is_refused(catalogue):
    with pytest.raises(ValueError, match="name each feature once"):
        made(catalogue, "twin", cross=("gap", "gap"))
    made(catalogue, "twin", cross=TWIN.Config.cross)


def test_heads_that_do_not_divide_the_width_are_refused(catalogue):
    for name in ("sasrec", "hstu", "transact", "twin"):
        with pytest.raises(ValueError, match="num_heads is 3"):
            made(catalogue, name, num_heads=3)
