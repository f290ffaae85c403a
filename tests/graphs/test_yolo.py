"""YOLOv5 and YOLOv8 drawn as graphs: decoding against the spec's vectors, the deployed graph against the raw maps, Focus, pools."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from wordbox.errors import WeightsError
from wordbox.graphs import yolo
from wordbox.graphs.fold import fold_focus, unfold_focus
from wordbox.specs import ACTIVATIONS, AnchorHead
from wordbox.variants import ANCHORS, distribution_head, named

THIN = {3: (8, 8, 16, 16, 24), 4: (8, 8, 16, 16, 24, 24)}
NAMES = (
    *("yolov5s@v1.0", "yolov5s@v3.1", "yolov5s@v4.0", "yolov5s6@v5.0", "yolov5s", "yolov5m", "yolov5n6", "yolov5s-transformer"),
    *("yolov5s-leakyrelu", "yolov5nu", "yolov5n6u", "yolov8n", "yolov8m", "yolov8n-p2", "yolov8n-p6"),
)


def thin(name, classes=3):
    """The network called `name`, as deep as it is and with few channels."""
    spec = named(name, classes)
    widths = THIN[len(spec.widths) - 2]
    head = spec.head if isinstance(spec.head, AnchorHead) else replace(distribution_head(8, classes), box_width=16, label_width=8)
    return replace(spec, widths=widths, head=head)


def run(model, **feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, feeds), strict=True))


def canvas(height=64, width=128, count=2, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def deployed(spec, images, arrays, conf=0.2, most=50):
    model = yolo.draw(spec, arrays, {}, "test")
    return run(model, images=images, conf=np.array(conf, np.float32), max_candidates=np.array([most], np.int64))


def vector(shape, amplitude, level):
    """The generator of the spec's chapter 7."""
    return (amplitude * np.sin(0.7 * np.arange(np.prod(shape)) + level)).astype(np.float32).reshape(shape)


