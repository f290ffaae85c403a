"""YOLOv5's and YOLOv8's decoding in NumPy, by the formulas of spec yolov5-yolov8.md, sections 1.10 and 4.4; and random weights."""

import numpy as np

from wordbox.arrays import arrays
from wordbox.specs import AnchorHead


def random_arrays(spec, seed=0, dtype=np.float32):
    """Arrays of the network with norms that are far from doing nothing, of a size that keeps values in range."""
    generator = np.random.default_rng(seed)
    found = {}
    for one in arrays(spec):
        last = one.name.rpartition(".")[2]
        if one.name == "head.bins":
            values = np.arange(one.shape[1]).reshape(one.shape)
        elif last == "variance":
            values = generator.uniform(0.5, 2, one.shape)
        elif last in ("mean", "bias"):
            values = generator.normal(0, 0.3, one.shape)
        elif len(one.shape) == 1:
            values = generator.uniform(0.7, 1.5, one.shape)
        else:
            values = generator.normal(0, 1.2 / np.sqrt(np.prod(one.shape[1:])), one.shape)
        found[one.name] = values.astype(dtype)
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def decode_anchors(raw, stride, anchors, classes):
    """Rows (B, A h w, 5 + K) of a raw map (B, A (5 + K), h, w), anchor-major: centre and size in pixels, objectness, classes."""
    count, _, height, width = raw.shape
    apart = sigmoid(raw.reshape(count, len(anchors), 5 + classes, height, width)).transpose(0, 1, 3, 4, 2)
    rows, columns = np.mgrid[:height, :width]
    cells = np.stack([columns, rows], axis=-1)
    apart[..., :2] = (2 * apart[..., :2] - 0.5 + cells) * stride
    apart[..., 2:4] = (2 * apart[..., 2:4]) ** 2 * np.array(anchors).reshape(-1, 1, 1, 2)
    return apart.reshape(count, -1, 5 + classes)


def decode_distances(raw, stride, bins, classes):
    """Rows (B, h w, 4 + K) of a raw map (B, 4 R + K, h, w): centre and size in pixels, classes."""
    count, _, height, width = raw.shape
    sides = np.exp(raw[:, : 4 * bins].astype(np.float64)).reshape(count, 4, bins, height, width)
    away = np.einsum("bsrhw,r->bshw", sides / sides.sum(2, keepdims=True), np.arange(bins))
    rows, columns = np.mgrid[:height, :width] + 0.5
    left, top, right, bottom = columns - away[:, 0], rows - away[:, 1], columns + away[:, 2], rows + away[:, 3]
    boxes = np.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], axis=1) * stride
    both = np.concatenate([boxes, sigmoid(raw[:, 4 * bins :])], axis=1)
    return both.reshape(count, 4 + classes, -1).transpose(0, 2, 1)


def decode(spec, levels):
    """xyxy boxes (B, N, 4) and scores (B, N, K) of raw maps, finest level first."""
    if isinstance(spec.head, AnchorHead):
        parts = zip(levels, spec.strides, spec.head.anchors, strict=True)
        rows = np.concatenate([decode_anchors(raw, stride, anchors, spec.classes) for raw, stride, anchors in parts], axis=1)
        scores = rows[..., 4:5] * rows[..., 5:]
    else:
        pairs = zip(levels, spec.strides, strict=True)
        rows = np.concatenate([decode_distances(raw, stride, spec.head.bins, spec.classes) for raw, stride in pairs], axis=1)
        scores = rows[..., 4:]
    centre, half = rows[..., :2], rows[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=2), scores
