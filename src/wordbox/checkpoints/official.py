"""The names that YOLO-World's authors gave its arrays, and what else their files hold (spec yolo-world.md, sections 1.8 and 7.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.arrays import arrays as arrays_of
from wordbox.checkpoints import clip_names, reparameterised, word_vectors, world
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import WeightsError
from wordbox.specs import ClipTextSpec, YoloWorldSpec

Arrays = Mapping[str, NDArray[Any]]

TOWER = "backbone.text_model.model."
"""What leads the arrays of the text tower."""
PROMPTS = "embeddings"
"""The array of learned prompts that stands in place of a tower."""

_OWN = ("backbone.image_model.", "neck.", "bbox_head.head_module.")
_BINS = "head.bins"  # constants, which these files do not store
_LAYERS = 12  # of both towers that were published
_TASKS = {
    "bbox_head.head_module.seg_preds.": "segmentation",
    "bbox_head.head_module.proto_pred.": "segmentation",
    "image_prompt_encoder.": "detection by image prompts",
}
_RULES = tuple(  # applied to our names one after the other
    (re.compile(ours), theirs)
    for ours, theirs in (
        (r"\.mean$", ".running_mean"),
        (r"\.variance$", ".running_var"),
        (r"^(head\.contrast\.\d+)\.norm\.", r"\1.@."),  # the one BatchNorm that they call norm
        (r"^(neck\.pooling\.\w+)\.norm\.", r"\1.0."),
        (r"^(neck\.pooling\.\w+)\.linear\.", r"\1.1."),
        (r"^neck\.pooling\.projections\.(\d+)\.", r"neck.text_enhancer.projections.\1.conv."),
        (r"^neck\.pooling\.out\.", "neck.text_enhancer.proj."),
        (r"^neck\.pooling\.", "neck.text_enhancer."),
        (r"\.norm\.", ".bn."),
        (r"\.@\.", ".norm."),
        (r"\.gate\.guide\.", ".attn_block.guide_fc."),
        (r"\.gate\.bias$", ".attn_block.bias"),
        (r"\.gate\.project\.", ".attn_block.project_conv."),
        (r"\.split\.", ".main_conv."),
        (r"^(backbone\.pool)\.enter\.", r"\1.conv1."),
        (r"^(backbone\.pool)\.join\.", r"\1.conv2."),
        (r"\.join\.", ".final_conv."),
        (r"(\.blocks\.\d+)\.first\.", r"\1.conv1."),
        (r"(\.blocks\.\d+)\.second\.", r"\1.conv2."),
        (r"^head\.(box|label)\.(\d+)\.first\.", r"head.\1.\2.0."),
        (r"^head\.(box|label)\.(\d+)\.second\.", r"head.\1.\2.1."),
        (r"^head\.(box|label)\.(\d+)\.predict\.", r"head.\1.\2.2."),
        (r"^head\.(contrast\.\d+)\.scale$", r"head.\1.logit_scale"),
        (r"^head\.(contrast\.\d+)\.offset$", r"head.\1.bias"),
        (r"^head\.box\.", "bbox_head.head_module.reg_preds."),
        (r"^head\.label\.", "bbox_head.head_module.cls_preds."),
        (r"^head\.contrast\.", "bbox_head.head_module.cls_contrasts."),
        (r"^backbone\.stem\.", "backbone.image_model.stem."),
        (r"^neck\.bottom_up\.", "neck.bottom_up_layers."),
        (r"^neck\.down\.", "neck.downsample_layers."),
    )
)


@dataclass(frozen=True, eq=False)
class Parts:
    """A file of YOLO-World's authors, sorted out."""

    spec: YoloWorldSpec
    arrays: dict[str, NDArray[Any]]
    """The detector's arrays by our names, the constants of its boxes added; what fits no name keeps its own."""
    called: dict[str, str]
    """The file's names of the arrays that the network wants."""
    text: dict[str, NDArray[Any]]
    """The text tower's arrays by our names, without what leads them; empty where the file has none."""
    prompts: WordVectors | None
    """Learned prompts that stand in place of a tower."""


def names(spec: YoloWorldSpec) -> dict[str, str]:
    """The authors' name of each array of an open network that their files store."""
    return {one.name: _named(one.name, spec) for one in arrays_of(spec) if one.name != _BINS}


def is_official(arrays: Arrays) -> bool:
    """Whether the names are those of YOLO-World's authors."""
    return any(name.startswith(("backbone.image_model.", "bbox_head.")) for name in arrays)


