"""Pictures of every kind come out upright, RGB, 8 bits and on white, or as an error that names the file."""

import io
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wordbox.errors import ImageError, SourceError
from wordbox.images import read
from wordbox.images.read import Picture, decode, from_array, from_pillow, read_file

Pixels = NDArray[np.uint8]
RED, GREEN, BLUE, WHITE, GREY = (230, 20, 20), (20, 200, 20), (20, 20, 230), (255, 255, 255), (150, 150, 150)


def marked(height: int = 48, width: int = 64) -> Pixels:
    """A grey picture whose corners differ: no turning or mirroring leaves it as it is."""
    pixels = np.full((height, width, 3), GREY, np.uint8)
    pixels[: height // 3, : width // 4] = RED
    pixels[: height // 3, -(width // 4) :] = GREEN
    pixels[-(height // 3) :, : width // 4] = BLUE
    return pixels


def noisy() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


FAITHFUL: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


def encoded(pixels: Pixels | Image.Image, form: str, **how: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, form, **{**FAITHFUL.get(form, {}), **how})
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def close(found: Pixels, wanted: Pixels, tolerance: int = 0) -> None:
    assert found.dtype == np.uint8
    assert found.shape == wanted.shape
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= tolerance


def read_alike(data: bytes, wanted: Pixels, tolerance: int = 0) -> Picture:
    picture = decode(data, name="x")
    close(picture.pixels, wanted, tolerance)
    return picture


FORMS = {"JPEG": 6, "PNG": 0, "WEBP": 0, "TIFF": 0, "AVIF": 4, "BMP": 0, "GIF": 0, "PPM": 0, "JPEG2000": 0}


@pytest.mark.parametrize("form", FORMS)
def test_reads_every_form_whatever_its_name(form: str) -> None:
    picture = read_alike(encoded(marked(), form), marked(), FORMS[form])
    assert picture.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_is_applied_once(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(marked(), form, exif=exif)
    seen = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    read_alike(data, seen, FORMS[form])
    if form != "AVIF":  # whose orientation Pillow moves into the file's own turning, and gives back turned
        tagged = Image.fromarray(marked())
        tagged.getexif()[0x0112] = orientation
        close(seen, np.asarray(ImageOps.exif_transpose(tagged)), FORMS[form])
        assert orientation == 1 or not np.array_equal(seen, marked())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", [0, 6, 9])
def test_orientation_of_both_byte_orders(order: str, value: int) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    data = encoded(marked(), "JPEG")
    block = b"Exif\0\0" + exif
    with_exif = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    read_alike(with_exif, np.rot90(marked(), -1) if value == 6 else marked(), FORMS["JPEG"])


def test_broken_exif_is_no_obstacle() -> None:
    data = encoded(marked(), "JPEG")
    block = b"Exif\0\0II*\0\xff\xff\xff\x7f"
    read_alike(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:], marked(), FORMS["JPEG"])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_grey(form: str) -> None:
    grey = Image.fromarray(marked()).convert("L")
    read_alike(encoded(grey, form), np.asarray(grey.convert("RGB")), FORMS[form])


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_has_the_colours_of_rgb(form: str) -> None:
    read_alike(encoded(Image.fromarray(marked()).convert("CMYK"), form), marked(), FORMS[form] + 1)


def test_ycck_has_the_colours_of_rgb() -> None:
    """Adobe's four-channel JPEG holds inks upside down, the first three of them as YCbCr of their complements."""
    luma = np.asarray(Image.fromarray(255 - marked()).convert("YCbCr"))
    stored = Image.merge("CMYK", [*(Image.fromarray(np.ascontiguousarray(luma[..., i])) for i in range(3)), Image.new("L", (64, 48), 255)])
    data = bytearray(encoded(Image.eval(stored, lambda value: 255 - value), "JPEG"))  # Pillow inverts what it writes
    at = data.index(b"Adobe")
    data[at + 11] = 2  # YCCK
    read_alike(bytes(data), marked(), 10)
    close(np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB")), marked(), 10)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled(form: str) -> None:
    samples = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    wanted = np.repeat(np.round(samples * (255 / 65535)).astype(np.uint8)[..., None], 3, axis=2)
    read_alike(encoded(Image.fromarray(samples), form), wanted)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bits_of_colour_are_scaled(colour: int, channels: int) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (48, 64, channels)).astype(np.uint16)
    samples[..., 3:] = 65535
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    read_alike(png_of(64, 48, 16, colour, rows), np.round(samples[..., :3] * (255 / 65535)).astype(np.uint8))


def test_pnm_is_scaled_to_its_own_maximum() -> None:
    half = np.full((4, 5, 3), 128, np.uint8)
    read_alike(b"P5 5 4 100\n" + bytes([50]) * 20, half)
    read_alike(b"P2\n# made by hand\n5 4\n100\n" + b"50 " * 20, half, 1)
    read_alike(b"P6 5 4 1023\n" + struct.pack(">H", 512) * 60, half)
    read_alike(b"P5 5 4 65535\n" + struct.pack(">H", 32896) * 20, half)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF", "JPEG2000"])
def test_transparency_is_laid_on_white_and_hides_what_is_under_it(form: str) -> None:
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:, :16], alpha[:, 48:] = 0, 128
    data = encoded(np.dstack([marked(), alpha]), form)
    share = alpha[..., None] / 255
    wanted = np.round(marked() * share + 255 * (1 - share)).astype(np.uint8)
    picture = read_alike(data, wanted, max(1, FORMS[form]))
    assert (picture.pixels[:, :16] == 255).all()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_opaque_alpha_changes_nothing(form: str) -> None:
    read_alike(encoded(Image.fromarray(marked()).convert("RGBA"), form), marked())


def test_grey_with_alpha() -> None:
    image = Image.fromarray(marked()).convert("LA")
    read_alike(encoded(image, "PNG"), np.asarray(image.convert("RGB")))
    image.putalpha(0)
    read_alike(encoded(image, "PNG"), np.full((48, 64, 3), 255, np.uint8))
    assert "transparency" in decode(encoded(image, "TIFF"), name="x").notes[0]


def test_palettes_and_their_transparency() -> None:
    image = Image.fromarray(marked()).quantize(8)
    colours = np.asarray(image.convert("RGB"))
    index = image.getpixel((0, 0))
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        read_alike(encoded(image, form), colours)
    for form in ("PNG", "GIF"):
        wanted = np.where((np.asarray(image) == index)[..., None], np.uint8(255), colours)
        read_alike(encoded(image, form, transparency=index), wanted)


@pytest.mark.parametrize(("depth", "sample"), [(1, 1), (2, 2), (4, 7), (8, 77), (16, 30000)])
def test_a_grey_that_stands_for_transparent(depth: int, sample: int) -> None:
    """PNG can name one grey as transparent; neighbours of it stay."""
    other = sample - 1
    bits = "".join(f"{value:0{depth}b}" for value in [sample, other] * 8)
    rows = (b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")) * 2
    clear = chunk(b"tRNS", struct.pack(">H", sample))
    pixels = decode(png_of(16, 2, depth, 0, rows, clear), name="x").pixels
    assert (pixels[:, 0::2] == 255).all()
    assert (pixels[:, 1::2] == round(other * 255 / (2**depth - 1))).all()


def test_a_colour_that_stands_for_transparent() -> None:
    wanted = np.where((marked() == RED).all(axis=2, keepdims=True), np.uint8(255), marked())
    read_alike(encoded(marked(), "PNG", transparency=RED), wanted)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_many_frames_the_first_is_taken_and_said(form: str) -> None:
    steps = [Image.fromarray(np.roll(marked(), 16 * i, axis=1)) for i in range(3)]
    picture = read_alike(encoded(steps[0], form, save_all=True, append_images=steps[1:]), marked(), FORMS[form])
    assert picture.notes == ("only one of its 3 frames was taken",)


def test_two_views_of_a_camera_count_once() -> None:
    data = encoded(marked(), "MPO", save_all=True, append_images=[Image.fromarray(noisy())], quality=95, subsampling=0)
    assert read_alike(data, marked(), FORMS["JPEG"]).notes == ()


def test_smaller_copies_inside_a_tiff_are_no_pages() -> None:
    small = Image.fromarray(marked()[::2, ::2])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(marked(), "TIFF", save_all=True, append_images=[small])
    assert read_alike(data, marked()).notes == ()


def test_bmp_from_the_top_and_with_alpha() -> None:
    rows = marked()[..., ::-1].tobytes()
    head = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, 64, -48, 1, 24, 0, len(rows), 0, 0, 0, 0
    )
    read_alike(head + rows, marked())
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    dib = struct.pack("<IiiHHIIiiII", 124, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0) + masks + bytes(68)
    read_alike(
        struct.pack("<2sIHHI", b"BM", 146, 0, 0, 138) + dib + bytes([9, 9, 9, 0, 10, 20, 30, 255]),
        np.array([[[255] * 3, [30, 20, 10]]], np.uint8),
    )


def test_broken_colour_profile_is_read_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(marked(), "PNG")
    read_alike(data[:33] + chunk(b"iCCP", b"odd\0\0" + zlib.compress(b"not a profile")) + data[33:], marked())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5000, 1), (1, 5000), (8, 640)])
