"""What stands for a name in a pickle: an inert stub, or one of a few constructors of our own."""

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wordbox.checkpoints.storages import DTYPES, Storage, window
from wordbox.errors import WeightsError

Make: TypeAlias = Callable[["Limits", tuple[Any, ...]], Any]


class Stub:
    """What stands for an object of a class named in the file; nothing about it can run."""

    __slots__ = ("arguments", "items", "kind", "state")

    def __init__(self, kind: str, arguments: tuple[Any, ...] = ()) -> None:
        self.kind = kind  # "models.common.Conv"
        self.arguments = arguments
        self.state: Any = None  # what the file sets as its inside; a dict for modules
        self.items: list[Any] | dict[Any, Any] | None = None  # what the file appends to it


class Name:
    """What stands for a class or function named in the file; `make` gives what a call of it gives, None where no call is allowed."""

    __slots__ = ("kind", "make")

    def __init__(self, kind: str, make: Make | None) -> None:
        self.kind = kind
        self.make = make


class Dtype:
    """What stands for a NumPy number type; the file sets its byte order after it is made."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class Limits:
    """How much one file may still cost, and how its faults are told."""

    __slots__ = ("_bytes", "_rows", "where")

    def __init__(self, where: str, size: int) -> None:
        self.where = where
        self._bytes = 4 * size + 2**20  # copies that the file asks for beyond its own text
        self._rows = 1000  # keys that are tuples: their hashes can be made to collide

    def fault(self, text: str) -> WeightsError:
        """The error for `text`, on one line, with the file's name."""
        return WeightsError(f"{self.where}: {text}")

    def charge(self, size: int) -> None:
        """Count `size` bytes of copies. Raises WeightsError when the file has asked for far more than it holds."""
        self._bytes -= size
        if self._bytes < 0:
            raise self.fault("its pickle copies the same data over and over, far beyond the file's own size; no checkpoint needs that")

    def check_key(self, key: Any) -> None:
        """Raise WeightsError unless `key` may be a key of a dict or a member of a set, at a bounded cost."""
        kind = type(key)
        if kind is str or kind in _KEYS or (kind is int and -(2**60) < key < 2**60):
            return
        if kind is tuple and len(key) <= 16 and all(type(part) is str or type(part) in _KEYS or type(part) is int for part in key):
            self._rows -= 1
            if self._rows >= 0:
                return
        raise self.fault(f"its pickle has a key of type {kind.__name__}; expected text, a small number or a few short tuples of them")


def named(limits: Limits, module: str, name: str) -> Name:
    """What stands for `module.name`. Raises WeightsError that tells the name, if it comes from Python itself or is no name."""
    kind = f"{module}.{name}"
    make = _MAKERS.get(kind)
    if make is not None:
        return Name(kind, make)
    parts = kind.split(".")
    if len(kind) > 300 or not all(part.isidentifier() for part in parts) or any(part[:2] == "__" for part in parts[1:]):
        raise limits.fault(f"its pickle asks for {_shown(kind)}, which is not the name of a class; it was not read further")
    if parts[0] in _PYTHON and kind not in _TYPES:
        raise limits.fault(
            f"its pickle asks for {_shown(kind)}, a part of Python that no checkpoint needs; nothing was run; do not trust this file"
        )
    return Name(kind, _stub(kind) if kind.startswith(_MODULES) else None)


def call(limits: Limits, name: Any, arguments: Any) -> Any:
    """What calling `name` gives. Raises WeightsError that tells the name, if it is not one of ours or of a known network package."""
    if type(name) is not Name or type(arguments) is not tuple:
        raise limits.fault(f"its pickle calls a {type(name).__name__} with a {type(arguments).__name__}; expected a class and a tuple")
    if name.make is None:
        raise limits.fault(
            f"its pickle calls {_shown(name.kind)}, which Wordbox does not know; nothing was run; save the model's state_dict instead"
        )
    return name.make(limits, arguments)


def new(limits: Limits, name: Any, arguments: Any) -> Any:
    """What stands for a fresh object of the class `name`."""
    if type(name) is Name and name.make is None and type(arguments) is tuple:
        return Stub(name.kind, arguments)
    return call(limits, name, arguments)


def set_state(limits: Limits, thing: Any, state: Any) -> None:
    """Give `thing` the inside that the file has for it."""
    if type(thing) is Stub:
        thing.state = state
    elif type(thing) is Dtype:
        _set_order(limits, thing, state)
    elif type(thing) is np.ndarray and thing.base is None and thing.shape == (0,):  # as `_reconstruct` makes it
        _set_array(limits, thing, state)
    elif not (type(thing) is dict and (state is None or type(state) is dict)):  # attributes of an OrderedDict are bookkeeping
        raise limits.fault(f"its pickle sets the inside of a {type(thing).__name__}; expected an object of a class")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else f"{text[:80]}...").strip("'")


