"""Hostile and broken checkpoints: CASES lists the name of each and the function that builds its bytes."""

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

from checkpoint_forge import (
    PROTO,
    Call,
    Instance,
    Persistent,
    Raw,
    checkpoint,
    code,
    module,
    named,
    network,
    pickled,
    streamed,
    tensor,
    zipped,
)

MARKER = "wordbox-was-run"  # the file that appears in the working folder if anything runs
SHELL = f"touch {MARKER}"
PYTHON = f"open({MARKER!r}, 'w')"

Build = Callable[[], bytes]
CASES: list[tuple[str, Build]] = []


def case(name: str, build: Build) -> None:
    CASES.append((name, build))


def ops(name: str, raw: bytes) -> None:
    """A zip whose pickle consists of these opcodes, with the protocol before and STOP behind."""
    case(name, lambda: zipped(PROTO + raw + b".", {"0": bytes(24)}))


def tree(name: str, value: Any, storages: dict[str, bytes] | None = None) -> None:
    """A zip whose pickle gives `value` in place of a network."""
    case(name, lambda: zipped(pickled({"model": value, "epoch": -1}), storages or {"0": bytes(24)}))


# -- calls of what the file names

CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("os.system", (SHELL,)),
    ("posix.system", (SHELL,)),
    ("nt.system", (SHELL,)),
    ("os.popen", (SHELL,)),
    ("os.path.join", ("a", "b")),
    ("subprocess.Popen", (SHELL,)),
    ("commands.getoutput", (SHELL,)),
    ("pty.spawn", (SHELL,)),
    ("builtins.eval", (PYTHON,)),
    ("__builtin__.eval", (PYTHON,)),
    ("builtins.exec", (PYTHON,)),
    ("builtins.compile", (PYTHON, "x", "exec")),
    ("builtins.__import__", ("this",)),
    ("builtins.getattr", (Raw(named("collections.OrderedDict")), "fromkeys")),
    ("builtins.open", (MARKER, "w")),
    ("builtins.apply", (Raw(named("torch.Size")), ())),
    ("importlib.import_module", ("this",)),
    ("runpy.run_path", (MARKER,)),
    ("operator.attrgetter", ("system",)),
    ("functools.partial", (Raw(named("torch.Size")),)),
    ("types.FunctionType", ()),
    ("pickle.loads", (b"cos\nsystem\n.",)),
    ("marshal.loads", (b"c",)),
    ("ctypes.CDLL", ("libc.so.6",)),
    ("socket.create_connection", (("127.0.0.1", 9),)),
    ("shutil.rmtree", ("/nowhere",)),
    ("webbrowser.open", ("http://127.0.0.1",)),
    ("copyreg._reconstructor", (Raw(named("models.yolo.Model")),)),
    ("pip.main", (["install", "x"],)),
    ("numpy.testing._private.utils.runstring", (PYTHON, {})),
    ("numpy.load", (MARKER,)),
    ("torch.load", (MARKER,)),
    ("torch.hub.load", ("a/b", "c")),
    ("torch.storage._load_from_bytes", (b"x",)),
    ("torch._utils._rebuild_qtensor", ()),
    ("torch.jit.load", (MARKER,)),
    ("__main__.run", (SHELL,)),
    ("wordbox.api.load", (MARKER,)),
]
for kind, arguments in CALLS:
    tree(f"REDUCE {kind}", Call(kind, arguments))

