"""When two class names are one."""

from hypothesis import given
from hypothesis import strategies as st

from wordbox.data.records import name_key


@given(st.text(), st.sampled_from(["", " ", "\t", "  \n"]))
def test_spaces_around_and_case_make_no_difference(name: str, space: str) -> None:
    assert name_key(f"{space}{name}{space}") == name_key(name)
    assert name_key(name_key(name)) == name_key(name)


def test_what_differs_in_letters_stays_apart() -> None:
    assert name_key("Traffic  Light ") == name_key("traffic light")
    assert name_key("traffic_light") != name_key("traffic light")
    assert name_key("STRASSE") == name_key("Straße")
