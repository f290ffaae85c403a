"""Hostile and broken YOLO-Worlds of both layouts: CASES lists name, ending and builder of each, HARMLESS those that load all the same."""

import importlib.util
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint_cases import PYTHON, SHELL, array, dtype
from checkpoint_forge import Call, Instance, Raw, code, module, named, pickled, tensor, zipped

from wordbox.specs import DistributionHead, YoloWorldSpec

_PATH = Path(__file__).parents[1] / "checkpoints" / "pickled_yolos.py"
_SPEC = importlib.util.spec_from_file_location(_PATH.stem, _PATH)
yolos = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(yolos)

TINY = YoloWorldSpec(
    widths=(8, 8, 64, 64, 64),
    repeats=(1, 1, 1, 1),
    neck_repeats=1,
    head=DistributionHead(box_width=8, label_width=8),
    embedding=64,
)
TINY_V1 = YoloWorldSpec(**vars(TINY) | {"version": "v1", "pooled_width": 32})
GATE = "neck.top_down_layers.0.attn_block."
HEAD = "bbox_head.head_module."
TOWER = "backbone.text_model.model.text_model."
KINDS = {"float16": "Half", "float32": "Float", "int64": "Long", "complex64": "ComplexFloat"}

Build = Callable[[], bytes]
Change = Callable[[dict[str, Any], "Held"], Any]
CASES: list[tuple[str, str, Build]] = []
HARMLESS: list[tuple[str, str, Build]] = []


@dataclass
class Held:
    """Storages of a file: the first holds one number behind all that only has a shape."""

    stored: dict[str, tuple[str, bytes]] = field(default_factory=lambda: {"0": ("Half", struct.pack("<e", 0.5))})

    def full(self, *shape: int) -> Call:
        return tensor("0", "Half", 1, 0, shape, (0,) * len(shape))

    def data(self, values: Any) -> Call:
        values = np.ascontiguousarray(values)
        key = str(len(self.stored))
        self.stored[key] = (KINDS[values.dtype.name], values.tobytes())
        strides = tuple(step // values.itemsize for step in values.strides)
        return tensor(key, KINDS[values.dtype.name], values.size, 0, values.shape, strides)

    def all(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.full(*array.shape) for name, array in arrays.items()}

    def zipped(self, tree: Any) -> bytes:
        return zipped(pickled(tree), {key: raw for key, (_, raw) in self.stored.items()})


def trees() -> list[tuple[Any, dict[str, tuple[str, bytes]]]]:
    """One sound tree of each layout, with its storages."""
    found = []
    for make in (official_tree, folded_tree, ultralytics_tree):
        held = Held()
        found.append((make(held, lambda parts, held: None), held.stored))
    return found


def official(change: Change, spec: YoloWorldSpec = TINY) -> bytes:
    """A file of YOLO-World's authors after `change`, which gives another tree or changes the arrays."""
    held = Held()
    return held.zipped(official_tree(held, change, spec))


def folded(change: Change) -> bytes:
    """The same with words folded in."""
    held = Held()
    return held.zipped(folded_tree(held, change))


def ultralytics(change: Change, spec: YoloWorldSpec = TINY) -> bytes:
    """A pickled WorldModel; `change` sees its modules by path, as [kind, attributes, parameters]."""
    held = Held()
    return held.zipped(ultralytics_tree(held, change, spec))


def official_tree(held: Held, change: Change, spec: YoloWorldSpec = TINY) -> Any:
    arrays = held.all(yolos.official(spec)) | held.all(yolos.tower())
    changed = change(arrays, held)
    return arrays if changed is None else changed


def folded_tree(held: Held, change: Change) -> Any:
    arrays = held.all(yolos.folded(TINY, 3, np.random.default_rng(0)))
    change(arrays, held)
    return arrays


def ultralytics_tree(held: Held, change: Change, spec: YoloWorldSpec = TINY) -> Any:
    network = yolos.pickled(spec, names=["cat", "dog"], package="ultralytics", kind="WorldModel")
    parts = {one.path: [one.kind, dict(one.attributes), {}] for one in network.modules}
    for name, values in network.arrays.items():
        path, _, last = name.rpartition(".")
        parts[path][2][last] = held.full(*values.shape)
    for _, attributes, _ in parts.values():
        attributes.update({key: held.data(value) for key, value in attributes.items() if isinstance(value, np.ndarray)})
    parts[""][1]["txt_feats"] = held.data(unit(2, 64))
    changed = change(parts, held)
    return {"model": nested(parts) if changed is None else changed, "epoch": -1}


def nested(parts: Mapping[str, Any], path: str = "") -> Instance:
    """The modules from `path` down."""
    kind, attributes, parameters = parts[path]
    lead = f"{path}." if path else ""
    own = [one for one in parts if one and one.startswith(lead) and "." not in one[len(lead) :]]
    return module(kind, parameters, modules={one[len(lead) :]: nested(parts, one) for one in own}, **attributes)


def unit(count: int, width: int) -> Any:
    vectors = np.random.default_rng(0).normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)[None]


