import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import WeightsError, WordboxError
from wordbox.graphs import foreign
from wordbox.manifest import from_metadata

NAMES = ("person", "red bus", "猫")
WRITTEN = json.dumps(NAMES)
TABLE = np.zeros((1, 7, 12))  # centre, sides, three scores of twelve candidates
TABLE[0, :, 4] = [30, 20, 20, 10, 0.1, 0.8, 0]
TABLE[0, :, 7] = [10, 40, 4, 6, 0.6, 0, 0.3]


def export(
    *,
    names=WRITTEN,
    opset=17,
    dtype=TensorProto.FLOAT,
    shape=("b", 3, "h", "w"),
    image="x",
    output=None,
    table=TABLE,
    feature_map=False,
    extra=None,
    metadata=None,
):
    """An export whose candidates stand in a table; its scores are those of the table times the mean of the first channel."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    boxes, scores = (numpy_helper.from_array(part.astype(kind), name) for part, name in ((table[:, :4], "boxes"), (table[:, 4:], "count")))
    constants = [
        boxes,
        scores,  # named like an output of ours
        numpy_helper.from_array(np.array(0, np.int64), "zero"),
        numpy_helper.from_array(np.array(0, kind), "nothing"),
        numpy_helper.from_array(np.ones((2, 3, 1, 1), kind), "kernel.weight"),
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", [image], ["means"]),
        helper.make_node("Gather", ["means", "zero"], ["first"], axis=1),  # (B, 1, 1)
        helper.make_node("Mul", ["first", "nothing"], ["none"]),
        helper.make_node("Add", ["boxes", "none"], ["each_boxes"]),
        helper.make_node("Mul", ["count", "first"], ["each_scores"]),
        helper.make_node("Concat", ["each_boxes", "each_scores"], ["output0"], axis=1),
        helper.make_node("Conv", [image, "kernel.weight"], ["features"]),
    ]
    outputs = [helper.make_tensor_value_info("output0", dtype, output or [shape[0], table.shape[1], table.shape[2]])]
    if feature_map:
        outputs.insert(0, helper.make_tensor_value_info("features", dtype, [shape[0], 2, shape[2], shape[3]]))
    inputs = [helper.make_tensor_value_info(image, dtype, shape)]
    if extra:
        inputs.append(helper.make_tensor_value_info(extra, dtype, [1]))
    graph = helper.make_graph(nodes, "torch-jit-export", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=min(8 + (opset > 19) * 2, 10))
    helper.set_model_props(model, ({} if names is None else {"names": names}) | (metadata or {}))
    onnx.checker.check_model(model, full_check=True)
    return model


def adopted(model, where="folder/best.onnx"):
    joined, facts = foreign.adopt(model, where)
    onnx.checker.check_model(joined)
    return OnnxRuntimeEngine(joined.SerializeToString(), where=where, threads=1), facts


def canvas(colour, size=(32, 64), batch=1):
    return np.broadcast_to(np.array(colour, np.uint8), (batch, *size, 3)).copy()


def run(engine, images, conf=0.25, cap=1000):
    return engine.run({"images": images, "conf": np.array(conf, np.float32), "max_candidates": np.array([cap], np.int64)})


def assert_table_found(engine, tolerance=1e-5, size=(32, 64), batch=1):
    found = run(engine, canvas((255, 0, 0), size, batch))  # red in RGB: the first channel is 1
    for row in range(batch):
        count = found["count"][row]
        assert count == 3
        assert found["rows_passed"][row] == 2
        assert found["labels"][row, :count].tolist() == [1, 0, 2]
        assert np.allclose(found["scores"][row, :count], [0.8, 0.6, 0.3], rtol=0, atol=tolerance)
        assert np.allclose(found["boxes"][row, :count], [[20, 15, 40, 25], [8, 37, 12, 43], [8, 37, 12, 43]], rtol=0, atol=tolerance)
    assert (run(engine, canvas((0, 255, 255), size, batch))["count"] == 0).all()  # cyan: the first channel is 0


@pytest.mark.parametrize("opset", [12, 13, 14, 16, 17, 18, 19, 20, 21])
def test_exports_of_many_opsets_find_their_boxes(opset):
    engine, _ = adopted(export(opset=opset))
    assert_table_found(engine)
    assert_table_found(engine, size=(64, 32), batch=3)


@pytest.mark.parametrize("image", ["images", "conf", "constant", "scores", "max_candidates", "cast"])
def test_names_like_ours_make_room(image):
    assert_table_found(adopted(export(image=image))[0])


def test_a_half_precision_export_runs():
    engine, _ = adopted(export(dtype=TensorProto.FLOAT16))
    assert engine.inputs["images"].dtype == np.uint8
    assert engine.outputs["scores"].dtype == np.float32
    assert_table_found(engine, 1e-3)


def test_a_feature_map_before_the_candidates_is_passed_over():
    engine, _ = adopted(export(feature_map=True))
    assert set(engine.outputs) == {"boxes", "scores", "labels", "count", "rows_passed"}
    assert_table_found(engine)


def test_a_fixed_export_keeps_its_size_and_batch():
    engine, facts = adopted(export(shape=(1, 3, 32, 64), metadata={"imgsz": "[640, 640]", "stride": "16"}))
    assert engine.inputs["images"].shape == (1, 32, 64, 3)
    assert facts.preprocessing.size == (32, 64)
    assert facts.preprocessing.stride == 16
    assert_table_found(engine)


@pytest.mark.parametrize("open_side", [0, -1])
def test_axes_written_as_0_or_minus_1_are_of_any_length(open_side):
    model = export()
    for dim in (model.graph.input[0].type.tensor_type.shape.dim[2], model.graph.output[0].type.tensor_type.shape.dim[2]):
        dim.dim_value = open_side
    engine, facts = adopted(model)
    assert facts.preprocessing.size == 640
    assert engine.inputs["images"].shape[1] is None


@pytest.mark.parametrize(
    "names",
    [
        WRITTEN,
        json.dumps(dict(enumerate(NAMES))),
        repr(dict(enumerate(NAMES))),
        repr(NAMES),
        repr({2: "猫", 0: "person", 1: "red bus"}),
    ],
)
def test_names_are_read_in_every_common_form(names):
    _, facts = adopted(export(names=names))
    assert facts.names == NAMES
    assert not facts.open
    assert facts.spec is None
    assert facts.name == "best.onnx"


def test_an_export_without_names_has_numbered_classes():
    assert adopted(export(names=None))[1].names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("metadata", "size", "stride"),
    [
        ({}, 640, 32),
        ({"imgsz": "[320, 480]", "stride": "64"}, 480, 64),
        ({"imgsz": "320"}, 320, 32),
        ({"imgsz": "(1280, 640)"}, 1280, 32),
    ],
)
def test_size_and_stride_come_from_the_metadata(metadata, size, stride):
    facts = adopted(export(metadata=metadata))[1]
    assert (facts.preprocessing.size, facts.preprocessing.stride) == (size, stride)


def test_the_manifest_and_the_origin_travel_in_the_joined_graph():
    metadata = {"description": "trained on buses", "license": "MIT", "author": "someone"}
    engine, facts = adopted(export(metadata=metadata))
    assert (facts.origin, facts.licence) == ("trained on buses", "MIT")
    assert from_metadata(engine.metadata, "joined") == facts


def refusal(model, where="folder/best.onnx"):
    with pytest.raises(WeightsError) as caught:
        foreign.adopt(model, where)
    assert str(caught.value).startswith(f"{where}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_number_of_names_is_told_with_both_numbers():
    message = refusal(export(names=json.dumps(["a", "b"])))
    assert "2 classes" in message
    assert "scores of 3" in message


@pytest.mark.parametrize("task", ["segment", "pose", "obb", "classify"])
def test_other_tasks_are_named(task):
    assert f"'{task}'" in refusal(export(metadata={"task": task}))


@pytest.mark.parametrize(
    "names",
    [
        "__import__('os').system('touch evaluated')",
        "{0: __import__('pathlib').Path('evaluated').touch()}",
        "[x for x in (1,)]",
        "",
        "7",
        "null",
        "[1, 2, 3]",
        "{'a': 'b'}",
        "{0: 'a', 2: 'b', 3: 'c'}",
        "{1e999: 'a'}",
        "{1: 'a', '1': 'b', 0: 'c'}",
        "[" * 100_000,
        "9" * 10_000,
        " " * 2_000_000,
    ],
    ids=lambda names: repr(names[:20]),
)
def test_names_are_data_and_never_evaluated(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "names" in refusal(export(names=names))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "metadata",
    [
        *({"stride": stride} for stride in ("0", "-32", "1e9", "many", "[32]", "true", "99999")),
        *({"imgsz": size} for size in ("0", "[]", "[0, -1]", "big", "10000000000", "['a', 3]", "{}", "[[640]]")),
    ],
    ids=str,
)
def test_sizes_and_strides_that_cannot_be_are_refused(metadata):
    assert next(iter(metadata)) in refusal(export(metadata=metadata))


def test_other_inputs_are_refused():
    assert "inputs x [None, 3, None, None], scale [1]" in refusal(export(extra="scale"))
    grey = export()
    grey.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    assert "expected one float input" in refusal(grey)


def test_other_outputs_are_refused():
    assert "found outputs output0 [None, 12, 7]" in refusal(export(table=TABLE.transpose(0, 2, 1), names=None))  # as YOLOv5 writes it
    twice = export(names=None)
    twice.graph.output.append(helper.make_tensor_value_info("each_boxes", TensorProto.FLOAT, ["b", 5, 12]))
    assert "exactly one" in refusal(twice)
    none = export()
    del none.graph.output[:]
    assert "found outputs" in refusal(none)


def test_the_names_choose_between_two_outputs():
    model = export()
    model.graph.output.insert(0, helper.make_tensor_value_info("each_boxes", TensorProto.FLOAT, ["b", 5, 12]))
    assert_table_found(adopted(model)[0])


def test_a_file_is_read_back(tmp_path):
    onnx.save(export(), tmp_path / "best.onnx")
    assert_table_found(adopted(foreign.read(tmp_path / "best.onnx"))[0])


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        foreign.read(Path("away.onnx"))
    assert "away.onnx" in str(caught.value)
    assert str(tmp_path.resolve() / "away.onnx") in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"garbage " * 99, b"\x89PNG\r\n\x1a\n", b"PK\x03\x04" + bytes(99)], ids=["empty", "text", "png", "zip"]
)
def test_what_is_no_graph_is_refused(tmp_path, content):
    path = tmp_path / "best.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"best\.onnx: "):
        foreign.adopt(foreign.read(path), str(path))


@pytest.fixture(scope="module")
def whole():
    return export(metadata={"description": "x" * 200}).SerializeToString()


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_file_is_refused(tmp_path, whole, tenth):
    path = tmp_path / "best.onnx"
    path.write_bytes(whole[: len(whole) * tenth // 10])
    with pytest.raises(WordboxError, match="best"):
        adopted(foreign.read(path), str(path))


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_byte_ends_in_an_error_of_ours_or_in_a_graph(tmp_path_factory, whole, place, byte):
    damaged = bytearray(whole)
    damaged[int(place * len(damaged))] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(damaged)
    try:
        joined, _ = foreign.adopt(foreign.read(path), str(path))
        OnnxRuntimeEngine(joined.SerializeToString(), where=str(path), threads=1)
        said = path.name
    except WordboxError as error:
        said = str(error)
    assert path.name in said
