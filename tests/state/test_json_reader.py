"""Documents from outside: what is there is read, and what is not is a clear error."""

from collections.abc import Callable

import pytest

from agent.errors import RecordError
from agent.state.json_reader import Reader

WORD = {
    "word": "a",
    "number": 1.5,
    "whole": 5,
    "flag": True,
    "part": {"word": "b"},
    "parts": [{"word": "c"}],
    "words": ["d"],
}


def test_what_is_there_is_read() -> None:
    reader = Reader(WORD, "here")

    assert (reader.text("word"), reader.number("number"), reader.number("whole"), reader.flag("flag")) == (
        "a",
        1.5,
        5,
        True,
    )
    assert reader.part("part").text("word") == "b"
    assert [part.text("word") for part in reader.parts("parts")] == ["c"]
    assert (reader.texts("words"), reader.count("parts")) == (["d"], 1)
    assert reader.raw == WORD


def test_a_list_that_an_older_record_lacks_is_empty() -> None:
    assert list(Reader({}, "here").maybe_parts("parts")) == []
    assert [part.text("word") for part in Reader(WORD, "here").maybe_parts("parts")] == ["c"]


def test_what_may_be_missing_is_none_where_it_is_null_or_absent() -> None:
    reader = Reader({"null": None, "word": "a", "part": {"word": "b"}}, "here")

    assert reader.maybe_text("null") is reader.maybe_text("absent") is None
    assert reader.maybe_part("null") is reader.maybe_part("absent") is None
    assert reader.maybe_text("word") == "a"
    assert (reader.maybe_part("part") or reader).text("word") == "b"


_READ: dict[str, tuple[Callable[[Reader], object], str, list[object]]] = {
    "text": (lambda reader: reader.text("key"), "a string", [None, 5, True, [], {}]),
    "maybe_text": (lambda reader: reader.maybe_text("key"), "a string", [5, False, [], {}]),
    "number": (lambda reader: reader.number("key"), "a number", [None, "5", True, False, [], {}]),
    "flag": (lambda reader: reader.flag("key"), "true or false", [None, 0, 1, "true", [], {}]),
    "part": (lambda reader: reader.part("key"), "an object", [None, 5, "a", [], True]),
    "maybe_part": (lambda reader: reader.maybe_part("key"), "an object", [5, "a", [], False]),
    "parts": (lambda reader: list(reader.parts("key")), "a list", [None, 5, "a", {}]),
    "maybe_parts": (lambda reader: list(reader.maybe_parts("key")), "a list", [5, "a", {}]),
    "count": (lambda reader: reader.count("key"), "a list", [None, 5, "a", {}]),
    "texts": (lambda reader: reader.texts("key"), "a list", [None, 5, "a", {}, [5], ["a", None]]),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, _, values) in _READ.items() for value in values], ids=str
)
def test_another_shape_is_an_error_that_says_where_and_what_was_expected(name: str, value: object) -> None:
    read, wanted, _ = _READ[name]

    with pytest.raises(RecordError) as caught:
        read(Reader({"key": value}, "here"))

    assert str(caught.value).startswith("here: key: ")
    assert f"{wanted} was expected" in str(caught.value) or f"{wanted} of strings was expected" in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, "a", [], True])
def test_a_document_that_is_no_object_is_an_error(value: object) -> None:
    with pytest.raises(RecordError, match="here: an object was expected, found"):
        Reader(value, "here")


def test_an_error_inside_says_the_way_to_it() -> None:
    reader = Reader({"lists": {"errors": [{"source": "a"}, 5]}}, "state.json")

    with pytest.raises(RecordError, match=r"^state\.json: lists: errors\[1\]: an object was expected, found int '5'$"):
        list(reader.part("lists").parts("errors"))


def test_an_error_shows_only_the_beginning_of_what_was_found() -> None:
    with pytest.raises(RecordError) as caught:
        Reader({"key": ["x" * 10_000]}, "here").text("key")

    assert len(str(caught.value)) < 200
