"""Layer tables, against the specification's (yolov5-yolov8.md, 1.5 to 1.7 and 4.3): modules, sources and parameters row by row."""

import math

import pytest

from wordbox.arrays import of_layer
from wordbox.layers import layers, of_v1
from wordbox.variants import named

V5 = {  # spec 1.5: row by row for n, s, m, l, x
    0: (1760, 3520, 5280, 7040, 8800),
    1: (4672, 18560, 41664, 73984, 115520),
    2: (4800, 18816, 65280, 156928, 309120),
    3: (18560, 73984, 166272, 295424, 461440),
    4: (29184, 115712, 444672, 1118208, 2259200),
    5: (73984, 295424, 664320, 1180672, 1844480),
    6: (156928, 625152, 2512896, 6433792, 13125120),
    7: (295424, 1180672, 2655744, 4720640, 7375360),
    8: (296448, 1182720, 4134912, 9971712, 19676160),
    9: (164608, 656896, 1476864, 2624512, 4099840),
    10: (33024, 131584, 295680, 525312, 820480),
    13: (90880, 361984, 1182720, 2757632, 5332480),
    14: (8320, 33024, 74112, 131584, 205440),
    17: (22912, 90880, 296448, 690688, 1335040),
    18: (36992, 147712, 332160, 590336, 922240),
    20: (74496, 296448, 1035264, 2495488, 4922880),
    21: (147712, 590336, 1327872, 2360320, 3687680),
    23: (296448, 1182720, 4134912, 9971712, 19676160),
    24: (115005, 229245, 343485, 457725, 571965),
}
V8 = {  # spec 4.3
    0: (464, 928, 1392, 1856, 2320),
    1: (4672, 18560, 41664, 73984, 115520),
    2: (7360, 29056, 111360, 279808, 436800),
    3: (18560, 73984, 166272, 295424, 461440),
    4: (49664, 197632, 813312, 2101248, 3281920),
    5: (73984, 295424, 664320, 1180672, 1844480),
    6: (197632, 788480, 3248640, 8396800, 13117440),
    7: (295424, 1180672, 1991808, 2360320, 3687680),
    8: (460288, 1838080, 3985920, 4461568, 6969600),
    9: (164608, 656896, 831168, 656896, 1025920),
    12: (148224, 591360, 1993728, 4723712, 7379200),
    15: (37248, 148224, 517632, 1247744, 1948800),
    16: (36992, 147712, 332160, 590336, 922240),
    18: (123648, 493056, 1846272, 4592640, 7174400),
    19: (147712, 590336, 1327872, 2360320, 3687680),
    21: (493056, 1969152, 4207104, 4723712, 7379200),
    22: (897664, 2147008, 3822016, 5644480, 8795008),
}
S = {row: counts[1] for row, counts in V5.items()}
S_MIDDLE = S | {4: 156928, 8: 656896, 9: 1182720}
S_OLD = S_MIDDLE | {2: 19904, 4: 161152, 6: 641792, 9: 1248768, 13: 378624, 17: 95104, 20: 313088, 23: 1248768}
S6 = {row: S[row] for row in range(7)} | {
    **{7: 885504, 8: 665856, 9: 1770496, 10: 1182720, 11: 656896, 12: 197376, 15: 813312, 16: 98816, 19: 361984, 20: 33024, 23: 90880},
    **{24: 147712, 26: 296448, 27: 590336, 29: 715008, 30: 1327872, 32: 1313792, 33: 327420},
}
PER_LAYER = {
    **{f"yolov5{size}": {row: counts[i] for row, counts in V5.items()} for i, size in enumerate("nsmlx")},
    **{f"yolov8{size}": {row: counts[i] for row, counts in V8.items()} for i, size in enumerate("nsmlx")},
    "yolov5s@v4.0": S_MIDDLE,
    "yolov5s@v5.0": S_MIDDLE,
    "yolov5s@v2.0": S_OLD,
    "yolov5s@v3.1": S_OLD,
    "yolov5s6": S6,
}


def parameters(layer, spec):
    return sum(math.prod(one.shape) for one in of_layer(layer, spec) if not one.is_statistic)


@pytest.mark.parametrize("name", PER_LAYER)
def test_each_layer_has_the_published_parameters(name):
    spec = named(name)
    assert {layer.index: count for layer in layers(spec) if (count := parameters(layer, spec))} == PER_LAYER[name]


