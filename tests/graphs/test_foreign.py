import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import wordbox
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import WeightsError, WordboxError
from wordbox.graphs import foreign
from wordbox.graphs.foreign_layout import Layout, layouts
from wordbox.manifest import from_metadata

NAMES = ("person", "red bus", "猫")
WRITTEN = json.dumps(NAMES)
TABLE = np.zeros((1, 7, 12))  # centre, sides, three scores of twelve candidates
TABLE[0, :, 4] = [30, 20, 20, 10, 0.1, 0.8, 0]
TABLE[0, :, 7] = [10, 40, 4, 6, 0.6, 0, 0.3]
CELLS = (32 // 8) * (64 // 8) + (32 // 16) * (64 // 16) + (32 // 32) * (64 // 32)  # candidates of a canvas of 32 x 64, one a cell


def widened(candidates, objectness=False):
    """The same finds among more candidates; with objectness the scores are products."""
    table = np.zeros((1, 7, candidates))
    table[:, :, :12] = TABLE
    if not objectness:
        return table
    there = table[:, 4:].max(axis=1, keepdims=True)
    return np.concatenate([table[:, :4], there, table[:, 4:] / np.maximum(there, 1e-9)], axis=1)


FINISHED = np.zeros((1, 6, 9))  # xyxy, score, class
FINISHED[0, :, :3] = np.array([[20, 15, 40, 25, 0.8, 1], [8, 37, 12, 43, 0.6, 0], [8, 37, 12, 43, 0.3, 2]]).T


def export(
    *,
    names=WRITTEN,
    opset=17,
    dtype=TensorProto.FLOAT,
    shape=("b", 3, "h", "w"),
    image="x",
    output=None,
    table=TABLE,
    rows=False,
    feature_map=False,
    raw_maps=0,
    extra=None,
    metadata=None,
):
    """An export whose candidates stand in a table; its scores are those of the table times the mean of the first channel.

    With `rows` a candidate is a row. A feature map stands before the candidates, `raw_maps` of five axes behind them.
    """
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
        helper.make_node("Concat", ["each_boxes", "each_scores"], ["columns"], axis=1),
        helper.make_node("Transpose", ["columns"], ["output0"], perm=[0, 2, 1] if rows else [0, 1, 2]),
        helper.make_node("Conv", [image, "kernel.weight"], ["features"]),
    ]
    sides = table.shape[:0:-1] if rows else table.shape[1:]
    outputs = [helper.make_tensor_value_info("output0", dtype, output or [shape[0], *sides])]
    for i in range(raw_maps):
        constants.append(numpy_helper.from_array(np.array([2**i], np.int64), f"axis{i}"))
        nodes.append(helper.make_node("Unsqueeze", ["features", f"axis{min(i, 1)}"], [f"map{i}"]))
        outputs.append(helper.make_tensor_value_info(f"map{i}", dtype, [None] * 5))
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


@pytest.mark.parametrize("opset", [11, 12, 13, 14, 16, 17, 18, 19, 20, 21])
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


@pytest.mark.parametrize("names", [WRITTEN, None])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("shape", [(1, 3, 32, 64), ("b", 3, "h", "w"), (None,) * 4], ids=str)
def test_rows_with_objectness_score_the_product(names, dtype, shape):
    table = widened(3 * CELLS, objectness=True)
    output = None if shape[0] == 1 else [shape[0], None, 8]
    engine, facts = adopted(export(names=names, dtype=dtype, shape=shape, table=table, rows=True, output=output))
    assert (facts.thresholds.conf, facts.thresholds.iou) == (0.25, 0.45)
    assert len(facts.names) == 3
    assert_table_found(engine, 1e-5 if dtype == TensorProto.FLOAT else 1e-3)


def test_raw_maps_behind_the_decoded_output_are_passed_over():
    """As YOLOv5 v6.0 and v6.1 export, without metadata."""
    table = widened(3 * CELLS, objectness=True)
    assert_table_found(adopted(export(names=None, shape=(1, 3, 32, 64), table=table, rows=True, raw_maps=3))[0])


