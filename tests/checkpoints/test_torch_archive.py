"""The containers, against arrays made here, against PyTorch where it is installed, and against digests of real files where it is not.

`python tests/checkpoints/test_torch_archive.py FOLDER` prints the digests of the files in FOLDER as PyTorch reads them (and runs them).
"""

import hashlib
import importlib
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from wordbox.checkpoints import modules, torch_archive
from wordbox.errors import WeightsError

ATTACKS = str(Path(__file__).parents[1] / "attacks")
sys.path.insert(0, ATTACKS)
forge = importlib.import_module("checkpoint_forge")
sys.path.remove(ATTACKS)

# Names, types, shapes and bytes of all arrays of a network, in order.
DIGESTS = {
    "leyolo-nano-custom-rps.pt": "23b709a4a14ac16176855ab6c8aaa0e087d7725ec6b0b992ca659597d46f9b3c",
    "yolov5n-cbam-custom-veg.pt": "789a98fc03ffea1a5b9f11dd24dd8465edb250312d98e6b40681be1bc3fbef0d",
    "yolov5n-v6.0-coco.pt": "0bedb9034013c8d366c844cede9c60aabfaa26b641a1c372659dbfe8d9ec8e86",
    "yolov5n-v6.1-coco.pt": "61788277c92fdeeb9c0d67dc2d7b5eb95571b3040c0c0f7524f64c0e096953a2",
    "yolov5n-v7-custom-biodegradable.pt": "bfdf728d9ae2e2dc9255bd62b11d08835548b851d31ee4e757310192467bd8c2",
    "yolov8n-hybrid.pt": "fe75190cf1236f2dec81bb77b611083b0bc458bebdec82c51df87d749a910ae7",
}


@pytest.fixture
def written(tmp_path):
    def write(data, name="best.pt"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        torch_archive.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


def digest(arrays):
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def one_tensor(kind, raw, size, stride=None, offset=0, count=None, key="0"):
    steps = tuple(int(np.prod(size[i + 1 :])) for i in range(len(size))) if stride is None else stride
    return forge.tensor(key, kind, len(raw) // forge.SIZES[kind] if count is None else count, offset, size, steps)


NUMBERS = np.arange(24, dtype=np.float32)


@pytest.mark.parametrize("container", ["zip", "stream"])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("Half", "f2"), ("Float", "f4"), ("Double", "f8"), ("Long", "i8"), ("Int", "i4"), ("Byte", "u1"), ("Bool", "?")],
)
def test_numbers_keep_their_type_and_bits(container, kind, dtype, written):
    expected = np.frombuffer(bytes(range(2, 50)) if kind != "Bool" else b"\0\1" * 24, dtype).reshape(2, -1)
    raw = expected.tobytes()
    tree = forge.pickled({"a": one_tensor(kind, raw, expected.shape)})
    data = forge.zipped(tree, {"0": raw}, root="some name") if container == "zip" else forge.streamed(tree, {"0": (kind, raw)})
    found = torch_archive.read(written(data))["a"]
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isbuiltin == 1
    assert found.shape == expected.shape
    assert found.tobytes() == raw
    assert found.flags.writeable


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_bfloat16_is_widened_exactly(container, written):
    values = np.array([1.0, -2.5, 3.140625, np.inf, 0.0, -0.0, 1e-38], np.float32)
    values = (values.view(np.uint32) >> 16 << 16).view(np.float32)
    raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    tree = forge.pickled({"a": one_tensor("BFloat16", raw, (7,))})
    data = forge.zipped(tree, {"0": raw}) if container == "zip" else forge.streamed(tree, {"0": ("BFloat16", raw)})
    found = torch_archive.read(written(data))["a"]
    assert found.dtype == np.float32
    assert found.tobytes() == values.tobytes()


def test_big_endian_archives(written):
    raw = NUMBERS.astype(">f4").tobytes()
    data = forge.zipped(forge.pickled({"a": one_tensor("Float", raw, (24,))}), {"0": raw}, extra={"byteorder": b"big"})
    found = torch_archive.read(written(data))["a"]
    assert found.dtype.isbuiltin == 1
    assert np.array_equal(found, NUMBERS)