def pth(name: str, change: Change, spec: YoloWorldSpec = TINY) -> None:
    CASES.append((name, ".pth", lambda: official(change, spec)))


def rep(name: str, change: Change) -> None:
    CASES.append((name, ".pth", lambda: folded(change)))


def pt(name: str, change: Change, spec: YoloWorldSpec = TINY) -> None:
    CASES.append((name, ".pt", lambda: ultralytics(change, spec)))


def beside(**entries: Any) -> Change:
    """Puts the arrays under "state_dict", as mmengine does, with these entries beside them."""
    return lambda arrays, _: {"state_dict": arrays, **entries}


def without(part: str) -> Change:
    return lambda arrays, _: [arrays.pop(name) for name in list(arrays) if part in name] and None


def put(name: str, make: Callable[[Held], Any]) -> Change:
    return lambda arrays, held: arrays.update({name: make(held)})


def said(path: str, **attributes: Any) -> Change:
    return lambda parts, _: parts[path][1].update(attributes)


def buffer(statistics: Any) -> Instance:
    """mmengine's record of a loss, as its message hub holds it."""
    return Instance("mmengine.logging.history_buffer.HistoryBuffer", {"_statistics_methods": statistics})


def method(kind: str, name: Any) -> Call:
    return Call("__builtin__.getattr", (Raw(named(kind)), name))


HISTORY = "mmengine.logging.history_buffer.HistoryBuffer"
CYCLE = b"}q\x63" + code("a") + b"h\x63s"  # a dict that holds itself


def bomb(depth: int = 12) -> Raw:
    """A list of ten numbers, in a list ten times, in a list ten times, and so on."""
    inner = b"](" + b"K\x01" * 10 + b"eq\x640"
    for i in range(depth):
        inner += b"](" + (b"h" + bytes([100 + i])) * 10 + b"eq" + bytes([101 + i]) + b"0"
    return Raw(inner + b"h" + bytes([100 + depth]))


# -- code that wants to run

pth("meta that calls os.system", beside(meta={"time": Call("os.system", (SHELL,))}))
pth("message hub that calls eval", beside(message_hub={"log_scalars": Call("builtins.eval", (PYTHON,))}))
pth("history that names posix.system", beside(message_hub={"loss": buffer({"mean": Raw(named("posix.system"))})}))
pth("getattr of another package", beside(message_hub=method("torch.Size", "count")))
pth("getattr of os", beside(message_hub=Call("__builtin__.getattr", (Raw(named("os.system")), "__call__"))))
pth("getattr with a hidden name", beside(message_hub=method(HISTORY, "__globals__")))
pth("getattr with a chain", beside(message_hub=method(HISTORY, "mean.__globals__")))
pth("getattr of a number", beside(message_hub=Call("builtins.getattr", (7, "real"))))
pth("call of what getattr gave", beside(message_hub=Raw(code(method(HISTORY, "mean")) + code((SHELL,)) + b"R")))
pth("datetime with a chain into Python", beside(meta=Raw(b"cdatetime\nsys.modules\n)R")))
pth("array of objects in the message hub", beside(message_hub=array((1, (1,), dtype("O8"), False, b"12345678"))))
pth("optimizer that calls torch.load", beside(optimizer=Call("torch.load", (SHELL,))))
pt("vectors that call os.system", lambda parts, _: parts[""][1].update(txt_feats=Call("os.system", (SHELL,))))
pt("text tower that calls clip.load", lambda parts, _: parts[""][1].update(clip_model=Call("clip.load", ("ViT-B/32",))))
pt("state of a gate that names subprocess", said("model.12.attn", scale=Raw(named("subprocess.Popen"))))
pt("gate of a foreign class", lambda parts, _: parts["model.12.attn"].__setitem__(0, "evil.nets.Attention"))
pt("names that call exec", said("", names=Call("builtins.exec", (PYTHON,))))

# -- storages and shapes

