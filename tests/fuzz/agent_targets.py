"""The agent's parsers of foreign text: configuration, apt's and dpkg's files, messages, whatever reaches a terminal."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import apt_pkg

from agent.config.load import load
from agent.config.manifest import read_manifest
from agent.core.packages.changelog import collect_findings, parse_entries
from agent.core.policy.distro import Distro
from agent.core.policy.policy import DockerPolicy
from agent.core.redact import one_line, redact
from agent.core.requests.model import Request
from agent.core.requests.wire import read_offers, read_request
from agent.errors import ConfigError, HostError, RecordError, UsageError
from agent.host import http_values
from agent.host.apt.changelog_files import lines
from agent.host.apt.release_file import ReleaseFile
from agent.host.dpkg import database
from agent.host.http_body import read_answer
from agent.host.http_response import MalformedResponseError
from agent.host.machine import os_release
from agent.host.reboot.flag import read_flag
from agent.report.endpoint.messages import Message, MessageKind, read_receipt
from agent.report.layout import display_width, lay_out
from agent.report.otlp.headers import read_headers
from agent.worker.protocol import decode_line, decode_request
from tests.core.requests.given_request import document
from tests.fuzz.target import CHECKOUT, CHOICES, Parse, Target, documents

_NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
_WIDTHS = (None, 60, 80, 120)
_CONFIG = (CHECKOUT / "config.example.toml").read_bytes()
_MANIFESTS = (
    b"docker:\n  configuration:\n    docker_version: 27.3.1\n    weave_version: '2.8.1'\n    image_keep_count: 5\n",
    b"b: &b {version: 20.10.x}\nproduction: {docker: {configuration: {<<: *b, weave_version: 1.30}}}\n",
    b"staging: {docker: {configuration: {docker_version: latest}}}\n",
)
_TEXTS = (
    b"http://user:secret@host.example/debian bookworm: 401 Unauthorized",
    "\x1b[31mnginx\u0301 \u4e2d\u6587\ud83d\ude00".encode("utf-8", "surrogatepass"),
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"120",
    b"Authorization: Bearer abcdef token=abc proxy=http://a:b@[::1]:3128/",
)
_RESPONSES = (
    b"\xffHTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
    b"\x03HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}",
    b"\x20HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
)
_MOST_BODY = 1000
_STANZAS = b"""\
Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9+deb12u1
Source: nginx-src (1.2)
Conffiles:
 /etc/nginx.conf 0123456789abcdef0123456789abcdef
 /etc/old 0123456789abcdef0123456789abcdef obsolete

Package: libfoo
Status: hold reinstreq half-installed
Architecture: i386
Multi-Arch: same
Version: 1

"""
_RELEASE = b"""\
Origin: Debian
Suite: stable-security
Codename: bookworm-security
Date: Sat, 21 Nov 2026 08:00:00 UTC
Valid-Until: Sat, 28 Nov 2026 08:00:00 UTC
Acquire-By-Hash: yes
Architectures: all amd64
Components: updates/main main
SHA256:
 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 0 main/binary-amd64/Packages
 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 123 main/binary-all/Packages.xz