@pytest.mark.parametrize("shape", [(1, 3, 32, 64), ("b", 3, "h", "w")], ids=str)
def test_turned_candidates_are_found_by_the_number_of_names(shape):
    output = None if shape[0] == 1 else ["b", None, 7]
    engine, facts = adopted(export(shape=shape, table=widened(CELLS), rows=True, output=output))
    assert facts.thresholds.iou == 0.7
    assert_table_found(engine)


@pytest.mark.parametrize("metadata", [{}, {"end2end": "True"}, {"args": "{'batch': 1, 'nms': True, 'simplify': False}"}], ids=str)
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_finished_boxes_are_taken_as_they_are(metadata, dtype):
    engine, facts = adopted(export(table=FINISHED, rows=True, metadata=metadata, dtype=dtype))
    assert facts.thresholds.iou == 1  # nothing more is dropped unless asked
    found = run(engine, canvas((255, 0, 0)))
    assert found["count"].tolist() == [3]
    assert found["labels"][0, :3].tolist() == [1, 0, 2]
    assert np.allclose(found["scores"][0, :3], [0.8, 0.6, 0.3], rtol=0, atol=1e-3)
    assert found["boxes"][0, :3].tolist() == [[20, 15, 40, 25], [8, 37, 12, 43], [8, 37, 12, 43]]


def test_finished_boxes_without_names_are_refused():
    assert "no names" in refusal(export(names=None, table=FINISHED, rows=True))


SQUARE, FREE = (640, 640), (None, None)


@pytest.mark.parametrize(
    ("shape", "names", "canvas", "kind", "classes", "rows"),
    [
        ([1, 84, 8400], 80, SQUARE, "classes", 80, False),
        ([1, 84, 8400], 0, SQUARE, "classes", 80, False),
        ([None, 84, None], 80, FREE, "classes", 80, False),
        ([None, 84, None], 0, FREE, "classes", 80, False),
        ([1, 5, 8400], 1, SQUARE, "classes", 1, False),
        ([1, 84, 21], 80, (32, 32), "classes", 80, False),  # fewer candidates than classes
        ([1, 25200, 85], 80, SQUARE, "objectness", 80, True),
        ([1, 25200, 85], 0, SQUARE, "objectness", 80, True),
        ([None, None, 85], 80, FREE, "objectness", 80, True),
        ([None, None, 85], 0, FREE, "objectness", 80, True),
        ([1, 25200, 6], 1, SQUARE, "objectness", 1, True),  # one class, not finished boxes
        ([1, 25200, 6], 0, SQUARE, "objectness", 1, True),
        ([1, 252, 6], 1, (64, 64), "objectness", 1, True),
        ([None, None, 6], 1, FREE, "objectness", 1, True),
        ([1, 102000, 85], 80, (1280, 1280), "objectness", 80, True),  # four levels
        ([1, 8400, 85], 80, SQUARE, "objectness", 80, True),  # one a cell
        ([1, 8400, 84], 80, SQUARE, "classes", 80, True),
        ([None, None, 84], 80, FREE, "classes", 80, True),
        ([1, 300, 6], 80, SQUARE, "finished", 80, True),
        ([1, 300, 6], 1, SQUARE, "finished", 1, True),
        ([1, 300, 6], 1, FREE, "finished", 1, True),
    ],
    ids=str,
)
def test_shape_and_names_tell_the_layout(shape, names, canvas, kind, classes, rows):
    assert layouts(shape, names, False, canvas) == [Layout(kind, classes, rows)]


def test_metadata_that_says_so_makes_finished_boxes_of_one_class():
    for sides in ([None, None, 6], [None, None, None], [1, 300, 6]):  # a free export states no sides
        assert layouts(sides, 1, True, FREE) == [Layout("finished", 1, rows=True)]


