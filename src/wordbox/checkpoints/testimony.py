"""What the pickled modules of a YOLO testify beside their arrays: task, activation, epsilon, strides, names, wiring.

Sources: spec yolov5-yolov8.md, sections 2.3, 2.5 and 2.7; spec yolo-world.md, sections 1.6 and 7.4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wordbox.checkpoints.modules import Module, Pickled
from wordbox.errors import WeightsError
from wordbox.layers import Layer
from wordbox.manifest import numbered
from wordbox.specs import ACTIVATIONS, GATE_HEAD, Activation

_TASKS = {
    "SegmentationModel": "segmentation",
    "ClassificationModel": "classification",
    "PoseModel": "pose estimation",
    "OBBModel": "detection of oriented boxes",
    "YOLOEModel": "open-vocabulary detection by YOLOE",
    "RTDETRDetectionModel": "detection by RT-DETR",
    "Segment": "segmentation",
    "Classify": "classification",
    "Pose": "pose estimation",
    "OBB": "detection of oriented boxes",
}
_OURS = ("models.", "yolov5.models.", "ultralytics.nn.", "utils.activations.", "yolov5.utils.activations.")
_BLOCKS = {
    *("Model", "DetectionModel", "Detect", "Conv", "DWConv", "Focus", "Concat", "Bottleneck", "BottleneckCSP", "C3", "C3TR"),
    *("TransformerBlock", "TransformerLayer", "SPP", "SPPF", "C2f", "C2", "DFL", "WorldModel", "WorldDetect", "C2fAttn"),
    *("MaxSigmoidAttnBlock", "ImagePoolingAttn", "ContrastiveHead", "BNContrastiveHead"),
}
_TORCH = {
    *("Sequential", "ModuleList", "Conv2d", "BatchNorm2d", "MaxPool2d", "Upsample", "Identity", "Linear", "MultiheadAttention"),
    *("NonDynamicallyQuantizableLinear", "Dropout"),
}
_WORLD_TORCH = {"LayerNorm", "AdaptiveMaxPool2d"}  # in YOLO-World alone
_BARE = ".attn.proj_conv.act"  # the convolution inside a gate of YOLO-World, which has none
_WORLD: Mapping[str, Mapping[str, float]] = {  # what the modules of YOLO-World are built with, the same in every published one
    "MaxSigmoidAttnBlock": {"hc": GATE_HEAD, "scale": 1},
    "ImagePoolingAttn": {"hc": GATE_HEAD, "scale": 1, "k": 3},
    "LayerNorm": {"eps": 1e-5},
    "AdaptiveMaxPool2d": {"output_size": 3},
}
_TRAINING = ("torch.nn.modules.loss.", "ultralytics.utils.", "ultralytics.yolo.utils.")


@dataclass(frozen=True, kw_only=True)
class Testimony:
    """What the modules say; None where they say nothing."""

    activation: Activation | None
    leak: float | None
    csp_activation: Activation | None
    epsilon: float | None
    strides: tuple[int, ...] | None
    names: tuple[str, ...] | None
    pool_sides: tuple[int, ...] | None
    vectors: object = None
    """What a YOLO-World keeps as the vectors of its names, unchecked; None for others."""


def hear(network: Pickled, where: str) -> Testimony:
    """What the modules say. Raises WeightsError for another task, foreign modules, and where they contradict each other."""
    _check_task(network, where)
    _check_modules(network.modules, where)
    by_path = {module.path: module for module in network.modules}
    inside: list[Module] = []
    joined: list[Module] = []
    for module in network.modules:
        if _activation(module) is not None and not module.path.endswith(_BARE):
            owner = by_path.get(module.path.rpartition(".")[0])
            (joined if owner is not None and _short(owner.kind) == "BottleneckCSP" else inside).append(module)
    acts = [module for module in network.modules if module.path.endswith(".act")]
    bare = [module.path for module in acts if _short(module.kind) == "Identity" and not module.path.endswith(_BARE)]
    if bare or not inside:
        shown = ", ".join(bare[:5]) or "none was found"
        raise WeightsError(f"{where}: a modified network: expected an activation behind every convolution ({shown})")
    activation, leak = _one_activation(inside, where)
    csp_activation, csp_leak = _one_activation(joined, where)
    epsilons = {_number(module.attributes.get("eps")) for module in network.modules if _short(module.kind) == "BatchNorm2d"}
    if len(epsilons) > 1 or None in epsilons:
        shown = ", ".join(sorted(map(str, epsilons)))
        raise WeightsError(f"{where}: a modified network: its norms have the epsilons {shown}, expected one number for all")
    root, head = network.modules[0], _head(network.modules, where)
    return Testimony(
        activation=activation,
        leak=leak if leak is not None else csp_leak,
        csp_activation=csp_activation,
        epsilon=next(iter(epsilons), None),
        strides=_strides(head, root, where),
        names=_names(root.attributes.get("names"), where),
        pool_sides=_pool_sides(network.modules),
        vectors=root.attributes.get("txt_feats") if _short(head.kind) == "WorldDetect" else None,
    )


def check_wiring(network: Pickled, table: Sequence[Layer], where: str) -> None:
    """Raise WeightsError with each row whose module, sources or shortcuts are not those of `table`: the shapes fit, but not the network."""
    rows: dict[int, Module] = {}
    for module in network.modules:
        parts = module.path.split(".")
        if len(parts) == 2 and parts[0] == "model" and parts[1].isdecimal():
            rows[int(parts[1])] = module
    faults = [f"row {row} is a {_short(module.kind)}, expected nothing" for row, module in rows.items() if row >= len(table)]
    for layer in table:
        found = rows.get(layer.index)
        if found is None:
            faults.append(f"row {layer.index} is missing, expected {layer.module}")
        elif _short(found.kind) != layer.module:
            faults.append(f"row {layer.index} is a {_short(found.kind)}, expected {layer.module}")
        elif _rows(_sources(found), layer.index) not in (None, _rows(layer.sources, layer.index)):
            faults.append(f"row {layer.index} takes rows {_shown(found.attributes['f'])}, expected {list(layer.sources)}")
        else:
            faults += _inner_faults(network.modules, found, layer)
    if faults:
        raise WeightsError(
            f"{where}: a modified network: {'; '.join(faults[:10])}{f' and {len(faults) - 10} more' if len(faults) > 10 else ''}"
        )


def _check_task(network: Pickled, where: str) -> None:
    for kind in (network.kind, *(module.kind for module in network.modules)):
        if _short(kind) in _TASKS and kind.startswith(_OURS):
            raise WeightsError(
                f"{where}: these weights are for {_TASKS[_short(kind)]}; Wordbox reads detection networks of YOLOv5, YOLOv8 and YOLO-World"
            )


def _check_modules(modules: Sequence[Module], where: str) -> None:
    foreign: list[str] = []
    known = _TORCH | (_WORLD_TORCH if any(_short(module.kind) == "WorldDetect" for module in modules) else set())
    for module in modules:
        own = module.kind.startswith(_OURS) and (_short(module.kind) in _BLOCKS or _activation(module) is not None)
        torch = module.kind.startswith("torch.nn.modules.") and (_short(module.kind) in known or _activation(module) is not None)
        if not own and not torch and not module.kind.startswith(_TRAINING) and module.kind not in foreign:
            foreign.append(module.kind)
    if foreign:
        raise WeightsError(
            f"{where}: a modified network with modules that Wordbox does not know: {', '.join(foreign)}; "
            "it can be used as an ONNX export made where those modules are defined"
        )


def _activation(module: Module) -> Activation | None:
    short = {"MemoryEfficientMish": "Mish", "MemoryEfficientSwish": "SiLU", "Swish": "SiLU"}.get(_short(module.kind), _short(module.kind))
    return next((one for one in ACTIVATIONS if one == short), None)


def _one_activation(modules: Iterable[Module], where: str) -> tuple[Activation | None, float | None]:
    """The activation and its slope that all of `modules` share."""
    found = dict.fromkeys((_activation(module), _number(module.attributes.get("negative_slope"))) for module in modules)
    if len(found) > 1:
        shown = ", ".join(str(kind) if slope is None else f"{kind} of slope {slope}" for kind, slope in found)
        raise WeightsError(f"{where}: a modified network: its convolutions have several activations ({shown}), expected one")
    return next(iter(found), (None, None))


def _head(modules: Sequence[Module], where: str) -> Module:
    heads = [module for module in modules if _short(module.kind) in ("Detect", "WorldDetect")]
    if len(heads) != 1:
        raise WeightsError(
            f"{where}: found {len(heads)} modules called Detect, expected one: this is no detection network that Wordbox knows"
        )
    root = modules[0]
    if (_short(root.kind) == "WorldModel") != (_short(heads[0].kind) == "WorldDetect"):
        raise WeightsError(f"{where}: a modified network: a {root.kind} whose head is a {heads[0].kind}, which do not belong together")
    return heads[0]


def _strides(head: Module, root: Module, where: str) -> tuple[int, ...] | None:
    for owner in (head, root):
        value = owner.attributes.get("stride")
        if value is None:
            continue
        try:
            numbers = np.asarray(value).reshape(-1)
        except ValueError as error:  # lists of unequal lengths
            raise WeightsError(f"{where}: found strides {_shown(value)}, expected numbers") from error
        if not np.any(numbers):
            continue  # none, or zeros: not set yet
        if numbers.dtype.kind not in "fiu" or not np.all((numbers > 0) & (numbers < 2**15) & (numbers == np.floor(numbers))):
            raise WeightsError(f"{where}: found strides {_shown(value)}, expected whole numbers")
        return tuple(sorted(int(number) for number in numbers))
    return None


def _names(value: object, where: str) -> tuple[str, ...] | None:
    """Class names (trap T17); None where there are none."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        return None
    try:
        return numbered(value)
    except ValueError as error:
        raise WeightsError(f"{where}: found names {_shown(value)}, {error}") from error


