"""What an engine is fed: checked against what it takes, and told in errors."""

from collections.abc import Mapping

from wordbox.engines.base import Array, TensorInfo


def misfit(inputs: Mapping[str, TensorInfo], feeds: Mapping[str, Array]) -> str | None:
    """What is wrong with `feeds` for an engine that takes `inputs`, on one line; None where names, dtypes and shapes fit."""
    wrong = [f"{name} is missing" for name in inputs if name not in feeds]
    for name, value in feeds.items():
        if name not in inputs:
            wrong.append(f"found {listed({name: value})}, expected one of {', '.join(inputs)}")
        elif not _fits(value, inputs[name]):
            sides = ", ".join("any" if side is None else str(side) for side in inputs[name].shape)
            wrong.append(f"found {listed({name: value})}, expected {inputs[name].dtype}[{sides}]")
    return "; ".join(wrong) or None


def listed(feeds: Mapping[str, Array]) -> str:
    """Names, dtypes and shapes: "images uint8[1, 320, 512, 3], conf float32[]"."""
    return ", ".join(f"{name} {value.dtype}{list(value.shape)}" for name, value in feeds.items())


def _fits(value: Array, info: TensorInfo) -> bool:
    if value.dtype != info.dtype or value.ndim != len(info.shape):
        return False
    return all(wanted in (None, found) for wanted, found in zip(info.shape, value.shape, strict=True))
