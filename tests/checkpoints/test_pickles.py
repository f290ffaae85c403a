import argparse
import collections
import io
import pickle
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.checkpoints.pickles import Name, Stub, load, load_next
from wordbox.errors import WeightsError

SCALARS = st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = (
    st.none() | st.booleans() | st.integers(-(2**59), 2**59) | st.floats(allow_nan=False) | st.text() | st.tuples(st.text(), st.integers())
)
VALUES = st.recursive(
    SCALARS | st.sets(KEYS, max_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner) | st.tuples(inner),
    max_leaves=20,
)
NUMBERS = ("?", "i1", "u1", "<i2", ">i4", "<u4", "i8", "f2", "<f4", ">f8", "c8", "c16")


def read(data):
    return load(data, lambda reference: ("stored", reference), "here.pt")


class Block:
    """Stands for a class of a file; it would tell if anything of it ran."""

    def __init__(self):
        self.ran = []

    def __setstate__(self, state):
        raise AssertionError("a method of the file ran")

    def __getstate__(self):
        return {"training": False, "c": 64, "__class__": "x"}


class Refined(Block):
    def __reduce__(self):
        return Refined, (1,)


class Many(list):
    pass


class Named(dict):
    pass


@given(VALUES, st.integers(2, 5))
def test_plain_values_come_back_as_they_were(value, protocol):
    found = read(pickle.dumps(value, protocol=protocol))
    assert found == value
    assert repr(found) == repr(value)  # equal is too little: 1 == True == 1.0


@given(VALUES, st.integers(2, 5), st.data())
def test_a_pickle_that_is_cut_is_refused(value, protocol, data):
    whole = pickle.dumps(value, protocol=protocol)
    with pytest.raises(WeightsError, match=r"^here\.pt: its pickle .*"):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=60))
def test_whatever_the_bytes_only_our_error_comes_out(data):
    try:
        read(b"\x80\x02" + data)
    except WeightsError as error:
        assert str(error).isprintable()  # noqa: PT017 (most inputs fail, and some may be sound)


def test_an_object_of_a_class_becomes_a_stub_and_nothing_of_it_runs():
    found = read(pickle.dumps(Block(), protocol=2))
    assert type(found) is Stub
    assert found.kind == f"{__name__}.Block"
    assert found.arguments == ()
    assert found.state == {"training": False, "c": 64, "__class__": "x"}


def test_a_call_of_an_unknown_class_is_refused_by_its_name():
    with pytest.raises(
        WeightsError, match=rf"^here\.pt: its pickle calls {__name__}\.Refined, which Wordbox does not know; nothing was run"
    ):
        read(pickle.dumps(Refined(), protocol=2))


@pytest.mark.parametrize("module", ["models.common", "yolov5.models.yolo", "utils.loss", "ultralytics.nn.tasks", "torch.nn.modules.conv"])
def test_a_call_of_a_network_package_gives_a_stub(module):
    found = read(b"\x80\x02c" + module.encode() + b"\nThing\nK\x03\x85R.")
    assert (found.kind, found.arguments, found.state) == (f"{module}.Thing", (3,), None)


def test_subclasses_of_list_and_dict_keep_what_they_hold():
    assert read(pickle.dumps(Many([1, 2]), protocol=2)).items == [1, 2]
    assert read(pickle.dumps(Named(a=1), protocol=2)).items == {"a": 1}


def test_a_class_by_itself_is_a_name():
    found = read(pickle.dumps(Block, protocol=2))
    assert type(found) is Name
    assert found.kind == f"{__name__}.Block"


def test_what_is_shared_stays_shared():
    inner = ["x"]
    one, other, again = read(pickle.dumps([inner, inner, {"a": inner}], protocol=2))
    assert one is other
    assert one is again["a"]


