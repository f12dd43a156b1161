"""The endpoint's own TLS: one context for all connections, and a socket that sends a response in one record."""

import ssl
from typing import Any

from endpoint.config.model import Certificates, Tls
from endpoint.errors import ConfigError

_NEEDLESS = (b"Server: gunicorn\r\n", b"Connection: keep-alive\r\n")
"""Headers that HTTP/1.1 does not need: a host gets hundreds of responses a day with nothing else in them."""
_VERIFY_MODES = {
    Certificates.NONE: ssl.CERT_NONE,
    Certificates.OPTIONAL: ssl.CERT_OPTIONAL,
    Certificates.REQUIRED: ssl.CERT_REQUIRED,
}


class BufferedTLSSocket(ssl.SSLSocket):
    """A connection that sends a response's head together with its body; gunicorn writes them separately."""

    _head = b""
    authenticated = False
    """True once the sender of the current request is authenticated."""

    def mark_authenticated(self) -> None:
        """Record that the sender is authenticated; the server then allows the request its full time."""
        self.authenticated = True

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Buffer a head until its body follows, or until `flush`."""
        if not self._head and bytes(data[:5]) == b"HTTP/":
            self._head = bytes(data)
            if self._head.startswith(b"HTTP/1.1"):
                for header in _NEEDLESS:
                    self._head = self._head.replace(header, b"", 1)
            return
        head, self._head = self._head, b""
        super().sendall(head + data, flags)

    def flush(self) -> None:
        """Send a buffered head that has no body."""
        if self._head:
            self.sendall(b"")


def make_context(tls: Tls) -> ssl.SSLContext:
    """Load the certificates.

    Raises:
        ConfigError: a file cannot be read or used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = BufferedTLSSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_certificates is not Certificates.NONE:
            context.load_verify_locations(tls.client_ca)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"tls: the certificates cannot be used: {error}") from error
    context.verify_mode = _VERIFY_MODES[tls.client_certificates]
    return context
