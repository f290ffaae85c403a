"""The published sizes, against the integers of the specification (yolov5-yolov8.md, 1.9, 4.3, 4.12, T20)."""

import math
from dataclasses import replace

import pytest

from wordbox import variants
from wordbox.arrays import arrays
from wordbox.errors import WeightsError
from wordbox.specs import AnchorHead, DistributionHead, NanoSpec, Yolov5Spec, Yolov8Spec, alike, is_open

OLD = {"s": 7_468_157, "m": 21_805_053, "l": 47_818_749, "x": 88_965_245}
MIDDLE = {"s": 7_276_605, "m": 21_375_645, "l": 47_056_765, "x": 87_775_965}
MIDDLE6 = {"s6": 12_667_836, "m6": 35_917_020, "l6": 77_263_228, "x6": 141_821_340}
NEW = {"n": 1_872_157, "s": 7_235_389, "m": 21_190_557, "l": 46_563_709, "x": 86_749_405}
NEW6 = {"n6": 3_246_940, "s6": 12_626_620, "m6": 35_731_932, "l6": 76_770_172, "x6": 140_794_780}
BY_TAG = {
    **dict.fromkeys(("v1.0", "v2.0", "v3.0", "v3.1"), OLD),
    "v4.0": MIDDLE,
    "v5.0": MIDDLE | MIDDLE6,
    **dict.fromkeys(("v6.0", "v6.1", "v6.2", "v7.0"), NEW | NEW6),
}
PARAMETERS = {
    **{f"yolov5{size}@{tag}": count for tag, sizes in BY_TAG.items() for size, count in sizes.items()},
    **{f"yolov5{size}": count for size, count in (NEW | NEW6).items()},
    **{f"yolov5{size}-leakyrelu": count for size, count in NEW.items()},
    "yolov5s-transformer": 7_235_645,
    "yolov5s-transformer@v5.0": 7_276_861,
    "yolov5nu": 2_654_816,
    "yolov5su": 9_153_152,
    "yolov5mu": 25_111_456,
    "yolov5lu": 53_225_024,
    "yolov5xu": 97_276_448,
    "yolov5n6u": 4_334_896,
    "yolov5s6u": 15_309_328,
    "yolov5m6u": 41_222_064,
    "yolov5l6u": 86_099_920,
    "yolov8n": 3_157_200,
    "yolov8s": 11_166_560,
    "yolov8m": 25_902_640,
    "yolov8l": 43_691_520,
    "yolov8x": 68_229_648,
    "yolov8n-p2": 3_354_144,
    "yolov8s-p2": 10_884_336,
    "yolov8m-p2": 25_082_496,
    "yolov8l-p2": 42_888_080,
    "yolov8x-p2": 66_637_536,
    "yolov8n-p6": 4_984_352,
    "yolov8s-p6": 17_911_792,
    "yolov8m-p6": 44_887_488,
    "yolov8l-p6": 62_384_016,
    "yolov8x-p6": 97_423_072,
    # spec yolo-world.md, section 1.4, the 16 constants of the bins included
    "yolov8n-world": 4_204_111,
    "yolov8s-world": 13_383_496,
    "yolov8m-world": 29_065_310,
    "yolov8l-world": 47_553_970,
    "yolov8x-world": 73_690_217,
    "yolov8n-worldv2": 3_695_183,
    "yolov8s-worldv2": 12_759_880,
    "yolov8m-worldv2": 28_376_158,
    "yolov8l-worldv2": 46_832_050,
    "yolov8x-worldv2": 72_886_377,
    "yolov8xl-worldv2": 104_679_712,
    "yolov8l-worldv2-clip-large": 19_808_576 + 21_272_220 + 6_179_526 + 16,
}
UNCOUNTED = {  # the specification has no figure of theirs
    "yolov5x6u",
    "yolov8xl-world",
    *(f"yolov5{size}-transformer" for size in "nmlx"),
    *(f"yolov8{size}-world-clip-large" for size in ("n", "s", "m", "l", "x", "xl")),
    *(f"yolov8{size}-worldv2-clip-large" for size in ("n", "s", "m", "x", "xl")),
}


def parameters(spec):
    return sum(math.prod(one.shape) for one in arrays(spec) if not one.is_statistic)


def test_every_network_is_counted():
    assert {*variants.names()} - {"wordbox-nano"} - PARAMETERS.keys() == UNCOUNTED


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters_are_the_published_ones(name, count):
    assert parameters(variants.named(name)) == count


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (variants.yolov5("s", classes=1), 7_022_326),
        (variants.yolov5("s", classes=20), 7_073_569),
        (variants.yolov5("s", classes=251, p6=True), 27_081_664),  # trap T20
        (variants.yolov8("n", classes=128), 3_354_624),
        (replace(variants.yolov8("n", classes=128), widths=(16, 128, 64, 128, 256)), 3_532_032),  # the same in releases up to 8.3.0
        (variants.yolov8("n", classes=512), 3_470_976),
        (replace(variants.yolov8("n", classes=512), widths=(16, 32, 64, 512, 256)), 14_000_256),
        (replace(variants.yolov8("n"), head=replace(variants.yolov8("n").head, depthwise=True)), 2_724_448),  # trap T14
        (replace(variants.yolov8("s"), head=replace(variants.yolov8("s").head, depthwise=True)), 9_869_920),
    ],
)
def test_parameters_with_other_classes_and_quirks(spec, count):
    assert parameters(spec) == count


