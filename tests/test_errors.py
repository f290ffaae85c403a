import inspect
import json

import pytest

from wordbox import errors

PARENTS = {
    errors.InputError: ValueError,
    errors.ImageError: errors.InputError,
    errors.SourceError: errors.InputError,
    errors.VocabularyError: errors.InputError,
    errors.DatasetError: errors.InputError,
    errors.WeightsError: ValueError,
    errors.EngineError: RuntimeError,
    errors.MissingExtraError: ImportError,
}


def test_every_error_is_one_of_the_family_and_what_a_caller_expects():
    found = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)}
    assert found == {errors.WordboxError, *PARENTS}
    for kind, parent in PARENTS.items():
        assert issubclass(kind, errors.WordboxError)
        assert issubclass(kind, parent)


def test_the_tree_in_the_docstring_is_whole():
    assert all(kind.__name__ in errors.__doc__ for kind in PARENTS)


def test_a_missing_extra_says_what_installs_it():
    with pytest.raises(errors.MissingExtraError) as caught:
        errors.extra_module("surely_not_installed.part", "evaluate")
    assert "the package surely_not_installed is not installed" in str(caught.value)
    assert "pip install 'wordbox[evaluate]'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


def test_an_extra_that_is_there_is_given():
    assert errors.extra_module("json", "evaluate") is json


def test_a_message_is_one_printable_line_whatever_it_quotes():
    for kind in (errors.WordboxError, errors.WeightsError, errors.MissingExtraError, errors.EngineError):
        assert str(kind("storage \n\x1b[31m of caf\ud800é")) == "storage \\n\\x1b[31m of caf\\ud800é"
