"""One row on a machine: publishes its repositories, writes its sources, runs `apt-get update` and the agent."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from tests.sources.forms import BINARY_KEY, KEY, PASSWORD, USER, Form
from tests.sources.indexes import Index, is_nameless, release_files
from tests.sources.server import Server
from tests.support.machine import Machine
from tests.support.repository import Signer

HOST = "archive.test"
LISTS = "/var/lib/apt/lists"
LISTS_OF_APT = "/var/lib/apt/lists-of-apt"
_WITHOUT_CACHE = "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
_UPDATE = f"apt-get -o Dir::State::Lists={LISTS_OF_APT} {_WITHOUT_CACHE} update"
_TARGETS = (
    f"apt-get -o Dir::State::Lists={LISTS_OF_APT} {_WITHOUT_CACHE} indextargets "
    "--format '$(TRUSTED) $(URI)' 'Created-By: Packages'"
)
SECURITY: Mapping[str, str] = {
    "Origin": "Debian",
    "Label": "Debian-Security",
    "Suite": "stable-security",
    "Codename": "{codename}-security",
}
THIRD_PARTY: Mapping[str, str] = {"Origin": "Vendor", "Label": "Vendor", "Suite": "stable", "Codename": "{codename}"}
BESIDE = "/srv/beside"
"""The healthy repository beside the one under test: a security source beside a third party and the other way round."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Result of one program."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What `apt-get update` and `maestro-agent check` ended with, from the same lists and sources."""

    apt: Ran
    releases: tuple[str, ...]
    """The names of the Release files on its disk that came with a signature."""
    targets: str
    """apt's own list of the Packages files that are on its disk, each with whether it is trusted."""
    agent: Ran
    texts: Mapping[str, str]
    """Everything that the agent printed or wrote, by its place."""