SYSTEM = named("os.system")
SHELL_CODE = code(SHELL)
STACKED = code("os") + code("system") + b"\x93"
ops("STACK_GLOBAL os.system", STACKED + b"(" + SHELL_CODE + b"tR")
ops("STACK_GLOBAL os path.join", code("os") + code("path.join") + b"\x93(" + SHELL_CODE + b"tR")
ops("STACK_GLOBAL of numbers", b"K\x01K\x02\x93)R")
ops("STACK_GLOBAL with a chain into globals", code("models.common") + code("Conv.__init__.__globals__") + b"\x93)R")
ops("STACK_GLOBAL with a name of a megabyte", code("models") + code("a" * 2**20) + b"\x93)R")
ops("GLOBAL with a name that is none", b"cmodels.common\nConv()\n)R")
ops("GLOBAL with a terminal escape", b"cmodels\x1b[2J.common\nConv\n)R")
ops("GLOBAL without its second line", b"cmodels.common\nConv")
ops("INST os.system", b"(" + SHELL_CODE + b"ios\nsystem\n")
ops("INST of an unknown class", b"(" + SHELL_CODE + b"ievil.things\nRun\n")
ops("OBJ os.system", b"(" + SYSTEM + SHELL_CODE + b"o")
ops("OBJ of an unknown class", b"(" + named("evil.Run") + SHELL_CODE + b"o")
ops("OBJ of nothing", b"(o")
ops("NEWOBJ os.system", SYSTEM + b"(" + SHELL_CODE + b"t\x81")
ops("NEWOBJ of a text", SHELL_CODE + b")\x81")
ops("NEWOBJ without a tuple", named("models.common.Conv") + b"K\x01\x81")
ops("NEWOBJ_EX os.system", SYSTEM + b"(" + SHELL_CODE + b"t}\x92")
ops("NEWOBJ_EX with a list of keywords", named("models.common.Conv") + b")]\x92")
ops("EXT1", b"\x82\x01)R")
ops("EXT2", b"\x83\x01\x00)R")
ops("EXT4", b"\x84\x01\x00\x00\x00)R")
ops("REDUCE of a result", named("models.common.Conv") + b")R)R")
ops("REDUCE of a text", SHELL_CODE + b")R")
ops("REDUCE with a list", named("torch.Size") + b"]R")
ops("REDUCE of a memoised name", named("evil.Run") + b"q\x000h\x00(" + SHELL_CODE + b"tR")
ops("REDUCE hidden behind POP", SYSTEM + b"(" + SHELL_CODE + b"tR0N")
ops("NEWOBJ of a network whose call comes later", code(Instance("evil.Net", {"a": 1})) + b")R")

# -- BUILD

STATE = code({"__class__": 1, "__setstate__": "x", "__dict__": {}})
ops("BUILD of a class", named("models.common.Conv") + STATE + b"b")
ops("BUILD of one of our functions", named("torch._utils._rebuild_tensor_v2") + STATE + b"b")
ops("BUILD of a function with slots", named("torch.Size") + code((None, {"__code__": 1})) + b"b")
ops("BUILD of a text", SHELL_CODE + STATE + b"b")
ops("BUILD of a list", b"]" + STATE + b"b")
ops("BUILD of a dict with slots", b"}" + code((None, {"__class__": 1})) + b"b")
ops("BUILD of an object with __setstate__", named("models.common.Conv") + b")\x81" + STATE + b"b")
ops("BUILD of an object with slots", named("models.common.Conv") + b")\x81" + code((None, {"__class__": 1})) + b"b")
ops("BUILD of nothing", b"b")

# -- references

FLOAT = Raw(named("torch.FloatStorage"))
REFERENCES: dict[str, Any] = {
    "a number": 7,
    "a text": "storage",
    "a list": ["storage", FLOAT, "0", "cpu", 6],
    "an empty tuple": (),
    "a short tuple": ("storage", FLOAT, "0"),
    "another word": ("file", FLOAT, "0", "cpu", 6),
    "a tensor as its word": (tensor("0", "Float", 6, 0, (6,), (1,)), FLOAT, "0", "cpu", 6),
    "a text as its class": ("storage", "torch.FloatStorage", "0", "cpu", 6),
    "a class that is no storage": ("storage", Raw(named("models.common.Conv")), "0", "cpu", 6),
    "os.system as its class": ("storage", Raw(SYSTEM), "0", "cpu", 6),
    "quantised numbers": ("storage", Raw(named("torch.QInt8Storage")), "0", "cpu", 6),
    "a number as its key": ("storage", FLOAT, 0, "cpu", 6),
    "a path as its key": ("storage", FLOAT, "../../../etc/passwd", "cpu", 6),
    "a key that is not there": ("storage", FLOAT, "99", "cpu", 6),
    "a number as its place": ("storage", FLOAT, "0", 0, 6),
    "a negative count": ("storage", FLOAT, "0", "cpu", -6),
    "truth as its count": ("storage", FLOAT, "0", "cpu", True),
    "a huge count": ("storage", FLOAT, "0", "cpu", 2**62),
    "a count beyond the bytes": ("storage", FLOAT, "0", "cpu", 7),
    "a text as its count": ("storage", FLOAT, "0", "cpu", "6"),
    "a module in the zip form": ("module", FLOAT, "a.py", "print()"),
}
for name, reference in REFERENCES.items():
    tree(
        f"reference: {name}",
        Call("torch._utils._rebuild_tensor_v2", (Persistent(reference), 0, (6,), (1,), False, Call("collections.OrderedDict"))),
    )
