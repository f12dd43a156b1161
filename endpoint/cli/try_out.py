"""`maestro-endpoint try`: serve on loopback with a generated CA, certificate and token."""

import argparse
import grp
import os
import shlex
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.errors import EndpointError, UsageError
from endpoint.http.server import serve
from endpoint.store.session import open_database
from endpoint.store.tokens import Role, Tokens

_READER = "maestro-agent"
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - by ProtectHome= and PrivateTmp=
_AGENTS = Path("/etc/maestro-agent")
_PLAIN = set("\"'\\?#%")
"""Characters that a path must not contain, because it is written into TOML and a URL."""
_LAST_PORT = 65535
_DAYS = "30"
_DAY_S = "86400"
_CONFIG = """\
# Written by `maestro-endpoint try`; for a first test, not for a fleet.
[server]
listen = "127.0.0.1:{port}"

[tls]
certificate = "{directory}/server.pem"
key = "{directory}/server.key"

[database]
url = "sqlite:///{directory}/endpoint.db"
"""
# RFC 5280's requirements, which newer clients enforce (X509_V_FLAG_X509_STRICT).
_CA_EXTENSIONS = ("-addext", "keyUsage = critical, keyCertSign, cRLSign")
_EXTENSIONS = """\
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def run(arguments: argparse.Namespace) -> None:
    """Create missing files below the directory, print the agent's settings, and serve."""
    directory: Path = arguments.dir.absolute()
    if not str(directory).isprintable() or _PLAIN & set(str(directory)):
        raise UsageError(f"--dir: {str(directory)!r} contains quotes or other special characters")
    if not 1 <= arguments.port <= _LAST_PORT:
        raise UsageError(f"--port: must be between 1 and {_LAST_PORT}")
    os.umask(0o077)  # reports are confidential
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    if not _is_valid(directory / "server.pem"):
        _make_certificates(directory)
    file = directory / "endpoint.toml"
    file.write_text(_CONFIG.format(port=arguments.port, directory=directory), encoding="utf-8")
    config, token = read_config(file), directory / "token"
    if not token.exists():
        _make_token(config, token)
    print(_instructions(directory, arguments.port, readable=_make_readable(token)), flush=True)
    serve(config)


def _instructions(directory: Path, port: int, *, readable: bool) -> str:
    """Return instructions, with commands that can be pasted into a terminal."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    copied, place = "", directory
    if not readable:
        place = _AGENTS / "try"
        files = " ".join(shlex.quote(str(directory / name)) for name in ("ca.pem", "token"))
        copied = f"""\
{sudo}install -d {place}
{sudo}install -m 640 -g {_READER} -t {place} {files}
"""
    setting = f"{_AGENTS}/config.d/try.toml"
    config = shlex.quote(str(directory / "endpoint.toml"))
    return f"""\
Paste this into a terminal of this machine; maestro-agent must be installed here:

{copied}{sudo}install -m 644 /dev/stdin {setting} <<'END'
[endpoint]
url = "https://127.0.0.1:{port}"
token_file = "{place}/token"
ca_file = "{place}/ca.pem"
END
{sudo}systemctl restart maestro-agent
{sudo}maestro-agent report --send

Reports are logged below as they arrive. In another terminal:

    maestro-endpoint fleet --config {config}

The same as pages, https://127.0.0.1:{port}/; this prints a link that logs in (the browser does not know the
generated certificate, and warns):

    maestro-endpoint user add admin --role admin --config {config}

Ctrl-C stops it; all its files are in {directory}. To undo the
change to the agent, remove {setting} and restart maestro-agent.
"""


def _make_token(config: Config, file: Path) -> None:
    with open_database(config) as database:
        token = Tokens(database).add(role=Role.AGENT, name="try", host_id=None, now=datetime.now(timezone.utc))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(token + "\n")


def _make_readable(token: Path) -> bool:
    """Give the agent's group read access to the token; return whether its user can read it there."""
    try:
        grp.getgrnam(_READER)
    except LookupError:
        return False  # no agent is installed yet; the next `try` may find one
    if os.geteuid() != 0 or any(token.is_relative_to(place) for place in _HIDDEN):
        return False
    shutil.chown(token, group=_READER)
    token.chmod(0o640)
    return all(parent.stat().st_mode & 0o001 for parent in token.parents)


def _is_valid(certificate: Path) -> bool:
    """Whether a certificate exists and is valid for at least a day."""
    if not certificate.exists():
        return False
    command = ["openssl", "x509", "-noout", "-checkend", _DAY_S, "-in", str(certificate)]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError) as error:
        raise EndpointError(f"openssl cannot read {certificate}: {error}") from error


def _make_certificates(directory: Path) -> None:
    """Create a CA and one certificate; the CA's key is deleted, so that it signs no other."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        work = Path(name)
        (work / "extensions").write_text(_EXTENSIONS, encoding="ascii")
        ca = ["-x509", "-keyout", f"{work}/ca.key", "-out", f"{work}/ca.pem", "-subj", "/CN=maestro-endpoint try CA"]
        request = ["-keyout", f"{work}/server.key", "-out", f"{work}/server.csr", "-subj", "/CN=localhost"]
        _openssl("req", *_NEW_KEY, *ca, *_CA_EXTENSIONS, "-days", _DAYS)
        _openssl("req", *_NEW_KEY, *request)
        signer = ["-CA", f"{work}/ca.pem", "-CAkey", f"{work}/ca.key", "-CAcreateserial"]
        result = ["-out", f"{work}/server.pem", "-extfile", f"{work}/extensions", "-days", _DAYS]
        _openssl("x509", "-req", "-in", f"{work}/server.csr", *signer, *result)
        (work / "ca.pem").chmod(0o644)
        for made in ("ca.pem", "server.key", "server.pem"):  # the last one marks the set as complete
            (work / made).rename(directory / made)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256")


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        message = str(getattr(error, "stderr", "") or error).strip()
        raise EndpointError(f"openssl cannot create a certificate: {message}") from error
