import json
from dataclasses import FrozenInstanceError, replace

import pytest

from wordbox.errors import WeightsError
from wordbox.specs import NanoSpec, Stage, from_dict, to_dict

NARROW = NanoSpec(
    stem=8, stages=(Stage(width=8, blocks=1, stride=2), Stage(width=4, blocks=3, stride=2)), strides=(8, 16), leak=0.2, bins=17
)


@pytest.mark.parametrize("spec", [NanoSpec(), NARROW, replace(NARROW, strides=(16,), point=0.0, norm_epsilon=1e-3)])
def test_a_spec_comes_back_through_json(spec):
    assert from_dict(json.loads(json.dumps(to_dict(spec))), "file") == spec


def test_a_spec_does_not_change():
    with pytest.raises(FrozenInstanceError):
        NanoSpec().neck = 64


@pytest.mark.parametrize(
    "change",
    [
        {"family": "yolov99"},
        {"family": None},
        {"family": ["nano"]},
        {"neck": 0},
        {"neck": -128},
        {"neck": 128.0},
        {"neck": "128"},
        {"neck": True},
        {"neck": 10**9},
        {"embedding": None},
        {"strides": []},
        {"strides": [8, 16, 33]},
        {"strides": [4, 8, 16]},
        {"strides": [4, 4, 8, 16, 32]},
        {"strides": "8"},
        {"strides": 8},
        {"stages": []},
        {"stages": 7},
        {"stages": [7]},
        {"stages": [{"width": 8}]},
        {"stages": [{"width": 8, "blocks": 10**9, "stride": 2}] * 4},
        {"stages": [{"width": 8, "blocks": 1, "stride": 2, "groups": 2}] * 4},
        {"point": "middle"},
        {"leak": float("nan")},
        {"leak": None},
        {"norm_epsilon": -1},
        {"depth": 3},
    ],
    ids=str,
)
def test_a_spec_that_cannot_be_is_refused_with_the_file(change):
    with pytest.raises(WeightsError, match=r"^folder/file: ") as caught:
        from_dict(to_dict(NanoSpec()) | change, "folder/file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["family", "stages", "strides"])
def test_what_a_spec_must_say_is_missed(missing):
    fields = to_dict(NanoSpec())
    del fields[missing]
    with pytest.raises(WeightsError, match="file"):
        from_dict(fields, "file")