@pytest.mark.parametrize(
    ("shape", "names", "canvas"),
    [
        ([1, 8400, 85], 0, SQUARE),  # one a cell with no names: with or without objectness, decoded or not
        ([1, 8400, 84], 0, SQUARE),
        ([1, 300, 84], 80, SQUARE),  # queries of a transformer, whose boxes are fractions of the canvas
        ([None, 300, 84], 80, FREE),
        ([1, 9, 2100], 80, (320, 320)),
        ([1, 25200, 85], 79, SQUARE),
        ([1, 4, 8400], 0, SQUARE),
        ([1, None, None], 80, SQUARE),
        ([1, 3, 80, 80, 85], 80, SQUARE),
        ([1, 1000], 1000, (224, 224)),
        ([], 80, SQUARE),
    ],
    ids=str,
)
def test_what_is_in_doubt_has_no_layout(shape, names, canvas):
    assert layouts(shape, names, False, canvas) == []


@pytest.mark.parametrize("open_output", ["no sides", "no shape"])
def test_shapes_that_are_not_stated_are_worked_out(open_output):
    model = export()
    if open_output == "no shape":
        model.graph.output[0].type.tensor_type.ClearField("shape")
    else:
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output0", TensorProto.FLOAT, [None, None, None]))
    assert_table_found(adopted(model)[0])


def test_a_free_export_with_objectness_tells_its_columns_by_its_last_nodes():
    """As YOLOv5 exports it with free sides: the rows are reshaped to lengths that are computed, but for the last."""
    model = export(names=None, table=widened(126, objectness=True), rows=True, raw_maps=1)
    batch, columns = (numpy_helper.from_array(np.array([value], np.int64), name) for value, name in ((1, "one"), (8, "columns_of")))
    model.graph.initializer.extend([batch, columns])
    model.graph.node[-3].output[0] = "rows"  # the Transpose
    assert model.graph.node[-3].op_type == "Transpose"
    for kind, inputs, output, options in (
        ("Shape", ["rows"], "rows_shape", {}),
        ("Slice", ["rows_shape", "zero1", "two1"], "start", {}),
        ("Cast", ["start"], "start_float", {"to": TensorProto.FLOAT}),  # where onnx loses the track
        ("Floor", ["start_float"], "start_floor", {}),
        ("Cast", ["start_floor"], "start_whole", {"to": TensorProto.INT64}),
        ("Concat", ["start_whole", "columns_of"], "wanted", {"axis": 0}),
        ("Reshape", ["rows", "wanted"], "level", {}),
        ("Concat", ["level"], "output0", {"axis": 1}),
    ):
        model.graph.node.append(helper.make_node(kind, inputs, [output], **options))
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array([value], np.int64), f"{name}1") for name, value in (("zero", 0), ("two", 2))
    )
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output0", TensorProto.FLOAT, [None, None, None]))
    onnx.checker.check_model(model)
    assert_table_found(adopted(model)[0])


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
        repr({str(i): name for i, name in enumerate(NAMES)}),
        "{0: 'person',\n 1: 'red bus',\n 2: '猫',}",
    ],
)
def test_names_are_read_in_every_common_form(names):
    _, facts = adopted(export(names=names))
    assert facts.names == NAMES
    assert not facts.open
    assert facts.spec is None
    assert facts.name == "best.onnx"


@pytest.mark.parametrize("names", ["[0, 1, 2]", "{0: 0, 1: 1, 2: 2}", "['0', 1, '2']"])
def test_numbers_among_the_names_are_texts(names):
    assert adopted(export(names=names))[1].names == ("0", "1", "2")


def test_what_yaml_made_of_no_is_a_name():
    assert adopted(export(names="{0: 'yes', 1: False, 2: 2.5}"))[1].names == ("yes", "False", "2.5")


def test_names_are_lines_of_text():
    assert adopted(export(names=r'["\ud800", "two\nlines", "c"]'))[1].names == ("?", "two lines", "c")