ops("reference in text form", b"Pstorage\n")
ops("reference without a value", b"Q")
tree("one storage as two types", [tensor("0", "Float", 6, 0, (6,), (1,)), tensor("0", "Half", 12, 0, (12,), (1,))])

# -- tensors

SHAPES: dict[str, tuple[Any, Any, Any]] = {
    "negative offset": (-1, (6,), (1,)),
    "huge offset": (2**62, (1,), (1,)),
    "offset of an empty one beyond the end": (7, (0,), (1,)),
    "one number too many": (1, (6,), (1,)),
    "negative side": (0, (-6,), (1,)),
    "two negative sides": (0, (-2, -3), (3, 1)),
    "negative stride": (5, (6,), (-1,)),
    "stride zero": (0, (1000, 1000, 1000), (0, 0, 0)),
    "overlapping to a larger size": (0, (3, 5), (1, 1)),
    "huge sides": (0, (2**40, 2**40), (2**40, 1)),
    "sides whose product wraps round": (0, (2**32, 2**32), (1, 1)),
    "a side of a hundred digits": (0, (10**100,), (1,)),
    "none, beside a huge side": (0, (0, 2**70), (1, 1)),
    "huge stride": (0, (2,), (2**62,)),
    "fewer strides": (0, (2, 3), (1,)),
    "no strides": (0, (2, 3), ()),
    "seventy sides": (0, (1,) * 70, (1,) * 70),
    "sides of fractions": (0, (6.0,), (1,)),
    "sides of truth": (0, (True,), (1,)),
    "a list as its shape": (0, [6], [1]),
    "a text as its shape": (0, "6", "1"),
    "offset of None": (None, (6,), (1,)),
}
for name, (offset, size, stride) in SHAPES.items():
    tree(f"tensor: {name}", tensor("0", "Float", 6, offset, size, stride))
GOOD = tensor("0", "Float", 6, 0, (6,), (1,))
WHERE: tuple[Any, ...] = (Persistent(("storage", FLOAT, "0", "cpu", 6)), 0, (6,), (1,))
tree("tensor from a number", Call("torch._utils._rebuild_tensor_v2", (7, 0, (6,), (1,), False, None)))
tree("tensor from too little", Call("torch._utils._rebuild_tensor_v2", WHERE[:3]))
tree("tensor from too much", Call("torch._utils._rebuild_tensor_v2", (*WHERE, *range(9))))
tree("tensor of an unknown type", Call("torch._utils._rebuild_tensor_v3", (*WHERE, False, None, Raw(named("torch.bits16")))))
tree("tensor of a type that does not divide", Call("torch._utils._rebuild_tensor_v3", (*WHERE, False, None, Raw(named("torch.float64")))))
tree("parameter of a text", Call("torch._utils._rebuild_parameter", ("x", False, None)))
tree("dressed tensor by os.system", Call("torch._tensor._rebuild_from_type_v2", (Raw(SYSTEM), Raw(named("torch.Tensor")), (SHELL,), {})))
tree(
    "dressed tensor by a class", Call("torch._tensor._rebuild_from_type_v2", (Raw(named("torch.Size")), Raw(named("torch.Tensor")), (), {}))
)
tree("a set of tensors", Call("__builtin__.set", ([GOOD],)))
ops("a tensor as a key", b"}" + code(GOOD) + b"Ns")
case("ten thousand tensors over one storage", lambda: zipped(_many_windows(), {"0": bytes(2**20)}))


def _many_windows() -> bytes:
    reference = code(Persistent(("storage", FLOAT, "0", "cpu", 2**18)))
    one = named("torch._utils._rebuild_tensor_v2") + b"(h\x00" + code(0) + code((2**18,)) + code((1,)) + code(False) + b"NtR"
    return PROTO + reference + b"q\x000(" + one * 10_000 + b"l."


# -- NumPy's own

NUMPY = Raw(named("numpy.ndarray"))


def dtype(written: str) -> Call:
    return Call("numpy.dtype", (written, False, True))


def array(state: Any) -> Raw:
    return Raw(code(Call("numpy.core.multiarray._reconstruct", (NUMPY, (0,), b"b"))) + code(state) + b"b")


