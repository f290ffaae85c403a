"""Parameter counts are the integers of spec yolov5-yolov8.md, sections 1.5 to 1.9 and 4.3 (80 classes unless said), and yolo-world.md."""

from dataclasses import replace

import pytest
import torch

from wordbox.layers import layers
from wordbox.networks.build import build
from wordbox.specs import NanoSpec
from wordbox.variants import GENERATIONS, named, yolo_world

TOTALS = {
    **{f"yolov5{size}@{tag}": count for tag in ("v1.0", "v2.0", "v3.0", "v3.1") for size, count in
       {"s": 7468157, "m": 21805053, "l": 47818749, "x": 88965245}.items()},
    **{f"yolov5{size}@{tag}": count for tag in ("v4.0", "v5.0") for size, count in
       {"s": 7276605, "m": 21375645, "l": 47056765, "x": 87775965}.items()},
    **{f"yolov5{size}@v5.0": count for size, count in {"s6": 12667836, "m6": 35917020, "l6": 77263228, "x6": 141821340}.items()},
    **{f"yolov5{size}@{tag}": count for tag in ("v6.0", "v6.1", "v6.2", "v7.0") for size, count in
       {"n": 1872157, "s": 7235389, "m": 21190557, "l": 46563709, "x": 86749405,
        "n6": 3246940, "s6": 12626620, "m6": 35731932, "l6": 76770172, "x6": 140794780}.items()},
    "yolov5s-transformer": 7235645,
    "yolov5s-LeakyReLU": 7235389,
    **{f"yolov5{size}u": count for size, count in
       {"n": 2654816, "s": 9153152, "m": 25111456, "l": 53225024, "x": 97276448,
        "n6": 4334896, "s6": 15309328, "m6": 41222064, "l6": 86099920}.items()},
    **{f"yolov8{size}": count for size, count in {"n": 3157200, "s": 11166560, "m": 25902640, "l": 43691520, "x": 68229648}.items()},
    **{f"yolov8{size}-p2": count for size, count in {"n": 3354144, "s": 10884336, "m": 25082496, "l": 42888080, "x": 66637536}.items()},
    **{f"yolov8{size}-p6": count for size, count in {"n": 4984352, "s": 17911792, "m": 44887488, "l": 62384016, "x": 97423072}.items()},
}  # fmt: skip

# YOLO-World's: spec yolo-world.md, sections 1.3 and 1.4; the sixteen bins are counted in the whole alone
WORLD_BACKBONE = {"n": 1272656, "s": 5079712, "m": 11855856, "l": 19808576, "x": 30943120, "xl": 44550624}
WORLD_NECK = {
    "v1": {"s": 5989586, "m": 13137304, "l": 21767836, "x": 33536067},
    "v2": {"n": 1416809, "s": 5362898, "m": 12445080, "l": 21042844, "x": 32729155, "xl": 46985706},
}
WORLD_HEAD = {
    "v1": {"s": 2314182, "m": 4072134, "l": 5977542, "x": 9211014},
    "v2": {"n": 1005702, "s": 2317254, "m": 4075206, "l": 5980614, "x": 9214086, "xl": 13143366},
}
WORLD_TOTALS = {
    "yolov8n-world": 4204111, "yolov8s-world": 13383496, "yolov8m-world": 29065310, "yolov8l-world": 47553970,
    "yolov8x-world": 73690217, "yolov8n-worldv2": 3695183, "yolov8s-worldv2": 12759880, "yolov8m-worldv2": 28376158,
    "yolov8l-worldv2": 46832050, "yolov8x-worldv2": 72886377, "yolov8xl-worldv2": 104679696 + 16,
    "yolov8l-worldv2-clip-large": 170910626 - 123650304 + 16,
}  # fmt: skip
WORLD_STAGES = {  # top_down.1, top_down.0, down.0, bottom_up.0, down.1, bottom_up.1
    "s": (837508, 226242, 147712, 739204, 590336, 2821896),
    "m": (2498118, 668451, 332160, 2350662, 1327872, 5267817),
    "l": (5576456, 1493892, 590336, 5445384, 2360320, 5576456),
    "x": (8670410, 2312805, 922240, 8465610, 3687680, 8670410),
    "xl": (12444300, 3309894, 1327872, 12149388, 5309952, 12444300),
}
WORLD_XL = (2784, 166272, 628608, 664320, 4724736, 2655744, 18886656, 5309952, 10034688, 1476864)
WORLD_POOLING = {"s": 626688, "m": 692224, "l": 724992, "x": 806912}
WORLD_TOWERS = {  # of boxes and of labels, finest first
    "s": (115008, 188736, 336192, 361472, 508928, 803840),
    "m": (151872, 262464, 373056, 763136, 1094912, 1426688),
    "l": (188736, 336192, 336192, 1312256, 1902080, 1902080),
    "x": (293504, 523904, 523904, 2008832, 2930432, 2930432),
    "xl": (421312, 753088, 753088, 2852864, 4179968, 4179968),
}