def test_views_of_one_storage_share_its_memory(written):
    raw = NUMBERS.tobytes()
    views = {
        "whole": one_tensor("Float", raw, (4, 6)),
        "part": one_tensor("Float", raw, (2, 3), offset=6),
        "turned": one_tensor("Float", raw, (6, 4), (1, 6)),
        "overlapping": one_tensor("Float", raw, (3, 4), (2, 1)),
        "number": one_tensor("Float", raw, (), offset=23),
        "none": one_tensor("Float", raw, (0, 3), offset=24),
    }
    found = torch_archive.read(written(forge.zipped(forge.pickled(views), {"0": raw})))
    grid = NUMBERS.reshape(4, 6)
    for name, expected in {
        "whole": grid,
        "part": grid[1].reshape(2, 3),
        "turned": grid.T,
        "number": grid[3, 5],
        "none": grid[:0, :3],
    }.items():
        assert found[name].shape == expected.shape
        assert np.array_equal(found[name], expected)
    assert found["overlapping"].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert np.shares_memory(found["whole"], found["turned"])


def test_the_older_stream_knows_views_and_modules_with_their_source(written):
    raw = NUMBERS.tobytes()
    kind = forge.Persistent(("module", forge.Raw(forge.named("models.yolo.Model")), "models/yolo.py", "import os"))
    made = forge.Raw(forge.code(kind) + b")\x81" + forge.code({"_modules": {}}) + b"b")
    tree = {
        "model": made,
        "a": forge.tensor("7", "Float", 24, 1, (3,), (2,), (("view", 10, 6),)),
        "b": forge.tensor("7", "Float", 24, 0, (2,), (1,), (None,)),
    }
    found = torch_archive.read(written(forge.streamed(forge.pickled(tree), {"7": ("Float", raw)})))
    assert found["model"].kind == "models.yolo.Model"
    assert found["a"].tolist() == [11, 13, 15]
    assert found["b"].tolist() == [0, 1]


def test_a_cut_zip_says_how_much_is_left(written):
    whole = forge.checkpoint("zip")
    start = whole.index(b"archive/data/5")
    assert refusal(written(whole[:start])) == "the file is cut: 5 of the 15 arrays that it describes are there; copy or download it anew"
    assert refusal(written(whole[: whole.index(b"archive/data/0")])).startswith("the file is cut: 0 of the 15 arrays")
    assert "the file is cut" in refusal(written(whole[:500]))


def test_a_cut_stream_says_how_much_is_left(written):
    whole = forge.checkpoint("stream")
    assert refusal(written(whole[:-1])) == "the file is cut: 14 of the 15 arrays that it describes are there; copy or download it anew"


def test_a_changed_weight_is_noticed(written):
    whole = bytearray(forge.checkpoint("zip"))
    whole[whole.index(b"archive/data/1") + 20] ^= 1
    assert "'archive/data/1' do not match their checksum" in refusal(written(bytes(whole)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (bytes(257) + b"ustar\x0000", "a tar archive, as PyTorch wrote before version 0.1.10"),
        (b"\x02" + bytes(7) + b"{}", "a safetensors file"),
        (b"\x08\x08\x12\x07pytorch", "an ONNX graph"),
        (b"\x80\x02}.", "a pickle outside PyTorch's containers"),
        (bytes(64), "zeros"),
        (b"\x1b[2Jx", r"a file that begins with '\x1b[2Jx'"),
    ],
)
def test_other_files_are_told_by_what_they_are(data, said, written):
    assert said in refusal(written(data))


def test_what_is_no_file_is_told(tmp_path):
    assert refusal(tmp_path).startswith(f"a folder (looked for '{tmp_path}')")
    assert refusal(tmp_path / "absent.pt").startswith("no such file")
    with pytest.raises(WeightsError) as caught:
        torch_archive.read(tmp_path / "a\nb.pt")
    assert str(caught.value).isprintable()