tree("array of objects", array((1, (1,), dtype("O8"), False, [None])))
tree("array of fewer bytes", array((1, (100,), dtype("f8"), False, bytes(8))))
tree("array of huge sides", array((1, (2**62, 2**62), dtype("f8"), False, bytes(8))))
tree("array without numbers, with huge sides", array((1, (0, 2**39, 2**39), dtype("f8"), False, b"")))
tree("array of negative sides", array((1, (-1, -1), dtype("f8"), False, bytes(8))))
tree("array of text", array((1, (1,), dtype("U1"), False, b"\xff\xff\xff\xff")))
tree("array with a state of another form", array({"shape": (1,)}))
tree("array made of a class", Call("numpy.core.multiarray._reconstruct", (Raw(named("models.common.Conv")), (0,), b"b")))
tree("array set twice", Raw(array((1, (1,), dtype("f8"), False, bytes(8))).code + code((1, (1,), dtype("f8"), False, bytes(8))) + b"b"))
tree("a tensor set like an array", Raw(code(GOOD) + code((1, (1,), dtype("f8"), False, bytes(8))) + b"b"))
tree("number of the wrong length", Call("numpy.core.multiarray.scalar", (dtype("f8"), bytes(4))))
tree("number that is text without letters", Call("numpy.core.multiarray.scalar", (dtype("U1"), b"\xff\xff\xff\xff")))
tree("number of an object", Call("numpy.core.multiarray.scalar", (dtype("O8"), bytes(8))))
tree("number type from a class", Call("numpy.dtype", (Raw(SYSTEM), False, True)))
tree("number type of a gigabyte", dtype("V1000000000"))
tree("number type with fields", dtype("f8,O"))
tree("number type without byte order", Raw(code(dtype("f8")) + code((3, "x", None)) + b"b"))
for codec in ("rot13", "zip", "bz2", "hex", "idna", "no such codec"):
    tree(f"codec {codec}", Call("_codecs.encode", ("x", codec)))
tree("codec that cannot hold the text", Call("_codecs.encode", ("猫", "latin1")))

# -- bombs

BIG = code("x" * 2**18)
ops(
    "memo bomb: the same text encoded a hundred thousand times",
    BIG + b"q\x000(" + (named("_codecs.encode") + b"(h\x00" + code("latin1") + b"tR") * 20_000 + b"l",
)
ops(
    "memo bomb: the same list as ten thousand sets",
    b"](" + b"".join(code(i) for i in range(20_000)) + b"eq\x000(" + (named("__builtin__.set") + b"(h\x00tR") * 10_000 + b"l",
)
ops("memo bomb: the same text in ten thousand paths", BIG + b"q\x000(" + (named("pathlib.PosixPath") + b"(h\x00tR") * 10_000 + b"l")
ops(
    "memo bomb: the same pairs as ten thousand dicts",
    b"("
    + b"".join(b"(" + code(i) + b"Nt" for i in range(20_000))
    + b"lq\x000("
    + (named("collections.OrderedDict") + b"(h\x00tR") * 10_000
    + b"l",
)
LONG = b"(" + b"K\x01" * 100_000 + b"tq\x00"
ops(
    "memo bomb: a shape of a hundred thousand sides, again and again",
    LONG + code(WHERE[0]) + b"q\x01" + b"(" + (named("torch._utils._rebuild_tensor_v2") + b"(h\x01K\x00h\x00h\x00tR") * 10_000 + b"l",
)
ops(
    "memo bomb: a reference of a hundred thousand parts, again and again",
    b"(" + code("storage") + FLOAT.code + code("0") + code("cpu") + code(6) + b"N" * 100_000 + b"tq\x00" + b"h\x00Q0" * 50_000 + b"N",
)
ops("three hundred thousand entries in the memo", b"N" + b"\x94" * 300_000)
ops("a memo index of four billion", b"Nr\xff\xff\xff\xff")
ops("billion laughs of lists", b"]q\x00" + b"".join(b"0](" + b"h\x00" * 10 + b"eq\x00" for _ in range(60)))
ops("billion laughs of tuples", b")q\x00" + b"".join(b"(" + b"h\x00" * 10 + b"tq\x00" for _ in range(60)))
ops("three hundred thousand empty sets", b"(" + b"\x8f" * 300_000 + b"l")
ops("three hundred thousand empty dicts", b"(" + b"}" * 300_000 + b"l")
ops("more steps than allowed", b"N0" * 600_000 + b"N")
ops("a list in a list, a hundred thousand deep", b"]" * 100_000 + b"a" * 99_999)
ops("a tuple in a tuple, two hundred thousand deep, as a key", b"}" + b")" + b"\x85" * 200_000 + b"Ns")
ops("a list that holds itself", b"]q\x00h\x00a")
ops("a dict that holds itself as its model", b"}q\x00" + code("model") + b"h\x00s")
ops("keys whose hashes collide: numbers", b"}(" + b"".join(code(i * (2**61 - 1)) + b"N" for i in range(1, 30_000)) + b"u")
ops(
    "keys whose hashes collide: tuples",
    b"}(" + b"".join(b"(" + b"".join(code(-1 - (i >> bit & 1)) for bit in range(13)) + b"tN" for i in range(8192)) + b"u",
)
for name, key in (("list", b"]"), ("dict", b"}"), ("set", b"\x8f"), ("long number", code(2**100)), ("tuple of lists", b"]\x85")):
    ops(f"a {name} as a key", b"}" + key + b"Ns")
    ops(f"a {name} in a set", b"\x8f(" + key + b"\x90")

