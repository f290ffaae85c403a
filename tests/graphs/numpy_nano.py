"""wordbox-nano a second time, in NumPy: written from the published description of NanoDet-G, sharing no code with the graph writer."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BGR_MEAN = np.array([103.53, 116.28, 123.675])
BGR_DEVIATION = np.array([57.375, 57.12, 58.395])


def shapes(spec):
    """Every array that the network has, by name."""
    found = {}

    def conv(name, c_in, c_out, side):
        found[f"{name}.weight"], found[f"{name}.bias"] = (c_out, c_in, side, side), (c_out,)

    conv("backbone.stem", 3, spec.stem, 3)
    channels = [spec.stem]
    for i, stage in enumerate(spec.stages):
        c = stage.width
        conv(f"backbone.stages.{i}.entry", channels[-1], c, 3)
        for block in range(stage.blocks):
            conv(f"backbone.stages.{i}.blocks.{block}.reduce", c, c // 2, 3)
            conv(f"backbone.stages.{i}.blocks.{block}.expand", c // 2, c // 2, 3)
        conv(f"backbone.stages.{i}.exit", c, c, 3)
        channels.append(2 * c)
    for level, c in enumerate(channels[-len(spec.strides) :]):
        conv(f"neck.lateral.{level}", c, spec.neck, 1)
        conv(f"head.stem.{level}", spec.neck, spec.neck, 3)
        conv(f"head.region.{level}", spec.neck, spec.embedding, 1)
        conv(f"head.distance.{level}", spec.neck, 4 * spec.bins, 1)
        found |= {f"head.norm.{level}.{part}": (spec.embedding,) for part in ("weight", "bias", "mean", "variance")}
        found |= {f"head.scale.{level}": (), f"head.offset.{level}": ()}
    return found


def random_arrays(spec, rng):
    """Random weights under which signals keep their size, boxes spread and a good part of the scores passes 0.1."""
    arrays = {}
    for name, shape in shapes(spec).items():
        values = rng.normal(size=shape)
        if name.endswith(".weight") and len(shape) == 4:
            values *= np.sqrt(2 / np.prod(shape[1:])) * (0.2 if ".region." in name else 1)
        elif name.endswith("variance"):
            values = np.abs(values) + 0.5
        elif ".scale" in name or ".offset" in name:
            values = 0.2 * values - 3 * (".offset" in name)
        arrays[name] = values.astype(np.float32)
    return arrays


def forward(spec, arrays, images, words, mask):
    """Scores (B, N, K), 0 where masked, and boxes (B, N, 4), xyxy in canvas pixels, of uint8 RGB canvases (B, H, W, 3)."""
    x = (images[..., ::-1].astype(np.float64) - BGR_MEAN) / BGR_DEVIATION
    features = trunk(spec, arrays, x.transpose(0, 3, 1, 2))
    scores, boxes = [], []
    for level, (x, stride) in enumerate(zip(features, spec.strides, strict=True)):
        batch, _, rows, columns = x.shape
        embedded = conv(arrays, f"head.region.{level}", x)
        gamma, beta, mean, variance = (
            arrays[f"head.norm.{level}.{part}"].astype(np.float64).reshape(-1, 1, 1) for part in ("weight", "bias", "mean", "variance")
        )
        embedded = (embedded - mean) / np.sqrt(variance + spec.norm_epsilon) * gamma + beta
        dots = np.matmul(words.astype(np.float64), embedded.reshape(batch, spec.embedding, -1))  # (B, K, n)
        logits = np.exp(np.float64(arrays[f"head.scale.{level}"])) * dots + arrays[f"head.offset.{level}"]
        scores.append(np.where(mask[:, :, None], 1 / (1 + np.exp(-logits)), 0).transpose(0, 2, 1))

        bins = conv(arrays, f"head.distance.{level}", x).reshape(batch, 4, spec.bins, rows * columns)
        likely = np.exp(bins - bins.max(axis=2, keepdims=True))
        likely /= likely.sum(axis=2, keepdims=True)
        left, top, right, bottom = np.moveaxis((likely * np.arange(spec.bins)[None, None, :, None]).sum(axis=2) * stride, 1, 0)
        y, x = (axis.ravel() for axis in np.indices((rows, columns)))
        x, y = (x + spec.point) * stride, (y + spec.point) * stride
        boxes.append(np.stack([x - left, y - top, x + right, y + bottom], axis=2))
    return np.concatenate(scores, axis=1), np.concatenate(boxes, axis=1)


def trunk(spec, arrays, x):
    """Head features a level of BGR pictures (B, 3, H, W), divided by their deviation."""

    def layer(name, x, stride=1):
        x = conv(arrays, name, x, stride)
        return np.where(x > 0, x, spec.leak * x)

    x = layer("backbone.stem", x, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))
    found = []
    for i, stage in enumerate(spec.stages):
        name = f"backbone.stages.{i}"
        entry = y = layer(f"{name}.entry", x, stage.stride)
        for block in range(stage.blocks):
            a = layer(f"{name}.blocks.{block}.reduce", y)
            y = np.concatenate([layer(f"{name}.blocks.{block}.expand", a), a], axis=1)
        x = np.concatenate([layer(f"{name}.exit", y), entry], axis=1)
        found.append(x)
    found = found[-len(spec.strides) :]
    p = [conv(arrays, f"neck.lateral.{i}", level) for i, level in enumerate(found)]
    for i in reversed(range(len(p) - 1)):
        p[i] = p[i] + resize(p[i + 1], *p[i].shape[2:])
    for i in range(1, len(p)):
        p[i] = p[i] + resize(p[i - 1], *p[i].shape[2:])
    return [layer(f"head.stem.{i}", level) for i, level in enumerate(p)]


def conv(arrays, name, x, stride=1):
    """(B, C, H, W) through the kernel `name`, with a border of zeros."""
    kernel, bias = arrays[f"{name}.weight"].astype(np.float64), arrays[f"{name}.bias"].astype(np.float64)
    side = kernel.shape[2]
    border = side // 2
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    windows = sliding_window_view(padded, (side, side), axis=(2, 3))[:, :, ::stride, ::stride]  # (B, C, h, w, k, k)
    return np.tensordot(windows, kernel, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) + bias.reshape(-1, 1, 1)


def resize(x, height, width):
    """Bilinear, half-pixel centres, no antialias."""
    for axis, size in ((2, height), (3, width)):
        length = x.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(place).astype(int)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, length - 1), axis) * share
    return x


def finds(scores, boxes, conf):
    """Boxes, scores and labels of every pair of one picture's scores (N, K) above `conf`, best first."""
    cells, labels = np.nonzero(scores > conf)
    order = np.argsort(-scores[cells, labels], kind="stable")
    cells, labels = cells[order], labels[order]
    return boxes[cells], scores[cells, labels], labels
