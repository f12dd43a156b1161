"""Reads the configuration file and its drop-ins: TOML to raw tables."""

import importlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from agent.core.frozen import frozen
from agent.core.redact import redact
from agent.errors import ConfigError

DEFAULT_PATH = Path("/etc/maestro-agent/config.toml")
_TOML = "tomllib" if sys.version_info >= (3, 11) else "tomli"
"""The parser; Ubuntu 22.04 has the second one."""
DROP_INS = "config.d"
_OTHER_SUFFIXES = {".conf", ".cfg"}
"""What drop-ins of other programs end in, such as those of systemd."""


@frozen
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
    return tuple(Fragment(path=file, tables=_read(file)) for file in configuration_files(path))


def configuration_files(path: Path | None) -> list[Path]:
    """Return the files that `read_fragments` reads, in its order.

    Raises:
        ConfigError: whether there are such files cannot be known.
    """
    main = path or DEFAULT_PATH
    drop_ins = [file for file in _entries(main) if file.suffix == ".toml" and not _reason_to_ignore(file)]
    return [*([] if path is None and not _exists(main) else [main]), *drop_ins]


def ignored_files(path: Path | None) -> Iterator[str]:
    """Yield which entries of config.d look like drop-ins and are passed over, each with the reason.

    Raises:
        ConfigError: as `configuration_files`.
    """
    for file in _entries(path or DEFAULT_PATH):
        reason = _reason_to_ignore(file) if file.suffix == ".toml" else "its name does not end in .toml"
        if reason and (".toml" in file.name.lower() or file.suffix in _OTHER_SUFFIXES):
            yield f"{file}: ignored: {reason}"


def _entries(main: Path) -> list[Path]:
    """List config.d. An unreadable directory is an error: it might hold a blocklist."""
    directory = main.parent / DROP_INS
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.lexists(directory):
            return []
        raise ConfigError(f"{directory}: is not a directory, or a link to nothing") from error
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be read: {error.strerror}") from error


def _reason_to_ignore(file: Path) -> str:
    """Return why an entry is no drop-in: what editors leave behind, as systemd and apt pass it over; empty if it is.

    A regular file that cannot be read is an error, not a leftover: it might hold a blocklist.
    """
    if file.name.startswith("."):
        return "it is hidden"
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return "it is a link to nothing"
    except OSError:
        return ""
    return "" if stat.S_ISREG(mode) else "it is not a regular file"


def _exists(path: Path) -> bool:
    """Return whether there is a main file; a link to nothing counts as one, so that it is not passed over."""
    try:
        path.stat()
    except FileNotFoundError:
        return os.path.lexists(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return True


def _read(path: Path) -> dict[str, object]:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigError(f"{path}: is not a regular file")  # reading a pipe would block
        tables: dict[str, object] = importlib.import_module(_TOML).loads(path.read_text(encoding="utf-8"))
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