# -- networks that are none


def net(**state: Any) -> Instance:
    return module("models.yolo.Model", **state)


def whole(name: str, root: Any, **beside: Any) -> None:
    case(name, lambda: zipped(pickled({"model": root, **beside}), {"0": bytes(24)}))


def holding_itself(inside: bytes) -> bytes:
    """A module in the memo at 0 whose `_modules` is the opcodes `inside`."""
    return b"".join((named("models.yolo.Model"), b")\x81q\x00", b"}(", code("_modules"), b"}(", inside, b"u", b"u", b"b"))


ops("a module that holds itself", holding_itself(code("a") + b"h\x00"))
ops(
    "two modules that hold each other", holding_itself(code("a") + code(Instance("models.common.Conv", {"_modules": {"b": Raw(b"h\x00")}})))
)


def nested(times: int, inside: bytes) -> bytes:
    """A module in a module, so often, each with the opcodes `inside` as its `_modules`; the one within it is in the memo at 0."""
    one = named("models.common.Conv") + b")\x81}(" + code("_modules") + b"}(" + inside + b"uubq\x000"
    return code(Instance("torch.nn.modules.activation.SiLU", {"_modules": {}})) + b"q\x000" + one * times + b"h\x00"


ops("a module that is reached in 2^40 ways", nested(40, code("a") + b"h\x00" + code("b") + b"h\x00"))
ops("modules a thousand deep", nested(1000, code("a") + b"h\x00"))
ops(
    "an attribute that unfolds to 10^60 values",
    code("x")
    + b"q\x000"
    + b"".join(b"(" + b"h\x00" * 10 + b"tq\x000" for _ in range(60))
    + named("models.yolo.Model")
    + b")\x81}("
    + code("_modules")
    + b"}"
    + code("names")
    + b"h\x00ub",
)
ops("an attribute that holds itself", named("models.yolo.Model") + b")\x81}(" + code("_modules") + b"}" + code("names") + b"]q\x01h\x01aub")
ops(
    "an attribute a thousand deep",
    named("models.yolo.Model") + b")\x81}(" + code("_modules") + b"}" + code("names") + b"]" * 1000 + b"a" * 999 + b"ub",
)
ops(
    "an entry beside the network that holds itself",
    b"}(" + code("model") + code(Instance("models.yolo.Model", {"_modules": {}})) + code("opt") + b"}q\x01" + code("a") + b"h\x01su",
)
whole("a number as a parameter", net(parameters={"weight": 7}))
whole("a class as a buffer", net(buffers={"weight": Raw(named("models.common.Conv"))}))
whole("a text as a module", net(modules={"0": "Conv"}))
whole("a list of parameters", Instance("models.yolo.Model", {"_modules": {}, "_parameters": [GOOD]}))
whole("a number as the name of a parameter", Instance("models.yolo.Model", {"_modules": {}, "_parameters": {7: GOOD}}))
whole("an endless name of a module", net(modules={"a" * 5000: net()}))
whole("two arrays of one name", net(parameters={"a.b": GOOD}, modules={"a": net(parameters={"b": GOOD})}))
case("one array under ten thousand names", lambda: zipped(_many_names(), {"0": bytes(2**20)}))
whole("modules without a dict", Instance("models.yolo.Model", {"_modules": None}))
whole("a network without an inside", Instance("models.yolo.Model"))
whole("no network", None, ema=None)
whole("arrays mixed with numbers", {"a.weight": GOOD, "b.weight": 7})
for name, value in {
    "nothing": None,
    "a number": 7,
    "a list": [1, 2],
    "an empty dict": {},
    "a text": "x\ny",
    "an array": GOOD,
    "a class": Raw(named("models.yolo.Model")),
}.items():
    case(f"a file that holds {name}", lambda value=value: zipped(pickled(value), {"0": bytes(24)}))