def _pool_sides(modules: Iterable[Module]) -> tuple[int, ...] | None:
    sides = [_number(module.attributes.get("kernel_size")) for module in modules if _short(module.kind) == "MaxPool2d"]
    return tuple(int(side) for side in sides if side is not None) or None


def _sources(module: Module) -> tuple[int, ...] | None:
    value = module.attributes.get("f")
    if isinstance(value, int):
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) and all(isinstance(one, int) for one in value) else None


def _rows(sources: tuple[int, ...] | None, index: int) -> tuple[int, ...] | None:
    """Sources as numbers of rows: -1 is the row before."""
    return sources and tuple(index + source if source < 0 else source for source in sources)


def _inner_faults(modules: Iterable[Module], row: Module, layer: Layer) -> Iterable[str]:
    """Shortcuts, steps and enlargement that are not the published ones."""
    if layer.module == "Upsample":
        factor, mode = _number(row.attributes.get("scale_factor")), row.attributes.get("mode")
        if factor not in (None, 2.0) or _shown(mode) not in ("None", "'nearest'"):
            yield f"row {layer.index} enlarges {factor} times, {_shown(mode)}, expected 2 times, nearest"
    shortcut = _has_shortcut(layer)
    halves = layer.module == "Conv" and 2 in layer.arguments[3:5]
    for module in modules:
        if module.path != row.path and not module.path.startswith(f"{row.path}."):
            continue
        kind, added = _short(module.kind), module.attributes.get("add")
        yield from _world_faults(module, kind, layer)
        if kind == "Bottleneck" and isinstance(added, int) and bool(added) != shortcut:
            yield f"{module.path} {'lacks' if shortcut else 'has'} a shortcut"
        if kind in ("Conv2d", "MaxPool2d"):
            for what, wanted in (("stride", 2 if halves else 1), ("dilation", 1)):
                found = _number(module.attributes.get(what))
                if found not in (None, wanted):
                    yield f"{module.path} has the {what} {found:g}, expected {wanted}"


