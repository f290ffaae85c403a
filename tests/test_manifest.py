import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.errors import WeightsError
from wordbox.manifest import KEY, Manifest, Partner, Preprocessing, Thresholds, from_metadata
from wordbox.specs import NanoSpec

NANO = Manifest(
    name="wordbox-nano",
    names=("person", "red bus", "猫"),
    open=True,
    preprocessing=Preprocessing(size=512),
    spec=NanoSpec(),
    encoder=Partner(name="words.safetensors", sha256="ab" * 32),
    origin="somewhere",
    licence="Apache-2.0",
)
NO_NAMES = ("x" * 5000, "x" * 200, "\u732b" * 67, "../x", "..", ".", "", "a/b", "/x", "a\\b", "a\nb", "a\0b", "\ud800")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SIDE = st.integers(1, 16384)
UNIT = st.floats(0, 1)
MANIFESTS = st.builds(
    Manifest,
    name=TEXT,
    names=st.lists(TEXT, max_size=4).map(tuple),
    open=st.booleans(),
    preprocessing=st.builds(Preprocessing, size=SIDE | st.tuples(SIDE, SIDE), stride=st.integers(1, 1024), padding=st.integers(0, 255)),
    thresholds=st.builds(Thresholds, conf=UNIT, iou=UNIT),
    spec=st.none() | st.builds(NanoSpec, neck=st.integers(1, 512), leak=UNIT),
    encoder=st.none() | st.builds(Partner, name=st.just("words.bin"), sha256=TEXT),
    origin=TEXT,
    licence=TEXT,
)


@given(MANIFESTS)
def test_a_manifest_comes_back_equal(facts):
    assert from_metadata(facts.to_metadata() | {"another": "key"}, "file") == facts


@given(MANIFESTS)
def test_equal_manifests_are_equal_text(facts):
    assert replace(facts, names=facts.names).to_json() == facts.to_json()
    assert "\n" not in facts.to_json()


def test_letters_of_every_script_stay_readable():
    assert "猫" in NANO.to_json()


def test_a_file_without_a_manifest_has_none():
    assert from_metadata({}, "file") is None
    assert from_metadata({"format": "pt"}, "file") is None


def refusal(text):
    with pytest.raises(WeightsError, match=r"^folder/file: ") as caught:
        from_metadata({KEY: text}, "folder/file")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "7", "[]", '"text"', "{}", "[" * 100_000, '{"version":' + "9" * 5000 + "}", "\x00"],
    ids=lambda text: repr(text[:9]),
)
def test_what_is_no_manifest_is_refused(text):
    refusal(text)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_is_named(version):
    assert f"version {version}" in refusal(json.dumps(json.loads(NANO.to_json()) | {"version": version}))


@pytest.mark.parametrize("field", ["name", "names", "open", "preprocessing", "thresholds", "spec", "encoder", "version"])
def test_a_field_that_is_missing_is_named(field):
    fields = json.loads(NANO.to_json())
    del fields[field]
    assert field in refusal(json.dumps(fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None),
        ("names", "person"),
        ("names", [1, 2]),
        ("names", {"0": "person"}),
        ("names", None),
        ("open", "yes"),
        ("open", 1),
        ("origin", ["a"]),
        ("licence", None),
        ("weights", "more"),
        ("spec", []),
        ("spec", "nano"),
        ("spec", {"family": "later"}),
        ("encoder", "words"),
        ("encoder", {"name": "words"}),
        ("encoder", {"name": "../../words", "sha256": ""}),
        ("encoder", {"name": "/etc/passwd", "sha256": ""}),
        ("encoder", {"name": "", "sha256": None}),
        ("encoder", {"name": 7, "sha256": ""}),
        *(("encoder", {"name": name, "sha256": ""}) for name in NO_NAMES),
        *(("words_from", {"name": name, "sha256": ""}) for name in (*NO_NAMES, 7, None)),
        ("words_from", {"name": "clip", "sha256": 0}),
        ("words_from", {"name": "clip", "sha256": "\n"}),
        ("words_from", "clip"),
        *(("background", value) for value in (0, [], False, {}, ["a"], "x" * 10_001, "\ud800")),
        ("thresholds", None),
        ("thresholds", {"conf": 2}),
        ("thresholds", {"conf": "0.5"}),
        ("thresholds", {"conf": [0.5]}),
        ("thresholds", {"conf": float("nan")}),
        ("thresholds", {"cnof": 0.5}),
        *(
            ("preprocessing", {"size": size})
            for size in ("512", [512], [1, 2, 3], [640, "640"], 0, -1, 512.0, 10**9, [10**9, 1], None, True)
        ),
        *(("preprocessing", {"size": 512} | other) for other in ({"stride": 0}, {"stride": "32"}, {"padding": 256}, {"colour": "bgr"})),
        ("preprocessing", {}),
        ("preprocessing", 512),
    ],
    ids=repr,
)
def test_a_field_that_cannot_be_is_refused(field, value):
    refusal(json.dumps(json.loads(NANO.to_json()) | {field: value}))