case("a file that holds keys with line breaks", lambda: zipped(pickled({"a\nb\x1b[2J" * 50: 1, ("x", "\n"): 2, 3: 4})))


ops(
    "a hundred and fifty thousand lists beside the network",
    b"}(" + code("model") + code(Instance("models.yolo.Model", {"_modules": {}})) + code("opt") + b"](" + b"]" * 150_000 + b"eu",
)


def _many_names() -> bytes:
    one = code(tensor("0", "Float", 2**18, 0, (2**18,), (1,)))
    return PROTO + one + b"q\x000}(" + b"".join(code(f"w{i}") + b"h\x00" for i in range(10_000)) + b"u."


# -- pickle syntax

ops("unknown opcode", b"\xff")
ops("opcode zero", b"\x00")
case("protocol 6", lambda: zipped(b"\x80\x06N."))
case("protocol 255", lambda: zipped(b"\x80\xffN."))
case("no pickle", lambda: zipped(b""))
case("only the protocol", lambda: zipped(b"\x80\x02"))
case("no STOP", lambda: zipped(b"\x80\x02N"))
case("a line of text as its pickle", lambda: zipped(b"model\n"))
ops("frame longer than the file", b"\x95" + struct.pack("<Q", 2**40) + b"N")
ops("frame without its length", b"\x95\x01")
ops("a whole number of a million bytes", b"\x8b" + struct.pack("<I", 10**6) + b"\x01" * 10**6)
ops("a whole number of a negative length", b"\x8b\xff\xff\xff\xff")
ops("a whole number of a million digits", b"L" + b"9" * 10**6 + b"L\n")
ops("a text that claims four gigabytes", b"X\xff\xff\xff\xffx")
ops("a text that claims 2^60 bytes", b"\x8d" + struct.pack("<Q", 2**60) + b"x")
ops("bytes that claim 2^60 bytes", b"\x8e" + struct.pack("<Q", 2**60) + b"x")
ops("a byte array that claims 2^60 bytes", b"\x96" + struct.pack("<Q", 2**60) + b"x")
ops("a buffer outside the file", b"\x97")
ops("STOP on nothing", b"")
ops("POP on nothing", b"0")
ops("POP_MARK without a mark", b"1")
ops("TUPLE without a mark", b"t")
ops("TUPLE3 of one", b"N\x87")
ops("DUP of nothing", b"2")
ops("APPEND to a tuple", b")Na")
ops("APPENDS below its list", b"N(NNe")
ops("SETITEMS of three", b"}(NNNu")
ops("SETITEM into a list", b"]NNs")
ops("ADDITEMS to a list", b"](N\x90")
ops("BINGET of nothing", b"h\x05")
ops("BINPUT of nothing", b"q\x05")
ops("LONG_BINGET of nothing", b"j\xff\xff\xff\xff")
ops("LONG_BINPUT cut off", b"Nr\xff")
ops("text opcodes", b"S'x'\n")
ops("a text that is not UTF-8", b"X\x04\x00\x00\x00\xff\xfe\xed\xa0")
for raw in (b"F1e999999\n", b"I99999\n", b"Vx\n", b"g0\n", b"p0\n"):
    ops(f"text opcode {raw[:1].decode()}", b"N" + raw)

# -- zip

SMALL = pickled({"model": network()[0]})


def patched(data: bytes, mark: bytes, at: int, value: bytes, index: int = 0) -> bytes:
    """`data` with `value` written `at` bytes behind the `index`-th `mark`."""
    found = -1
    for _ in range(index + 1):
        found = data.index(mark, found + 1)
    return data[: found + at] + value + data[found + at + len(value) :]


def zip_case(name: str, mark: bytes, at: int, value: bytes, index: int = 0) -> None:
    case(f"zip: {name}", lambda: patched(checkpoint("zip"), mark, at, value, index))


