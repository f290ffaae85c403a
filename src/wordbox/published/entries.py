"""The weights that others published, one literal table a family: name, address, size, checksum, licence.

Sizes and checksums stand where one was seen: files at hand, hub pages of the publisher, and people's download logs. The files of
YOLOv5's v6.1, v6.2 and v7.0 are the same ones (spec yolov5-yolov8.md, section 2.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

_Facts = tuple[int | None, str | None]  # bytes, sha256

_UNSEEN: _Facts = (None, None)
_SMLX = dict.fromkeys(("s", "m", "l", "x"), _UNSEEN)
_SMLX6 = dict.fromkeys(("s6", "m6", "l6", "x6"), _UNSEEN)
_V61: dict[str, _Facts] = {
    "n": (4_062_133, "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3"),
    "s": (14_808_437, "8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee"),
    "m": (42_806_829, "61d933360ba5a7733a36764996c800287d973889d875227f5beedd2473a97a56"),
    "l": (93_622_629, "2f603b7354c25454d1270663a14d8ddc1eea98e5eebc1d84ce0c6e3150fa155f"),
    "x": _UNSEEN,
    "n6": (7_190_229, "496c05a2b991da15acc6c4408c63da287f2513a46c6756618776d4dd71170781"),
    "s6": (25_978_837, "95bda9019ada63f37338308d0c81a66047a6fbaba061abaff271ba9334cf2a6f"),
    "m6": (72_308_357, "7afe7fa0f29a8351467200a2a5a33c7996d1155ed6636c7edd8ca70b14951c64"),
    "l6": (None, "b357b77f646b0190912985937c44e2923441369d5fda69ba86da2aa919212618"),
    "x6": _UNSEEN,
}
_V60_NANO: _Facts = (3_952_441, "649e089f59b78ac021025de035b2d9c45dc26e544ea252955d0ffcefc1099e2f")

YOLOV5: Mapping[str, Mapping[str, _Facts]] = {
    "v2.0": _SMLX,
    "v3.0": _SMLX,
    "v3.1": _SMLX,
    "v4.0": _SMLX,
    "v5.0": _SMLX | _SMLX6,
    "v6.0": {"n": _V60_NANO, **_SMLX, "n6": _UNSEEN, **_SMLX6},
    "v6.1": _V61,
    "v6.2": _V61,
    "v7.0": _V61,
}
"""By tag and size. Of v1.0 no file is known at that address."""

YOLOV5U: Mapping[str, Mapping[str, _Facts]] = {
    "v8.3.0": dict.fromkeys((f"{size}{six}u" for six in ("", "6") for size in "nsmlx"), _UNSEEN),
}
YOLOV8: Mapping[str, Mapping[str, _Facts]] = {
    "v0.0.0": {
        "n": (6_534_387, "31e20dde3def09e2cf938c7be6fe23d9150bbbe503982af13345706515f2ef95"),
        "s": (22_573_363, "268e5bb54c640c96c3510224833bc2eeacab4135c6deb41502156e39986b562d"),
        "m": _UNSEEN,
        "l": _UNSEEN,
        "x": _UNSEEN,
    },
    "v8.3.0": dict.fromkeys("nsmlx", _UNSEEN),
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published file."""

    name: str
    """What a user writes: "yolov5s@v3.1"; "yolov5s" is that of the last tag."""
    family: str
    """The publisher's series: "yolov5", "yolov8"."""
    tag: str
    """The release it came with."""
    file: str
    """Its file name."""
    address: str
    """Where it can be downloaded."""
    bytes: int | None
    """Its size, where known."""
    sha256: str | None
    """Its checksum, where known."""
    licence: str
    """Terms of the weights."""
    variant: str
    """The network in it, as `wordbox.variants` calls it."""


def _entries() -> dict[str, Entry]:
    """Every entry by its name with a tag, and by the plain name for the last tag."""
    yolov5 = ("ultralytics/yolov5", "GPL-3.0 at release, AGPL-3.0 since")
    assets = ("ultralytics/assets", "AGPL-3.0")
    found = {}
    for family, table, (repository, licence) in (("yolov5", YOLOV5, yolov5), ("yolov5", YOLOV5U, assets), ("yolov8", YOLOV8, assets)):
        for tag, sizes in table.items():
            for size, (count, sha256) in sizes.items():
                plain = f"{family}{size}"
                entry = Entry(
                    name=f"{plain}@{tag}",
                    family=family,
                    tag=tag,
                    file=f"{plain}.pt",
                    address=f"https://github.com/{repository}/releases/download/{tag}/{plain}.pt",
                    bytes=count,
                    sha256=sha256,
                    licence=licence,
                    variant=f"{plain}@{tag}" if table is YOLOV5 else plain,
                )
                found[entry.name] = found[plain] = entry
    return found


ENTRIES: Mapping[str, Entry] = _entries()
"""Every entry by name; a plain name such as "yolov5s" leads to the last tag's."""
