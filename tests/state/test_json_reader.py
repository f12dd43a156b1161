"""Reading JSON from outside: every wrong type is an error with its place."""

from collections.abc import Callable

import pytest

from agent.errors import RecordError
from agent.state.json_reader import JsonReader

WORD = {
    "word": "a",
    "number": 1.5,
    "whole": 5,
    "flag": True,
    "part": {"word": "b"},
    "parts": [{"word": "c"}],
    "words": ["d"],
}


def test_fields_are_read() -> None:
    reader = JsonReader(WORD, "here")

    assert (reader.text("word"), reader.number("number"), reader.number("whole"), reader.boolean("flag")) == (
        "a",
        1.5,
        5,
        True,
    )
    assert reader.child("part").text("word") == "b"
    assert [part.text("word") for part in reader.children("parts")] == ["c"]
    assert (reader.texts("words"), reader.count("parts")) == (["d"], 1)
    assert reader.raw == WORD


def test_a_list_that_an_older_record_lacks_is_empty() -> None:
    assert list(JsonReader({}, "here").optional_children("parts")) == []
    assert [part.text("word") for part in JsonReader(WORD, "here").optional_children("parts")] == ["c"]


def test_an_optional_field_is_none_if_null_or_absent() -> None:
    reader = JsonReader({"null": None, "word": "a", "part": {"word": "b"}}, "here")

    assert reader.optional_text("null") is reader.optional_text("absent") is None
    assert reader.optional_child("null") is reader.optional_child("absent") is None
    assert reader.optional_text("word") == "a"
    assert (reader.optional_child("part") or reader).text("word") == "b"


_READ: dict[str, tuple[Callable[[JsonReader], object], str, list[object]]] = {
    "text": (lambda reader: reader.text("key"), "a string", [None, 5, True, [], {}]),
    "maybe_text": (lambda reader: reader.optional_text("key"), "a string", [5, False, [], {}]),
    "number": (lambda reader: reader.number("key"), "a number", [None, "5", True, False, [], {}]),
    "flag": (lambda reader: reader.boolean("key"), "true or false", [None, 0, 1, "true", [], {}]),
    "part": (lambda reader: reader.child("key"), "an object", [None, 5, "a", [], True]),
    "maybe_part": (lambda reader: reader.optional_child("key"), "an object", [5, "a", [], False]),
    "parts": (lambda reader: list(reader.children("key")), "a list", [None, 5, "a", {}]),
    "maybe_parts": (lambda reader: list(reader.optional_children("key")), "a list", [5, "a", {}]),
    "count": (lambda reader: reader.count("key"), "a list", [None, 5, "a", {}]),
    "texts": (lambda reader: reader.texts("key"), "a list", [None, 5, "a", {}, [5], ["a", None]]),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, _, values) in _READ.items() for value in values], ids=str
)
def test_a_wrong_type_is_an_error_with_place_and_expected_type(name: str, value: object) -> None:
    read, wanted, _ = _READ[name]

    with pytest.raises(RecordError) as caught:
        read(JsonReader({"key": value}, "here"))

    assert str(caught.value).startswith("here: key: ")
    assert f"{wanted} was expected" in str(caught.value) or f"{wanted} of strings was expected" in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, "a", [], True])
def test_a_document_that_is_not_an_object_is_an_error(value: object) -> None:
    with pytest.raises(RecordError, match="here: an object was expected, found"):
        JsonReader(value, "here")


def test_a_nested_error_names_its_path() -> None:
    reader = JsonReader({"lists": {"errors": [{"source": "a"}, 5]}}, "state.json")

    with pytest.raises(RecordError, match=r"^state\.json: lists: errors\[1\]: an object was expected, found int '5'$"):
        list(reader.child("lists").children("errors"))


def test_an_error_shows_only_the_beginning_of_a_long_value() -> None:
    with pytest.raises(RecordError) as caught:
        JsonReader({"key": ["x" * 10_000]}, "here").text("key")

    assert len(str(caught.value)) < 200
