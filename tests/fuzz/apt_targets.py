"""What apt, dpkg and a running job write: sources, error messages, the output of a transaction, progress."""

from pathlib import Path

import apt_pkg

from agent.core.policy.origins import parse_pattern
from agent.errors import HostError
from agent.host.apt.errors import libapt_errors, plain_error
from agent.host.apt.source_faults import detail_of, fault_of
from agent.host.apt.sources import read_sources
from agent.host.dpkg.output import parse_output
from agent.state.job_progress import message_of
from tests.fuzz.target import CHOICES, Parse, Target, documents

_SOURCES = (
    b"deb http://user:secret@host.example/debian bookworm main contrib\ndeb-src [trusted=yes] file:/srv/repo ./\n",
    b"deb [arch=amd64,i386 signed-by=/k.gpg] mirror+http://host.example//list.txt bookworm-security updates/main\n",
    b"deb cdrom:[Debian]/ sid main\n",
)
_OUTPUT = b"""\
(Reading database ... 10141 files and directories currently installed.)
Preparing to unpack .../2-nginx_1.22.1-9+deb12u2_amd64.deb ...
Unpacking nginx (1.22.1-9+deb12u2) over (1.22.1-9+deb12u1) ...
dpkg: error processing archive /tmp/apt-dpkg-install-x1/2-nginx_1.22.1-9+deb12u2_amd64.deb (--unpack):
 unable to create '/usr/share/doc/nginx/copyright.dpkg-new': Read-only file system
Errors were encountered while processing:
 /tmp/apt-dpkg-install-x1/2-nginx_1.22.1-9+deb12u2_amd64.deb
"""
_MESSAGES = (
    b"E:The repository 'http://host.example/debian bookworm Release' is not signed., "
    b"W:Failed to fetch http://host.example/x  401  Unauthorized",
    b"Release file for http://host.example/dists/sid/InRelease is not valid yet (invalid for another 1d 2h 3min 4s).",
)


def _sources(directory: Path) -> Parse:
    apt_pkg.init_config()
    apt_pkg.init_system()
    path = directory / "sources.list"
    settings = {"Dir::Etc::sourcelist": path, "Dir::Etc::sourceparts": "/dev/null", "Dir::State::Lists": directory}
    for name, value in settings.items():
        apt_pkg.config.set(name, str(value))
    patterns = (parse_pattern("origin=Debian,label=Debian-Security", {}), parse_pattern("site=host.example", {}))

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with libapt_errors("the package sources cannot be read"):
            configured = apt_pkg.SourceList()
            configured.read_main_list()
            sources = read_sources(configured)
        for source in sources:
            assert "//user:secret@" not in source.name
            source.offers(patterns)
            source.missing()
            source.verified_at()

    return parse


def _message(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    fault_of(text)
    detail_of(plain_error(text))


def _output(data: bytes) -> None:
    parse_output(data.decode("utf-8", "replace"))


def _progress(_directory: Path) -> Parse:
    encode = documents(({"schema": "maestro.progress/1", "process": "1 2 3", "job": "upgrade"}, {"step": "x"}))

    def parse(data: bytes) -> None:
        message_of(encode(data))

    return parse


TARGETS = (
    Target(name="sources", prepare=_sources, seeds=_SOURCES, errors=(HostError,)),
    Target(name="apt-message", prepare=lambda _directory: _message, seeds=_MESSAGES),
    Target(name="dpkg-output", prepare=lambda _directory: _output, seeds=(_OUTPUT,)),
    Target(name="progress", prepare=_progress, seeds=CHOICES),
)