@dataclass(kw_only=True)
class Bench:
    """A machine with the repositories of one row."""

    machine: Machine
    server: Server
    signer: Signer
    stranger: Signer
    codename: str
    form: Form
    index: Index
    security: bool
    names: dict[str, str] = field(default_factory=dict)
    """The Release file's fields of the repository under test."""
    dist: str = ""
    """The suite's name in the source."""
    published: int = 0

    def __post_init__(self) -> None:
        names = SECURITY if self.security else THIRD_PARTY
        self.names = {field: value.format(codename=self.codename) for field, value in names.items()}
        self.dist = self.names["Codename"]

    @property
    def host(self) -> str:
        """The server's host and port."""
        return f"{HOST}:{self.server.port}"

    def prepare(self) -> None:
        """Set the machine back, publish both repositories and write the sources."""
        self.machine.run(f"umount -q {LISTS}; umount -q {LISTS_OF_APT}; umount -q /tmp; chmod 1777 /tmp")
        self.machine.check(
            "rm -rf /srv/* /etc/apt/sources.list.d /etc/apt/preferences.d/* /etc/apt/apt.conf.d/99row* "
            f"/etc/apt/auth.conf.d/* /etc/apt/trusted.gpg* "
            f"/var/lib/maestro-agent/* {LISTS} {LISTS_OF_APT} /var/lib/apt/other-lists "
            "/var/cache/apt/*.bin; "
            f"mkdir -p /etc/apt/sources.list.d /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d /srv "
            f"{LISTS}/partial {LISTS_OF_APT}/partial"
        )
        self.machine.write("/etc/hosts", f"127.0.0.1 localhost {HOST}\n")
        self.machine.path(KEY).write_bytes(self.signer.public_key)
        self.machine.path(KEY).chmod(0o644)
        self.machine.path(BINARY_KEY).write_bytes(self.signer.export())
        self.machine.path("/etc/apt/trusted.gpg.d/test.asc").write_bytes(self.signer.public_key)
        origins = f'[security]\norigins = ["site={HOST}"]\n' if self.security and is_nameless(self.index) else ""
        self.machine.write("/etc/maestro-agent/config.toml", origins)
        self.publish()
        self._publish_beside()
        self.write_source(self.form.text)
        if self.form.login:
            self.server.login = (USER, PASSWORD)
        if self.form.auth:
            self.machine.write("/etc/apt/auth.conf.d/row.conf", self._filled(self.form.auth), mode=0o600)
        if self.form.config:
            self.machine.write("/etc/apt/apt.conf.d/99row", self._filled(self.form.config))
        self.machine.write("/var/lib/dpkg/arch", f"amd64\n{self.form.architectures}")
        if self.form.scheme == "cdrom":
            self._insert_disc()

    def write_source(self, text: str) -> None:
        """Write the source under test."""
        ending = "sources" if self.form.deb822 else "list"
        self.machine.write(f"/etc/apt/sources.list.d/tested.{ending}", self._filled(text))

    def publish(self, signer: Signer | None = None, *, clear: bool = True, **changes: object) -> None:
        """Publish the repository under test, with these changes of its index; without `clear` beside what is there."""
        index = replace(self.index, **changes)  # type: ignore[arg-type]
        for place in self.form.places:
            top = self.machine.path(f"/srv/{place}")
            if clear:
                shutil.rmtree(top, ignore_errors=True)
            for suite in self._suites:
                names = {**self.names, **self._other_codename(suite)}
                components = () if self.form.flat is not None else self.form.components
                files = release_files(index, names, components, signer or self.signer, datetime.now(timezone.utc))
                self._write_files(top / suite, files)
        if self.form.text.find("mirrors") >= 0:
            mirrors = "".join(f"http://{self.host}/{place}\n" for place in self.form.places)
            self.machine.write("/srv/tested.mirrors", mirrors)
            self.machine.write("/etc/apt/tested.mirrors", self._filled("{login_url}\n"))

    def observe(self) -> Observed:
        """Run both programs."""
        apt = self._run(_UPDATE)
        targets = self._run(_TARGETS).out
        releases = tuple(path.name for path in self.machine.path(LISTS_OF_APT).glob("*_InRelease"))
        releases += tuple(path.name for path in self.machine.path(LISTS_OF_APT).glob("*_Release.gpg"))
        agent = self._run("maestro-agent check --json")
        return Observed(apt=apt, releases=releases, targets=targets, agent=agent, texts=self._texts(agent))

    def fetch(self) -> None:
        """Let the agent fetch, and give apt-get the same lists."""
        self._run("maestro-agent check")
        self.machine.check(f"rm -rf {LISTS_OF_APT}; cp -a {LISTS} {LISTS_OF_APT}")

    @property
    def _suites(self) -> tuple[str, ...]:
        if self.form.flat is not None:
            return (self.form.flat,)
        return tuple(f"dists/{dist.format(dist=self.dist)}" for dist in self.form.dists)

    def _other_codename(self, suite: str) -> Mapping[str, str]:
        """Return the codename of a suite other than the first: apt expects the suite's name in the source."""
        name = suite.removeprefix("dists/")
        return {} if self.form.flat is not None or name == self.dist else {"Codename": name}

    def _filled(self, text: str) -> str:
        url = {"http": f"http://{self.host}/tested", "cdrom": ""}.get(
            self.form.scheme, f"{self.form.scheme}:/srv/tested"
        )
        armor = "\n".join(f" {line or '.'}" for line in self.signer.public_key.decode().splitlines())
        filling = {
            "url": url,
            "login_url": f"http://{USER}:{PASSWORD}@{self.host}/tested",
            "host": self.host,
            "port": str(self.server.port),
            "dist": self.dist,
            "key": KEY,
            "armor": armor,
            "fingerprint": self.signer.fingerprint if "{fingerprint}" in text else "",
            "user": USER,
            "password": PASSWORD,
        }
        for name, value in filling.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _publish_beside(self) -> None:
        names = THIRD_PARTY if self.security else SECURITY
        filled = {field: value.format(codename=self.codename) for field, value in names.items()}
        files = release_files(Index(), filled, ("main",), self.signer, datetime.now(timezone.utc))
        self._write_files(self.machine.path(f"{BESIDE}/dists/{filled['Codename']}"), files)
        text = f"deb [signed-by={KEY}] file:{BESIDE} {filled['Codename']} main\n"
        self.machine.write("/etc/apt/sources.list.d/beside.list", text)

    def _write_files(self, directory: Path, files: Mapping[str, bytes]) -> None:
        # apt asks "if modified since", by the second: two publications must differ
        self.published += 1
        written = time.time() - 1000 + 2 * self.published
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (written, written))

    def _insert_disc(self) -> None:
        """Do what apt-cdrom(8) does for a disc that was in the drive once."""
        prefix = f"{LISTS}/Debian%20tested_dists_{self.dist}_"
        self.machine.check(
            f"cp /srv/tested/dists/{self.dist}/main/binary-amd64/Packages {prefix}main_binary-amd64_Packages"
        )
        self.machine.check(f"cp -a {LISTS}/. {LISTS_OF_APT}/")

    def _run(self, command: str) -> Ran:
        done: subprocess.CompletedProcess[str] = self.machine.run(command)
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def _texts(self, agent: Ran) -> Mapping[str, str]:
        found = {"check": agent.out + agent.err}
        configured = (path for path in self.machine.path("/etc/apt").rglob("*") if path.is_file())
        if any(PASSWORD.encode() in path.read_bytes() for path in configured):
            for command in ("status", "status --json", "check --no-refresh", "report --show"):
                done = self._run(f"maestro-agent {command}")
                found[command] = done.out + done.err
            for path in self.machine.path("/var/lib/maestro-agent").rglob("*"):
                if path.is_file():
                    found[path.name] = path.read_bytes().decode(errors="replace")
        return found


def document(ran: Ran) -> Mapping[str, object]:
    """Return the plan document; empty where `check` printed none."""
    try:
        return dict(json.loads(ran.out))
    except ValueError:
        return {}