ROW, END, HEAD = b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04"
case("zip: a compressed bomb as its pickle", lambda: zipped(bytes(50 * 2**20), compression=zipfile.ZIP_DEFLATED))
case("zip: a compressed bomb as a storage", lambda: zipped(SMALL, {"0": bytes(50 * 2**20)}, compression=zipfile.ZIP_DEFLATED))
case("zip: compressed by LZMA", lambda: zipped(SMALL, compression=zipfile.ZIP_LZMA))
case("zip: empty", lambda: zipped(b"")[-22:-14] + bytes(14))
case("zip: without a pickle", lambda: zipped(b"").replace(b"data.pkl", b"data.txt"))
case("zip: two pickles", lambda: zipped(SMALL).replace(b"archive/version", b"second/data.pkl"))
case("zip: a name twice", lambda: zipped(SMALL, {"0": b"x", "1": b"y"}).replace(b"data/1", b"data/0"))
case("zip: an absolute name", lambda: zipped(SMALL).replace(b"archive/version", b"//chive/version"))
case("zip: a name that climbs", lambda: zipped(SMALL).replace(b"archive/version", b"a/../../version"))
case("zip: a name with a zero", lambda: zipped(SMALL).replace(b"archive/version", b"archive/ver\0ion"))
case("zip: TorchScript", lambda: zipped(SMALL, extra={"constants.pkl": b"", "code/__torch__/net.py": b"import os"}))
case("zip: a byte order of nonsense", lambda: zipped(SMALL, extra={"byteorder": b"middle"}))
case("zip: a spreadsheet", lambda: zipped(b"").replace(b"archive/data.pkl", b"xl/worksheet.xml"))
zip_case("encrypted", ROW, 8, b"\x01")
zip_case("a wrong checksum", ROW, 16, b"\1\2\3\4")
zip_case("a huge claimed size", ROW, 20, b"\xff\xff\xff\x7f\xff\xff\xff\x7f")
zip_case("a huge claimed size, on one side", ROW, 24, b"\xff\xff\xff\x7f")
zip_case("a size of four gigabytes", ROW, 20, b"\xff" * 8)
zip_case("a place beyond the end", ROW, 42, b"\xff\xff\xff\x7f")
zip_case("a place within another entry", ROW, 42, b"\x07\0\0\0")
zip_case("two entries at one place", ROW, 42, bytes(4), index=1)
zip_case("a name beyond the directory", ROW, 28, b"\xff\xff")
zip_case("a broken row", ROW, 0, b"PKxx", index=2)
zip_case("a local header of another name", HEAD, 30, b"x")
zip_case("a local header with a huge extra", HEAD, 28, b"\xff\xff", index=3)
zip_case("more entries than there are", END, 10, b"\xfe\xff")
zip_case("fewer entries than there are", END, 10, b"\x01\x00")
zip_case("the form for 65,535 entries", END, 10, b"\xff\xff")
zip_case("a directory that is not there", END, 16, b"\xff\xff\xff\x7f")
zip_case("a directory in the middle", END, 16, b"\x40\0\0\0")
case("zip: a changed weight", lambda: patched(checkpoint("zip"), b"archive/data/1", 16, b"\x7f"))
case("zip: a storage that is not there", lambda: zipped(pickled({"model": network()[0]})))
case("zip: storages of other sizes", lambda: zipped(pickled({"model": network()[0]}), {str(i): bytes(i) for i in range(99)}))
case("zip: wrong number type", lambda: zipped(pickled({"a": tensor("0", "Double", 6, 0, (6,), (1,))}), {"0": bytes(24)}))
case("zip: storages that claim the bytes of others", lambda: _overlapping())


def _overlapping() -> bytes:
    """A hundred rows of the directory that all point at one large entry."""
    plain = zipped(SMALL, {"0": bytes(2**20)})
    at = plain.index(ROW)
    rows = plain[at : plain.index(END)]
    large = rows[rows.index(b"archive/data/0") - 46 :][: 46 + 14]
    more = b"".join(large.replace(b"data/0", b"data/" + bytes([65 + i])) for i in range(50))
    end = bytearray(plain[plain.index(END) :])
    end[8:16] = struct.pack("<HHI", 53, 53, len(rows) + len(more))
    return plain[:at] + rows + more + bytes(end)


# -- legacy stream


def stream(name: str, build: Build) -> None:
    case(f"stream: {name}", build)


