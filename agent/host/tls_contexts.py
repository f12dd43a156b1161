"""TLS contexts of clients, kept while the files that they are made of stay the same. Light: used by the daemon."""

import os
import ssl

from agent.state.file_version import FileVersion, file_version

_SYSTEM_CAS = "/etc/ssl/certs"
"""Debian's directory of CA certificates, by the hash of their names (update-ca-certificates(8), openssl-rehash(1ssl)).
OpenSSL reads the one that it needs; the bundle beside it, of some 150, costs 30 ms and 2 MiB."""
Key = tuple[tuple[str, FileVersion], ...]


class TlsContexts:
    """The last context that was made."""

    def __init__(self) -> None:
        """Make none yet."""
        self._key: Key = ()
        self._context: ssl.SSLContext | None = None

    def context(self, ca_file: str, client_cert: str, client_key: str) -> ssl.SSLContext:
        """Return a context that verifies certificate and name; without `ca_file` by the system's CAs.

        Raises:
            OSError: a file cannot be read, or is not what it should be (ssl.SSLError).
        """
        files = (ca_file or _SYSTEM_CAS, client_cert, client_key)
        key = tuple((path, file_version(path)) for path in files if path)
        if self._context is None or key != self._key:
            self._context = _make(ca_file, client_cert, client_key)
            self._key = key
        return self._context


def _make(ca_file: str, client_cert: str, client_key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies both, unlike a bare SSLContext
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    cas = ca_file or _SYSTEM_CAS
    if os.path.isdir(cas):
        context.load_verify_locations(capath=cas)
    else:
        context.load_verify_locations(cafile=cas)
    if client_cert:
        context.load_cert_chain(client_cert, client_key or client_cert, password=_no_password)
    return context


def _no_password() -> str:
    """Answer for an encrypted key: without this OpenSSL would ask on the terminal."""
    return ""