def test_anchors_decode_to_the_vector_of_section_7_1(yolos):
    maps = [vector((1, 24, 64 // s, 64 // s), 2, i) for i, s in enumerate((8, 16, 32))]
    rows = np.concatenate([yolos.decode_anchors(raw, s, a, 3) for raw, s, a in zip(maps, (8, 16, 32), ANCHORS[3], strict=True)], axis=1)[0]
    assert rows.shape == (252, 8)
    np.testing.assert_allclose(rows[0], [4.0, 8.98245, 31.00122, 31.70729, 0.43592, 0.16476, 0.12319, 0.25709], atol=2e-5)
    np.testing.assert_allclose(rows[192, :5], [18.98540, 2.50155, 1.78544, 55.93190, 0.87428], atol=2e-5)
    np.testing.assert_allclose(rows.sum(), 42138.3906, rtol=1e-6)


def test_distances_decode_to_the_vector_of_section_7_5(yolos):
    maps = [vector((2, 67, 64 // s, 64 // s), 1.5, i) for i, s in enumerate((8, 16, 32))]
    for raw in maps:
        raw[:, :64] -= 0.9 * np.tile(np.arange(16, dtype=np.float32), 4).reshape(1, 64, 1, 1)
    rows = np.concatenate([yolos.decode_distances(raw, s, 16, 3) for raw, s in zip(maps, (8, 16, 32), strict=True)], axis=1)
    np.testing.assert_allclose(rows[0, 0], [1.56972, 2.26722, 12.15513, 8.10190, 0.78897, 0.59397, 0.31036], atol=2e-5)
    np.testing.assert_allclose(rows[0, 83, :5], [48.54134, 40.32162, 74.35004, 58.24978, 0.79056], atol=2e-5)
    np.testing.assert_allclose(rows.sum(), 17983.2294, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_deployed_graph_gives_the_best_of_the_raw_maps(yolos, name):
    spec = thin(name)
    arrays, images = yolos.random_arrays(spec), canvas(128, 64) if spec.strides[-1] == 64 else canvas()
    raw = run(yolo.draw_raw(spec, arrays, "test"), images=images)
    boxes, scores = yolos.decode(spec, list(raw.values()))
    flat = scores.reshape(len(images), -1)
    conf = float(np.quantile(flat, 0.97))
    found = deployed(spec, images, arrays, conf)
    for row in range(len(images)):
        count = found["count"][row]
        assert count == min(50, int((flat[row] > conf).sum()))
        assert found["rows_passed"][row] == int((scores[row].max(1) > conf).sum())
        best = np.argsort(-flat[row], kind="stable")[:count]
        np.testing.assert_allclose(found["scores"][row, :count], flat[row, best], atol=1e-5)
        cells = scores.shape[2] * np.arange(scores.shape[1])
        for box, score, label in zip(*(found[key][row, :count] for key in ("boxes", "scores", "labels")), strict=True):
            near = np.flatnonzero(np.abs(flat[row, cells + label] - score) < 1e-5)
            assert np.abs(boxes[row, near] - box).max(1).min() < 1e-2
        assert (found["labels"][row, count:] == -1).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["yolov5s@v2.0", "yolov8n"])
def test_every_activation_changes_what_comes_out(yolos, name, activation):
    spec = replace(thin(name), activation=activation)
    arrays, images = yolos.random_arrays(spec), canvas(count=1)
    own = run(yolo.draw_raw(spec, arrays, "test"), images=images)["level_0"]
    other = replace(spec, activation="ReLU" if activation != "ReLU" else "SiLU")
    assert np.abs(own - run(yolo.draw_raw(other, arrays, "test"), images=images)["level_0"]).max() > 1e-3


def test_focus_and_its_six_by_six_form_agree(yolos):
    spec = thin("yolov5s@v4.0")
    arrays = yolos.random_arrays(spec)
    kernel = arrays["backbone.stem.conv.conv.weight"]
    np.testing.assert_array_equal(unfold_focus(fold_focus(kernel)), kernel)
    renamed = {name.replace("stem.conv.", "stem.", 1): array for name, array in arrays.items()}
    renamed["backbone.stem.conv.weight"] = fold_focus(kernel)
    images = canvas()
    focus = run(yolo.draw_raw(spec, arrays, "test"), images=images)
    six = run(yolo.draw_raw(replace(spec, stem="conv"), renamed, "test"), images=images)
    for name in focus:
        np.testing.assert_allclose(six[name], focus[name], atol=1e-5)


def test_focus_lays_pixels_by_column_then_row():
    """Against slices of the picture: blocks (0,0), (1,0), (0,1), (1,1) of row and column parity (trap T3)."""
    picture = np.random.default_rng(2).normal(size=(3, 8, 10))
    kernel = np.random.default_rng(3).normal(size=(5, 12, 3, 3))
    stacked = np.concatenate([picture[:, dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)])
    np.testing.assert_allclose(correlate(picture, fold_focus(kernel), 2, 2), correlate(stacked, kernel, 1, 1), atol=1e-9)


def correlate(x, kernel, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    side = kernel.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("chwij,ocij->ohw", windows, kernel)


def test_pools_in_series_are_the_pools_beside_each_other(yolos):
    series = thin("yolov5s")
    arrays, images = yolos.random_arrays(series), canvas()
    beside = replace(series, pool="SPP", pool_sides=(5, 9, 13))
    one, other = (run(yolo.draw_raw(spec, arrays, "test"), images=images) for spec in (series, beside))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_all_that_does_not_fit_is_named_at_once(yolos):
    spec = thin("yolov8n")
    arrays = yolos.random_arrays(spec)
    del arrays["head.bins"]
    arrays["neck.down.0.conv.weight"] = arrays["neck.down.0.conv.weight"][:, :1]
    arrays["spare"] = np.zeros(3, np.float32)
    with pytest.raises(WeightsError) as error:
        yolo.draw(spec, arrays, {}, "best.pt", {"head.bins": "model.22.dfl.conv.weight"})
    message = str(error.value)
    assert message.startswith("best.pt: 3 arrays do not fit")
    for part in (
        "missing model.22.dfl.conv.weight [1, 16, 1, 1]",
        "neck.down.0.conv.weight is [16, 1, 3, 3], expected",
        "unexpected spare [3]",
    ):
        assert part in message
    assert "\n" not in message


def test_half_precision_weights_give_what_their_float32_copies_give(yolos):
    spec = thin("yolov5s")
    half = yolos.random_arrays(spec, dtype=np.float16)
    images = canvas(count=1)
    one = deployed(spec, images, half)
    other = deployed(spec, images, {name: array.astype(np.float32) for name, array in half.items()})
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
