"""TLS contexts of clients, kept while the files that they are made of stay the same. Light: used by the daemon."""

import errno
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from agent.state.file_version import FileVersion, file_version

_SYSTEM_CAS = "/etc/ssl/certs"
"""Debian's directory of CA certificates, by the hash of their names (update-ca-certificates(8), openssl-rehash(1ssl)).
OpenSSL reads the one that it needs; the bundle beside it, of some 150, costs 30 ms and 2 MiB."""
_Key = tuple[tuple[str, FileVersion], ...]


class NoSystemCasError(OSError):
    """The system's directory of CA certificates is missing."""


class TlsContexts:
    """The last context that was made."""

    def __init__(self) -> None:
        """Make none yet."""
        self._key: _Key = ()
        self._context: ssl.SSLContext | None = None

    def context(self, ca_file: str, client_cert: str, client_key: str) -> ssl.SSLContext:
        """Return a context that verifies certificate and name; without `ca_file` by the system's CAs.

        Raises:
            OSError: a file cannot be read, or is not what it should be; the message names it.
        """
        files = (ca_file or _SYSTEM_CAS, client_cert, client_key)
        if not os.path.isdir(_SYSTEM_CAS) and not ca_file:
            raise NoSystemCasError(errno.ENOENT, f"{_SYSTEM_CAS}: there is no such directory of CA certificates")
        key = tuple((path, _version(path)) for path in files if path)
        if self._context is None or key != self._key:
            self._context = _make(ca_file, client_cert, client_key)
            self._key = key
        return self._context


def _version(path: str) -> FileVersion:
    with _named(path):
        return file_version(path)


def _make(ca_file: str, client_cert: str, client_key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies both, unlike a bare SSLContext
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # names are in subjectAltName (RFC 9110, 4.3.4)
    cas = ca_file or _SYSTEM_CAS
    with _named(cas):
        if os.path.isdir(cas):
            context.load_verify_locations(capath=cas)
        else:
            context.load_verify_locations(cafile=cas)
    if client_cert:
        with _named(" and ".join(filter(None, (client_cert, client_key)))):
            context.load_cert_chain(client_cert, client_key or client_cert, password=_no_password)
    return context


@contextmanager
def _named(files: str) -> Iterator[None]:
    """Name the files in an error of the block: OpenSSL's names none."""
    try:
        yield
    except ssl.SSLError as error:
        raise OSError(f"{files}: cannot be used: {error.reason or 'not what it should be'}") from error
    except OSError as error:
        raise OSError(error.errno, f"{files}: {error.strerror}") from error


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal."""
    return ""
