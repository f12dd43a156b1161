"""Frozen values of the core as JSON and back, field by field, for documents that only the agent reads. Pure.

A value is decoded by the annotations of its class, so a field that is added to a class needs no line here. Each value
comes back equal to what it was. A document of another shape is a RecordError.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin

from agent.core.frozen import field_types
from agent.errors import RecordError

_TIME = "time"


def value_to_json(value: object) -> object:
    """Return a frozen value (`agent.core.frozen`) of enums, tuples, times, texts, numbers and None as JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    if isinstance(value, tuple):
        return [value_to_json(one) for one in value]
    if names := field_types(type(value)):
        return {name: value_to_json(getattr(value, name)) for name in names}
    return value


def value_from_json(kind: Any, found: object) -> Any:
    """Return the value of a type, which may be annotated `str | None` or `tuple[Step, ...]`.

    Raises:
        RecordError: the JSON has another shape.
    """
    if isinstance(kind, UnionType):
        return _one_of(get_args(kind), found)
    if get_origin(kind) is tuple and isinstance(found, list):
        return tuple(value_from_json(get_args(kind)[0], one) for one in found)
    if kind is datetime and isinstance(found, Mapping):
        return _time(found)
    if isinstance(kind, type) and field_types(kind) and isinstance(found, Mapping):
        return _frozen(kind, found)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, found)
    if kind in {str, int, bool, type(None)} and type(found) is kind:
        return found
    raise RecordError(f"{kind} was expected, found {type(found).__name__}")


def _one_of(kinds: tuple[Any, ...], found: object) -> Any:
    for kind in kinds:
        try:
            return value_from_json(kind, found)
        except RecordError:
            continue
    raise RecordError(f"one of {kinds} was expected, found {type(found).__name__}")


def _frozen(kind: type, found: Mapping[str, object]) -> Any:
    named = field_types(kind)
    if named.keys() != found.keys():
        raise RecordError(f"{kind.__name__} has other fields")
    return kind(**{name: value_from_json(type_, found[name]) for name, type_ in named.items()})


def _enum(kind: type[Enum], found: object) -> Enum:
    try:
        return kind(found)
    except ValueError as error:
        raise RecordError(f"{found!r} is no {kind.__name__}") from error


def _time(found: Mapping[str, object]) -> datetime:
    try:
        return datetime.fromisoformat(str(found[_TIME]))
    except (KeyError, ValueError) as error:
        raise RecordError("a time was expected") from error
