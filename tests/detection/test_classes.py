"""Classes by name or position; what is unknown is answered with what is near."""

import pytest

from wordbox.detection.classes import chosen
from wordbox.errors import VocabularyError

WORDS = ("person", "Traffic Light", "7", "bus")


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        (["person"], [0]),
        ([" traffic  LIGHT", "bus"], [1, 3]),
        ([0, 3, 3], [0, 3]),
        (["3", 1], [1, 3]),
        (["7"], [2]),  # a name, though it could be a position
        ([], []),
    ],
)
def test_names_and_positions(classes, wanted):
    assert chosen(classes, WORDS).nonzero()[0].tolist() == wanted


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("persn", "did you mean 'person'?"),
        ("trafic light", "did you mean 'Traffic Light'?"),
        ("zebra", "expected some of person, Traffic Light, 7, bus"),
        (4, "a position from 0 to 3"),
        (-1, "a position from 0 to 3"),
        ("99", "a position from 0 to 3"),
        ("9" * 5000, "none of the labels"),
    ],
)
def test_what_is_unknown_is_refused_in_one_line(wrong, said):
    with pytest.raises(VocabularyError) as caught:
        chosen([wrong], WORDS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
