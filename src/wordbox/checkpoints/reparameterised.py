"""Files in which YOLO-World's authors folded words: their gates and heads as our baked version 2 (spec yolo-world.md, 1.8 and 5.3).

Theirs keep a convolution a head of each gate, and in the head a BatchNorm and a convolution behind the last one; ours stack the former and
multiply the latter out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError
from wordbox.specs import GATE_HEAD, YoloWorldSpec

Arrays = Mapping[str, NDArray[Any]]

_GATE = ".attn_block.guide_convs."
_HEAD = "bbox_head.head_module."
_SPARE = 1 << 22  # numbers that come of multiplying, whatever the file's size


def is_folded(arrays: Arrays) -> bool:
    """Whether words are folded into any of the arrays."""
    return any(_GATE in name or (name.startswith(f"{_HEAD}cls_contrasts.") and ".conv." in name) for name in arrays)


def folded(arrays: Arrays, spec: YoloWorldSpec, where: str) -> tuple[YoloWorldSpec, dict[str, NDArray[Any]], dict[str, str]]:
    """The network with its words inside, its arrays, and the file's names of those that were made here, which have our names already.

    Raises WeightsError with all that is missing or misshapen, and where words are folded into one part of the network alone.
    """
    if spec.version == "v1":
        raise WeightsError(f"{where}: found folded words in a YOLO-World v1, expected them in v2 alone: v1's depend on the picture")
    open_gates = [name for name in arrays if ".attn_block.guide_fc." in name]
    if open_gates:
        raise WeightsError(f"{where}: found folded words beside {open_gates[0]}, a gate without them; expected one of both in all parts")
    take = _Take(arrays, where)
    first = f"{_HEAD}cls_contrasts.0.conv.weight"
    words = len(arrays[first]) if first in arrays and arrays[first].ndim else 1
    made, called = dict[str, NDArray[Any]](), dict[str, str]()
    levels = len(spec.strides)
    stages = {f"neck.top_down.{i}": (f"neck.top_down_layers.{levels - 2 - i}", i) for i in range(levels - 1)}
    stages |= {f"neck.bottom_up.{i}": (f"neck.bottom_up_layers.{i}", i + 1) for i in range(levels - 1)}
    for ours, (theirs, level) in stages.items():
        heads = spec.widths[-levels:][level] // 2 // GATE_HEAD
        kernels = [take(f"{theirs}{_GATE}{i}.weight", words, GATE_HEAD, 1, 1) for i in range(heads)]
        if not take.faults:
            made[f"{ours}.gate.words"] = np.concatenate(kernels, axis=1)[:, :, 0, 0].astype(np.float32)
        called[f"{ours}.gate.words"] = f"{theirs}{_GATE}0.weight"
    for level in range(levels):
        label, contrast = f"{_HEAD}cls_preds.{level}.2.", f"{_HEAD}cls_contrasts.{level}."
        kernel, bias = _multiplied(take, label, contrast, spec, words)
        for kind, array in (("weight", kernel), ("bias", bias)):
            made[f"head.label.{level}.predict.{kind}"] = array
            called[f"head.label.{level}.predict.{kind}"] = f"{contrast}conv.{kind}"
    take.finish()
    left = {name: array for name, array in arrays.items() if name not in take.taken}
    try:
        return replace(spec, phrases=(1,) * words), left | made, called
    except ValueError as error:
        raise WeightsError(f"{where}: its shapes give no network: {error}") from error


class _Take:
    """Takes arrays of stated shapes as float64. Ones stand in for what does not fit, which `finish` tells."""

    def __init__(self, arrays: Arrays, where: str) -> None:
        self._arrays = arrays
        self._where = where
        self.faults: list[str] = []
        self.taken: set[str] = set()

    def __call__(self, name: str, *shape: int) -> NDArray[np.float64]:
        array = self._arrays.get(name)
        self.taken.add(name)
        if array is not None and array.shape == shape and array.dtype.kind == "f":
            if np.isfinite(array).all():
                return array.astype(np.float64)
            self.faults.append(f"{name} holds numbers that are not finite")
        elif array is None:
            self.faults.append(f"missing {name} {list(shape)}")
        else:
            self.faults.append(f"{name} is {list(array.shape)} of {array.dtype}, expected {list(shape)}")
        return np.ones((1,) * len(shape))

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def finish(self) -> None:
        if self.faults:
            many = "1 array does" if len(self.faults) == 1 else f"{len(self.faults)} arrays do"
            raise WeightsError(f"{self._where}: {many} not fit the folded words: {'; '.join(self.faults[:8])}")


def _multiplied(take: _Take, label: str, contrast: str, spec: YoloWorldSpec, words: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The last convolution of a level, its BatchNorm and the words as one convolution: kernel (words, hidden, 1, 1) and bias."""
    width, hidden = spec.embedding, spec.head.label_width
    last, last_bias = take(f"{label}weight", width, hidden, 1, 1), take(f"{label}bias", width)
    scale, offset, mean, variance = (take(f"{contrast}norm.{part}", width) for part in ("weight", "bias", "running_mean", "running_var"))
    compare, compare_bias = take(f"{contrast}conv.weight", words, width, 1, 1), take(f"{contrast}conv.bias", words)
    if np.any(variance + spec.norm_epsilon <= 0):
        take.fault(f"{contrast}norm.running_var holds numbers below 0")
    if words * hidden > max(_SPARE, 4 * words * width):
        take.fault(f"{contrast}conv.weight holds {words} words for {hidden} channels, far more than a network of that size has")
    if take.faults:
        return np.zeros(1, np.float32), np.zeros(1, np.float32)
    with np.errstate(all="ignore"):  # what becomes endless is told by whoever draws the network
        gain = scale / np.sqrt(variance + spec.norm_epsilon)
        scaled = compare[:, :, 0, 0] * gain
        kernel = scaled @ last[:, :, 0, 0]
        bias = scaled @ last_bias + compare[:, :, 0, 0] @ (offset - mean * gain) + compare_bias
        return kernel[:, :, None, None].astype(np.float32), bias.astype(np.float32)
