"""Reads the configuration file and its drop-ins: TOML to raw tables."""

import sys
from dataclasses import dataclass
from pathlib import Path

from agent.core.redact import redact
from agent.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

DEFAULT_PATH = Path("/etc/maestro-agent/config.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One file's parsed, not yet validated content."""

    path: Path
    tables: dict[str, object]


def read_fragments(path: Path | None) -> tuple[Fragment, ...]:
    """Read the main file, then `config.d/*.toml` beside it in name order; later fragments win.

    Without `path` the default file may be missing; an explicit `path` must exist.

    Raises:
        ConfigError: a file cannot be read or is not valid TOML; the message names file, line and column.
    """
    main = path or DEFAULT_PATH
    files = [main, *_drop_ins(main.parent / "config.d")]
    if path is None and not _exists(main):
        files.remove(main)
    return tuple(Fragment(path=file, tables=_read(file)) for file in files)


def _drop_ins(directory: Path) -> list[Path]:
    """List drop-ins. An unreadable directory is an error: it might hold a blocklist."""
    try:
        return sorted(file for file in directory.iterdir() if file.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be read: {error.strerror}") from error


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return True


def _read(path: Path) -> dict[str, object]:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigError(f"{path}: is not a regular file")  # reading a pipe would block
        tables: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # TOMLDecodeError is a ValueError, and so is a number with too many digits
        raise ConfigError(f"{path}: is not valid TOML: {redact(str(error))}") from error
    return tables
