"""A pickle reader that runs nothing: classes become inert stand-ins."""

import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn, TypeAlias

from wordbox.checkpoints.pickle_machine import Machine
from wordbox.checkpoints.pickle_machine import Persistent as Persistent
from wordbox.checkpoints.stand_ins import Name as Name
from wordbox.checkpoints.stand_ins import Stub as Stub
from wordbox.checkpoints.stand_ins import call, named, new, set_of, set_state
from wordbox.errors import WeightsError

LONGEST = 32 * 2**20  # bytes of one pickle: the largest published detectors need one hundredth
STEPS = 1_000_000  # opcodes of one pickle, each of which makes at most one small object; the same detectors need a tenth


def load(stream: bytes | BinaryIO, persistent: Persistent, where: str) -> Any:
    """The object tree of a pickle: plain values, and a Stub for each object of a class; `persistent` gives what the file refers to.

    Raises WeightsError, led by `where`, for whatever is damaged, outgrows its bounds, or calls what no checkpoint needs.
    """
    return load_next(stream if isinstance(stream, bytes) else stream.read(LONGEST + 1), 0, persistent, where)[0]


def load_next(data: bytes, at: int, persistent: Persistent, where: str) -> tuple[Any, int]:
    """The object tree of the pickle that starts at byte `at`, and the byte behind its end. Raises WeightsError as `load` does."""
    if len(data) > LONGEST:
        raise WeightsError(
            f"{where}: its pickle is longer than {LONGEST} bytes; expected a description of a network, with the weights apart"
        )
    machine = Machine(data, persistent, where)
    steps, stack, memo, push = _STEPS, machine.stack, machine.memo, machine.stack.append
    try:
        for _ in range(STEPS):
            opcode = data[at]
            at += 1
            if opcode == _GET:  # these are three quarters of all opcodes: written out, they cost half
                push(memo[data[at]])
                at += 1
            elif opcode == _LONG_PUT:
                memo[_U4(data, at)[0]] = stack[-1]
                at += 4
            elif opcode == _EMPTY_TUPLE:
                push(())
            elif opcode == _SMALL_NUMBER:
                push(data[at])
                at += 1
            elif opcode == _STOP:
                return stack.pop(), at
            else:
                at = steps[opcode](machine, at)
    except (IndexError, KeyError, struct.error) as error:
        if at >= len(data) or isinstance(error, struct.error):
            raise WeightsError(
                f"{where}: its pickle ends within a value, at byte {at}; the file is cut or damaged, copy it anew"
            ) from error
        raise WeightsError(f"{where}: its pickle is broken at byte {at}: it uses a value that is not there; copy the file anew") from error
    raise WeightsError(f"{where}: its pickle takes more than {STEPS} steps; expected a checkpoint of a detector")


_Step: TypeAlias = Callable[[Machine, int], int]


# -- values


def _constant(value: Any) -> _Step:
    def step(m: Machine, at: int) -> int:
        m.stack.append(value)
        return at

    return step


def _number(form: str) -> _Step:
    code = struct.Struct(form)
    size = code.size
    unpack = code.unpack_from

    def step(m: Machine, at: int) -> int:
        m.stack.append(unpack(m.data, at)[0])
        return at + size

    return step


def _size(m: Machine, at: int, width: int) -> tuple[int, int]:
    """A length written in `width` bytes, and the position behind it."""
    return int.from_bytes(m.text(at, width), "little"), at + width


def _long(width: int) -> _Step:
    def step(m: Machine, at: int) -> int:
        size, at = _size(m, at, width)
        if size > 255:
            raise m.fault(f"has a whole number of {size} bytes; expected one of a size that a checkpoint needs")
        m.stack.append(int.from_bytes(m.text(at, size), "little", signed=True))
        return at + size

    return step


def _string(width: int) -> _Step:
    def step(m: Machine, at: int) -> int:
        size, at = _size(m, at, width)
        m.stack.append(m.text(at, size).decode("utf-8", "replace"))  # what is no text must not fail when a message shows it
        return at + size

    return step