def _has_shortcut(layer: Layer) -> bool:
    """What the arguments of a CSP row say: C2f's is off unless said, the others' on."""
    said = [argument for argument in layer.arguments if isinstance(argument, bool)]
    return said[0] if said else layer.module not in ("C2f", "C2", "C2fAttn")


def _world_faults(module: Module, kind: str, layer: Layer) -> Iterable[str]:
    """Where parts of YOLO-World alone are not the published ones: same shapes, other answers."""
    for what, wanted in _WORLD.get(kind, {}).items():
        value = module.attributes.get(what)
        if value is not None and _number(value) != wanted:
            yield f"{module.path} has the {what} {_shown(value)}, expected {wanted:g}"
    if module.path.endswith(_BARE) and layer.module == "C2fAttn" and kind != "Identity":
        yield f"{module.path} is a {kind}, expected none behind the convolution of a gate"
    if layer.module == "WorldDetect" and module.path == f"model.{layer.index}.cv4.0":
        wanted_kind = "BNContrastiveHead" if layer.arguments[-1] else "ContrastiveHead"
        if kind != wanted_kind:
            yield f"{module.path} is a {kind}, expected {wanted_kind}"


def _number(value: object) -> float | None:
    """A number, or the first of several; None for anything else, and where it is beyond reason."""
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else None


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # numbers of thousands of digits have no text
        return "a number without end"


def _short(kind: str) -> str:
    return kind.rpartition(".")[2]
