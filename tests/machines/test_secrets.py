"""Credentials stay where they are configured: no output, log or file of the agent holds them."""

import contextlib
import socket
import string
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.machine import Machine
from tests.support.repeating import repeating
from tests.support.repository import package
from tests.support.scenario import Scenario

_HEAD, _TAIL = "He4dOfSecret", "Ta1lOfSecret"
"""Start and end of every secret: a part of one that stays is found, too."""
_ANYTHING = st.text(string.ascii_letters + string.digits + "!$&'()*+,;=:@/?~._-^|{}<>%#\\", min_size=0, max_size=8)
_COMMANDS = (
    *("check", "check --json", "check --no-refresh", "status", "status --json", "explain a", "explain a --json"),
    *("report", "upgrade", "upgrade --json", "upgrade --dry-run", "history", "history --json"),
    *("config show", "config show --json", "config check"),
)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One secret in the forms that configuration files take."""

    secret: str

    @property
    def encoded(self) -> str:
        """As RFC 3986 has it."""
        return quote(self.secret, safe="")

    @property
    def raw(self) -> str:
        """As people write it: only what a line of sources.list(5) cannot hold is encoded."""
        return quote(self.secret, safe="!$&'()*+,;=:@/?~._-^|{}<>")

    @property
    def token(self) -> str:
        """As one word of a file."""
        return self.secret


@contextlib.contextmanager
def _syslog(machine: Machine) -> Iterator[list[bytes]]:
    """Receive what is logged on the machine."""
    path = machine.path("/dev/log")
    path.unlink(missing_ok=True)
    received: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        path.chmod(0o666)
        thread = threading.Thread(target=lambda: received.extend(iter(lambda: listening.recv(1 << 18), b"")))
        thread.start()  # a socket holds ten messages; then their sender waits
        try:
            yield received
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(path))
            thread.join()


def _configure_apt(host: Scenario, secret: Credentials, port: int) -> None:
    """Put the secret into every place of apt's configuration where one can stand."""
    places = {
        "down": f"http://us3r:{secret.raw}@127.0.0.1:1/down",
        "encoded": f"http://us3r:{secret.encoded}@127.0.0.1:1/encoded",
        "denied": f"http://us3r:{secret.encoded}@127.0.0.1:{port}/denied",
        "portal": f"http://us3r:{secret.encoded}@127.0.0.1:{port}/portal",
        "tls": f"https://us3r:{secret.encoded}@127.0.0.1:1/tls",
        "ftp": f"ftp://us3r:{secret.encoded}@127.0.0.1:1/ftp",
        "tor": f"tor+http://us3r:{secret.raw}@127.0.0.1:1/tor",
        "mirror": f"mirror+http://us3r:{secret.encoded}@127.0.0.1:1/mirror",
        "mirrors": f"mirror+http://us3r:{secret.raw}@127.0.0.1:{port}/mirrors",
        "six": f"http://us3r:{secret.encoded}@[::1]:1/six",
        "user": f"http://{secret.encoded}@127.0.0.1:1/user",
        "listed": "mirror+file:/etc/apt/mirrors.txt",
        "slash": f"http://us3r:a/b/{secret.raw}@127.0.0.1:1/slash",
        "path": f"http://127.0.0.1:1/{_HEAD}{_TAIL}/path",
        "proxied": "http://proxied.invalid/x",
        "auth": f"http://127.0.0.1:{port}/auth",
        "auth-part": f"http://127.0.0.1:{port}/part",
    }
    write = host.machine.write
    for name, uri in places.items():
        write(f"/etc/apt/sources.list.d/{name}.list", f"deb {uri} {host.codename} main\n")
    deb822 = (
        f"Types: deb\nURIs: http://us3r:{secret.raw}@127.0.0.1:1/822\n http://us3r:{secret.encoded}@127.0.0.1:1/next\n"
        f"Suites: ./\n\nEnabled: no\nTypes: deb\nURIs: http://us3r:{secret.raw}@127.0.0.1:1/off\nSuites: ./\n"
    )
    write("/etc/apt/sources.list.d/stanza.sources", deb822)
    listed = f"http://us3r:{secret.raw}@127.0.0.1:1/listed\nhttp://us3r:{secret.encoded}@127.0.0.1:{port}/listed\n"
    write("/etc/apt/mirrors.txt", listed)
    write("/etc/apt/auth.conf", f"machine http://127.0.0.1:{port}/auth login us3r password {secret.token}\n", 0o600)
    write(
        "/etc/apt/auth.conf.d/90part.conf",
        f"machine http://127.0.0.1:{port}/part\nlogin us3r\npassword {secret.token}\n",
        0o600,
    )
    proxy = f'Acquire::http::Proxy::proxied.invalid "http://us3r:{secret.encoded}@127.0.0.1:{port}/";\n'
    write("/etc/apt/apt.conf.d/90proxy", f'{proxy}Acquire::Retries "0";\n')


