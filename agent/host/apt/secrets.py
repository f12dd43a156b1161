"""Finds the credentials in apt's configuration, so that `redact` knows them wherever they appear.

libapt writes them into messages in more than one form: as configured, decoded, or inside of a name that it builds.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import apt_pkg

from agent.core.redact import remember_secrets

_MAX_BYTES = 1 << 20
_USER_INFO = re.compile(r"//(\S*)@")
_AUTH = re.compile(r"\b(login|password)\s+(\S+)")
_MIRROR_LIST = re.compile(r"mirror\+file:(?://)?(/[^\s\"]+)")
_SHORTEST_USER = 16
"""Characters of a user name that may be a token."""


def remember_apt_secrets() -> None:
    """Read apt.conf, sources, mirror lists and auth.conf, as far as this user may; needs apt's configuration."""
    config = apt_pkg.config
    texts = [config.find(key) for key in config.keys()]  # noqa: SIM118 - a Configuration is no mapping
    texts += _files(config.find_file("Dir::Etc::sourcelist"), config.find_dir("Dir::Etc::sourceparts"))
    texts += [_read(Path(path)) for text in texts for path in _MIRROR_LIST.findall(text)]
    remember_secrets(secret for text in texts for secret in _in_urls(text))
    for text in _files(config.find_file("Dir::Etc::netrc"), config.find_dir("Dir::Etc::netrcparts")):
        remember_secrets(
            value for name, value in _AUTH.findall(text) if name == "password" or len(value) >= _SHORTEST_USER
        )


def _in_urls(text: str) -> Iterator[str]:
    for found in _USER_INFO.findall(text):
        user, colon, password = found.partition(":")
        if colon:
            yield from {found, password, unquote(password)}
        if len(user) >= _SHORTEST_USER:
            yield from {user, unquote(user)}


def _files(file: str, directory: str) -> Iterator[str]:
    yield _read(Path(file))
    with suppress(OSError):
        for name in sorted(os.listdir(directory)):
            yield _read(Path(directory, name))


def _read(path: Path) -> str:
    """Return the start of a regular file; empty if it cannot be read."""
    with suppress(OSError):
        if path.is_file():
            with path.open(encoding="utf-8", errors="surrogateescape") as file:
                return file.read(_MAX_BYTES)
    return ""