def parts(arrays: Arrays, where: str) -> Parts:
    """What the file holds. Raises WeightsError for another task, and where its parts do not belong to one network."""
    _check_layout(arrays, where)
    text = tower(arrays, where)
    own = {name: array for name, array in arrays.items() if not name.startswith(TOWER) and name != PROMPTS}
    spec, called = world.of_official(own, where), dict[str, str]()
    folded = reparameterised.is_folded(own)
    if folded:
        spec, own, called = reparameterised.folded(own, spec, where)
    called |= {ours: theirs for ours, theirs in names(spec).items() if ours not in called}
    ours = {theirs: name for name, theirs in called.items()}
    found = {ours.get(name, name): array for name, array in own.items()}
    if len(found) < len(own):
        twice = [name for name in own if name in called and called[name] in own]
        raise WeightsError(f"{where}: arrays stand there twice, under the published name and as {', '.join(twice)}; expected one of each")
    called[_BINS] = _BINS
    found.setdefault(_BINS, np.arange(spec.head.bins, dtype=np.float32).reshape(1, -1, 1, 1))
    if text:
        width = clip_names.spec_of(text, where).projection
        if width != spec.embedding and not folded:
            raise WeightsError(f"{where}: its text tower gives {width} numbers a word, but its network compares words of {spec.embedding}")
    prompts = None
    if PROMPTS in arrays and not folded:
        prompts = word_vectors.of_prompts(arrays[PROMPTS], spec.embedding, where)
    elif PROMPTS in arrays:
        found[PROMPTS] = arrays[PROMPTS]  # for the drawing to complain of: words are folded in already
    return Parts(spec, found, called, text, prompts)


def tower(arrays: Arrays, where: str) -> dict[str, NDArray[Any]]:
    """The arrays of the text tower inside a file, by our names; none where there is no tower.

    Raises WeightsError where it is not whole, or holds what no tower has.
    """
    inside = {name: array for name, array in arrays.items() if name.startswith(TOWER)}
    if not inside:
        return {}
    found = clip_names.from_huggingface(inside)
    spec = clip_names.spec_of(found, where)
    wanted = tower_shapes(spec)
    faults = [f"unexpected {name}" for name in found if name not in wanted]
    faults += [
        f"{name} is {list(found[name].shape)}, expected {list(shape)}" for name, shape in wanted.items() if found[name].shape != shape
    ]
    faults += [f"{name} holds other than finite numbers" for name, array in found.items() if not _is_finite(array)]
    if spec.width in (512, 768) and spec.layers != _LAYERS:
        faults.append(f"{spec.layers} layers, expected {_LAYERS}")
    if faults:
        more = f" and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise WeightsError(f"{where}: its text tower is none that Wordbox knows: {'; '.join(faults[:8])}{more}")
    return found


def _is_finite(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "f" and bool(np.isfinite(array).all())


def tower_shapes(spec: ClipTextSpec) -> dict[str, tuple[int, ...]]:
    """Our name and the shape of every array of a text tower."""
    width, wide = spec.width, 4 * spec.width
    shapes: dict[str, tuple[int, ...]] = {
        "tokens.weight": (spec.tokens, width),
        "positions.weight": (spec.context, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "project.weight": (spec.projection, width),
    }
    for i in range(spec.layers):
        for norm in ("first_norm", "second_norm"):
            shapes |= {f"layers.{i}.{norm}.{kind}": (width,) for kind in ("weight", "bias")}
        sides = {"expand": (wide, width), "reduce": (width, wide)} | dict.fromkeys(("query", "key", "value", "out"), (width, width))
        for part, (c_out, c_in) in sides.items():
            shapes |= {f"layers.{i}.{part}.weight": (c_out, c_in), f"layers.{i}.{part}.bias": (c_out,)}
    return shapes


def _check_layout(arrays: Arrays, where: str) -> None:
    for prefix, task in _TASKS.items():
        if any(name.startswith(prefix) for name in arrays):
            raise WeightsError(f"{where}: these weights of YOLO-World are for {task}; Wordbox reads those that detect what words name")
    rows = [name for name in arrays if re.match(r"model\.[0-9]+\.", name)]
    if rows:
        raise WeightsError(
            f"{where}: found arrays under the names of YOLO-World's authors and others named by rows, such as {rows[0]}; "
            "expected one network under one of both"
        )
    stages = [name.partition(".final_conv.")[0] for name in arrays if name.startswith(("neck.top_down_layers.", "neck.bottom_up_layers."))]
    gated = {name.partition(".attn_block.")[0] for name in arrays if ".attn_block.guide_" in name}
    plain = sorted({stage for stage in stages if re.fullmatch(r"neck\.(top_down|bottom_up)_layers\.\d+", stage)} - gated)
    if plain:
        raise WeightsError(
            f"{where}: {', '.join(plain)} {'has' if len(plain) == 1 else 'have'} no gate that words open (attn_block.guide_fc), "
            "as in networks whose neck was trained without words; Wordbox reads those with gates"
        )


def _named(ours: str, spec: YoloWorldSpec) -> str:
    stages, levels = len(spec.repeats), len(spec.strides)
    name = ours
    for pattern, theirs in _RULES:
        name = pattern.sub(theirs, name)
    name = name.replace("backbone.pool.", f"backbone.image_model.stage{stages}.2.")
    name = re.sub(
        r"^backbone\.stages\.(\d+)\.(down|csp)\.",
        lambda found: f"backbone.image_model.stage{int(found[1]) + 1}.{'01'[found[2] == 'csp']}.",
        name,
    )
    return re.sub(r"^neck\.top_down\.(\d+)\.", lambda found: f"neck.top_down_layers.{levels - 2 - int(found[1])}.", name)