def _stub(kind: str) -> Make:
    return lambda _, arguments: Stub(kind, arguments)


def _attribute(kind: str) -> Make:
    """`getattr`, with which mmengine's pickles name methods of its own classes: a stub stands for the method."""

    def make(limits: Limits, arguments: tuple[Any, ...]) -> Stub:
        match arguments:
            case (Name() as owner, str() as name) if owner.kind.startswith("mmengine.") and name.isidentifier() and name[:2] != "__":
                limits.charge(len(name))
                return Stub(f"{owner.kind}.{name}")
        raise limits.fault(
            f"its pickle asks for {kind} of something, a part of Python that no checkpoint needs; nothing was run; do not trust this file"
        )

    return make


def _bad(limits: Limits, what: str, arguments: tuple[Any, ...]) -> WeightsError:
    found = ", ".join(type(argument).__name__ for argument in arguments[:8])
    return limits.fault(f"its pickle makes {what} from ({found}), which does not fit; the file is damaged or forged")


# -- containers and plain things


def _mapping(limits: Limits, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if not arguments:  # each module has a handful
        return {}
    pairs = arguments[0] if len(arguments) == 1 else []
    if len(arguments) > 1 or type(pairs) is not list or not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise _bad(limits, "a dict", arguments)
    limits.charge(64 * len(pairs))
    for key, _ in pairs:
        limits.check_key(key)
    return dict(pairs)


def _default(limits: Limits, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    return _mapping(limits, arguments[1:])


def _set(limits: Limits, arguments: tuple[Any, ...]) -> set[Any]:
    members = arguments[0] if len(arguments) == 1 else []
    if len(arguments) > 1 or type(members) not in (list, tuple):
        raise _bad(limits, "a set", arguments)
    return set_of(limits, members)


def set_of(limits: Limits, members: Iterable[Any]) -> set[Any]:
    """The set of `members`, each checked."""
    limits.charge(200)  # what an empty set takes
    gathered = set()
    for member in members:
        limits.charge(32)
        limits.check_key(member)
        gathered.add(member)
    return gathered


def _no_bytes(limits: Limits, arguments: tuple[Any, ...]) -> bytes:
    if arguments:  # Python writes only empty ones like this
        raise _bad(limits, "bytes", arguments)
    return b""


def _path(limits: Limits, arguments: tuple[Any, ...]) -> str:
    if not all(type(part) is str for part in arguments):
        raise _bad(limits, "a path", arguments)
    limits.charge(sum(len(part) + 1 for part in arguments))
    return "/".join(part if part == "/" else part.rstrip("/\\") for part in arguments).replace("//", "/", 1)


def _encode(limits: Limits, arguments: tuple[Any, ...]) -> bytes:
    match arguments:
        case (str() as text, str() as codec) if codec in ("latin1", "latin-1"):
            limits.charge(len(text))
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise _bad(limits, "bytes", arguments) from error
    raise _bad(limits, "bytes", arguments)


# -- NumPy


def _array(limits: Limits, arguments: tuple[Any, ...]) -> NDArray[Any]:
    if len(arguments) != 3 or type(arguments[0]) is not Name or arguments[0].kind != "numpy.ndarray":
        raise _bad(limits, "a NumPy array", arguments)
    return np.empty(0, np.int8)


def _set_array(limits: Limits, array: NDArray[Any], state: Any) -> None:
    match state:
        case (int(), tuple() as shape, Dtype() as held, bool() as fortran, bytes() as raw):
            sound = len(shape) <= 32 and all(type(side) is int and 0 <= side < 2**40 for side in shape)
            if sound and held.dtype.kind in "biufc" and math.prod(shape) * held.dtype.itemsize == len(raw):
                limits.charge(len(raw))
                try:
                    array.__setstate__((1, shape, held.dtype, fortran, raw))  # type: ignore[arg-type]
                except (ValueError, OverflowError) as error:
                    raise limits.fault(f"its pickle has a NumPy array that NumPy refuses ({error})") from error
                return
    raise limits.fault("its pickle has a NumPy array whose shape, type and bytes do not fit together; expected plain numbers")


def _scalar(limits: Limits, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (Dtype() as held, bytes() as raw) if len(raw) == held.dtype.itemsize > 0:
            if held.dtype.kind == "U":  # NumPy does not check the letters
                return raw.decode("utf-32-be" if held.dtype.str[0] == ">" else "utf-32-le", "replace").rstrip("\0")
            return np.frombuffer(raw, held.dtype)[0].item()
    raise _bad(limits, "a NumPy number", arguments)


def _dtype(limits: Limits, arguments: tuple[Any, ...]) -> Dtype:
    match arguments:
        case (str() as code, *_) if len(arguments) <= 3 and re.fullmatch(
            r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6})", code, re.ASCII
        ):
            return Dtype(np.dtype(code))
    raise _bad(limits, "a NumPy number type", arguments)


def _set_order(limits: Limits, held: Dtype, state: Any) -> None:
    match state:
        case (int(), str() as order, *_) if order in ("<", ">", "=", "|"):
            held.dtype = held.dtype if order == "|" else np.dtype(held.dtype.newbyteorder(order).str)  # type: ignore[arg-type]
        case _:
            raise limits.fault("its pickle has a NumPy number type without a byte order; the file is damaged or forged")


# -- PyTorch


def _tensor(limits: Limits, arguments: tuple[Any, ...]) -> NDArray[Any]:
    match arguments:
        case (Storage() as storage, offset, size, stride, *_) if len(arguments) <= 7:
            return window(storage, offset, size, stride)
    raise _bad(limits, "a tensor", arguments)


def _typed_tensor(limits: Limits, arguments: tuple[Any, ...]) -> NDArray[Any]:
    match arguments:
        case (Storage() as storage, offset, size, stride, _, _, Name() as dtype, *_) if len(arguments) <= 8 and dtype.kind in DTYPES:
            return window(storage.of(dtype.kind), offset, size, stride)
    raise _bad(limits, "a tensor", arguments)


def _parameter(limits: Limits, arguments: tuple[Any, ...]) -> NDArray[Any]:
    if 1 <= len(arguments) <= 4 and type(arguments[0]) is np.ndarray:
        return arguments[0]
    raise _bad(limits, "a parameter", arguments)


def _dressed_tensor(limits: Limits, arguments: tuple[Any, ...]) -> NDArray[Any]:
    match arguments:  # a tensor to which somebody had given attributes
        case (Name() as function, Name(), tuple() as inner, _) if function.make in (_tensor, _typed_tensor, _parameter):
            found: NDArray[Any] = function.make(limits, inner)
            return found
    raise _bad(limits, "a tensor", arguments)


def _size(limits: Limits, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    match arguments:
        case (tuple() as sides,):
            return sides
        case (list() as sides,):
            limits.charge(8 * len(sides))
            return tuple(sides)
    raise _bad(limits, "a torch.Size", arguments)


def _device(limits: Limits, arguments: tuple[Any, ...]) -> str:
    match arguments:
        case (str() as place,):
            return place
        case (str() as place, int() as number):
            limits.charge(len(place))
            return f"{place}:{number}"
    raise _bad(limits, "a torch.device", arguments)


_KEYS = frozenset({str, bytes, bool, float, type(None), Stub, Name})
# Names of packages whose classes are networks: objects of these may be made by a call too.
_MODULES = ("models.", "yolov5.", "utils.", "ultralytics.", "torch.nn.", "torchvision.", "mmengine.")
# What Python brings, under its names of today and of Python 2, on any system.
_PYTHON = frozenset(sys.stdlib_module_names) | {
    "__builtin__",
    "exceptions",
    "copy_reg",
    "commands",
    "nt",
    "posix",
    "ntpath",
    "imp",
    "distutils",
}
_BUILTINS = ("__builtin__", "builtins")
_TYPES = frozenset(
    f"{module}.{name}" for module in _BUILTINS for name in ("list", "dict", "int", "float", "str", "object")
)  # of defaultdicts
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
_MAKERS: Mapping[str, Make] = {
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _default,
    **{f"{module}.{name}": _set for module in _BUILTINS for name in ("set", "frozenset")},
    **{f"{module}.bytes": _no_bytes for module in _BUILTINS},
    **{f"{module}.{name}": _path for module in ("pathlib", "pathlib._local") for name in _PATHS},
    **{kind: _stub(kind) for kind in ("argparse.Namespace", "types.SimpleNamespace")},
    **{f"datetime.{name}": _stub(f"datetime.{name}") for name in ("datetime", "date", "time", "timedelta", "timezone")},
    **{f"{module}.getattr": _attribute(f"{module}.getattr") for module in _BUILTINS},
    "_codecs.encode": _encode,
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    "numpy.dtype": _dtype,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _dressed_tensor,
    "torch.Size": _size,
    "torch.device": _device,
}
