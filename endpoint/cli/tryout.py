"""`try`: a centre on loopback in one command, with a private CA, a certificate and a token made on the spot."""

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from endpoint.config import Config, read_config
from endpoint.errors import EndpointError
from endpoint.server import serve
from endpoint.store.opened import opened
from endpoint.store.tokens import Role, Tokens

_READER = "maestro-agent"
_DAYS = "30"
_CONFIG = """\
# Written by `maestro-endpoint try`; made for a look at it, not for a fleet.
[server]
listen = "127.0.0.1:{port}"

[tls]
certificate = "{directory}/server.pem"
key = "{directory}/server.key"

[database]
url = "sqlite:///{directory}/endpoint.db"
"""
_EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `try` takes."""
    default = Path("/var/lib/maestro-endpoint-try" if os.geteuid() == 0 else Path.home() / ".maestro-endpoint-try")
    parser.add_argument("--dir", type=Path, default=default, help=f"where everything is kept (default: {default})")
    parser.add_argument("--port", type=int, default=8443, help="on 127.0.0.1 (default: 8443)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Make what is missing below the directory, print the agent's settings, and serve."""
    directory = arguments.dir.absolute()
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    if not (directory / "server.pem").exists():
        _make_certificates(directory)
    file = directory / "endpoint.toml"
    file.write_text(_CONFIG.format(port=arguments.port, directory=directory), encoding="utf-8")
    config = read_config(file)
    if not (directory / "token").exists():
        _make_token(config, directory / "token")
    print(_words(directory, file, arguments.port), flush=True)
    serve(config)


def _words(directory: Path, config: Path, port: int) -> str:
    return f"""\
Paste this into /etc/maestro-agent/config.toml, and run `systemctl restart maestro-agent`:

[endpoint]
url = "https://127.0.0.1:{port}"
token_file = "{directory}/token"
ca_file = "{directory}/ca.pem"

Reports are told below as they come. In another terminal:

    maestro-endpoint fleet --config {config}

Ctrl-C ends it; everything it keeps is in {directory}."""


def _make_token(config: Config, file: Path) -> None:
    with opened(config) as database:
        token = Tokens(database).add(role=Role.AGENT, name="try", host_id=None, now=datetime.now(timezone.utc))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(token + "\n")
        with contextlib.suppress(LookupError, PermissionError):  # no agent here, or we may not give files away
            shutil.chown(file, group=_READER)
            os.fchmod(descriptor, 0o640)


def _make_certificates(directory: Path) -> None:
    """Make a CA that signs one certificate; its key is thrown away at once, so that it signs no other."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        work = Path(name)
        (work / "extensions").write_text(_EXTENSIONS, encoding="ascii")
        ca = ["-x509", "-keyout", f"{work}/ca.key", "-out", f"{work}/ca.pem", "-subj", "/CN=maestro-endpoint try CA"]
        request = ["-keyout", f"{work}/server.key", "-out", f"{work}/server.csr", "-subj", "/CN=localhost"]
        _openssl("req", *_NEW_KEY, *ca, "-days", _DAYS)
        _openssl("req", *_NEW_KEY, *request)
        signer = ["-CA", f"{work}/ca.pem", "-CAkey", f"{work}/ca.key", "-CAcreateserial"]
        result = ["-out", f"{work}/server.pem", "-extfile", f"{work}/extensions", "-days", _DAYS]
        _openssl("x509", "-req", "-in", f"{work}/server.csr", *signer, *result)
        (work / "ca.pem").chmod(0o644)
        for made in ("ca.pem", "server.key", "server.pem"):  # the last one says that all are there
            (work / made).rename(directory / made)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256")


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        words = str(getattr(error, "stderr", "") or error).strip()
        raise EndpointError(f"openssl could not make a certificate: {words}") from error
