from pathlib import Path

import pytest

from wordbox.errors import InputError
from wordbox.exporting import target


def test_the_ending_says_what_is_written():
    assert target.files(Path("a/b.onnx")) == (Path("a/b.onnx"),)
    assert target.files(Path("a/b.v2.xml")) == (Path("a/b.v2.bin"), Path("a/b.v2.xml"))


@pytest.mark.parametrize("name", ["model", "model.pt", "model.onnx.gz", "model.engine"])
def test_an_ending_of_no_format_is_refused(name):
    with pytest.raises(InputError, match=r"found the ending '.*', expected \.onnx, or \.xml"):
        target.check(Path(name), Path("model.safetensors"))


@pytest.mark.parametrize("source", ["same.onnx", "same.xml", "same.bin"])
def test_the_model_itself_is_never_the_target(tmp_path, source):
    (tmp_path / "folder").mkdir()
    out = tmp_path / "folder" / ".." / ("same.onnx" if source == "same.onnx" else "same.xml")
    with pytest.raises(InputError, match=r"same\.\w+ is the model itself"):
        target.check(out, tmp_path / source)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.onnx").mkdir()
    for place in (tmp_path / "file" / "model.onnx", tmp_path / "folder.onnx"):
        with pytest.raises(InputError, match=r"cannot be written \(.*choose another place"):
            target.check(place, tmp_path / "model.safetensors")
    target.check(tmp_path / "new" / "folders" / "model.xml", tmp_path / "model.safetensors")
    assert not (tmp_path / "new").exists()
