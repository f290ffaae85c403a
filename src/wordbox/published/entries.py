"""The weights that others published, one literal table a family: name, address, size, checksum, licence. Those for detection alone.

Sizes and checksums stand where one was seen: files at hand, hub pages of the publisher, and people's download logs. The files of
YOLOv5's v6.1, v6.2 and v7.0 are the same ones (spec yolov5-yolov8.md, section 2.2; spec yolo-world.md, section 7).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

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
YOLOV8_WORLD: Mapping[str, tuple[_Facts, ...]] = {
    "s-world": ((27_162_981, "534364abfe584ae9507e6e7d35bdfb0c35058b65dd8272b88bb301521a1d7741"),),
    "m-world": ((58_603_269, "a8bd4f721e600ba2a05b724d13d134da6b7aab8b7493249c41ad517152d05f8e"),),
    "l-world": ((95_659_301, "a234e9e0f3f5b43da4f899f30c67146a9e404b6e08f4472d0907e3b3f23e1489"),),
    "x-world": ((147_954_213, "512acf713186bd252c4ecc11d228d40f14e17d078b79a7c44e725a44e09bef6e"),),
    "s-worldv2": ((25_920_600, "7c951d3baac2de906e3deda859b2ff965350fbfa14f51b81ea52f0e3d98519c8"),),
    "m-worldv2": ((57_230_760, "22222b71ede9a59ef7e7eb060e3b58d94f63ae0b0f16b6d53e76cd188b4fb913"),),
    "l-worldv2": (
        (94_222_200, "73931941f22bf5d7d696759f32046152ebe417cdd9a1fe21f82b10f7c0294a6f"),
        (94_224_632, "276b618c2f04e6e08e32f085b3c0e8baf2dbffa46af5119b888423e859a6ee01"),
    ),
    "x-worldv2": (
        (146_353_272, "e31726704fd3a802b55cc969c5dc6272f40d7be5a4ddb1cdad6ddfcc98a1abd7"),
        (146_355_704, "41e771bfbbb8894dd857f3fef7cac3b3578dffd49fd3547101efa6a606a02a0e"),
    ),
}
"""By size and version: what was seen under these names, whose contents changed at least once (trap 37)."""

_V1 = "yolo_world_{}_clip_base_dual_vlpan_2e-3adamw_32xb16_100e_o365_goldg_train_pretrained-{}.pth"
_V1_CC3M = "yolo_world_{}_clip_base_dual_vlpan_2e-3adamw_32xb16_100e_o365_goldg_cc3mlite_train_pretrained-{}.pth"
_V2 = "yolo_world_v2_{}_obj365v1_goldg_pretrain-{}.pth"
_V2_CC3M = "yolo_world_v2_{}_obj365v1_goldg_cc3mlite_pretrain-{}.pth"
_V2_1280 = "yolo_world_v2_{}_obj365v1_goldg_pretrain_1280ft-{}.pth"
_V2_COCO = "yolo_world_v2_{}_vlpan_bn_2e-4_80e_8gpus_mask-refine_finetune_coco_ep80-{}.pth"
_STAGE1, _STAGE2 = "{}_stage1-{}.pth", "{}_stage2-{}.pth"

YOLO_WORLD: Mapping[str, Mapping[str, tuple[str, int | None, str]]] = {
    "v1": {
        "s": (_V1, 307_536_897, "18bea4d2f2b0af1d4a2d7353bd113184b84313ff285acd5690a4aa4e71da08a6"),
        "m": (_V1, 370_349_069, "2b7bd1bed30eba666db8c9aeb17076270955c91ec15e4220262091b6471ec89e"),
        "l": (_V1, 444_388_398, "0e56623553f30137149da28097b882b3413fa2a00cce88d19e426475b70da5dc"),
        "l-cc3m": (_V1_CC3M, 444_389_737, "7a5eea3b42020210ea31f0cbd5e1c1687ca00069267b55088beb934fbb7cf48a"),
        "x": (_V1_CC3M, None, "8cf6b02527729a7742b41aae054d256665ede6d9f599192838ab9f631baa2b72"),
    },
    "v2": {
        "s": (_V2, 305_052_941, "55b943ea2643f716f012243a66e49f7f0b12c216a01230ccc9c99e4e128da1a6"),
        "m": (_V2, 367_602_867, "c6237d5b8f6cdc02c7e1a49ebca5ca6af2acb40dcc35908f3ac9eca5bee1120f"),
        "l": (_V2, 441_511_203, "a82b1fe3c9212155bfb21b5fdcd75112f95113b03864f02903ee369f4be20d14"),
        "l-cc3m": (_V2_CC3M, 441_518_711, "ca93cd1faa585170b72d251105df792d487a00d8f60f31dc2a2771e009f96fcc"),
        "l-cc3mv2": (
            "yolo_world_v2_{}_obj365v1_goldg_cc3mv2_pretrain-{}.pth",
            441_517_050,
            "2f3a4a2289ed19974477763f729c47713afecfc0857372e6b430b45dd82c2519",
        ),
        "x": (_V2_CC3M, None, "8698fbfa"),
        "xl": (_V2_CC3M, 673_005_606, "5daf1395eb25b6f5adf27781022add7f20b70afdb107e725ccffc5ecc471dc7d"),
        "l-clip-large": (
            "yolo_world_v2_{}_clip_large_o365v1_goldg_pretrain-{}.pth",
            684_119_339,
            "8ff2e7445af97d34bd5011237d5a889458dad0ad0f990b075c89c49251383ed6",
        ),
        "l-clip-large-800": (
            "yolo_world_v2_{}_clip_large_o365v1_goldg_pretrain_800ft-{}.pth",
            684_119_624,
            "9df82e55c5d9fca6c1706226b467bcc493c3330781e3828fe6ce55575d7951f6",
        ),
        "s-1280": (_V2_1280, 305_053_144, "fc4ff4f7417ff9d8275a8bc10f9151c103c033c3a6e79cd8aa351eaba4919299"),
        "m-1280": (_V2_1280, 367_603_018, "77d0346dfa49e66201379522e10b58da6d835b7d612c52129e4a99d0070b4a1f"),
        "l-1280": (_V2_1280, 441_511_396, "9babe3f6e2b73cd64f545b59de358fc7c47a85059cda9767f0a69f6bfae42d6d"),
        "x-1280": (
            "yolo_world_v2_{}_obj365v1_goldg_cc3mlite_pretrain_1280ft-{}.pth",
            545_783_892,
            "14996a36e4e0c2ee6d1cf40bdff6081d1a7012d96d527e58d8f07bc46f5d1921",
        ),
        "s-coco": (_V2_COCO, 305_028_189, "492dc32906ad87aff06e5c7c6924b3ddc54b8f5bf39d6701b1f80ca45ec238e2"),
        "m-coco": (_V2_COCO, 367_575_558, "69c27ac79dd0920928311cd487999648b74a5c3b5a3cd8ae859d37661f723081"),
        "l-coco": (_V2_COCO, 441_482_137, "81c701ee78c4e6751f668b1bdf04d65fcc8d5785f127785adcc9ce5e107293e2"),
        "x-coco": (_V2_COCO, None, "76bc0cbd"),
    },
    "v2.1": {
        "s": (_STAGE1, None, "d1c1d7d8"),
        "m": (_STAGE1, None, "7e1e5299"),
        "l": (_STAGE1, None, "7d280586"),
        "x": (_STAGE1, None, "62b674ad"),
        "s-1280": (_STAGE2, None, "4466ab94"),
        "m-1280": (_STAGE2, None, "9987dcb1"),
        "l-1280": (_STAGE2, None, "b3e3dc3f"),
    },
}
# Seen in part only are the names of l-cc3m and x of v1, and of xl, l-clip-large-800, the 1280 ones and those fine-tuned on COCO of v2; of
# v2.1 none was seen. They follow the pattern of the others, or of what their page says.
"""What its authors published, by version, and by size and training: file name with gaps for the size and the first eight digits of the
checksum, which every name ends with; bytes; and the checksum, or as much of it as is known."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published file."""

    name: str
    """What a user writes: "yolov5s@v3.1"; "yolov5s" is that of the last tag. Files of YOLO-World's authors have their own stem as well."""
    family: str
    """The publisher's series: "yolov5", "yolov8", "yolo-world"."""
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
    seen: tuple[_Facts, ...] = ()
    """Sizes and checksums of files that were seen under a name whose contents changed, so that another file is no error."""
    begins: str = ""
    """How its checksum begins, where no more of it is known."""


