"""Named arrays into a module, strictly, and back: bit for bit, under the names that files and graphs use."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wordbox.errors import WeightsError

_TERMS = {"running_mean": "mean", "running_var": "variance"}  # what torch calls a BatchNorm's statistics, and what our files do
_COUNTER = "num_batches_tracked"  # unused, because every BatchNorm has a momentum


def arrays(module: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of every array of `module`, by name; BatchNorm's running statistics are called `mean` and `variance`."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in _tensors(module).items()}


def load_arrays(module: nn.Module, found: Mapping[str, NDArray[Any]], where: str) -> None:
    """Copy the arrays `found` in the file `where` into `module`, as they are or from another width of float.

    Raises WeightsError with every missing, misshapen and unexpected array, and then changes nothing.
    """
    wanted = _tensors(module)
    faults = [f"missing {name} {list(tensor.shape)}" for name, tensor in wanted.items() if name not in found]
    faults += [
        f"{name} is {list(found[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults += [f"unexpected {name} {list(array.shape)}" for name, array in found.items() if name not in wanted]
    faults += [f"{name} is {array.dtype}, expected floats" for name, array in found.items() if array.dtype.kind != "f"]
    if faults:
        raise WeightsError(f"{where}: {len(faults)} arrays do not fit the network: {'; '.join(faults)}")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(torch.tensor(found[name].astype(np.float32)))


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers under our names; they share memory with the module."""
    found = {}
    for name, tensor in module.state_dict().items():
        path, _, last = name.rpartition(".")
        if last != _COUNTER:
            found[f"{path}.{_TERMS.get(last, last)}" if path else last] = tensor
    return found
