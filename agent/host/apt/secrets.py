"""Finds the credentials in apt's configuration, so that `redact` knows them wherever they appear.

libapt writes them into messages in more than one form: as configured, decoded, or inside of a name that it builds.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import apt_pkg

from agent.core.pattern import lazy_pattern
from agent.core.redact import remember_secrets

_MAX_BYTES = 1 << 20
_USER_INFO = lazy_pattern(r"//(\S*)@")
_SPACED_USER_INFO = lazy_pattern(r"//(.*)@")
"""For one value, which may have spaces."""
_AUTH = lazy_pattern(r"\b(login|password)\s+(\S+)")
_PATH = lazy_pattern(r"://[^\s/?#]*(/[^\s?#\"]*)")
_PATH_TOKEN = lazy_pattern(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])(?=[^/]*[A-Za-z0-9]{12})[A-Za-z0-9_~-]{16,}")
_TIME = lazy_pattern(r"\d{8}T\d{6}Z?|[a-z-]*\d{0,8}[a-z-]*")
"""Of a snapshot; a word with a number or a date. No token."""
_PROXY_VARIABLE = lazy_pattern("(?i)[a-z]+_proxy")
_MIRROR_LIST = lazy_pattern(r"mirror\+file:(?://)?(/[^\s\"]+)")
_SHORTEST_USER = 16
"""Characters of a user name that may be a token."""


def remember_apt_secrets() -> None:
    """Read apt.conf, proxy variables, sources, mirror lists and auth.conf, as far as this user may.

    It needs apt's configuration.
    """
    config = apt_pkg.config
    values = [config.find(key) for key in config.keys()]  # noqa: SIM118 - a Configuration is no mapping
    values += [value for name, value in os.environ.items() if _PROXY_VARIABLE.fullmatch(name)]
    remember_secrets(secret for value in values for secret in _in_value(value))
    texts = list(_files(config.find_file("Dir::Etc::sourcelist"), config.find_dir("Dir::Etc::sourceparts")))
    texts += [_read(Path(path)) for text in texts for path in _MIRROR_LIST.findall(text)]
    remember_secrets(secret for text in texts for secret in (*_in_urls(text), *_in_paths(text)))
    for text in _files(config.find_file("Dir::Etc::netrc"), config.find_dir("Dir::Etc::netrcparts")):
        remember_secrets(
            part
            for name, value in _AUTH.findall(text)
            if name == "password" or len(value) >= _SHORTEST_USER
            for part in (value, value.strip("\"'"))
        )


def _in_value(value: str) -> Iterator[str]:
    """Yield what is secret in one value: a URL, or a command."""
    yield from _in_urls(value)
    yield from _in_user_infos(_SPACED_USER_INFO.findall(value))


def _in_urls(text: str) -> Iterator[str]:
    return _in_user_infos(_USER_INFO.findall(text))


def _in_paths(text: str) -> Iterator[str]:
    """Yield parts of the paths of URLs that look like tokens, as of private repositories: https://HOST/TOKEN/ubuntu."""
    for path in _PATH.findall(text):
        yield from (part for part in path.split("/") if _PATH_TOKEN.fullmatch(part) and not _TIME.fullmatch(part))


def _in_user_infos(texts: list[str]) -> Iterator[str]:
    for found in texts:
        user, colon, password = found.partition(":")
        if colon:
            # libapt takes what is before a "/" for a port, and leaves it out.
            yield from {found, password, unquote(password), password.partition("/")[2]}
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
