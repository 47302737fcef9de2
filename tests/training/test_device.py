import pytest
import torch

from seqrec_lib.training.device import DeviceError, device


@pytest.fixture
def gpus(monkeypatch):
    def have(number):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)

    return have


def test_auto_is_a_gpu_if_there_is_one(gpus):
    gpus(0)
    assert device() == device("cpu") == "cpu"
    gpus(2)
    assert [device(), device("cpu"), device("cuda"), device("cuda:1")] == [
        *("cuda", "cpu", "cuda", "cuda:1")
    ]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", ["gpu", "tpu", "cuda:9", "", "CPU"])
def test_another_name_is_refused_with_those_there_are(gpus, number, name):
    gpus(number)
    known = ["auto, cpu", "auto, cpu, cuda, cuda:0"][number]
    with pytest.raises(DeviceError, match=f"device is {name!r}; this machine has .*use {known}$"):
        device(name)


def test_a_gpu_that_is_not_there_is_refused(gpus):
    gpus(0)
    with pytest.raises(DeviceError, match="has no GPU that torch can use: use auto, cpu"):
        device("cuda")