V5_SOURCES = {12: (-1, 6), 16: (-1, 4), 19: (-1, 14), 22: (-1, 10), 24: (17, 20, 23)}
P6_SOURCES = {14: (-1, 8), 18: (-1, 6), 22: (-1, 4), 25: (-1, 20), 28: (-1, 16), 31: (-1, 12), 33: (23, 26, 29, 32)}
V8_SOURCES = {11: (-1, 6), 14: (-1, 4), 17: (-1, 12), 20: (-1, 9), 22: (15, 18, 21)}
V8_P2_SOURCES = {11: (-1, 6), 14: (-1, 4), 17: (-1, 2), 20: (-1, 15), 23: (-1, 12), 26: (-1, 9), 28: (18, 21, 24, 27)}
V8_P6_SOURCES = {13: (-1, 8), 16: (-1, 6), 19: (-1, 4), 22: (-1, 17), 25: (-1, 14), 28: (-1, 11), 30: (20, 23, 26, 29)}


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("yolov5s", V5_SOURCES),
        ("yolov5x@v2.0", V5_SOURCES),
        ("yolov5nu", V5_SOURCES),
        ("yolov5s6", P6_SOURCES),
        ("yolov5s6@v5.0", P6_SOURCES),
        ("yolov8n", V8_SOURCES),
        ("yolov8s-p2", V8_P2_SOURCES),
        ("yolov8s-p6", V8_P6_SOURCES),
    ],
)
def test_rows_take_what_the_published_ones_take(name, sources):
    assert {layer.index: layer.sources for layer in layers(named(name)) if layer.sources != (-1,)} == sources


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("yolov5s", "Conv Conv C3 Conv C3 Conv C3 Conv C3 SPPF Conv Upsample Concat C3 Conv Upsample Concat C3"),
        ("yolov5s@v5.0", "Focus Conv C3 Conv C3 Conv C3 Conv SPP C3 Conv Upsample"),  # trap T4
        ("yolov5s@v3.1", "Focus Conv BottleneckCSP Conv BottleneckCSP Conv BottleneckCSP Conv SPP BottleneckCSP Conv"),
        ("yolov5s-transformer", "Conv Conv C3 Conv C3 Conv C3 Conv C3TR SPPF"),
        ("yolov5s-transformer@v5.0", "Focus Conv C3 Conv C3 Conv C3 Conv SPP C3TR"),
        (
            "yolov8n",
            "Conv Conv C2f Conv C2f Conv C2f Conv C2f SPPF Upsample Concat C2f Upsample Concat C2f Conv Concat C2f Conv Concat C2f Detect",
        ),
        ("yolov8n-p6", "Conv Conv C2f Conv C2f Conv C2f Conv C2f Conv C2f SPPF Upsample Concat C2 Upsample Concat C2"),
    ],
)
def test_modules_stand_in_the_published_order(name, modules):
    assert " ".join(layer.module for layer in layers(named(name))).startswith(modules)


@pytest.mark.parametrize(("name", "on"), [("yolov5s", {2, 4, 6, 8}), ("yolov5s@v5.0", {2, 4, 6}), ("yolov8n", {2, 4, 6, 8})])
def test_shortcuts_are_where_the_published_ones_are(name, on):
    said = {layer.index: [one for one in layer.arguments if isinstance(one, bool)] for layer in layers(named(name)) if layer.repeats > 0}
    csp = {layer.index for layer in layers(named(name)) if layer.module in ("C3", "C2f")}
    default = "v8" not in name
    assert {row for row in csp if (said[row] or [default])[0]} == on  # trap T2


def test_widths_and_strides_follow_from_row_to_row():
    for name in ("yolov5m", "yolov5m6@v5.0", "yolov5m@v1.0", "yolov8m", "yolov8m-p2", "yolov8m-p6"):
        rows = layers(named(name))
        for row in rows[:-1]:
            into = [rows[row.index - 1 if one == -1 else one] for one in row.sources] if row.index else []
            if row.module == "Concat":
                assert row.channels == sum(one.channels for one in into)
                assert {one.stride for one in into} == {row.stride}
            elif into and row.module != "Upsample":
                assert row.arguments[0] == into[0].channels
                assert row.arguments[1] == row.channels
                assert row.stride == into[0].stride * (2 if row.module == "Conv" and row.arguments[3] == 2 else 1)
            elif into:
                assert (row.channels, row.stride) == (into[0].channels, into[0].stride // 2)
        assert [rows[i].stride for i in rows[-1].sources] == list(named(name).strides)


def test_the_first_release_has_its_head_among_the_rows_of_the_neck():
    spec = named("yolov5s@v1.0")
    rows = of_v1(layers(spec))
    assert [row.index for row in rows] == list(range(28))
    assert {row.index: row.sources for row in rows if row.sources != (-1,)} == {
        **{12: (-1, 6), 16: (-1, 4), 20: (-1, 14), 24: (-1, 10)},
        **{19: (-2,), 23: (-2,), 27: (26, 22, 18)},  # trap T10
    }
    assert [row.module for row in rows[17:]] == (
        ["BottleneckCSP", "Conv2d", "Conv", "Concat", "BottleneckCSP", "Conv2d", "Conv", "Concat", "BottleneckCSP", "Conv2d", "Detect"]
    )