def test_extreme_shapes(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), RED, np.uint8)
    for form in ("PNG", "BMP", "TIFF"):
        read_alike(encoded(pixels, form), pixels)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


AVIF_SIZE = struct.pack(">II", 64, 48)
BOMBS = {
    "png": png_of(60000, 60000, 8, 2, bytes(100_000)),
    "jpeg": patched(encoded(marked(), "JPEG"), encoded(marked(), "JPEG").index(b"\xff\xc0") + 5, struct.pack(">HH", 60000, 60000)),
    "gif": b"GIF89a" + struct.pack("<HH", 60000, 60000) + encoded(marked(), "GIF")[10:],
    "bmp": patched(encoded(marked(), "BMP"), 18, struct.pack("<ii", 60000, -60000)),
    "webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\x3f\0\xff\x3f\0",
    "pnm": b"P6 60000 60000 255\n" + bytes(100),
    "tiff": b"II*\0" + struct.pack("<IH", 8, 2) + struct.pack("<HHIIHHII", 256, 4, 1, 60000, 257, 4, 1, 60000) + bytes(4),
    "jpeg 2000": b"\xff\x4f\xff\x51" + struct.pack(">HH4I", 47, 0, 60000, 60000, 0, 0) + bytes(16) + b"\0\1\7\1\1",
    "avif": encoded(marked(), "AVIF").replace(AVIF_SIZE, struct.pack(">II", 60000, 60000)),
}