# rows that hold parameters, in order
YOLOV5 = {
    "n": (
        1760, 4672, 4800, 18560, 29184, 73984, 156928, 295424, 296448, 164608, 33024, 90880, 8320, 22912, 36992, 74496, 147712, 296448,
        115005
    ),
    "s": (
        3520, 18560, 18816, 73984, 115712, 295424, 625152, 1180672, 1182720, 656896, 131584, 361984, 33024, 90880, 147712, 296448,
        590336, 1182720, 229245
    ),
    "m": (
        5280, 41664, 65280, 166272, 444672, 664320, 2512896, 2655744, 4134912, 1476864, 295680, 1182720, 74112, 296448, 332160, 1035264,
        1327872, 4134912, 343485
    ),
    "l": (
        7040, 73984, 156928, 295424, 1118208, 1180672, 6433792, 4720640, 9971712, 2624512, 525312, 2757632, 131584, 690688, 590336,
        2495488, 2360320, 9971712, 457725
    ),
    "x": (
        8800, 115520, 309120, 461440, 2259200, 1844480, 13125120, 7375360, 19676160, 4099840, 820480, 5332480, 205440, 1335040, 922240,
        4922880, 3687680, 19676160, 571965
    ),
}  # fmt: skip
YOLOV5_S6 = (
    *YOLOV5["s"][:7], 885504, 665856, 1770496, 1182720, 656896, 197376, 813312, 98816, 361984, 33024, 90880, 147712, 296448, 590336,
    715008, 1327872, 1313792, 327420
)  # fmt: skip
YOLOV5_S_V4 = (
    3520, 18560, 18816, 73984, 156928, 295424, 625152, 1180672, 656896, 1182720, *YOLOV5["s"][10:]
)  # fmt: skip
YOLOV5_S_V3 = (
    3520, 18560, 19904, 73984, 161152, 295424, 641792, 1180672, 656896, 1248768, 131584, 378624, 33024, 95104, 147712, 313088, 590336,
    1248768, 229245
)  # fmt: skip
YOLOV8 = {
    "n": (
        464, 4672, 7360, 18560, 49664, 73984, 197632, 295424, 460288, 164608, 148224, 37248, 36992, 123648, 147712, 493056, 897664
    ),
    "s": (
        928, 18560, 29056, 73984, 197632, 295424, 788480, 1180672, 1838080, 656896, 591360, 148224, 147712, 493056, 590336, 1969152,
        2147008
    ),
    "m": (
        1392, 41664, 111360, 166272, 813312, 664320, 3248640, 1991808, 3985920, 831168, 1993728, 517632, 332160, 1846272, 1327872,
        4207104, 3822016
    ),
    "l": (
        1856, 73984, 279808, 295424, 2101248, 1180672, 8396800, 2360320, 4461568, 656896, 4723712, 1247744, 590336, 4592640, 2360320,
        4723712, 5644480
    ),
    "x": (
        2320, 115520, 436800, 461440, 3281920, 1844480, 13117440, 3687680, 6969600, 1025920, 7379200, 1948800, 922240, 7174400, 3687680,
        7379200, 8795008
    ),
}  # fmt: skip
ROWS = {
    **{f"yolov5{size}": counts for size, counts in YOLOV5.items()},
    "yolov5s6": YOLOV5_S6,
    **{f"yolov5s@{tag}": YOLOV5_S_V3 for tag in ("v1.0", "v2.0", "v3.0", "v3.1")},
    **{f"yolov5s@{tag}": YOLOV5_S_V4 for tag in ("v4.0", "v5.0")},
    **{f"yolov8{size}": counts for size, counts in YOLOV8.items()},
}


def outline(spec):
    """The network without its memory."""
    with torch.device("meta"):
        return build(spec)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_table_holds_every_published_network_of_the_generations():
    published = {f"yolov5{size}{six}@{tag}" for tag, one in GENERATIONS.items() for six in ("", "6")[: 1 + one.p6] for size in one.sizes}
    assert published <= TOTALS.keys()