"""
_CHANGELOG = b"""\
nginx (1.22.1-9+deb12u2) bookworm-security; urgency=high

  * CVE-2026-1234, CVE-2026-{2345,3456}, 4567; CVE-2014-7185/4650
  * Fix CVE-2026-
    5678 (Closes: #123456)

 -- A <a@example.org>  Mon, 23 Nov 2026 08:10:00 +0000

nginx (1.22.1-9) unstable; urgency=medium

  * Old.

 -- A <a@example.org>  Mon, 23 Nov 2020 08:10:00 +0000
"""


def _file(directory: Path, name: str, read: Callable[[Path], object]) -> Parse:
    path = directory / name

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    return parse


def _config(directory: Path) -> Parse:
    distro = Distro(id="debian", codename="bookworm", version="12")
    return _file(directory, "config.toml", lambda path: load(path, distro))


def _manifest(directory: Path) -> Parse:
    policy = DockerPolicy(manifest=str(directory / "manifest.yml"), environment="production", window="")
    return _file(directory, "manifest.yml", lambda _path: read_manifest(policy))


def _request(_directory: Path) -> Parse:
    request = {
        "schema": "maestro.job-request/1",
        "job": "upgrade",
        "scope": "security",
        "refresh": True,
        "plan_id": "0123456789ab",
        "wait": False,
        "omit_document": False,
        "requested_by": "root",
        "packages": ["nginx", "libfoo:i386"],
        "prefetch": False,
    }
    encode = documents((request,))

    def parse(data: bytes) -> None:
        decode_request(encode(data), "/")

    return parse


def _worker_line(_directory: Path) -> Parse:
    answer = {"exit_code": 0, "document": {}, "error": "", "recorded": True, "warnings": ["x"]}
    encode = documents((answer, {"progress": "x"}))

    def parse(data: bytes) -> None:
        decode_line(encode(data).decode(errors="surrogateescape"))

    return parse


def _headers(directory: Path) -> Parse:
    return _file(directory, "headers", lambda path: read_headers(str(path)))


def _endpoint_request(_directory: Path) -> Parse:
    """Read a request of the endpoint; one that is accepted is read to the same from its own record."""
    encode = documents((document(), document(verb="upgrade-fixes", arguments={"fixes": ["a2", "CVE-2026-12345"]})))

    def parse(data: bytes) -> None:
        try:
            raw = json.loads(encode(data))
        except (ValueError, RecursionError):
            return
        found = read_request(raw) if isinstance(raw, dict) else None
        if isinstance(found, Request):
            again = read_request(found.document)
            assert isinstance(again, Request)
            assert again.digest == found.digest
        if isinstance(raw, dict):
            read_offers({"requests": raw.get("arguments"), "requests_cancelled": raw.get("id"), **raw})

    return parse


def _receipt(_directory: Path) -> Parse:
    keys = ("s-1", "e-2")
    messages = [
        Message(key=key, kind=MessageKind.EVENT, sequence=at, created_at="2026-11-23T08:10:00Z", body={})
        for at, key in enumerate(keys, 1)
    ]
    results = [{"key": key, "status": "accepted", "code": "superseded", "sequence": 3, "detail": ""} for key in keys]
    encode = documents(({"schema": "maestro.receipt/1", "results": results, "resend_state": True},))

    def parse(data: bytes) -> None:
        read_receipt(encode(data).decode(errors="replace"), messages)

    return parse


def _release(path: Path) -> None:
    found = ReleaseFile(path)
    for field in ("Date", "Valid-Until"):
        found.time(field)
    for index in ("main/binary-amd64/Packages", "main/binary-all/Packages"):
        found.promises(index)
        found.hides(index)
    found.has_component("main")
    found.has_architecture("amd64")


def _dpkg(directory: Path) -> Parse:
    apt_pkg.init_system()
    (directory / "updates").mkdir()
    apt_pkg.config.set("Dir::State::status", str(directory / "status"))

    def parse(data: bytes) -> None:
        (directory / "status").write_bytes(data)
        database.states()
        database.sources()
        database.conffiles()

    return parse


def _changelogs(_directory: Path) -> Parse:
    apt_pkg.init_system()  # for the comparison of versions
    return _changelog


def _changelog(data: bytes) -> None:
    text = list(lines(io.BytesIO(data).read))
    entries = list(parse_entries(text))
    assert all(cve.startswith("CVE-") for entry in entries for cve in entry.cves)
    collect_findings(text, installed="1.22.1-9", candidate="1.22.1-9+deb12u2", compare=apt_pkg.version_compare)


def _os_release(directory: Path) -> Parse:
    path = directory / "os-release"
    os_release._OS_RELEASE = (path, path)  # noqa: SLF001 - os-release(5) fixes the place
    return _file(directory, path.name, lambda _path: os_release.read_distro())


def _reboot_flag(directory: Path) -> Parse:
    (directory / "run").mkdir()
    (directory / "run/reboot-required").touch()
    return _file(directory, "run/reboot-required.pkgs", lambda _path: read_flag(str(directory)))


def _text(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert "s3cr3t" not in redact(f"{text} https://user:s3cr3t@host.example/")
    for width in _WIDTHS:
        shown = [line for line, _tone in lay_out([text], width)]
        assert not any(ord(character) < 32 or ord(character) == 127 for line in shown for character in line)
        # A word, and a command between backquotes, stay in one piece.
        assert (
            "`" in text or width is None or all(display_width(one) <= width or " " not in one.strip() for one in shown)
        )
    http_values.http_date(text)
    http_values.retry_after(text, _NOW)
    one_line(text)


def _in_pieces(data: bytes) -> Callable[[], bytes]:
    """Return what receives the data as a connection does, in pieces whose size is in the first byte."""
    size, stream = sum(data[:1]) + 1, io.BytesIO(data[1:])
    return lambda: stream.read(size)


def _response(data: bytes) -> None:
    found = read_answer(_in_pieces(data), lambda _status: _MOST_BODY)
    assert 100 <= found.status < 1000
    assert found.body is None or len(found.body) <= _MOST_BODY


TARGETS = (
    Target(name="config", prepare=_config, seeds=(_CONFIG, b"[agent]\nupgrade_at = 07:00\n"), errors=(ConfigError,)),
    Target(name="manifest", prepare=_manifest, seeds=_MANIFESTS, errors=(ConfigError,)),
    Target(name="job-request", prepare=_request, seeds=CHOICES, errors=(UsageError,)),
    Target(name="worker-line", prepare=_worker_line, seeds=CHOICES, errors=(RecordError,)),
    Target(name="endpoint-request", prepare=_endpoint_request, seeds=CHOICES),
    Target(
        name="http-response",
        prepare=lambda _directory: _response,
        seeds=_RESPONSES,
        errors=(MalformedResponseError, ConnectionResetError),
    ),
    Target(name="receipt", prepare=_receipt, seeds=CHOICES),
    Target(
        name="otlp-headers", prepare=_headers, seeds=(b"Authorization: Bearer x\n# c\nX-A: b\n",), errors=(ConfigError,)
    ),
    Target(name="release-file", prepare=lambda directory: _file(directory, "Release", _release), seeds=(_RELEASE,)),
    Target(name="dpkg-status", prepare=_dpkg, seeds=(_STANZAS,), errors=(HostError,)),
    Target(name="changelog", prepare=_changelogs, seeds=(_CHANGELOG, gzip.compress(_CHANGELOG))),
    Target(
        name="os-release", prepare=_os_release, seeds=(b"ID=debian\nVERSION_CODENAME=\"bookworm\"\nVERSION_ID='12'\n",)
    ),
    Target(name="reboot-flag", prepare=_reboot_flag, seeds=(b"linux-image-amd64\nlibc6\n",)),
    Target(name="text", prepare=lambda _directory: _text, seeds=_TEXTS),
)
