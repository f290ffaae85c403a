"""YOLOs as the reader of pickles gives them: modules in order with their attributes, and arrays that take no memory."""

from dataclasses import replace

import numpy as np

from wordbox.arrays import arrays, of_v1
from wordbox.checkpoints import clip_names
from wordbox.checkpoints import official as official_names
from wordbox.checkpoints.modules import Module, Pickled
from wordbox.layers import layers
from wordbox.layers import of_v1 as rows_of_v1
from wordbox.specs import GATE_HEAD, AnchorHead, ClipTextSpec, Yolov5Spec, YoloWorldSpec

YOLOV5 = "models"
TORCH = "torch.nn.modules"
PLAIN = {  # classes of PyTorch by the last part of a path
    "bn": "batchnorm.BatchNorm2d",
    "linear": "linear.Linear",
    **dict.fromkeys(("q", "k", "v", "fc1", "fc2"), "linear.Linear"),
    "ma": "activation.MultiheadAttention",
    "out_proj": "linear.NonDynamicallyQuantizableLinear",
    "tr": "container.Sequential",
}


def published(spec, *, v1=False, anchors=True, fill=0.0):
    """Arrays of the spec by published names, each a single number behind its shape."""
    entries = of_v1(arrays(spec)) if v1 else arrays(spec)
    found = {one.published: np.broadcast_to(np.float16(fill), one.shape) for one in entries}
    if anchors and isinstance(spec.head, AnchorHead):
        cells = np.array(spec.head.anchors) / np.array(spec.strides).reshape(-1, 1, 1)
        found[f"model.{_last(spec, v1)}.anchors"] = (cells[::-1] if v1 else cells).astype(np.float32)
    return found


def official(spec, fill=0.0):
    """Arrays of an open YOLO-World by its authors' names, each a single number behind its shape."""
    shapes = {one.name: one.shape for one in arrays(spec)}
    return {theirs: np.broadcast_to(np.float32(fill), shapes[ours]) for ours, theirs in official_names.names(spec).items()}


def folded(spec, words, rng):
    """Arrays of a YOLO-World v2 whose authors folded `words` words into it, random, by their names."""
    found = {name: (rng.normal(size=array.shape) * 0.1).astype(np.float32) for name, array in official(spec).items()}
    for name in [name for name in found if name.endswith("running_var")]:
        found[name] = np.abs(found[name]) + np.float32(0.5)
    for name in [name for name in found if ".guide_fc." in name or name.endswith(".logit_scale") or _is_offset(name)]:
        array = found.pop(name)
        if name.endswith("guide_fc.bias"):
            for head in range(array.shape[0] // GATE_HEAD):
                kernel = rng.normal(size=(words, GATE_HEAD, 1, 1)).astype(np.float32)
                found[f"{name.removesuffix('guide_fc.bias')}guide_convs.{head}.weight"] = kernel
        elif name.endswith(".logit_scale"):
            conv = f"{name.removesuffix('logit_scale')}conv."
            found[f"{conv}weight"] = rng.normal(size=(words, spec.embedding, 1, 1)).astype(np.float32)
            found[f"{conv}bias"] = rng.normal(size=words).astype(np.float32)
    return found


def _is_offset(name):
    return name.rpartition(".")[2] == "bias" and name.split(".")[-3] == "cls_contrasts"


def tower(width=64, layers=2, projection=64, tokens=60, context=7, lead="backbone.text_model.model."):
    """Arrays of a tiny text tower as Hugging Face names them."""
    shapes = official_names.tower_shapes(
        ClipTextSpec(width=width, layers=layers, heads=1, projection=projection, tokens=tokens, context=context)
    )
    ours = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()}
    return {f"{lead}{name}": array for name, array in clip_names.to_huggingface(ours).items()}