def test_an_export_without_names_has_numbered_classes():
    assert adopted(export(names=None))[1].names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("metadata", "size", "stride"),
    [
        ({}, 640, 32),
        ({"imgsz": "[320, 480]", "stride": "64"}, 480, 64),
        ({"imgsz": "320"}, 320, 32),
        ({"imgsz": "(1280, 640)"}, 1280, 32),
        ({"imgsz": "640.0", "stride": "32.0"}, 640, 32),
        ({"stride": "[8, 16, 32]"}, 640, 32),
        ({"stride": "64"}, 1280, 64),
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
        "[]",
        "[None, 'a', 'b']",
        "[['a'], 'b', 'c']",
        "person, red bus, 猫",
        "{'a': 'b'}",
        "{0: 'a', 2: 'b', 3: 'c'}",
        "{1e999: 'a'}",
        "{[]: 'a'}",
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
        *({"stride": stride} for stride in ("0", "-32", "1e9", "many", "[]", "['32']", "32.5", "true", "99999")),
        *({"imgsz": size} for size in ("0", "[]", "[0, -1]", "big", "10000000000", "['a', 3]", "{}", "[[640]]")),
    ],
    ids=str,
)
def test_sizes_and_strides_that_cannot_be_are_refused(metadata):
    assert next(iter(metadata)) in refusal(export(metadata=metadata))


def test_other_inputs_are_refused():
    assert "inputs x [?, 3, ?, ?], scale [1]" in refusal(export(extra="scale"))
    whole_numbers = export()
    whole_numbers.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert "expected one float input" in refusal(whole_numbers)


@pytest.mark.parametrize(
    ("sides", "said"), [((1, 640, 640, 3), "channels last"), ((1, 1, 640, 640), "grey"), ((1, 4, 640, 640), "float input")]
)
def test_pictures_in_another_form_are_named(sides, said):
    model = export()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, sides))
    message = refusal(model)
    assert said in message
    assert str(list(sides)) in message


def with_outputs(*shapes, **options):
    """An export that declares outputs of other shapes; it cannot run."""
    model = export(shape=(1, 3, 640, 640), **options)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, sides) for i, sides in enumerate(shapes))
    return model


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([[1, 3, 80, 80, 8], [1, 3, 40, 40, 8], [1, 3, 20, 20, 8]], "raw maps; export with the decoded output"),
        ([[1, 24, 80, 80], [1, 24, 40, 40]], "raw maps"),
        ([[1, 39, 8400], [1, 32, 160, 160]], "'segment'"),
        ([[1, 25200, 40], [1, 32, 160, 160]], "'segment'"),
        ([[1, 1000]], "'classify'"),
        ([[1, 9, 8400]], "3 classes"),
        ([[1, 25200, 85]], "80 or, without objectness, 81"),
        ([[1, 7, 8400], [1, 7, 8400]], "exactly one"),
        ([], "outputs none"),
    ],
    ids=str,
)
def test_other_outputs_are_named(shapes, said):
    assert said in refusal(with_outputs(*shapes))


def test_a_suppression_inside_in_another_form_is_named():
    model = with_outputs([100, 7])
    model.graph.node.append(helper.make_node("NonMaxSuppression", ["a", "b"], ["c"]))
    assert "without NMS" in refusal(model)
    assert "without NMS" in refusal(with_outputs([1, 300, 7], metadata={"end2end": "True"}))


def test_one_a_cell_without_names_is_refused():
    assert "which no names explain" in refusal(with_outputs([1, 8400, 85], names=None))


def test_two_readings_are_refused():
    twice = export(names=None)
    twice.graph.output.append(helper.make_tensor_value_info("each_boxes", TensorProto.FLOAT, ["b", 5, 12]))
    assert "exactly one" in refusal(twice)


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


@pytest.mark.parametrize("picture", ["bus.jpg", "zidane.jpg"])
def test_a_published_export_finds_the_persons(shared, picture):
    """Another tool's file, dynamically quantised, as people publish them."""
    weights = shared / "data" / "weights" / "yolov8n-dynquant-uint8.onnx"
    found = wordbox.load(weights, threads=1).detect(shared / "data" / "photos" / picture, iou=0.45)
    labels = [one.label for one in found]
    assert labels.count("person") >= 2
    assert labels.count("bus") == (picture == "bus.jpg")