@pytest.mark.parametrize("name", TOTALS)
def test_parameters_are_the_published_number(name):
    assert count(outline(named(name))) == TOTALS[name]


@pytest.mark.parametrize("name", ROWS)
def test_parameters_of_every_row_are_the_published_number(name):
    network = outline(named(name))
    names = [row.name for row in layers(named(name)) if row.name]
    assert [count(network.get_submodule(one)) for one in names] == list(ROWS[name])


@pytest.mark.parametrize(
    "name", ["yolov5n@v6.0", "yolov5s6@v5.0", "yolov5s@v1.0", "yolov5s-transformer", "yolov5nu", "yolov8n", "yolov8n-p2", "yolov8n-p6",
     "yolov8n-world", "yolov8n-worldv2"]
)  # fmt: skip
def test_every_array_belongs_to_exactly_one_row(name):
    rows = [row.name for row in layers(named(name)) if row.name]
    for array in outline(named(name)).state_dict():
        assert len([row for row in rows if array.startswith(f"{row}.")]) == 1, array


@pytest.mark.parametrize(("name", "classes", "expected"), [("yolov5s", 1, 7022326), ("yolov5s", 20, 7073569)])
def test_parameters_with_other_classes(name, classes, expected):
    assert count(outline(named(name, classes))) == expected


@pytest.mark.parametrize(("name", "expected"), [("yolov8n", 2724448), ("yolov8s", 9869920)])
def test_parameters_with_depthwise_label_towers(name, expected):
    spec = named(name)
    assert count(outline(replace(spec, head=replace(spec.head, depthwise=True)))) == expected


@pytest.mark.parametrize("name", WORLD_TOTALS)
def test_parameters_of_yolo_world_are_the_published_number(name):
    assert count(outline(named(name))) == WORLD_TOTALS[name]


@pytest.mark.parametrize(("version", "size"), [(version, size) for version, sizes in WORLD_HEAD.items() for size in sizes])
def test_parameters_of_yolo_worlds_parts_are_the_published_number(version, size):
    network = outline(yolo_world(size, version=version))
    assert count(network.backbone) == WORLD_BACKBONE[size]
    assert count(network.neck) == WORLD_NECK[version][size]
    assert count(network.head) - 16 == WORLD_HEAD[version][size]
    if size != "n":
        names = ("top_down.1", "top_down.0", "down.0", "bottom_up.0", "down.1", "bottom_up.1")
        assert tuple(count(network.neck.get_submodule(one)) for one in names) == WORLD_STAGES[size]
        assert tuple(count(tower) for tower in (*network.head.box, *network.head.label)) == WORLD_TOWERS[size]
        assert [count(one) for one in network.head.contrast] == [1026 if version == "v2" else 2] * 3
    if version == "v1":
        assert count(network.neck.pooling) == WORLD_POOLING[size]


def test_parameters_of_yolo_world_for_wider_words_are_the_published_number():
    network = outline(yolo_world("l", embedding=768))
    assert (count(network.neck), count(network.head) - 16) == (21272220, 6179526)


@pytest.mark.parametrize("size", ["s", "m", "l", "x", "xl"])
def test_yolo_world_has_the_backbone_of_yolov8(size):
    network = outline(yolo_world(size))
    rows = [row.name for row in layers(network.spec) if row.name.startswith("backbone.")]
    assert len(rows) == 10
    expected = YOLOV8[size][:10] if size != "xl" else WORLD_XL
    assert tuple(count(network.get_submodule(row)) for row in rows) == expected


def test_wordbox_nano_has_the_trunk_it_was_made_from():
    network = outline(NanoSpec())
    replaced = sum(count(part) for part in (network.head.region, network.head.norm, network.head.scale, network.head.offset))
    assert count(network) - replaced + 3 * 80 * (128 + 1) == 3786068  # spec nano.md, section 2; its 80 class rows a level


@pytest.mark.parametrize("name", ["yolov8n", "yolov5nu"])
def test_the_ramp_of_bins_is_counted_and_does_not_train(name):
    network = build(named(name))
    still = [p for p in network.parameters() if not p.requires_grad]
    assert [p.flatten().tolist() for p in still] == [list(range(16))]
    assert still[0].shape == (1, 16, 1, 1)