def of_size(size: int) -> dict[str, Entry]:
    """Entries whose file has so many bytes, by its checksum."""
    facts = ((entry, facts) for entry in ENTRIES.values() for facts in ((entry.bytes, entry.sha256), *entry.seen))
    return {sha256: entry for entry, (count, sha256) in facts if count == size and sha256}


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
    for size, seen in YOLOV8_WORLD.items():
        plain, tag = f"yolov8{size}", "v8.3.0"
        address = f"https://github.com/{assets[0]}/releases/download/{tag}/{plain}.pt"
        entry = Entry(
            name=f"{plain}@{tag}",
            family="yolov8",
            tag=tag,
            file=f"{plain}.pt",
            address=address,
            bytes=None,
            sha256=None,
            licence=assets[1],
            variant=plain,
            seen=seen,
        )
        found[entry.name] = found[plain] = entry
    for entry in _official():
        found[entry.name] = found[entry.name.partition("@")[0]] = found[PurePath(entry.file).stem.lower()] = entry
    return found


def _official() -> Iterator[Entry]:
    """What the authors of YOLO-World published; the plain name is that of the last version that has it."""
    for tag, files in YOLO_WORLD.items():
        for form, (pattern, count, checksum) in files.items():
            size = form.partition("-")[0]
            file = pattern.format(size, checksum[:8])
            large = "-clip-large" if form.startswith("l-clip-large") else ""
            whole = len(checksum) == 64
            yield Entry(
                name=f"yolo-world-{form}@{tag}",
                family="yolo-world",
                tag=tag,
                file=file,
                address=f"https://huggingface.co/wondervictor/YOLO-World{'-V2.1' if tag == 'v2.1' else ''}/resolve/main/{file}",
                bytes=count,
                sha256=checksum if whole else None,
                licence="GPL-3.0",
                variant=f"yolov8{size}-world{'' if tag == 'v1' else 'v2'}{large}",
                begins="" if whole else checksum,
            )


ENTRIES: Mapping[str, Entry] = _entries()
"""Every entry by name; a plain name such as "yolov5s" leads to the last tag's."""
