"""Settings of a training run that are none are refused."""

import math

import pytest

from seqrec_lib.training.settings import Training


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"precision": "fp16"}, "precision is 'fp16'; use 'bf16' or 'fp32'"),
        ({"select": "Masked"}, "select is 'Masked'; use 'masked' or 'unmasked'"),
        ({"optimizer": "adam"}, "optimizer 'adam' is not known; use one of adamw"),
        ({"epochs": -1}, "epochs is -1; use 0 or more"),
        ({"batch_size": 0}, "batch_size is 0; use 1 or more"),
        ({"max_len": 0}, "max_len is 0; use 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; use a number above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"averaging": 1.0}, "averaging is 1.0"),
        ({"plateau": -1}, "plateau is -1"),
        ({"patience": -1}, "patience is -1; use 0 or more"),
        ({"test_users": -1}, "test_users is -1; use 0 or more"),
        ({"questions": -1}, "questions is -1; use 0 or more"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_setting_that_is_none_is_refused_in_words(setting, words):
    with pytest.raises(ValueError, match=words):
        Training(**setting)