@pytest.mark.parametrize(
    ("tag", "facts"),
    [
        ("v1.0", ("focus", "BottleneckCSP", "LeakyReLU", "SPP", (5, 9, 13), True)),
        ("v2.0", ("focus", "BottleneckCSP", "LeakyReLU", "SPP", (5, 9, 13), True)),
        ("v3.0", ("focus", "BottleneckCSP", "Hardswish", "SPP", (5, 9, 13), True)),
        ("v3.1", ("focus", "BottleneckCSP", "Hardswish", "SPP", (5, 9, 13), True)),
        ("v4.0", ("focus", "C3", "SiLU", "SPP", (5, 9, 13), True)),
        ("v5.0", ("focus", "C3", "SiLU", "SPP", (5, 9, 13), True)),
        ("v6.0", ("conv", "C3", "SiLU", "SPPF", (5,), False)),
        ("v7.0", ("conv", "C3", "SiLU", "SPPF", (5,), False)),
    ],
)
def test_generations_differ_as_published(tag, facts):
    spec = variants.named(f"yolov5s@{tag}")
    assert (spec.stem, spec.csp, spec.activation, spec.pool, spec.pool_sides, spec.pool_first) == facts
    assert (spec.csp_activation, spec.leak, spec.norm_epsilon) == ("LeakyReLU", 0.1, 0.001)  # traps T1, T9
    assert spec.repeats == ((1, 3, 3, 1) if spec.stem == "focus" else (1, 2, 3, 1))  # trap T6


def test_four_levels_have_their_own_pools_and_anchors():
    old, new = variants.named("yolov5s6@v5.0"), variants.named("yolov5s6")
    assert old.pool_sides == (3, 5, 7)  # trap T5
    assert new.pool_sides == (5,)
    for spec in (old, new):
        assert spec.strides == (8, 16, 32, 64)
        assert spec.head.anchors[3] == ((436, 615), (739, 380), (925, 792))


def test_names_are_read_in_any_case():
    assert variants.named("YOLOv5S@V3.1") == variants.named("yolov5s@v3.1")
    assert variants.named("yolov5s-LeakyReLU").activation == "LeakyReLU"
    assert variants.named("YOLOv8N-P2") == variants.yolov8("n", levels="p2")
    assert variants.named("yolov5s") == variants.named("yolov5s@v7.0")
    assert variants.named("wordbox-nano") == NanoSpec()


def test_every_name_gives_a_network_of_that_many_classes():
    for name in variants.names()[1:]:
        spec = variants.named(name, 7)
        if "world" in name:
            assert is_open(spec)
            assert (spec.version, spec.embedding) == ("v2" if "v2" in name else "v1", 768 if name.endswith("clip-large") else 512)
            continue
        assert isinstance(spec, Yolov5Spec | Yolov8Spec)
        assert spec.classes == 7
        assert isinstance(
            spec.head, DistributionHead if "yolov8" in name or "u" in name.removeprefix("yolov5").partition("-")[0] else AnchorHead
        )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("yolov5", "nearest are"),
        ("yolov5q", "yolov5"),
        ("yolov9c", "yolov"),
        ("", "nearest"),
        ("zebra", "yolov5s, yolov8n"),
        ("yolov5n@v5.0", "v5.0 has no network n; it has s, m, l, x"),
        ("yolov5s6@v4.0", "no network s6"),
        ("yolov5s@v9.0", "v9.0"),
        ("yolov5su@v7.0", "without them"),
        ("yolov5su-transformer", "without them"),
        ("yolov8n-p7", "nearest"),
        ("yolov8n@v7.0", "nearest"),
        ("yolov8s-worldv3", "yolov8s-worldv2"),
    ],
)
def test_what_is_no_network_is_named_with_the_nearest(name, said):
    with pytest.raises(WeightsError, match=said) as caught:
        variants.named(name)
    assert "\n" not in str(caught.value)


def test_halves_are_rounded_to_the_even_number():
    assert [variants.repeated(n, depth) for n, depth in ((9, 0.5), (3, 0.5), (3, 0.33), (1, 0.1), (3, 0.1))] == [4, 2, 1, 1, 1]  # trap T15
    assert [variants.rounded(c) for c in (16.0, 17, 8.1, 7)] == [16, 24, 16, 8]


def test_a_network_is_called_by_its_published_name_whatever_it_was_trained_on():
    for name in variants.names():
        spec = variants.named(name, 7)
        known = variants.called(spec)
        assert known is not None
        assert alike(variants.named(known, 7 if name != "wordbox-nano" else 80), spec)
    assert variants.called(variants.named("yolov5s@v6.1")) == "yolov5s"
    assert variants.called(variants.named("yolov5s@v3.1", 3)) == "yolov5s@v3.0"
    assert variants.called(replace(variants.named("yolov8n"), activation="Mish")) is None
