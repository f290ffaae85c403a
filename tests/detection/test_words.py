"""Words as people type them find the same things; labels come back letter by letter."""

import pytest

CONF = 0.05


def finds(detector, photo, words, rename=None):
    """(label, score, box) of everything found, in an order of its own."""
    found = detector.detect(photo, words=words, conf=CONF)
    return sorted(((rename or {}).get(d.label, d.label), round(d.score, 3), tuple(round(side) for side in d.box)) for d in found)


@pytest.mark.parametrize(
    ("typed", "plain", "rename"),
    [
        (" Cup ,TABLE ", "cup,table", {"Cup": "cup", "TABLE": "table"}),
        ("table, cup", "cup, table", None),
        ("cup,,table, ", "cup, table", None),
        ("cup\ntable", "cup, table", None),
        (["cup", "table"], "cup, table", None),
        ({"cup": "cup", "table": ["table"]}, "cup, table", None),
        ("the cup, a table", "cup, table", {"the cup": "cup", "a table": "table"}),
        ("cups", "cup", {"cups": "cup"}),
    ],
)
def test_the_same_words_written_otherwise_find_the_same(detector, photo, typed, plain, rename):
    expected = finds(detector, photo, plain)
    assert expected
    assert finds(detector, photo, typed, rename) == expected


def test_labels_are_letter_by_letter_what_was_typed(detector, photo):
    words = ["cup", "traffic-light/stop sign.", "Tisch 🍽", "자동차", "  spaced   out "]
    found = detector.detect(photo, words=words, conf=0.01)
    assert found.words == ("cup", "traffic-light/stop sign.", "Tisch 🍽", "자동차", "spaced   out")
    assert {d.label for d in found} <= set(found.words)


def test_one_word_finds_nothing_else(detector, photo):
    assert {d.label for d in detector.detect(photo, words="cup", conf=CONF)} == {"cup"}


def test_a_word_that_nobody_knows_is_named_and_finds_nothing_even_at_zero(detector, photo, caplog):
    found = detector.detect(photo, words=["cup", "자동차"], conf=0.0)
    assert "자동차" in caplog.text
    assert {d.label for d in found} == {"cup"}


def test_many_words_at_once(detector, photo):
    words = [f"thing number {i}" for i in range(1999)] + ["cup"]
    found = detector.detect(photo, words=words)
    assert found.words[-1] == "cup"
    assert detector.detect(photo, words="cup")[0].boxes == pytest.approx(found[found.labels == 1999][0].boxes, abs=1e-3)