pth("storage of two types", put(f"{GATE}bias", lambda _: tensor("0", "Float", 1, 0, (1,), (1,))))
pth("tensor beyond its storage", put(f"{GATE}bias", lambda held: tensor("0", "Half", 1, 1, (1,), (1,))))
pth("storage that is not there", put(f"{GATE}bias", lambda held: tensor("99", "Half", 1, 0, (1,), (1,))))
pth("gate of a million words", put(f"{GATE}guide_fc.weight", lambda held: held.full(2**20, 2**20)))
pth("stem of a huge width", put("backbone.image_model.stem.conv.weight", lambda held: held.full(2**16, 3, 3, 3)))
pth("stem of no width", put("backbone.image_model.stem.conv.weight", lambda held: held.full(0, 3, 3, 3)))
pth("width that gates cannot have", put("backbone.image_model.stage2.0.conv.weight", lambda held: held.full(40, 8, 3, 3)))
pth("gate of another width of words", put(f"{GATE}guide_fc.weight", lambda held: held.full(32, 16)))
pth("classes of another width of words", put(f"{HEAD}cls_preds.1.2.weight", lambda held: held.full(32, 8, 1, 1)))
pth("contrast of three numbers", put(f"{HEAD}cls_contrasts.0.logit_scale", lambda held: held.full(3)))
pth("gate with numbers that are none", put(f"{GATE}bias", lambda held: held.data(np.array([np.nan], np.float32))))
pth("gate with endless numbers", put(f"{GATE}bias", lambda held: held.data(np.array([np.inf], np.float32))))
pth("gate with complex numbers", put(f"{GATE}bias", lambda held: held.data(np.array([1j], np.complex64))))
pth("a thousand bottlenecks", lambda arrays, held: arrays.update(
    {f"neck.top_down_layers.0.blocks.{i}.conv1.conv.weight": held.full(1) for i in range(1000)}))  # fmt: skip
CASES.append(("cut in the middle", ".pth", lambda: official(lambda arrays, held: None)[:20_000]))
CASES.append(("cut before its end", ".pt", lambda: ultralytics(lambda parts, held: None)[:-400]))

# -- parts that do not belong together

pth("arrays of both layouts", put("model.0.conv.weight", lambda held: held.full(8, 3, 3, 3)))
pth("an array under our name too", put("neck.top_down.1.gate.bias", lambda held: held.full(1)))
pth("version 1 inside version 2", put("neck.text_enhancer.query.1.weight", lambda held: held.full(32, 64)))
pth("version 2 inside version 1", put(f"{HEAD}cls_contrasts.0.norm.weight", lambda held: held.full(64)), TINY_V1)
pth("neither version", without("cls_contrasts.0.norm"))
pth("no gates", without("guide_fc"))
pth("no head", without("bbox_head"))
pth("masks", put(f"{HEAD}seg_preds.0.2.weight", lambda held: held.full(1)))
pth("prompts that are pictures", put("image_prompt_encoder.img_mean", lambda held: held.full(3)))
pth("embeddings of another width", put("embeddings", lambda held: held.full(2, 32)))
pth("embeddings with numbers that are none", put("embeddings", lambda held: held.data(np.full((2, 64), np.nan, np.float32))))
pth("embeddings of whole numbers", put("embeddings", lambda held: held.data(np.ones((2, 64), np.int64))))
pth("embeddings of one axis", put("embeddings", lambda held: held.full(64)))
pth("tower of another width", lambda arrays, held: arrays.update(held.all(yolos.tower(projection=128))))
pth("tower without its first layer", without(f"{TOWER}encoder.layers.0."))
pth("tower without its tokens", without("token_embedding"))
pth("tower with one array too many", put(f"{TOWER}encoder.spy", lambda held: held.full(1)))
pth("tower with a layer of another width", put(f"{TOWER}encoder.layers.1.mlp.fc1.weight", lambda held: held.full(64, 64)))
pth("tower with numbers that are none", put(f"{TOWER}final_layer_norm.bias", lambda held: held.data(np.full(64, np.nan, np.float32))))
pth("more names than classes", lambda arrays, held: {
    "meta": {"dataset_meta": {"classes": ["a", "b", "c"]}}, "state_dict": arrays | {"embeddings": held.full(2, 64)}})  # fmt: skip
pth("names that are none", beside(meta={"dataset_meta": {"classes": [None, {}]}}))
pth("names that break the line", lambda arrays, held: arrays.update({"neck.\n.weight": held.full(1)}))
pth("meta that holds itself", beside(meta={"dataset_meta": Raw(CYCLE)}))
pth("meta that unfolds without end", beside(meta={"dataset_meta": bomb()}))
pth("state_dict of a class of its own", lambda arrays, held: {"state_dict": Instance("evil.Dict", arrays)})
pth("state_dict with a list among its arrays", lambda arrays, held: arrays.update({"backbone.more": [1, 2]}))

