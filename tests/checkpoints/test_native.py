import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from wordbox.checkpoints import native
from wordbox.errors import WeightsError
from wordbox.manifest import KEY, Manifest, Preprocessing
from wordbox.specs import NanoSpec, to_dict
from wordbox.variants import yolov5

YOLO = replace(yolov5("s", generation="v3.1", classes=2), norm_epsilon=1e-5)
FACTS = Manifest(name="tiny", names=("person", "猫"), open=True, preprocessing=Preprocessing(size=64), spec=NanoSpec())
ARRAYS = {
    "backbone.stem.weight": np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32),
    "head.scale.0": np.array(0.5, np.float32),
    "half": np.arange(7).astype(np.float16),
    "counts": np.arange(-3, 3),
    "table": np.arange(12, dtype=np.int8).reshape(3, 4),
    "none": np.zeros((0, 4), np.float32),
    "shown": np.array([True, False]),
}


@pytest.fixture
def whole(tmp_path):
    native.write(tmp_path / "whole.safetensors", ARRAYS, FACTS)
    return (tmp_path / "whole.safetensors").read_bytes()


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        native.read(path)
    assert path.name.replace("\0", "\\x00") in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def header(content):
    return json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])


def with_header(content, changed):
    body = content[8 + struct.unpack("<Q", content[:8])[0] :]
    text = (changed if isinstance(changed, str) else json.dumps(changed)).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_arrays_and_manifest_come_back_to_the_bit(tmp_path):
    path = tmp_path / "tiny.safetensors"
    native.write(path, ARRAYS, FACTS)
    arrays, facts = native.read(path)
    assert facts == FACTS
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()


def test_the_manifest_of_a_yolo_comes_back(tmp_path):
    facts = replace(FACTS, open=False, spec=YOLO)
    native.write(tmp_path / "yolo.safetensors", ARRAYS, facts)
    assert native.read(tmp_path / "yolo.safetensors")[1] == facts


HOSTILE = [
    *({"classes": 10**9}, {"widths": [10**9] * 5}, {"repeats": [10**9] * 4}, {"neck_repeats": 10**9}, {"pool_sides": []}),
    *({"head": {"kind": "anchor", "anchors": [[[float("nan"), 1]]] * 3}}, {"leak": float("nan")}, {"strides": [[[[]]]]}, {"head": []}),
    *({"norm_epsilon": 10**400}, {"family": "nano"}, {"family": {}}),
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: str(change)[:50])
def test_a_network_that_cannot_be_is_refused_with_the_file(tmp_path, change):
    described = json.loads(replace(FACTS, open=False, spec=YOLO).to_json())
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(save(ARRAYS, metadata={KEY: json.dumps(described | {"spec": to_dict(YOLO) | change})}))
    assert "spec of family" in refusal(path) or "network of family" in refusal(path)


@pytest.mark.parametrize(
    "text",
    ["", "null", "7", "[]", '"text"', "{}", "[" * 100_000, '{"version": 1}', '{"version": 1, "spec": [], "encoder": null}', "NaN", "1e999"],
    ids=lambda text: text[:20],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(save(ARRAYS, metadata={KEY: text}))
    refusal(path)


def test_equal_contents_give_equal_bytes(tmp_path, whole):
    turned = {name: ARRAYS[name].copy(order="F") for name in reversed(ARRAYS)}
    native.write(tmp_path / "again.safetensors", turned, FACTS)
    assert (tmp_path / "again.safetensors").read_bytes() == whole
    arrays, facts = native.read(tmp_path / "again.safetensors")
    native.write(tmp_path / "third.safetensors", arrays, facts)
    assert (tmp_path / "third.safetensors").read_bytes() == whole


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_file_is_refused(tmp_path, whole, tenth):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[: len(whole) * tenth // 10])
    refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"garbage " * 50, b"PK\x03\x04" + bytes(200), b"\xff" * 64, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 2**62) + b"{}"],
    ids=["text", "zip", "ones", "list", "endless"],
)
def test_what_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    refusal(path)


def test_a_lying_header_is_refused(tmp_path, whole):
    path = tmp_path / "lies.safetensors"
    stem = header(whole)["backbone.stem.weight"]
    lies = [
        {**stem, "shape": [8, 3, 3, 4]},
        {**stem, "shape": [2**62, 4]},
        {**stem, "dtype": "F64"},
        {**stem, "dtype": "F99"},
        {**stem, "data_offsets": [0, 10**12]},
        {**stem, "data_offsets": [stem["data_offsets"][1], stem["data_offsets"][0]]},
        {"dtype": "F32"},
        None,
    ]
    for lie in lies:
        path.write_bytes(with_header(whole, header(whole) | {"backbone.stem.weight": lie}))
        refusal(path)
    path.write_bytes(with_header(whole, "[" * 100_000))
    refusal(path)


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("C64", 8)])
def test_a_number_type_that_is_of_no_use_is_refused_with_the_way_out(tmp_path, dtype, size):
    path = tmp_path / "odd.safetensors"
    described = {"__metadata__": FACTS.to_metadata(), "x": {"dtype": dtype, "shape": [4], "data_offsets": [0, 4 * size]}}
    text = json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4 * size))
    assert "store them as float32" in refusal(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_somebody_else_gives_its_arrays_and_no_manifest(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save(ARRAYS, metadata=metadata))
    arrays, facts = native.read(path)
    assert facts is None
    assert {name: array.tobytes() for name, array in arrays.items()} == {name: array.tobytes() for name, array in ARRAYS.items()}


def test_a_manifest_of_another_version_is_refused(tmp_path):
    path = tmp_path / "newer.safetensors"
    path.write_bytes(save(ARRAYS, metadata={KEY: json.dumps(json.loads(FACTS.to_json()) | {"version": 2})}))
    assert "version 2" in refusal(path)


def test_what_is_not_there_is_named_as_written_and_as_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path.resolve() / "away.safetensors") in refusal(Path("away.safetensors"))
    refusal(tmp_path)  # a folder


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_header_ends_in_our_error_or_in_arrays(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    native.write(path, ARRAYS, FACTS)
    content = bytearray(path.read_bytes())
    content[int(place * (8 + struct.unpack("<Q", content[:8])[0]))] = byte
    path.write_bytes(content)
    try:
        native.read(path)
        said = path.name
    except WeightsError as error:
        said = str(error)
    assert path.name in said


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J"])
def test_names_that_would_break_an_error_are_shown_with_their_escapes(tmp_path, name):
    (tmp_path / "odd.safetensors").write_bytes(save({name: np.zeros(1, np.float32)}))
    assert refusal(tmp_path / "odd.safetensors").isprintable()


@pytest.mark.parametrize("name", ["away", "x" * 300, "\0"])
def test_what_is_not_there_is_no_crash(tmp_path, name):
    assert "no such file" in refusal(tmp_path / f"{name}.safetensors")