@pytest.mark.parametrize("form", BOMBS)
def test_bombs_are_refused_by_their_header(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    tracemalloc.start()
    with pytest.raises(ImageError, match=r"huge\.x is \d+ x \d+ = \d+ pixels by its header; the limit is 178956970"):
        decode(BOMBS[form], name="huge.x")
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("form", ["png", "pnm", "avif", "jpeg 2000"])
def test_a_bomb_cannot_hide_behind_a_second_header(form: str) -> None:
    """A size that only our reading of the header would believe is not decoded, or its picture is not used."""
    bomb, small = BOMBS[form], {"png": "PNG", "pnm": "PPM", "avif": "AVIF", "jpeg 2000": "JPEG2000"}[form]
    data = {
        "png": lambda good: bomb[:33] + good[8:],
        "pnm": lambda good: b"P6 #\r60000 60000 255\n1 1 255\n" + good,
        "avif": lambda good: (
            good[: good.index(b"ispe") - 4] + bomb[bomb.index(b"ispe") - 4 : bomb.index(b"ispe") + 16] + good[good.index(b"ispe") - 4 :]
        ),
        "jpeg 2000": lambda good: good[:12] + struct.pack(">I", 8 + len(bomb)) + b"uuid" + bomb + good[12:],
    }[form](encoded(marked(), small))
    found = answer(data)
    assert isinstance(found, str) or np.array_equal(found.pixels, marked())


def test_a_header_that_contradicts_the_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(ImageError, match=r"contradicts itself: \(48, 64\) by its header, \(5, 5\) when decoded"):
        decode(encoded(marked(), "PNG"), name="x")


def test_the_limit_is_an_argument() -> None:
    data = encoded(marked(), "PNG")
    assert decode(data, name="x", max_pixels=48 * 64).pixels.shape == (48, 64, 3)
    with pytest.raises(ImageError, match="64 x 48 = 3072"):
        decode(data, name="x", max_pixels=48 * 64 - 1)
    with pytest.raises(ImageError, match="64 x 48 = 3072"):
        from_pillow(Image.fromarray(marked()), max_pixels=48 * 64 - 1)


CUTTABLE = {
    "JPEG": encoded(noisy(), "JPEG"),
    "progressive JPEG": encoded(noisy(), "JPEG", progressive=True),
    "JPEG with restarts": encoded(noisy(), "JPEG", restart_marker_blocks=2),
    "PNG": encoded(noisy(), "PNG"),
    "WEBP": encoded(noisy(), "WEBP"),
    "lossy WEBP": encoded(noisy(), "WEBP", lossless=False),
    "GIF": encoded(noisy(), "GIF"),
    "animated GIF": encoded(noisy(), "GIF", save_all=True, append_images=[Image.fromarray(marked())]),
    "BMP": encoded(noisy(), "BMP"),
    "TIFF": encoded(noisy(), "TIFF"),
    "packed TIFF": encoded(noisy(), "TIFF", compression="tiff_lzw"),
    "AVIF": encoded(noisy(), "AVIF"),
    "JPEG2000": encoded(noisy(), "JPEG2000"),
    "PPM": encoded(noisy(), "PPM"),
}


def answer(data: bytes) -> Picture | str:
    """The picture, or the line that says why there is none."""
    try:
        return decode(data, name="shot.x", max_pixels=1_000_000)
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return str(error)


@pytest.mark.parametrize("form", CUTTABLE)
def test_a_cut_file_is_an_error_and_never_half_a_picture(form: str) -> None:
    data = CUTTABLE[form]
    whole = decode(data, name="x").pixels
    for end in [*(len(data) * tenth // 10 for tenth in range(10)), *range(len(data) - 13, len(data))]:
        for rest in (b"", bytes(len(data) - end)):  # cut, or never filled to its end
            found = answer(data[:end] + rest)
            if isinstance(found, str):
                assert found.startswith("shot.x is ")
            elif not rest or "JPEG" in form.split():  # a hole may pass for pixels in other forms
                assert end > len(data) * 0.9
                assert np.array_equal(found.pixels, whole)


def test_a_jpeg_that_lacks_only_its_end_marker_is_read() -> None:
    whole = encoded(marked(), "JPEG")
    for data in (whole[:-2], whole[:-1], whole[:-2] + bytes(500), whole + b"after the end", whole + bytes(100)):
        read_alike(data, marked(), FORMS["JPEG"])
    with pytest.raises(ImageError, match="end marker is missing"):
        decode(encoded(marked(), "JPEG", progressive=True)[:-2], name="x")


def test_a_thumbnail_is_not_the_end() -> None:
    """A JPEG inside an EXIF block holds an end marker of its own."""
    data = CUTTABLE["JPEG"]
    block = b"Exif\0\0" + encoded(marked(8, 8), "JPEG")
    with_thumbnail = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    assert np.array_equal(decode(with_thumbnail, name="x").pixels, decode(data, name="x").pixels)
    with pytest.raises(ImageError, match="cut off"):
        decode(with_thumbnail[: len(with_thumbnail) * 6 // 10], name="x")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(CUTTABLE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 200),
)
def test_damaged_bytes_give_a_picture_or_the_named_error(form: str, changes: list[tuple[float, int]], head: int) -> None:
    data = bytearray(CUTTABLE[form])
    for index, (place, value) in enumerate(changes):
        data[int(place * (min(head + 12, len(data)) if index % 2 else len(data) - 1))] = value  # half of them near the start
    found = answer(bytes(data))
    assert found.startswith("shot.x is ") if isinstance(found, str) else found.pixels.shape[2] == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"plain words", "no picture; expected a JPEG"),
        (struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic", "HEIC.*convert it to JPEG"),
        (struct.pack(">I", 24) + b"ftypmif1" + bytes(4) + b"mif1heic", "HEIC"),
        (struct.pack(">I", 24) + b"ftypisom" + bytes(4) + b"isommp42", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"\x1aE\xdf\xa3", "a video"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"PK\x03\x04", "archive"),
        (b"%PDF-1.7", "document"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=f"^thing is .*{says}") as caught:
        decode(data, name="thing")
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_tiffs_without_an_agreed_range_are_refused(kind: type) -> None:
    with pytest.raises(ImageError, match="no agreed range"):
        decode(encoded(Image.fromarray(np.ones((4, 4), kind)), "TIFF"), name="x")


def test_raw_photos_are_not_taken_for_their_thumbnail() -> None:
    with pytest.raises(ImageError, match="raw"):
        decode(encoded(marked(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), name="shot.dng")


def test_eight_threads_read_at_once() -> None:
    files = [CUTTABLE[form] for form in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")] * 8
    alone = [decode(data, name="x").pixels for data in files[:6]] * 8
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(lambda data: decode(data, name="x").pixels, files), alone, strict=True):
            assert np.array_equal(found, wanted)


def test_files_are_read_and_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data := encoded(marked(), "JPEG"))
    close(read_file(path, name="a.png").pixels, marked(), FORMS["JPEG"])
    path.write_bytes(data[:200])
    with pytest.raises(ImageError, match=r"a\.png"):
        read_file(path, name="a.png")
    assert path.read_bytes() == data[:200]
    with pytest.raises(SourceError, match=r"b\.png cannot be read: No such file.*/b\.png"):
        read_file(tmp_path / "b.png", name="b.png")


def test_a_large_file_that_is_no_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as stream:
        stream.write(b"\x1aE\xdf\xa3")
        stream.truncate(10 * 2**30)
    with pytest.raises(ImageError, match="video"):
        read_file(path, name="film.jpg")


@pytest.mark.parametrize("limit", [100])
def test_files_beyond_the_limit_are_refused(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_BYTES", limit)
    (tmp_path / "a.png").write_bytes(encoded(noisy(), "PNG"))
    with pytest.raises(ImageError, match="more than 100 bytes"):
        read_file(tmp_path / "a.png", name="a.png")


def test_arrays_of_every_shape() -> None:
    colour = marked()
    close(from_array(colour[..., ::-1]).pixels, colour)
    close(from_array(colour, colour="rgb").pixels, colour)
    grey = colour[..., 0]
    for array in (grey, grey[..., None], np.asfortranarray(grey)):
        close(from_array(array).pixels, np.repeat(grey[..., None], 3, axis=2))
    alpha = np.full((48, 64, 1), 0, np.uint8)
    close(from_array(np.concatenate([colour, alpha], axis=2)).pixels, np.full_like(colour, 255))
    close(from_array(np.concatenate([colour, alpha + 255], axis=2), colour="rgb").pixels, colour)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_arrays_of_sixteen_bits_and_booleans(order: str) -> None:
    close(from_array(marked().astype(order) * 257, colour="rgb").pixels, marked())
    close(from_array(marked()[..., 0] > 100).pixels, np.repeat((marked()[..., :1] > 100).astype(np.uint8) * 255, 3, axis=2))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), r"dtype float32; expected uint8 or uint16; from 0\.\.1"),
        (np.zeros((4, 4, 3), np.int64), "dtype int64"),
        (np.zeros((4, 4, 3), object), "dtype object"),
        (np.zeros((3, 40, 40), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((4,), np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
    ],
)
def test_arrays_that_cannot_be_pictures(array: NDArray[np.uint8], says: str) -> None:
    with pytest.raises(ImageError, match=says):
        from_array(array)


def test_an_unknown_colour_order() -> None:
    with pytest.raises(ImageError, match="'hsv'"):
        from_array(marked(), colour="hsv")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "L", "LA", "La", "RGBa", "P", "PA", "1"])
def test_pillow_images_of_every_mode(mode: str) -> None:
    start = Image.fromarray(marked())
    image = start.quantize(8) if mode == "P" else start.convert("P").convert("PA") if mode == "PA" else start
    if mode in ("La", "RGBa"):
        image = start.convert(mode.upper())
    image = image if image.mode == mode else image.convert(mode)
    straight = image.convert(mode.upper()) if mode in ("La", "RGBa") else image
    close(from_pillow(image).pixels, np.asarray(straight.convert("RGB")), 1)


@pytest.mark.parametrize("mode", ["I;16", "I"])
def test_pillow_images_of_sixteen_bits(mode: str) -> None:
    image = Image.fromarray(marked()[..., 0].astype(np.uint16) * 257 if mode == "I;16" else marked()[..., 0].astype(np.int32) * 257)
    assert image.mode == mode
    close(from_pillow(image).pixels, np.repeat(marked()[..., :1], 3, axis=2))


def test_pillow_images_are_laid_on_white_and_turned() -> None:
    image = Image.fromarray(marked()).convert("RGBA")
    image.putalpha(0)
    close(from_pillow(image).pixels, np.full((48, 64, 3), 255, np.uint8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        opened = Image.open(io.BytesIO(encoded(marked(), "PNG", exif=exif)))
        close(from_pillow(opened).pixels, np.asarray(ImageOps.exif_transpose(opened)))
    palette = Image.open(io.BytesIO(encoded(Image.fromarray(marked()).quantize(8), "PNG", transparency=bytes(8))))
    close(from_pillow(palette).pixels, np.full((48, 64, 3), 255, np.uint8))


def test_pillow_images_that_cannot_be_read() -> None:
    with pytest.raises(ImageError, match="mode F"):
        from_pillow(Image.new("F", (4, 4)), name="image 0")
    with pytest.raises(ImageError, match=r"beyond 0\.\.65535"):
        from_pillow(Image.fromarray(np.full((4, 4), 70000, np.int32)))
    with pytest.raises(ImageError, match="image 0 is a Pillow image"):
        from_pillow(Image.open(io.BytesIO(CUTTABLE["PNG"][:2000])), name="image 0")


def test_an_animated_pillow_image_says_so() -> None:
    steps = [Image.fromarray(np.roll(marked(), 16 * i, axis=1)) for i in range(3)]
    opened = Image.open(io.BytesIO(encoded(steps[0], "GIF", save_all=True, append_images=steps[1:])))
    picture = from_pillow(opened)
    close(picture.pixels, marked())
    assert "3 frames" in picture.notes[0]
    views = encoded(marked(), "MPO", save_all=True, append_images=[steps[1]])
    assert from_pillow(Image.open(io.BytesIO(views))).notes == ()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from(["PNG", "BMP", "TIFF", "PPM", "WEBP"]))
def test_lossless_forms_return_what_was_stored(height: int, width: int, seed: int, form: str) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    read_alike(encoded(pixels, form), pixels)
