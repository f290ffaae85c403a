"""Safetensors: our own files, under our names and with the Manifest in their metadata, and the bare arrays of others."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wordbox import manifest
from wordbox.checkpoints.whole import whole
from wordbox.errors import WeightsError
from wordbox.manifest import Manifest


def read(path: Path) -> tuple[dict[str, NDArray[Any]], Manifest | None]:
    """Named arrays and Manifest of a safetensors file; None for the Manifest of one that Wordbox did not write.

    Raises WeightsError that names the file and its fault.
    """
    if not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "no such file"
        raise WeightsError(f"{path}: {what} (looked for {os.path.abspath(path)}); expected a safetensors file")
    try:
        with safe_open(str(path), framework="numpy") as file:
            found = manifest.from_metadata(file.metadata() or {}, str(path))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: holds numbers of a type that NumPy lacks ({error}); store them as float32") from error
    except (SafetensorError, OSError, struct.error) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors ({error}); copy or download it anew") from error
    unnamed = [ascii(name[:80]) for name in arrays if not name.isprintable()]
    if unnamed:
        raise WeightsError(f"{path}: found arrays called {', '.join(unnamed[:5])}, expected names that can be printed; the file is forged")
    odd = [f"{name} {array.dtype}" for name, array in arrays.items() if array.dtype.isbuiltin != 1 or array.dtype.kind == "c"]
    if odd:  # other packages teach NumPy more
        raise WeightsError(f"{path}: found {', '.join(odd)}, expected real numbers of a type that NumPy has; store them as float32")
    return arrays, found


def write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Manifest | None) -> None:
    """Write a native file, or bare arrays where there is no Manifest. Equal contents give equal bytes."""
    ordered = {name: np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape) for name in sorted(arrays)}
    with whole(path) as draft:
        draft.write_bytes(save(ordered, metadata=None if facts is None else facts.to_metadata()))
