"""Frozen values: `@frozen` is `@dataclass(frozen=True, slots=True, kw_only=True)` without what that costs at import.

`dataclasses` writes and compiles the source of six methods for each class, and imports `inspect`: half of the time that
it took to import a check, which never makes a value of most of its 215 classes. Here all classes share their methods.
To type checkers (frozen.pyi), to `dataclasses.replace` and to `dataclasses.fields` they are dataclasses.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

_NOTHING = object()
"""The default of a field that has none."""


class _Field:
    """What is said of a field besides its name and type."""

    __slots__ = ("default", "default_factory", "shown")

    def __init__(self, default: object, default_factory: Callable[[], object] | None, *, shown: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.shown = shown


def field(
    *,
    default: object = _NOTHING,
    default_factory: Callable[[], object] | None = None,
    repr: bool = True,  # noqa: A002 - its name in `dataclasses.field`
) -> Any:
    """Return a default that is made for each value, or is left out of its representation, as `dataclasses.field`."""
    return _Field(default, default_factory, shown=repr)


def frozen(cls: type) -> type:
    """Return the class with a slot for each annotated name behind those of its bases, and with its methods.

    A value is made with names only and cannot be changed. It equals another one of the same class with equal fields.
    """
    inherited = {name: one for base in reversed(cls.__bases__) for name, one in _fields(base).items()}
    own = {name: _as_field(cls.__dict__.get(name, _NOTHING)) for name in cls.__annotations__}
    fields = {**inherited, **own}
    body = {name: value for name, value in cls.__dict__.items() if name not in {*own, "__dict__", "__weakref__"}}
    made = type(cls)(
        cls.__name__,
        cls.__bases__,
        {
            **_METHODS,
            **body,
            "__slots__": tuple(name for name in own if name not in inherited),
            "__hash__": body.get("__hash__") or _hash,  # Python sets it to None where there is an __eq__
            "__dataclass_fields__": _DataclassFields(),
            "_frozen_fields": fields,
            "_frozen_values": staticmethod(attrgetter(*fields) if fields else _no_values),
        },
    )
    type.__setattr__(made, "__init__", _init(made, fields))
    return made


def replace(value: Any, /, **changes: object) -> Any:
    """Return a value with other values of these fields, as `dataclasses.replace`."""
    kept = {name: getattr(value, name) for name in _fields(value.__class__) if name not in changes}
    return value.__class__(**kept, **changes)


def field_types(cls: type) -> Mapping[str, Any]:
    """Return the annotations of a frozen class's fields by name; empty for any other class."""
    annotated = {name: one for base in reversed(cls.__mro__) if _fields(base) for name, one in _annotations(base)}
    return {name: annotated[name] for name in _fields(cls)}


def _annotations(cls: type) -> Iterable[tuple[str, Any]]:
    """Return those of the class itself: from Python 3.14 on they are not in its `__dict__`."""
    return cls.__annotations__.items()


def _fields(cls: type) -> Mapping[str, _Field]:
    found: Mapping[str, _Field] = getattr(cls, "_frozen_fields", {})
    return found


def _as_field(default: object) -> _Field:
    return default if isinstance(default, _Field) else _Field(default, None, shown=True)


def _init(cls: type, fields: Mapping[str, _Field]) -> Callable[..., None]:
    """Return the method that makes a value. The slots' own setters are what `__setattr__` cannot refuse."""
    setters = tuple((name, getattr(cls, name).__set__) for name in fields)
    defaults = {name: one.default for name, one in fields.items() if one.default is not _NOTHING}
    factories = {name: one.default_factory for name, one in fields.items() if one.default_factory is not None}

    def __init__(self: object, /, **given: object) -> None:  # noqa: N807 - it becomes the method
        values = {**defaults, **given}
        for name, make in factories.items():
            if name not in values:
                values[name] = make()
        if len(values) != len(setters):
            raise TypeError(_wrong_names(cls, fields, values))
        try:
            for name, put in setters:
                put(self, values[name])
        except KeyError:
            raise TypeError(_wrong_names(cls, fields, values)) from None

    return __init__


def _wrong_names(cls: type, fields: Mapping[str, _Field], values: Mapping[str, object]) -> str:
    unknown = [name for name in values if name not in fields]
    missing = [name for name in fields if name not in values]
    wrong = f"unexpected argument {unknown[0]!r}" if unknown else f"missing arguments {', '.join(missing)}"
    return f"{cls.__name__}() got {wrong}" if unknown else f"{cls.__name__}(): {wrong}"


def _no_values(_value: object) -> tuple[()]:
    return ()


def _eq(self: Any, other: Any) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return bool(self._frozen_values(self) == self._frozen_values(other))


def _hash(self: Any) -> int:
    return hash(self._frozen_values(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in self._frozen_fields.items() if one.shown)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: object, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be changed")


def _state(self: Any) -> Mapping[str, object]:
    return {name: getattr(self, name) for name in self._frozen_fields}


def _restore(self: Any, state: Mapping[str, object]) -> None:
    self.__init__(**state)


_METHODS = {
    "__eq__": _eq,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
    "__match_args__": (),
}


class _DataclassFields:
    """`__dataclass_fields__`, which the functions of `dataclasses` read: made when one of them first asks.

    They are those of a dataclass with the same fields, so that nothing here depends on how they look.
    """

    def __get__(self, _value: object, cls: Any) -> object:
        dataclasses = importlib.import_module("dataclasses")
        types = field_types(cls)
        fields = [(name, types[name], _dataclass_field(dataclasses, one)) for name, one in _fields(cls).items()]
        return dataclasses.make_dataclass(cls.__name__, fields, kw_only=True).__dataclass_fields__


def _dataclass_field(dataclasses: Any, one: _Field) -> object:
    options: dict[str, object] = {"repr": one.shown}
    if one.default_factory is not None:
        options["default_factory"] = one.default_factory
    elif one.default is not _NOTHING:
        options["default"] = one.default
    return dataclasses.field(**options)
