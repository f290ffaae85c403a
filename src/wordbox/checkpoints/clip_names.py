"""The arrays of CLIP's text tower under three tongues: ours, Hugging Face's, and OpenAI's (spec yolo-world.md, section 2.1).

Whatever else a file holds, such as a vision tower or a detector, is passed over. Pure: nothing here sees a file.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError
from wordbox.specs import ClipTextSpec

Arrays = Mapping[str, NDArray[Any]]

OURS = "text."
"""What leads our names inside a detector's file."""
HEAD_WIDTH = 64
"""Channels of a head in every tower that was published."""

_OFFICIAL = "backbone.text_model.model."  # of a YOLO-World of its authors
_TOP = {  # ours, Hugging Face's, OpenAI's
    "tokens.weight": ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    "positions.weight": ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    "norm.weight": ("text_model.final_layer_norm.weight", "ln_final.weight"),
    "norm.bias": ("text_model.final_layer_norm.bias", "ln_final.bias"),
    "project.weight": ("text_projection.weight", "text_projection"),
}
_LAYER = {
    "first_norm": ("layer_norm1", "ln_1"),
    "second_norm": ("layer_norm2", "ln_2"),
    "query": ("self_attn.q_proj", None),  # OpenAI keeps these three in one
    "key": ("self_attn.k_proj", None),
    "value": ("self_attn.v_proj", None),
    "out": ("self_attn.out_proj", "attn.out_proj"),
    "expand": ("mlp.fc1", "mlp.c_fc"),
    "reduce": ("mlp.fc2", "mlp.c_proj"),
}
_HF_LAYERS, _OPENAI_LAYERS = "text_model.encoder.layers.", "transformer.resblocks."
_FUSED = re.compile(r"transformer\.resblocks\.(\d{1,4})\.attn\.in_proj_(weight|bias)")


def from_any(arrays: Arrays, where: str) -> dict[str, NDArray[Any]]:
    """The tower's arrays by our names from a file of ours, Hugging Face's (bare or inside a YOLO-World) or OpenAI's.

    Raises WeightsError that names `where` if there is no tower in it.
    """
    if "token_embedding.weight" in arrays:
        return from_openai(arrays)
    inside = {name.removeprefix(OURS): array for name, array in arrays.items() if name.startswith(OURS)}
    if "tokens.weight" in inside or "tokens.weight" in arrays:
        return inside or dict(arrays)
    found = from_huggingface(arrays)
    if not found:
        held = ", ".join(list(arrays)[:5]) or "nothing"
        wanted = ", ".join(("text_model.embeddings.token_embedding.weight", "token_embedding.weight", "tokens.weight"))
        raise WeightsError(f"{where}: found no text tower in it (it holds {held}), expected one of the arrays {wanted}")
    return found


def from_huggingface(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Our names from Hugging Face's, with or without what leads them; an unknown one inside the tower is kept as it is."""
    if any(name.startswith(_OFFICIAL) for name in arrays):
        arrays = {name.removeprefix(_OFFICIAL): array for name, array in arrays.items() if name.startswith(_OFFICIAL)}
    if "embeddings.token_embedding.weight" in arrays:  # the tower alone
        arrays = {name if name.startswith("text_projection.") else f"text_model.{name}": array for name, array in arrays.items()}
    tower = {name: array for name, array in arrays.items() if name.startswith(("text_model.", "text_projection."))}
    theirs = {their: our for our, their in _huggingface(layers_of(tower, _HF_LAYERS))}
    return {theirs.get(name, name): array for name, array in tower.items() if not name.endswith(".position_ids")}


def to_huggingface(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Hugging Face's names from ours; the values stay. What is not of the tower keeps its name."""
    ours = dict(_huggingface(layers_of(arrays, "layers.")))
    return {ours.get(name, name): array for name, array in arrays.items()}


def from_openai(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Our names from OpenAI's: query, key and value are cut out of one matrix, the projection is transposed."""
    theirs = {names[1]: our for our, names in _TOP.items()}
    for i in layers_of(arrays, _OPENAI_LAYERS):
        for our, (_, their) in _LAYER.items():
            theirs.update({f"{_OPENAI_LAYERS}{i}.{their}.{kind}": f"layers.{i}.{our}.{kind}" for kind in ("weight", "bias")})
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        fused = _FUSED.fullmatch(name)
        if fused:
            size = -(-len(array) // 3) if array.ndim else 0
            for part, our in enumerate(("query", "key", "value")):
                found[f"layers.{fused[1]}.{our}.{fused[2]}"] = array[part * size : (part + 1) * size] if size else array
        elif name in theirs:
            found[theirs[name]] = array.T if name == "text_projection" else array
        elif name.startswith(_OPENAI_LAYERS):
            found[name] = array
    return found


def spec_of(arrays: Arrays, where: str) -> ClipTextSpec:
    """The tower's spec from the shapes of its arrays, which have our names.

    Raises WeightsError that names `where` and what is missing, or is of no tower's shape.
    """
    layers = layers_of(arrays, "layers.")
    wanted = [*_TOP, *(f"layers.{i}.{part}.{kind}" for i in range(len(layers) or 1) for part in _LAYER for kind in ("weight", "bias"))]
    missing = [name for name in wanted if name not in arrays]
    if missing:
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise WeightsError(f"{where}: its text tower lacks {', '.join(missing[:8])}{more}; copy or download it anew, or use a whole one")
    shapes = {name: arrays[name].shape for name in _TOP}
    if any(len(shape) != (1 if name.startswith("norm.") else 2) for name, shape in shapes.items()):
        raise WeightsError(f"{where}: found {', '.join(f'{name} {list(shape)}' for name, shape in shapes.items())}: no text tower's shapes")
    (tokens, width), (context, _), (projection, _) = (shapes[name] for name in ("tokens.weight", "positions.weight", "project.weight"))
    if width % HEAD_WIDTH:
        raise WeightsError(f"{where}: its text tower is {width} channels wide, expected heads of {HEAD_WIDTH}; it is no published tower")
    try:
        return ClipTextSpec(
            width=width, layers=len(layers), heads=width // HEAD_WIDTH, projection=projection, tokens=tokens, context=context
        )
    except ValueError as error:
        raise WeightsError(f"{where}: its arrays give no text tower: {error}") from error


def layers_of(names: Iterable[str], prefix: str) -> list[int]:
    """The numbers behind `prefix` in `names`, in order."""
    numbered = (re.match(r"(\d{1,4})\.", name[len(prefix) :]) for name in names if name.startswith(prefix))
    return sorted({int(found[1]) for found in numbered if found})


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """The array as towers count: float32 in C order, little-endian."""
    return np.ascontiguousarray(array, "<f4")


def _huggingface(layers: Iterable[int]) -> Iterable[tuple[str, str]]:
    """Our name and theirs of every array."""
    yield from ((our, names[0]) for our, names in _TOP.items())
    for i in layers:
        for our, (their, _) in _LAYER.items():
            yield from ((f"layers.{i}.{our}.{kind}", f"{_HF_LAYERS}{i}.{their}.{kind}") for kind in ("weight", "bias"))