def pickled(spec, *, v1=False, package=YOLOV5, kind="DetectionModel", names=None, flat=False, **facts):
    """The spec as a pickled network. `package` is the root of its classes; `flat` puts all blocks into one module, as 8.0.0 did."""
    found = published(spec, v1=v1)
    rows = rows_of_v1(layers(spec)) if v1 else layers(spec)
    by_row = {row.index: row for row in rows}
    ultralytics = package.startswith("ultralytics")
    tasks = f"{package}.nn.tasks" if ultralytics else f"{package}.yolo"

    def block(name):
        if ultralytics:
            return f"{package}.nn.modules.{name}" if flat else f"{package}.nn.modules.{'head' if 'Detect' in name else 'block'}.{name}"
        return f"{package}.{'yolo' if name == 'Detect' else 'common'}.{name}"

    act, slope = f"{TORCH}.activation.{spec.activation}", {"negative_slope": spec.leak} if spec.activation == "LeakyReLU" else {}
    strides = spec.strides[::-1] if v1 else spec.strides
    said = {"names": [f"thing {i}" for i in range(spec.classes)] if names is None else names, "nc": spec.classes}
    modules = [
        Module("", f"{tasks}.{kind}", said | {"stride": np.array(strides, np.float32)}),
        Module("model", f"{TORCH}.container.Sequential", {}),
    ]
    paths = {path for row in rows for path in _paths(row.index, found)}
    for path in sorted(paths, key=lambda path: [int(part) if part.isdecimal() else part for part in path.split(".")]):
        row = by_row[int(path.split(".")[1])]
        last, depth = path.rpartition(".")[2], path.count(".")
        inner = _world(path, row, block) if isinstance(spec, YoloWorldSpec) and depth > 1 else None
        if inner is not None:
            modules.append(inner)
        elif depth == 1:
            modules.append(_row(row, f"{TORCH}.upsampling.Upsample" if row.module == "Upsample" else block(row.module), spec, strides))
            if row.module == "Conv2d":
                modules[-1] = replace(modules[-1], kind=f"{TORCH}.conv.Conv2d")
            modules += _pools(row, path, spec)
        elif f"{path}.bn" in paths and f"{path}.conv" in paths:
            modules.append(Module(path, block("Conv"), {}))
        elif last == "bn" or (last in PLAIN and row.module == "C3TR"):
            modules.append(Module(path, f"{TORCH}.{PLAIN[last]}", {"eps": spec.norm_epsilon} if last == "bn" else {}))
        elif f"{path}.weight" in found:
            halves = row.module == "Conv" and row.arguments[3] == 2
            modules.append(Module(path, f"{TORCH}.conv.Conv2d", {"stride": (2, 2) if halves else (1, 1), "dilation": (1, 1)}))
        elif last.isdecimal() and path.split(".")[-2] == "m":
            modules.append(Module(path, block("Bottleneck"), {"add": _shortcut(row)}))
        elif last.isdecimal() and path.split(".")[-2] == "tr":
            modules.append(Module(path, block("TransformerLayer"), {}))
        else:
            kinds = {"dfl": block("DFL"), "m": block("TransformerBlock") if row.module == "C3TR" else f"{TORCH}.container.ModuleList"}
            modules.append(Module(path, kinds.get(last, f"{TORCH}.container.Sequential"), {}))
        if f"{path}.bn" in paths and row.module == "BottleneckCSP" and depth == 1:
            modules.append(Module(f"{path}.act", f"{TORCH}.activation.{spec.csp_activation}", {"negative_slope": spec.leak}))
        elif f"{path}.bn" in paths:
            bare = path.endswith(".attn.proj_conv")
            modules.append(Module(f"{path}.act", f"{TORCH}.linear.Identity" if bare else act, {} if bare else dict(slope)))
        if row.module == "ImagePoolingAttn" and depth == 1:
            pools = {"output_size": (3, 3)}
            modules += [Module(f"{path}.im_pools.{i}", f"{TORCH}.pooling.AdaptiveMaxPool2d", pools) for i in range(len(spec.strides))]
    return Pickled(modules[0].kind, found, tuple(modules), facts)


def changed(network, path, kind=None, **attributes):
    """The network with one module's class or attributes changed; an attribute `...` is left out."""
    assert any(module.path == path for module in network.modules), path

    def change(module):
        kept = {key: value for key, value in (dict(module.attributes) | attributes).items() if value is not ...}
        return replace(module, kind=kind or module.kind, attributes=kept)

    modules = tuple(change(module) if module.path == path else module for module in network.modules)
    return replace(network, modules=modules, kind=modules[0].kind)


def _last(spec, v1):
    return 27 if v1 else len(layers(spec)) - 1


def _paths(row, found):
    """Paths of the modules of a row, itself included, from the names of its arrays."""
    start = f"model.{row}"
    inside = {name.rpartition(".")[0] for name in found if name.startswith(f"{start}.")}
    return {start} | {".".join(path.split(".")[:depth]) for path in inside for depth in range(3, path.count(".") + 2)}


def _row(row, kind, spec, strides):
    attributes = {"i": row.index, "f": row.sources[0] if len(row.sources) == 1 else list(row.sources), "type": kind}
    if row.module == "Upsample":
        attributes |= {"size": None, "scale_factor": 2.0, "mode": "nearest"}
    if row.module == "ImagePoolingAttn":
        attributes |= {"ec": spec.pooled_width, "nh": 8, "nf": 3, "hc": GATE_HEAD, "k": 3, "scale": 1.0}
    if row.module in ("Detect", "WorldDetect"):
        attributes |= {"stride": np.array(strides, np.float16), "nc": spec.classes}
    return Module(f"model.{row.index}", kind, attributes)


def _pools(row, path, spec):
    kind = f"{TORCH}.pooling.MaxPool2d"
    if row.module == "SPPF":
        return [Module(f"{path}.m", kind, {"kernel_size": spec.pool_sides[0], "stride": 1})]
    if row.module == "SPP" and isinstance(spec, Yolov5Spec):
        return [Module(f"{path}.m.{i}", kind, {"kernel_size": side, "stride": 1}) for i, side in enumerate(spec.pool_sides)]
    return []


def _shortcut(row):
    said = [argument for argument in row.arguments if isinstance(argument, bool)]
    return said[0] if said else row.module not in ("C2f", "C2", "C2fAttn")


def _world(path, row, block):
    """Modules that YOLO-World alone has, below the rows; None for others."""
    _, _, *inside = path.split(".")
    match inside:
        case ["attn"]:
            heads = row.arguments[2] // GATE_HEAD
            return Module(path, block("MaxSigmoidAttnBlock"), {"nh": heads, "hc": GATE_HEAD, "ec": None, "scale": 1.0})
        case ["query" | "key" | "value", "0"]:
            return Module(path, f"{TORCH}.normalization.LayerNorm", {"eps": 1e-5})
        case ["attn", "gl"] | ["query" | "key" | "value", "1"] | ["proj"]:
            return Module(path, f"{TORCH}.linear.Linear", {})
        case ["cv4", _]:
            return Module(path, block("BNContrastiveHead" if row.arguments[-1] else "ContrastiveHead"), {})
        case ["cv4", _, "norm"]:
            return Module(path, f"{TORCH}.batchnorm.BatchNorm2d", {"eps": 0.001})
    return None