rep("fewer words in one head of a gate", put(f"{GATE}guide_convs.0.weight", lambda held: held.full(2, 32, 1, 1)))
rep("no words at all", lambda arrays, held: arrays.update(
    {name: held.full(0, 64, 1, 1) for name in arrays if "cls_contrasts" in name and name.endswith("conv.weight")}))  # fmt: skip
rep("one head of a gate is missing", without("top_down_layers.1.attn_block.guide_convs"))
rep("heads of sixty-four channels", put(f"{GATE}guide_convs.0.weight", lambda held: held.full(3, 64, 1, 1)))
rep("one gate without words", put(f"{GATE}guide_fc.weight", lambda held: held.full(32, 64)))
rep("a head without its words", without("cls_contrasts.2.conv"))
rep("variance below nothing", put(f"{HEAD}cls_contrasts.0.norm.running_var", lambda held: held.data(np.full(64, -1, np.float32))))
rep("embeddings beside folded words", put("embeddings", lambda held: held.full(3, 64)))
rep("a product beyond what memory holds", lambda arrays, held: arrays.update(
    {f"{HEAD}cls_contrasts.{i}.conv.weight": held.full(2**16, 64, 1, 1) for i in range(3)}))  # fmt: skip

pt("vectors of another width", lambda parts, held: parts[""][1].update(txt_feats=held.data(unit(2, 32))))
pt("vectors of two axes", lambda parts, held: parts[""][1].update(txt_feats=held.data(unit(2, 64)[0])))
pt("vectors that are none", lambda parts, held: parts[""][1].update(txt_feats=held.data(np.full((1, 2, 64), np.nan, np.float32))))
pt("vectors that are a list", said("", txt_feats=[0.1] * 64))
pt("vectors of NumPy's objects", said("", txt_feats=array((1, (1,), dtype("O8"), False, b"12345678"))))
pt("names numbered from one", said("", names={1: "cat", 2: "dog"}))
pt("names with one number twice", said("", names={0: "cat", "0": "dog"}))
pt("names that are numbers without end", said("", names=[Raw(b"\x8b" + struct.pack("<i", 2000) + b"\x7f" * 2000)]))
pt("a gate that multiplies by nothing", said("model.12.attn", scale=float("nan")))
pt("a gate of other heads", said("model.12.attn", hc=16))
pt("a gate with an activation", lambda parts, _: parts["model.12.attn.proj_conv.act"].__setitem__(0, "torch.nn.modules.activation.SiLU"))
pt("a plain head", lambda parts, _: parts["model.22"].__setitem__(0, "ultralytics.nn.modules.head.Detect"))
pt("two heads", lambda parts, _: parts["model.21"].__setitem__(0, "ultralytics.nn.modules.head.WorldDetect"))
pt("the contrast of version 1", lambda parts, _: parts["model.22.cv4.0"].__setitem__(0, "ultralytics.nn.modules.block.ContrastiveHead"))
pt("pooling from other rows", said("model.16", f=[15, 12, 8]), TINY_V1)
pt(
    "strides of another network",
    lambda parts, held: [parts[path][1].update(stride=held.data(np.array([8, 16, 64], np.int64))) for path in ("", "model.22")] and None,
)
pt(
    "a network that contains itself",
    lambda parts, held: Raw(code(nested(parts)) + b"q\x63" + code({"_modules": {"model": Raw(b"h\x63")}}) + b"b"),
)
pt("a parameter that is a network", lambda parts, held: parts["model.12.attn"][2].update(bias=nested(parts, "model.0")))

HARMLESS += [
    ("rows that are no numbers", ".pt", lambda: ultralytics(said("model.22", f=["a", None, {}]))),
    ("a text tower pickled beside", ".pt", lambda: ultralytics(said("", clip_model=Instance("clip.model.CLIP", {"_modules": {}})))),
    ("vectors of a foreign class", ".pt", lambda: ultralytics(said("", txt_feats=Instance("evil.Vectors", {"x": 1})))),
    ("vectors of three words and two names", ".pt", lambda: ultralytics(
        lambda parts, held: parts[""][1].update(txt_feats=held.data(unit(3, 64))))),
    ("a message hub that holds itself", ".pth", lambda: official(beside(message_hub=Raw(CYCLE)))),
    ("a message hub that unfolds without end", ".pth", lambda: official(beside(message_hub=bomb()))),
    ("a message hub as mmengine writes it", ".pth", lambda: official(beside(
        message_hub={"loss": buffer({"mean": method(HISTORY, "mean"), "min": method(HISTORY, "min")})},
        meta={"time": Call("datetime.datetime", (b"\x07\xe8\x01\x01\x00\x00\x00\x00\x00\x00",)), "seed": 0}))),
]  # fmt: skip