def _raw(width: int, kind: Callable[[bytes], Any]) -> _Step:
    def step(m: Machine, at: int) -> int:
        size, at = _size(m, at, width)
        m.stack.append(kind(m.text(at, size)))
        return at + size

    return step


# -- containers


def _empty(kind: Callable[[], Any]) -> _Step:
    def step(m: Machine, at: int) -> int:
        m.stack.append(kind())
        return at

    return step


def _empty_set(m: Machine, at: int) -> int:
    m.stack.append(set_of(m.limits, ()))
    return at


def _last(count: int) -> _Step:
    def step(m: Machine, at: int) -> int:
        stack = m.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        del stack[-count:]
        stack.append(items)
        return at

    return step


def _tuple(m: Machine, at: int) -> int:
    m.stack.append(tuple(m.marked()))
    return at


def _list(m: Machine, at: int) -> int:
    m.stack.append(m.marked())
    return at


def _dict(m: Machine, at: int) -> int:
    items = m.marked()
    m.stack.append({})
    _put_items(m, items)
    return at


def _frozenset(m: Machine, at: int) -> int:
    m.stack.append(set_of(m.limits, m.marked()))
    return at


def _append(m: Machine, at: int) -> int:
    _extend(m, [m.stack.pop()])
    return at


def _appends(m: Machine, at: int) -> int:
    _extend(m, m.marked())
    return at


