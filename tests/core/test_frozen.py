"""`@frozen` makes the same values as a frozen, slotted dataclass with keyword-only fields."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from agent.core.frozen import field, field_types, frozen, replace


@frozen
class Point:
    """Two fields, of which one has a default."""

    x: int
    y: int = 0


@frozen
class Named(Point):
    """More of them, one with a default of its own for each value and one that is not shown."""

    names: dict[str, int] = field(default_factory=dict)
    hidden: str = field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The same as a dataclass."""

    x: int
    y: int = 0
    names: dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: str = dataclasses.field(default="", repr=False)


def _pickled(value: Named) -> Named:
    copied: Named = pickle.loads(pickle.dumps(value))  # noqa: S301 - written on the line itself
    return copied


def test_values_are_equal_where_class_and_fields_are() -> None:
    assert Named(x=1) == Named(x=1, y=0, names={}, hidden="")
    assert Named(x=1) != Named(x=2)
    assert Point(x=1) != Named(x=1)
    assert {Point(x=1): "found"}[Point(x=1, y=0)] == "found"


def test_each_value_has_its_own_default_of_a_factory() -> None:
    assert Named(x=1).names is not Named(x=1).names


def test_a_value_shows_its_fields_as_a_dataclass_does() -> None:
    assert repr(Named(x=1, hidden="no")) == repr(Twin(x=1, hidden="no")).replace("Twin", "Named")


@pytest.mark.parametrize("name", ["x", "names", "unknown"])
def test_a_value_cannot_be_changed(name: str) -> None:
    value = Named(x=1)

    with pytest.raises(AttributeError):
        setattr(value, name, 2)
    with pytest.raises(AttributeError):
        delattr(value, name)
    assert value == Named(x=1)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}, {"y": 1, "z": 2}])
def test_wrong_names_are_a_type_error(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Point(**given)
    with pytest.raises(TypeError):
        Twin(**given)


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_a_value_with_other_fields_keeps_the_rest(change: Callable[..., Named]) -> None:
    assert change(Named(x=1, hidden="a"), y=2) == Named(x=1, y=2, hidden="a")
    with pytest.raises(TypeError):
        change(Named(x=1), unknown=1)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, _pickled],
    ids=["copy", "deep", "pickle"],
)
def test_a_copy_is_equal(copied: Callable[[Named], Named]) -> None:
    assert copied(Named(x=1, names={"a": 1})) == Named(x=1, names={"a": 1})


def test_the_functions_of_dataclasses_take_it_for_one() -> None:
    assert [one.name for one in dataclasses.fields(Named)] == [one.name for one in dataclasses.fields(Twin)]
    assert dataclasses.asdict(Named(x=1)) == dataclasses.asdict(Twin(x=1))
    assert dataclasses.is_dataclass(Named)


def test_its_fields_have_the_annotated_types() -> None:
    assert field_types(Named) == {one.name: one.type for one in dataclasses.fields(Named)}
    assert field_types(Named) == {"x": int, "y": int, "names": dict[str, int], "hidden": str}
    assert field_types(int) == {}
