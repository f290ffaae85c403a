"""Archives that PyTorch reads, written without it."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wordbox.checkpoints import torch_archive, torch_writer
from wordbox.errors import WeightsError

DTYPES = st.sampled_from([np.float32, np.float16, np.float64, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_])
ARRAYS = st.dictionaries(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20),
    DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=5))),
    max_size=5,
)


def same(ours, theirs):
    return list(ours) == list(theirs) and all(
        ours[name].dtype == theirs[name].dtype and ours[name].shape == theirs[name].shape and ours[name].tobytes() == theirs[name].tobytes()
        for name in ours
    )


@settings(max_examples=50)
@given(arrays=ARRAYS)
def test_what_was_written_is_read_back_bit_for_bit(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("written") / "best.pth"
    torch_writer.write(path, arrays)
    assert same(arrays, torch_archive.read(path))


def test_arrays_that_are_views_or_of_another_byte_order_are_written_as_they_read(tmp_path):
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {"turned": whole.T, "part": whole[::2, 1:], "big": whole.astype(">f4"), "spread": np.broadcast_to(np.float16(2), (3, 2))}
    torch_writer.write(tmp_path / "a.pt", arrays)
    found = torch_archive.read(tmp_path / "a.pt")
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_equal_contents_give_equal_bytes_and_numbers_lie_where_they_can_be_mapped(tmp_path):
    arrays = {"weight": np.ones((3, 5), np.float32), "bias": np.zeros((), np.float16), "count": np.array(7, np.int64)}
    contents = []
    for _ in range(2):
        torch_writer.write(tmp_path / "a.pt", arrays)
        contents.append((tmp_path / "a.pt").read_bytes())
    assert contents[0] == contents[1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        for entry in archive.infolist():
            header = contents[0][entry.header_offset :][:30]
            begin = entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            assert begin % 64 == 0
            assert entry.compress_type == zipfile.ZIP_STORED


def test_names_of_files_may_be_anything(tmp_path):
    for name in ("猫 of mine.pth", "a.b-c_d.pt", "….pt"):
        torch_writer.write(tmp_path / name, {"x": np.ones(2, np.float32)})
        assert torch_archive.read(tmp_path / name)["x"].sum() == 2


def test_numbers_that_pytorch_lacks_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no numbers of the type of a uint32"):
        torch_writer.write(tmp_path / "a.pt", {"a": np.ones(1, np.uint32)})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_the_callers_to_tell(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        torch_writer.write(tmp_path / "away" / "a.pt", {"a": np.ones(1, np.float32)})


@pytest.mark.parametrize("mapped", [False, True])
def test_pytorch_reads_it_and_runs_nothing(tmp_path, mapped):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(3, 4, 1, 2)).astype(np.float32), "h": rng.normal(size=5).astype(np.float16), "n": np.array(7)}
    torch_writer.write(tmp_path / "a.pth", arrays)
    found = torch.load(tmp_path / "a.pth", weights_only=True, mmap=mapped)
    assert same(arrays, {name: tensor.numpy() for name, tensor in found.items()})