def _extend(m: Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    if type(target) is Stub:
        target.items = [] if target.items is None else target.items
        target = target.items
    if type(target) is not list:
        raise m.fault(f"appends to a {type(target).__name__}; expected a list")
    target.extend(items)


def _set_item(m: Machine, at: int) -> int:
    value = m.stack.pop()
    _put_items(m, [m.stack.pop(), value])
    return at


def _set_items(m: Machine, at: int) -> int:
    _put_items(m, m.marked())
    return at


def _put_items(m: Machine, items: list[Any]) -> None:
    target = m.stack[-1]
    if type(target) is Stub:
        target.items = {} if target.items is None else target.items
        target = target.items
    if type(target) is not dict or len(items) % 2:
        raise m.fault(f"puts {len(items)} keys and values into a {type(target).__name__}; expected pairs and a dict")
    check = m.limits.check_key
    for i in range(0, len(items), 2):
        key = items[i]
        if type(key) is not str:
            check(key)
        target[key] = items[i + 1]


def _add_items(m: Machine, at: int) -> int:
    members = m.marked()
    target = m.stack[-1]
    if type(target) is not set:
        raise m.fault(f"adds members to a {type(target).__name__}; expected a set")
    target |= set_of(m.limits, members)
    return at


# -- stack and memo


def _mark(m: Machine, at: int) -> int:
    m.marks.append(len(m.stack))
    return at


def _pop(m: Machine, at: int) -> int:
    if m.marks and m.marks[-1] == len(m.stack):
        m.marks.pop()
    else:
        m.stack.pop()
    return at


def _pop_mark(m: Machine, at: int) -> int:
    m.marked()
    return at


def _duplicate(m: Machine, at: int) -> int:
    m.stack.append(m.stack[-1])
    return at


def _long_get(m: Machine, at: int) -> int:
    m.stack.append(m.memo[_U4(m.data, at)[0]])
    return at + 4


def _put(m: Machine, at: int) -> int:
    m.memo[m.data[at]] = m.stack[-1]
    return at + 1


def _memoize(m: Machine, at: int) -> int:
    m.memo[len(m.memo)] = m.stack[-1]
    return at


# -- classes and objects


def _global(m: Machine, at: int) -> int:
    module, at = m.line(at)
    name, at = m.line(at)
    m.stack.append(named(m.limits, module, name))
    return at


def _stack_global(m: Machine, at: int) -> int:
    name = m.stack.pop()
    module = m.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise m.fault("names a class by something that is not text")
    m.stack.append(named(m.limits, module, name))
    return at


def _reduce(m: Machine, at: int) -> int:
    arguments = m.stack.pop()
    m.stack[-1] = call(m.limits, m.stack[-1], arguments)
    return at


def _new(m: Machine, at: int) -> int:
    arguments = m.stack.pop()
    m.stack[-1] = new(m.limits, m.stack[-1], arguments)
    return at


def _new_with_keywords(m: Machine, at: int) -> int:
    keywords = m.stack.pop()
    arguments = m.stack.pop()
    if type(keywords) is not dict or type(arguments) is not tuple:
        raise m.fault("makes an object from something that is not a tuple and a dict")
    m.limits.charge(8 * len(arguments))
    m.stack[-1] = new(m.limits, m.stack[-1], (*arguments, keywords) if keywords else arguments)
    return at


def _instance(m: Machine, at: int) -> int:
    at = _global(m, at)
    name = m.stack.pop()
    m.stack.append(call(m.limits, name, tuple(m.marked())))
    return at


def _object(m: Machine, at: int) -> int:
    name, *arguments = m.marked() or [None]
    m.stack.append(call(m.limits, name, tuple(arguments)))
    return at


def _build(m: Machine, at: int) -> int:
    state = m.stack.pop()
    set_state(m.limits, m.stack[-1], state)
    return at


def _persistent(m: Machine, at: int) -> int:
    m.stack.append(m.persistent(m.stack.pop()))
    return at


# -- frames


def _protocol(m: Machine, at: int) -> int:
    if m.data[at] > 5:
        raise m.fault(f"is of protocol {m.data[at]}; expected 2 to 5")
    return at + 1


def _frame(m: Machine, at: int) -> int:
    size, at = _size(m, at, 8)
    if at + size > len(m.data):
        raise m.fault(f"has a frame of {size} bytes, beyond its end; the file is cut or damaged, copy it anew")
    return at


def _refused(what: str) -> _Step:
    def step(m: Machine, at: int) -> NoReturn:
        raise m.fault(f"uses {what} (byte {at - 1}), which no checkpoint of PyTorch needs; nothing was run")

    return step


def _table() -> list[_Step]:
    known: dict[bytes, _Step] = {
        b"N": _constant(None), b"\x88": _constant(True), b"\x89": _constant(False),
        b"J": _number("<i"), b"M": _number("<H"), b"G": _number(">d"),
        b"\x8a": _long(1), b"\x8b": _long(4),
        b"\x8c": _string(1), b"X": _string(4), b"\x8d": _string(8), b"U": _string(1), b"T": _string(4),
        b"C": _raw(1, bytes), b"B": _raw(4, bytes), b"\x8e": _raw(8, bytes), b"\x96": _raw(8, bytes),
        b"]": _empty(list), b"}": _empty(dict), b"\x8f": _empty_set, b"l": _list, b"t": _tuple, b"d": _dict, b"\x91": _frozenset,
        b"\x85": _last(1), b"\x86": _last(2), b"\x87": _last(3),
        b"a": _append, b"e": _appends, b"s": _set_item, b"u": _set_items, b"\x90": _add_items,
        b"(": _mark, b"0": _pop, b"1": _pop_mark, b"2": _duplicate,
        b"j": _long_get, b"q": _put, b"\x94": _memoize,
        b"c": _global, b"\x93": _stack_global, b"R": _reduce, b"\x81": _new, b"\x92": _new_with_keywords,
        b"i": _instance, b"o": _object, b"b": _build, b"Q": _persistent,
        b"\x80": _protocol, b"\x95": _frame,
        b"\x82": _refused("the extension registry (EXT1)"), b"\x83": _refused("the extension registry (EXT2)"),
        b"\x84": _refused("the extension registry (EXT4)"), b"P": _refused("a reference in text form (PERSID)"),
        b"\x97": _refused("a buffer outside the file"), b"\x98": _refused("a buffer outside the file"),
    }  # fmt: skip
    text_form = {letter: _refused("a text form of protocols 0 and 1") for letter in (b"I", b"L", b"F", b"S", b"V", b"g", b"p")}
    table = [_refused(f"the unknown opcode 0x{code:02x}") for code in range(256)]
    for letter, step in {**known, **text_form}.items():
        table[letter[0]] = step
    return table


_U4 = struct.Struct("<I").unpack_from
_STOP, _GET, _LONG_PUT, _EMPTY_TUPLE, _SMALL_NUMBER = b".hr)K"
_STEPS = _table()