def test_torchscript_is_told_by_name(written):
    data = forge.zipped(forge.pickled({}), extra={"constants.pkl": b"", "code/__torch__.py": b""})
    assert refusal(written(data)).startswith("a TorchScript archive")


# -- real files


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_real_files_give_the_arrays_that_pytorch_gives(name, shared):
    path = shared / "data" / "weights" / name
    found = modules.find_network(torch_archive.read(path), str(path))
    assert digest(found.arrays) == DIGESTS[name], (
        f"to renew: python tests/checkpoints/test_torch_archive.py {path.parent} (needs torch, runs the files)"
    )


def test_the_real_file_that_is_cut(shared):
    path = shared / "data" / "weights" / "yolov5s-v6.1-truncated.pt"
    assert refusal(path) == "the file is cut: 25 of the 358 arrays that it describes are there; copy or download it anew"


# -- PyTorch as the peer


def by_torch(path):
    """State of the network in a trusted file, as PyTorch itself loads it; classes that are not installed become empty ones."""
    import torch

    def find(self, module, name):
        try:
            return super(reader, self).find_class(module, name)
        except (ImportError, AttributeError):
            parent = torch.nn.Module if not module.startswith("ultralytics.utils") else types.SimpleNamespace
            return type(name, (parent,), {"__module__": module})

    reader = type("Reader", (pickle.Unpickler,), {"find_class": find})
    stand_in = types.ModuleType("stand_in")
    stand_in.__dict__.update(Unpickler=reader, load=pickle.load)
    tree = torch.load(path, map_location="cpu", pickle_module=stand_in, weights_only=False)
    network = tree["model"] if tree.get("ema") is None else tree["ema"]
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs the extra torch")


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_real_files_are_bit_equal_to_what_pytorch_loads(name, shared, torch):
    path = shared / "data" / "weights" / name
    assert digest(by_torch(path)) == DIGESTS[name]


@pytest.mark.parametrize("older", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_pytorch_saves_is_read_bit_for_bit(older, protocol, torch, tmp_path):
    base = torch.arange(24.0)
    tensors = {
        "half": torch.randn(5).half(),
        "brain": torch.randn(7).bfloat16(),
        "number": torch.tensor(3),
        "turned": torch.randn(4, 5).t(),
        "window": base[3:9].view(2, 3),
        "stepped": base.view(4, 6)[:, ::2],
        "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "truth": torch.tensor([True, False]),
        "none": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "small": torch.tensor([-3, 4], dtype=torch.int8),
        "complex": torch.randn(2, dtype=torch.complex64),
        "newer": torch.tensor([1, 65535], dtype=torch.uint16),
    }
    torch.save(tensors, tmp_path / "a.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=not older)
    found = torch_archive.read(tmp_path / "a.pt")
    for name, tensor in tensors.items():
        expected = (tensor.float() if name == "brain" else tensor).detach().numpy()
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape
        assert found[name].tobytes() == expected.tobytes()


@pytest.mark.parametrize("older", [False, True], ids=["zip", "stream"])
def test_networks_that_pytorch_saves_are_found(older, torch, tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.SiLU())
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    state = network.state_dict()
    expected = digest({name: tensor.numpy() for name, tensor in state.items()})
    forms = {
        "whole": network,
        "training": {"model": network, "ema": None, "optimizer": optimizer.state_dict(), "date": "2024"},
        "state": state,
        "parallel": torch.nn.DataParallel(network),
        "parallel state": torch.nn.DataParallel(network).state_dict(),
        "state of training": {"state_dict": state, "optimizer": optimizer.state_dict()},
    }
    for name, form in forms.items():
        path = tmp_path / f"{name}.pt"
        torch.save(form, path, _use_new_zipfile_serialization=not older)
        found = modules.find_network(torch_archive.read(path), str(path))
        assert digest(found.arrays if isinstance(found, modules.Pickled) else found) == expected, name


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.pt")):
        if "truncated" not in file.name:
            print(f'    "{file.name}": "{digest(by_torch(file))}",')