def _valid(host: Scenario, secret: Credentials, port: int) -> str:
    """Return a configuration with its secrets in files, as it should be."""
    host.machine.write("/etc/token", f"{secret.token}\n")
    host.machine.write("/etc/headers", f"Authorization: Bearer {secret.token}\nX-Extra: {secret.token}\n")
    return (
        f'[endpoint]\nurl = "http://127.0.0.1:{port}"\ntoken_file = "/etc/token"\n'
        f'[otlp]\nurl = "http://127.0.0.1:{port}"\nheaders_file = "/etc/headers"\n'
    )


def _invalid(secret: Credentials) -> str:
    """Return a configuration with secrets where none may stand."""
    return (
        f'"http://us3r:{secret.encoded}@host/" = 1\n'
        f'[endpoint]\nurl = "https://us3r:{secret.encoded}@127.0.0.1:1"\n'
        f'proxy = "us3r:{secret.encoded}@127.0.0.1:3128"\n'
        f'token_file = "{secret.encoded}"\nclient_key = "{secret.encoded}"\ntoken = "{secret.encoded}"\n'
        f'[otlp]\nurl = "http://127.0.0.1:1/?api-key={secret.encoded}"\nheaders_file = "X-Key: {secret.encoded}"\n'
    )


def _said(host: Scenario) -> dict[str, str]:
    """Return all that the agent printed, logged and wrote, by where."""
    found = {}
    with _syslog(host.machine) as logged:
        for command in _COMMANDS:
            answer = host.agent(command)
            found[command] = answer.out + answer.err
            if command in ("check", "status", "upgrade"):
                found[f"script -c '{command}'"] = host.machine.run(
                    f"script -qec 'maestro-agent {command}' /dev/null"
                ).stdout
    found["the log"] = b"\n".join(logged).decode(errors="replace")
    for directory in ("/var/lib/maestro-agent", "/run/maestro-agent"):
        for path in host.machine.path(directory).rglob("*"):
            if path.is_file():
                found[path.name] = path.read_bytes().decode(errors="replace")
    return found


def _with_a_part(texts: dict[str, str]) -> list[str]:
    return [
        f"{where}: {line}"
        for where, text in texts.items()
        for line in text.splitlines()
        if _HEAD in line or _TAIL in line
    ]


def test_no_output_log_or_file_holds_a_secret(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    def holds(middle: str) -> None:
        secret = Credentials(secret=f"{_HEAD}{middle}{_TAIL}")
        with repeating() as port:
            _configure_apt(host, secret, port)
            host.configuration(_valid(host, secret, port))
            configured = _said(host)
            host.configuration(_invalid(secret))
            misconfigured = {f"invalid: {where}": text for where, text in _said(host).items()}

        assert _with_a_part({**configured, **misconfigured}) == []
        # The sources were tried, and the messages arrived.
        assert "127.0.0.1:1/down" in configured["check"]
        assert "401" in configured["check"]
        assert "unknown key" in misconfigured["invalid: config check"]

    examined = settings(max_examples=2, phases=[Phase.explicit, Phase.generate])(given(middle=_ANYTHING)(holds))
    example(middle="@/:?#%'&")(examined)()
