"""Reads the configuration: one TOML file."""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

from endpoint.config.checks import checked
from endpoint.config.model import Config
from endpoint.config.people import read_group_rights
from endpoint.core.locks import is_group
from endpoint.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

_KINDS = {int: "a whole number", str: "text", bool: "true or false"}
DEFAULT_PATH = Path("/etc/maestro-endpoint/config.toml")


def read_config(path: Path | None) -> Config:
    """Read a file; None: the default file, which may be missing.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an invalid setting.
    """
    file = path or DEFAULT_PATH
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if path is not None:
            raise ConfigError(f"{file}: does not exist") from error
        tables = {}
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error
    try:
        config: Config = _table(Config, tables, "")
        return checked(config)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def _table(kind: Any, raw: object, place: str) -> Any:
    if not isinstance(raw, dict):
        raise ConfigError(f"{place.rstrip('.')}: must be a table")
    known = {part.name: part for part in fields(kind)}
    for name in raw:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ConfigError(f"{place}{name}: no such setting{f'; did you mean {near[0]}?' if near else ''}")
    defaults = kind()
    return kind(**{name: _value(getattr(defaults, name), raw[name], f"{place}{name}") for name in raw})


def _value(default: Any, raw: object, place: str) -> object:
    if is_dataclass(default):
        return _table(type(default), raw, f"{place}.")
    if isinstance(default, Enum):
        choices = [choice.value for choice in type(default)]
        if raw not in choices:
            raise ConfigError(f"{place}: must be one of {', '.join(choices)}")
        return type(default)(raw)
    if isinstance(default, Mapping):
        return read_group_rights(raw, place) if place == "people.groups" else _groups(raw, place)
    if isinstance(default, tuple):
        return _texts(raw, place)
    if type(raw) is not type(default):
        raise ConfigError(f"{place}: must be {_KINDS[type(default)]}")
    if type(raw) is int and not 1 <= raw <= 1_000_000:  # noqa: PLR2004 - larger numbers are typing errors
        raise ConfigError(f"{place}: must be between 1 and 1000000")
    return raw


def _texts(raw: object, place: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise ConfigError(f'{place}: must be a list of texts, as ["a", "b"]')
    return tuple(raw)


def _groups(raw: object, place: str) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{place}: must be a table, as {{ default = 1 }}")
    for name, slots in raw.items():
        if not is_group(name):
            raise ConfigError(f"{place}: {name!r} is not a group: letters, digits, dots and hyphens, at most 64")
        if type(slots) is not int or not 0 <= slots <= 1_000_000:  # noqa: PLR2004 - larger numbers are typing errors
            raise ConfigError(f"{place}.{name}: must be a whole number between 0 and 1000000")
    return raw


def database_url(config: Config) -> str:
    """Return the database's URL.

    Raises:
        ConfigError: `database.url_file` cannot be read.
    """
    if not config.database.url_file:
        return config.database.url
    try:
        return Path(config.database.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"database.url_file: {config.database.url_file}: {error}") from error