def test_values_of_the_standard_library():
    ordered = collections.OrderedDict(a=1, b=2)
    ordered._metadata = {"version": 1}
    values = [ordered, collections.defaultdict(list, x=[1]), Path("a/b.pt"), PurePosixPath("/x/y"), frozenset({1})]
    assert read(pickle.dumps(values, protocol=2)) == [{"a": 1, "b": 2}, {"x": [1]}, "a/b.pt", "/x/y", {1}]
    options = read(pickle.dumps(argparse.Namespace(batch=16), protocol=2))
    assert (options.kind, options.state) == ("argparse.Namespace", {"batch": 16})


@given(st.sampled_from(NUMBERS), st.lists(st.integers(0, 3), max_size=3), st.integers(2, 4), st.booleans())
def test_arrays_of_numpy_come_back_as_they_were(code, shape, protocol, fortran):
    array = np.arange(np.prod(shape, dtype=int)).astype(code).reshape(shape, order="F" if fortran else "C")
    found = read(pickle.dumps(array, protocol=protocol))
    assert type(found) is np.ndarray
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.shape == array.shape
    assert np.array_equal(found, array)


@pytest.mark.parametrize("number", [np.float64(2.5), np.float32(1.5), np.int64(-7), np.bool_(True), np.str_("wörter"), np.bytes_(b"ab")])
def test_numbers_of_numpy_become_plain_ones(number):
    found = read(pickle.dumps({"best": number}, protocol=2))["best"]
    assert found == number
    assert type(found) is type(number.item())


def test_references_go_to_the_caller():
    class Writer(pickle.Pickler):
        def persistent_id(self, thing):
            return ("storage", 7) if isinstance(thing, Block) else None

    out = io.BytesIO()
    Writer(out, protocol=2).dump([Block()])
    assert read(out.getvalue()) == [("stored", ("storage", 7))]


def test_pickles_one_behind_the_other():
    data = b"".join(pickle.dumps(value, protocol=2) for value in ("one", "two"))
    first, at = load_next(data, 0, lambda reference: reference, "here.pt")
    second, end = load_next(data, at, lambda reference: reference, "here.pt")
    assert (first, second, end) == ("one", "two", len(data))
    assert load(io.BytesIO(data), lambda reference: reference, "here.pt") == "one"


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "__builtin__.setattr", "subprocess.Popen", "posix.system", "nt.system", "sys.exit"]
)
def test_names_of_python_are_refused_even_if_nothing_calls_them(name):
    module, _, what = name.rpartition(".")
    with pytest.raises(WeightsError, match=f"asks for {name}, a part of Python"):
        read(f"c{module}\n{what}\n.".encode())


HISTORY = "mmengine.logging.history_buffer\nHistoryBuffer"


def test_methods_of_mmengine_that_its_histories_name_are_inert():
    found = read(f"c__builtin__\ngetattr\n(c{HISTORY}\nX\4\0\0\0meantR.".encode())
    assert isinstance(found, Stub)
    assert found.kind == "mmengine.logging.history_buffer.HistoryBuffer.mean"


@pytest.mark.parametrize(
    "arguments",
    ["ctorch\nSize\nX\4\0\0\0mean", f"c{HISTORY}\nX\7\0\0\0__dict_", f"c{HISTORY}\nX\3\0\0\0a.b", "K\1X\4\0\0\0real", f"c{HISTORY}\n"],
)
@pytest.mark.parametrize("package", ["__builtin__", "builtins"])
def test_getattr_of_anything_else_is_refused(package, arguments):
    with pytest.raises(WeightsError, match=rf"asks for {package}\.getattr of something.*nothing was run"):
        read(f"c{package}\ngetattr\n({arguments}tR.".encode())


@pytest.mark.parametrize("name", ["datetime", "date", "timedelta", "timezone"])
def test_dates_are_inert(name):
    found = read(f"cdatetime\n{name}\n(K\1tR.".encode())
    assert isinstance(found, Stub)
    assert (found.kind, found.arguments) == (f"datetime.{name}", (1,))
    with pytest.raises(WeightsError, match="a part of Python"):
        read(b"cdatetime\nsys\n.")
