import numpy as np
import pytest
import torch

from wordbox.errors import WeightsError
from wordbox.networks.build import build
from wordbox.networks.weights import arrays, load_arrays
from wordbox.specs import NanoSpec

KINDS = ["yolov5", "yolov5u", "yolov8", "world-v1", "world-v2", "baked-v1", "baked-v2", "nano"]


@pytest.fixture(params=KINDS)
def spec(request, tiny):
    return NanoSpec() if request.param == "nano" else tiny[request.param]


def test_what_was_stored_comes_back_bit_for_bit(spec, randomise):
    network = randomise(build(spec))
    stored = arrays(network)
    other = build(spec)
    load_arrays(other, stored, "here")
    again = arrays(other)
    assert again.keys() == stored.keys()
    assert all(np.array_equal(again[name].view(np.uint32), stored[name].view(np.uint32)) for name in stored)
    assert all(array.dtype == np.float32 for array in stored.values())


def test_statistics_are_called_mean_and_variance_and_counters_are_left_out(tiny):
    names = arrays(build(tiny["yolov5"])).keys()
    assert "backbone.stem.norm.mean" in names
    assert "backbone.stem.norm.variance" in names
    assert not [name for name in names if "running" in name or "tracked" in name]


def test_what_is_stored_is_a_copy(tiny):
    network = build(tiny["yolov5"])
    stored = arrays(network)
    kept = stored["head.predict.0.bias"].copy()
    with torch.no_grad():
        network.head.predict[0].bias.add_(1)
    assert np.array_equal(stored["head.predict.0.bias"], kept)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_floats_of_another_width_are_taken(dtype, tiny, randomise):
    network = build(tiny["yolov5"])
    stored = {name: array.astype(dtype) for name, array in arrays(randomise(build(tiny["yolov5"]))).items()}
    for array in stored.values():
        array.setflags(write=False)  # as a file mapped into memory
    load_arrays(network, stored, "here")
    assert all(np.array_equal(array, stored[name].astype(np.float32)) for name, array in arrays(network).items())


def test_all_that_does_not_fit_is_told_at_once_and_nothing_changes(tiny):
    network = build(tiny["yolov8"])
    before = arrays(network)
    broken = {name: array + 1 for name, array in before.items()}
    del broken["head.bins"]
    broken["backbone.stem.conv.weight"] = np.zeros((8, 3, 6, 6), np.float32)
    broken["extra.weight"] = np.zeros(2, np.float32)
    broken["backbone.stem.norm.mean"] = np.zeros(8, np.int64)
    with pytest.raises(WeightsError) as caught:
        load_arrays(network, broken, "some.pt")
    assert str(caught.value) == (
        "some.pt: 4 arrays do not fit the network: missing head.bins [1, 8, 1, 1]; "
        "backbone.stem.conv.weight is [8, 3, 6, 6], expected [8, 3, 3, 3]; unexpected extra.weight [2]; "
        "backbone.stem.norm.mean is int64, expected floats"
    )
    assert all(np.array_equal(array, before[name]) for name, array in arrays(network).items())
