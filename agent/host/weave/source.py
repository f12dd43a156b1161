"""Fetches a version's script from the configured source: bounded in size and time, whatever answers."""

import os
import time
from urllib.parse import urljoin, urlsplit

import requests
import requests.utils

from agent.core.redact import one_line
from agent.errors import HostError
from agent.host.http import error_reason, session

MOST_BYTES = 4 << 20
"""The script of 2.8.1 has 50 kB."""
_VERSION = "{version}"
_CALL_S = 15.0
_ALL_S = 60.0
_MOST_REDIRECTS = 5
"""GitHub sends a release's file from another host."""
_CHUNK_BYTES = 1 << 16
_OK = 200
_REDIRECTS = {301, 302, 303, 307, 308}


def read_source(source: str, version: str) -> bytes:
    """Return the script of a version; `source` as in weave.source.

    Raises:
        HostError: it cannot be had.
    """
    if source.startswith("/"):
        return _read_file(source.replace(_VERSION, version) if _VERSION in source else f"{source}/weave-{version}")
    return _download(source.replace(_VERSION, version))


def _read_file(path: str) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error
    return _bounded(content or b"", path)


def _download(url: str) -> bytes:
    end = time.monotonic() + _ALL_S
    secure = urlsplit(url).scheme == "https"
    with session() as http:
        for _ in range(_MOST_REDIRECTS + 1):
            found = _get(http, url, end)
            if isinstance(found, bytes):
                return found
            url = found
            if secure and urlsplit(url).scheme != "https":
                raise HostError(f"{_shown(url)}: a redirect away from https is not followed")
    raise HostError(f"{_shown(url)}: too many redirects")


def _get(http: requests.Session, url: str, end: float) -> bytes | str:
    """Return the body, or the address of a redirect."""
    proxies = requests.utils.get_environ_proxies(url, None)
    headers = {"Accept-Encoding": "identity"}
    try:
        with http.get(url, stream=True, timeout=_CALL_S, proxies=proxies, headers=headers) as response:
            if response.status_code in _REDIRECTS and response.headers.get("Location"):
                return str(urljoin(url, response.headers["Location"]))
            if response.status_code != _OK:
                raise HostError(f"{_shown(url)}: HTTP status {response.status_code}")
            return _body(response, url, end)
    except (requests.RequestException, OSError, ValueError) as error:
        raise HostError(f"{_shown(url)}: {error_reason(error)}") from error


def _body(response: requests.Response, url: str, end: float) -> bytes:
    body = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if time.monotonic() > end:
            raise TimeoutError("no complete answer in time")
        if len(body) > MOST_BYTES:
            break
    return _bounded(bytes(body), _shown(url))


def _bounded(content: bytes, place: str) -> bytes:
    if len(content) > MOST_BYTES:
        raise HostError(f"{place}: larger than {MOST_BYTES} bytes")
    return content


def _shown(url: str) -> str:
    """Return a URL without its query, which may be a signature."""
    return one_line(urlsplit(url)._replace(query="", fragment="").geturl())