HELD = {"0": ("Float", bytes(24))}
ONE = pickled({"model": net(parameters={"w": GOOD})})
stream(
    "an array as its version",
    lambda: pickled(0x1950A86A20F9469CFC6C) + pickled(array((1, (2,), dtype("f8"), False, bytes(16)))) + pickled({"little_endian": True}),
)
stream("not its version", lambda: pickled(0x1950A86A20F9469CFC6C) + pickled(1002) + pickled({"little_endian": True}) + ONE + pickled(["0"]))
stream("no system facts", lambda: pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled([]) + ONE + pickled(["0"]))
stream("a number as its byte order", lambda: streamed(ONE, HELD).replace(code("little_endian") + b"\x88", code("little_endian") + b"N"))
stream("keys in no list", lambda: streamed(ONE, HELD, keys="0"))
stream("keys of numbers", lambda: streamed(ONE, HELD, keys=[0]))
stream("a key twice", lambda: streamed(ONE, HELD, keys=["0", "0"]))
stream("keys of others", lambda: streamed(ONE, HELD, keys=["1"]))
stream("more keys than storages", lambda: streamed(ONE, HELD, keys=["0", "1"]))
stream("a list of lists of keys", lambda: streamed(ONE, HELD, keys=[["0"]]))
stream("a count that lies", lambda: streamed(ONE, HELD, counts={"0": 5}))
stream("a count of 2^62", lambda: streamed(ONE, HELD, counts={"0": 2**62}))
stream("a negative count", lambda: streamed(ONE, HELD, counts={"0": -1}))
stream(
    "a storage of a terabyte", lambda: streamed(pickled({"model": net(parameters={"w": tensor("0", "Float", 2**38, 0, (6,), (1,))})}), HELD)
)
stream("os.system", lambda: streamed(pickled({"model": Call("os.system", (SHELL,))}), {}))
stream("a reference in its first pickle", lambda: PROTO + b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19Q.")
stream(
    "a module with its source, called",
    lambda: streamed(pickled({"model": Call("os.system", (Persistent(("module", Raw(SYSTEM), "a", "b")),))}), {}),
)
stream("a class of the shell in a module", lambda: streamed(pickled({"model": Persistent(("module", Raw(SYSTEM), "a", "import os"))}), {}))
stream("truth as a count", lambda: streamed(pickled({"model": net(parameters={"w": tensor("0", "Float", True, 0, (1,), (1,))})}), HELD))
stream("nothing behind its first number", lambda: pickled(0x1950A86A20F9469CFC6C))
for name, view in {
    "beyond": ("0", 4, 6),
    "negative": ("0", -4, 4),
    "long": ("0", 0, 2**62),
    "of texts": ("0", "0", "6"),
    "short": ("0",),
}.items():
    stream(
        f"a view that is {name}",
        lambda view=view: streamed(pickled({"model": net(parameters={"w": tensor("0", "Float", 6, 0, (4,), (1,), (view,))})}), HELD),
    )
for container in ("zip", "stream"):
    for tenth in range(10):
        case(
            f"{container}: cut at {tenth} tenths",
            lambda container=container, tenth=tenth: (d := checkpoint(container))[: len(d) * tenth // 10],
        )
    case(f"{container}: cut by one byte", lambda container=container: checkpoint(container)[:-1])

# -- files of other kinds

HEADER_FLOOD = b"PK\x03\x04" + (b"PK\x03\x04" + bytes(22) + b"\xff\xff\0\0") * 20_000


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return out.getvalue()


OTHERS: dict[str, bytes] = {
    "a flood of headers": HEADER_FLOOD,
    "an empty file": b"",
    "one byte": b"P",
    "a web page": b"\n<!DOCTYPE html><html><title>Sign in</title>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "safetensors": struct.pack("<Q", 2) + b"{}" + bytes(8),
    "an ONNX graph": b"\x08\x08\x12\x07pytorch\x1a\x051.13",
    "gzip": b"\x1f\x8b\x08\x00",
    "a bare pickle": pickle.dumps({"model": 1}, protocol=2),
    "a bare hostile pickle": PROTO + code(Call("os.system", (SHELL,))) + b".",
    "zeros": bytes(1000),
    "JSON": b'{"model": "yolov5n"}',
    "plain text": b"yolov5n",
    "the beginning of an archive": b"PK\x03\x04",
    "the end of an archive": b"PK\x05\x06",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n",
}
for name, content in OTHERS.items():
    case(f"other: {name}", lambda content=content: content)
case("other: a tar archive", _tar)
