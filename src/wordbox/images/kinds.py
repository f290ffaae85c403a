"""What a file is, by its first bytes: its name and extension are never asked."""

import re
from dataclasses import dataclass

SNIFF_BYTES = 512
"""How many bytes from the start of a file `kind_of` wants to see."""

PICTURE_EXTENSIONS = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"),
        *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".jxl", ".pbm", ".pgm", ".ppm", ".pnm"),
    ]
)
"""A file of a folder that ends so was meant as a picture: where it cannot be read, that is reported instead of passed over."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file."""

    name: str
    """As it reads in a sentence: "a PNG picture"."""
    readable: bool = False
    """Whether `read.decode` reads it."""
    picture: bool = False
    """Whether people call such a file a picture: a folder's entry counts, even where it cannot be read."""
    advice: str = "expected a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 or PNM picture"
    """What to do where it is not readable."""


def _readable(name: str) -> Kind:
    return Kind(name=name, readable=True, picture=True)


def _unread(name: str, advice: str) -> Kind:
    return Kind(name=name, picture=True, advice=advice)


JPEG = _readable("a JPEG picture")
PNG = _readable("a PNG picture")
WEBP = _readable("a WebP picture")
GIF = _readable("a GIF picture")
BMP = _readable("a BMP picture")
TIFF = _readable("a TIFF picture")
AVIF = _readable("an AVIF picture")
JPEG2000 = _readable("a JPEG 2000 picture")
JPEG2000_STREAM = _readable("a bare JPEG 2000 stream")
PNM = _readable("a PNM picture (PBM, PGM or PPM)")

_CONVERT = "convert it to JPEG or PNG first"
HEIC = _unread("a HEIC (HEIF) picture", f"{_CONVERT}; a phone's or computer's photo program exports JPEG")
JXL = _unread("a JPEG XL picture", _CONVERT)
PAM = _unread("a PAM picture", _CONVERT)
FLOATING = _unread("a picture of floating point pixels (EXR, HDR or PFM)", f"its range is not agreed upon; {_CONVERT}")
RAW = _unread("a camera's raw picture", f"develop it, or {_CONVERT}")
VIDEO = Kind(name="a video", advice="expected a picture; take frames out of it and pass those")
LFS = Kind(name="a Git LFS pointer, not the file itself", advice="fetch the file with: git lfs pull")
WEB_PAGE = Kind(name="a web page or other markup", advice="expected a picture; open it in a browser to see what it says")
ARCHIVE = Kind(name="an archive", advice="unpack it and pass the folder")
DOCUMENT = Kind(name="a document or a drawing program's file", advice="export its picture as JPEG or PNG")
EMPTY = Kind(name="empty (0 bytes)", advice="copy or download it again")
UNKNOWN = Kind(name="no picture")

_STARTS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"\xff\x4f\xff\x51", JPEG2000_STREAM),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG2000),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (b"\xff\x0a", JXL),
    (b"II\x55\0", RAW),  # Panasonic
    (b"IIRO", RAW),  # Olympus
    (b"FUJIFILM", RAW),
    (b"P7\n", PAM),
    (b"\x76\x2f\x31\x01", FLOATING),
    (b"#?RADIANCE", FLOATING),
    (b"#?RGBE", FLOATING),
    (b"PF\n", FLOATING),
    (b"Pf\n", FLOATING),
    (b"\x1aE\xdf\xa3", VIDEO),  # Matroska, WebM
    (b"FLV\x01", VIDEO),
    (b"OggS", VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", VIDEO),  # Windows Media
    (b"\0\0\x01\xba", VIDEO),  # MPEG
    (b"\0\0\x01\xb3", VIDEO),
    (b"version https://git-lfs", LFS),
    (b"PK\x03\x04", ARCHIVE),
    (b"\x1f\x8b", ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (b"%PDF", DOCUMENT),
    (b"8BPS", DOCUMENT),
    (b"\0\0\x01\0", DOCUMENT),  # Windows icon
)
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_PNM = re.compile(rb"P[1-6]\s+(#[^\r\n]*[\r\n]\s*)*\d")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}


def kind_of(head: bytes) -> Kind:
    """What the file is that starts with `head` (its first SNIFF_BYTES bytes, or all of a shorter file)."""
    if not head:
        return EMPTY
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return RAW if head[8:10] == b"CR" else TIFF
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    if head[:4] == b"RIFF":
        return WEBP if head[8:12] == b"WEBP" else VIDEO if head[8:12] in (b"AVI ", b"AVIX") else UNKNOWN
    if _PNM.match(head):
        return PNM
    if head[4:8] == b"ftyp":
        return _branded(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free") or (len(head) > 376 and head[0] == head[188] == head[376] == 0x47):
        return VIDEO
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return WEB_PAGE if text.startswith((b"<!doctype", b"<html", b"<svg", b"<?xml")) else UNKNOWN


def _branded(head: bytes) -> Kind:
    """AVIF, HEIC, raw and most videos share one container (ISO/IEC 14496-12); the brands in its first box tell them apart."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    if brands[0] in (b"avif", b"avis") or (brands[0] in (b"mif1", b"msf1") and {b"avif", b"avis"} & set(brands)):
        return AVIF
    if brands[0] == b"crx ":
        return RAW
    return HEIC if brands[0] in _HEIF_BRANDS else VIDEO
