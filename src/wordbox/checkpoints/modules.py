"""What a pickled network says of itself: its arrays by name and its modules in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.checkpoints.pickles import Stub
from wordbox.errors import WeightsError

_DEEPEST = 64  # modules within modules, values within values
_MOST = 300_000  # attributes, arrays and children of all modules; the largest published networks have a sixth
_MOST_VALUES = 100_000  # lists, tuples and dicts in attributes and beside the network
_LARGEST = 1_000_000  # values that one attribute may unfold to
_SCALARS = frozenset({str, int, float, bool, bytes, type(None), complex})


@dataclass(frozen=True)
class Module:
    """One module of a pickled network."""

    path: str
    """Its name below the root, as "model.4.m.0.cv1"; "" for the root."""
    kind: str
    """Its class, dotted."""
    attributes: Mapping[str, Any]
    """Its plain values: numbers, text, tuples, lists, dicts, arrays; never modules."""


@dataclass(frozen=True)
class Pickled:
    """A network that was pickled whole."""

    kind: str
    """The class of its root, dotted."""
    arrays: dict[str, NDArray[Any]]
    """Parameters and lasting buffers under their state_dict names, in that order."""
    modules: tuple[Module, ...]
    """All modules in order, the root first."""
    facts: dict[str, Any]
    """The plain entries that stand beside the network in the file: epoch, date, train_args, ..."""


def find_network(tree: Any, where: str) -> Pickled | dict[str, NDArray[Any]]:
    """The network in what `torch_archive.read` gives: a pickled one (its averaged twin `ema` first), or the arrays of a state_dict.

    Raises WeightsError that tells what was found instead, led by `where`.
    """
    if _is_module(tree):
        return _pickled(tree, {}, where)
    if type(tree) is dict:
        for key in ("ema", "model"):
            if _is_module(tree.get(key)):
                beside = {name: value for name, value in tree.items() if type(name) is str and name not in ("ema", "model")}
                return _pickled(tree[key], beside, where)
        for candidate in (tree, *(tree.get(key) for key in ("ema", "model", "state_dict", "model_state_dict"))):
            arrays = _state_dict(candidate, where)
            if arrays is not None:
                return arrays
    raise WeightsError(f"{where}: found {_described(tree)}; expected a network under 'ema' or 'model', or a state_dict of named arrays")


def meta(tree: Any, where: str) -> dict[str, Any]:
    """The plain entries that mmengine notes as `meta` beside a state_dict; none where there are none."""
    noted = tree.get("meta") if type(tree) is dict else None
    if type(noted) is not dict:
        return {}
    return _Plain(where).items({name: value for name, value in noted.items() if _is_named(name)}, "meta")


def _is_module(value: Any) -> bool:
    return type(value) is Stub and type(value.state) is dict and type(value.state.get("_modules")) is dict


def _described(tree: Any) -> str:
    if type(tree) is dict:
        parts = [f"{_shown(key)}: {_kind(value)}" for key, value in list(tree.items())[:10]]
        more = f" and {len(tree) - 10} more" if len(tree) > 10 else ""
        return f"a dict with {', '.join(parts)}{more}" if parts else "an empty dict"
    return _kind(tree)


def _kind(value: Any) -> str:
    if type(value) is Stub:
        return ascii(value.kind)[1:-1]
    return "array" if isinstance(value, np.ndarray) else type(value).__name__


def _shown(key: Any) -> str:
    return ascii(key[:60]) if type(key) is str else f"a key of type {type(key).__name__}"


def _state_dict(value: Any, where: str) -> dict[str, NDArray[Any]] | None:
    if type(value) is not dict or not value or not all(_is_named(k) and type(v) is np.ndarray for k, v in value.items()):
        return None
    _check_size(value, where)
    bare = all(name.startswith("module.") for name in value)  # as DataParallel leaves them
    return {name.removeprefix("module.") if bare else name: array for name, array in value.items()}


def _check_size(arrays: dict[str, NDArray[Any]], where: str) -> None:
    """Tied weights appear twice; a file that repeats a large array a thousand times wants to fill memory."""
    distinct = {id(array): array.nbytes for array in arrays.values()}
    if sum(array.nbytes for array in arrays.values()) > 4 * sum(distinct.values()) + 2**20:
        raise WeightsError(f"{where}: {len(arrays)} names stand for {len(distinct)} arrays, over and over; no network does that")


# -- a pickled network


def _pickled(root: Stub, beside: dict[str, Any], where: str) -> Pickled:
    children = root.state["_modules"]
    if root.kind.startswith("torch.nn.parallel.") and list(children) == ["module"] and _is_module(children["module"]):
        root = children["module"]
    walk = _Walk(where)
    walk.visit(root, "", 0)
    _check_size(walk.arrays, where)
    return Pickled(root.kind, walk.arrays, tuple(walk.modules), walk.plain.items(beside, "the file"))


class _Walk:
    """Collects modules and arrays in the order in which PyTorch names them."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.plain = _Plain(where)
        self.arrays: dict[str, NDArray[Any]] = {}
        self.modules: list[Module] = []
        self._above: set[int] = set()
        self._visited = 0

    def fault(self, path: str, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: module {ascii(path[:80]) if path else 'at the root'} {text}; the file is damaged or forged")

    def visit(self, stub: Stub, path: str, depth: int) -> None:
        if id(stub) in self._above:
            raise self.fault(path, "contains itself")
        if depth > _DEEPEST or len(path) > 1000:
            raise self.fault(path, f"lies deeper than {_DEEPEST} modules")
        state = stub.state
        self._visited += 20 + len(state)  # counted, since a module may be reached in many ways
        self.modules.append(Module(path, stub.kind, self.plain.items({k: v for k, v in state.items() if _own(k)}, f"module {path[:80]!a}")))
        passing = state.get("_non_persistent_buffers_set")
        lasting = {k: v for k, v in self.group(state, "_buffers", path).items() if type(passing) is not set or k not in passing}
        for name, array in (*self.group(state, "_parameters", path).items(), *lasting.items()):
            if array is None:
                continue
            if type(array) is not np.ndarray:
                raise self.fault(path, f"has {_kind(array)} where the array {_shown(name)} is expected")
            self.keep(f"{path}.{name}" if path else name, array)
        self._above.add(id(stub))
        for name, child in self.group(state, "_modules", path).items():
            if child is None:
                continue
            if not _is_module(child):
                raise self.fault(path, f"has {_kind(child)} where the module {_shown(name)} is expected")
            self.visit(child, f"{path}.{name}" if path else name, depth + 1)
        self._above.discard(id(stub))

    def group(self, state: dict[Any, Any], key: str, path: str) -> dict[str, Any]:
        """One of the dicts by name that a module consists of."""
        found = state.get(key, {})
        if type(found) is not dict or not all(_is_named(name) and 0 < len(name) <= 100 for name in found):
            raise self.fault(path, f"has no dict of names as its {key}")
        self._visited += len(found)
        if self._visited > _MOST:
            raise self.fault(path, f"is one of too many: more than {_MOST} modules, attributes and arrays")
        return found

    def keep(self, name: str, array: NDArray[Any]) -> None:
        if name in self.arrays:
            raise WeightsError(f"{self.where}: two arrays have the name {_shown(name)}; the file is damaged or forged")
        self.arrays[name] = array


def _is_named(key: Any) -> bool:
    return type(key) is str and key.isprintable()  # else it would break the line of an error


def _own(key: Any) -> bool:
    return type(key) is str and not key.startswith("_")  # behind underscores PyTorch keeps its own bookkeeping


# -- plain values


class _Plain:
    """Copies of values without objects of classes; what several places share stays shared."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._known: dict[int, tuple[Any, int]] = {}
        self._inside: set[int] = set()

    def items(self, values: dict[str, Any], owner: str) -> dict[str, Any]:
        """The entries of `values` that are plain. Raises WeightsError for values that hold themselves or unfold without bounds."""
        kept = {}
        for name, value in values.items():
            if type(value) in _SCALARS:
                kept[name] = value
                continue
            plain, size = self._value(value, 0, f"{_shown(name)} of {owner}")
            if size > _LARGEST:
                raise WeightsError(f"{self._where}: {_shown(name)} of {owner} unfolds to more than {_LARGEST} values, far too many")
            if plain is not _OTHER:
                kept[name] = plain
        return kept

    def _value(self, value: Any, depth: int, owner: str) -> tuple[Any, int]:
        """The plain form of `value`, or _OTHER, and to how many values it unfolds."""
        if type(value) in _SCALARS or type(value) is np.ndarray:
            return value, 1
        if type(value) is Stub and value.kind.endswith("Namespace"):  # attributes by name and nothing else
            value = value.state
        if type(value) not in (list, tuple, dict, set):
            return _OTHER, 1
        key = id(value)
        known = self._known.get(key)
        if known is not None:
            return known
        if key in self._inside or depth > _DEEPEST:
            raise WeightsError(f"{self._where}: {owner} holds itself, or values nested deeper than {_DEEPEST}; the file is forged")
        if len(self._known) > _MOST_VALUES:
            raise WeightsError(
                f"{self._where}: more than {_MOST_VALUES} lists and dicts stand beside its network, far too many; the file is forged"
            )
        self._inside.add(key)
        found = [self._value(part, depth + 1, owner) for part in (value.values() if type(value) is dict else value)]
        self._inside.discard(key)
        parts = [part for part, _ in found]
        if any(part is _OTHER for part in parts) or (type(value) is dict and any(type(name) in (Stub, tuple) for name in value)):
            plain: Any = _OTHER
        else:
            plain = dict(zip(value, parts, strict=True)) if type(value) is dict else type(value)(parts)
        self._known[key] = plain, 1 + sum(size for _, size in found)
        return self._known[key]


_OTHER = object()
