"""Checkpoints made byte by byte, sound ones and hostile ones, without PyTorch: pickle opcodes, zip archives, legacy streams."""

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROTO = b"\x80\x02"
MAGIC = 0x1950A86A20F9469CFC6C
SIZES = {"Half": 2, "Float": 4, "Double": 8, "Long": 8, "Int": 4, "Byte": 1, "Bool": 1, "BFloat16": 2}


@dataclass(frozen=True)
class Raw:
    """Opcodes written as they are."""

    code: bytes


@dataclass(frozen=True)
class Call:
    """What REDUCE makes of `kind` and its arguments."""

    kind: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Instance:
    """What NEWOBJ and BUILD make."""

    kind: str
    state: Any = None
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Persistent:
    """What BINPERSID makes of a value."""

    reference: Any


@dataclass
class Storages:
    """The storages of a checkpoint: each tensor asked for gets the next key and numbers of its own."""

    held: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def tensor(self, kind: str, *size: int) -> Call:
        count = 1
        for side in size:
            count *= side
        key = str(len(self.held))
        data = bytes((7 * i + len(self.held)) % 60 for i in range(count * SIZES[kind])) if kind != "Bool" else bytes(count)
        self.held[key] = (kind, data)
        stride = tuple(_strides(size))
        return tensor(key, kind, count, 0, size, stride)

    def parameter(self, kind: str, *size: int) -> Call:
        return Call("torch._utils._rebuild_parameter", (self.tensor(kind, *size), False, Call("collections.OrderedDict")))


def _strides(size: tuple[int, ...]) -> list[int]:
    steps, step = [], 1
    for side in reversed(size):
        steps.insert(0, step)
        step *= side
    return steps


def tensor(key: Any, kind: str, count: Any, offset: Any, size: Any, stride: Any, view: Any = ()) -> Call:
    """A tensor in storage `key` of `count` numbers; `view` is what the legacy form appends to a reference."""
    reference = Persistent(("storage", Raw(named(f"torch.{kind}Storage")), key, "cpu", count, *view))
    return Call("torch._utils._rebuild_tensor_v2", (reference, offset, size, stride, False, Call("collections.OrderedDict")))


def named(kind: str) -> bytes:
    module, _, name = kind.rpartition(".")
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def module(
    kind: str, parameters: Mapping[str, Any] = {}, buffers: Mapping[str, Any] = {}, modules: Mapping[str, Any] = {}, **attributes: Any
):
    """A pickled torch module."""
    passing = attributes.pop("passing", [])
    ordered = {
        "training": False,
        "_parameters": dict(parameters),
        "_buffers": dict(buffers),
        "_non_persistent_buffers_set": Call("__builtin__.set", (passing,)),
        "_forward_hooks": Call("collections.OrderedDict"),
        "_modules": dict(modules),
    }
    return Instance(kind, ordered | attributes)


def code(value: Any) -> bytes:
    """The opcodes of a value."""
    match value:
        case Raw(raw):
            return raw
        case Call(kind, arguments):
            return named(kind) + code(arguments) + b"R"
        case Instance(kind, state, arguments):
            return named(kind) + code(arguments) + b"\x81" + code(state) + b"b"
        case Persistent(reference):
            return code(reference) + b"Q"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int() if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        case int():
            raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
            return b"\x8a" + bytes([len(raw)]) + raw
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return code(Call("_codecs.encode", (value.decode("latin-1"), "latin1")))
        case tuple():
            return b"(" + b"".join(map(code, value)) + b"t"
        case list():
            return b"](" + b"".join(map(code, value)) + b"e"
        case dict():
            return b"}(" + b"".join(code(key) + code(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


def pickled(value: Any) -> bytes:
    return PROTO + code(value) + b"."


def zipped(
    pickle: bytes, storages: Mapping[str, bytes] = {}, root: str = "archive", extra: Mapping[str, bytes] = {}, **options: Any
) -> bytes:
    """A zip container; `options` go to zipfile (compression)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        for name, data in {
            "data.pkl": pickle,
            **{f"data/{key}": data for key, data in storages.items()},
            **extra,
            "version": b"3\n",
        }.items():
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}"), data, compress_type=options.get("compression"))
    return out.getvalue()


def streamed(pickle: bytes, storages: Mapping[str, tuple[str, bytes]] = {}, keys: Any = None, counts: Mapping[str, int] = {}) -> bytes:
    """A legacy stream."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = pickled(MAGIC) + pickled(1001) + pickled(facts) + pickle + pickled(list(storages) if keys is None else keys)
    rest = [struct.pack("<q", counts.get(key, len(data) // SIZES[kind])) + data for key, (kind, data) in storages.items()]
    return head + b"".join(rest)


def network() -> tuple[Any, Storages]:
    """A tiny checkpoint in the form of a real one: two blocks, a shared activation, a buffer that is not kept."""
    held = Storages()
    act = module("torch.nn.modules.activation.SiLU", inplace=True)

    def conv(inner: int, outer: int, index: int) -> Instance:
        norm = module(
            "torch.nn.modules.batchnorm.BatchNorm2d",
            {"weight": held.parameter("Half", outer), "bias": held.parameter("Half", outer)},
            {
                "running_mean": held.tensor("Half", outer),
                "running_var": held.tensor("Half", outer),
                "num_batches_tracked": held.tensor("Long"),
            },
            eps=0.001,
            momentum=0.03,
        )
        weight = {"weight": held.parameter("Half", outer, inner, 3, 3), "bias": None}
        inside = {"conv": module("torch.nn.modules.conv.Conv2d", weight, kernel_size=(3, 3), stride=(2, 2)), "bn": norm, "act": act}
        return module("models.common.Conv", modules=inside, i=index, f=-1, type="models.common.Conv")

    rows = module("torch.nn.modules.container.Sequential", modules={"0": conv(3, 4, 0), "1": conv(4, 8, 1)})
    anchors = {"anchors": held.tensor("Half", 1, 3, 2), "grid": held.tensor("Float", 2)}
    root = module(
        "models.yolo.Model",
        buffers=anchors,
        modules={"model": rows, "none": None},
        passing=["grid"],
        names=["cat", "dog"],
        yaml={"nc": 2, "backbone": [[-1, 1, "Conv", [64, 3, 2]]]},
        stride=held.tensor("Float", 3),
        loss=Instance("ultralytics.utils.loss.v8DetectionLoss", {"x": 1}),
    )
    return {"epoch": -1, "ema": None, "model": root, "optimizer": None, "date": "2022-02-08"}, held


def checkpoint(kind: str) -> bytes:
    """The file of `network` in the container `kind`: zip or stream."""
    tree, held = network()
    if kind == "zip":
        return zipped(pickled(tree), {key: data for key, (_, data) in held.held.items()})
    return streamed(pickled(tree), held.held)
