"""A world: one test scenario as data: installed packages, repositories, configuration, expected changes.

The same world is built on two machines, one for the agent and one for its peer. The result of each run is read from
dpkg and apt on that machine, never from the program's own report.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.core.policy.distro import Distro, default_origins
from tests.support.machine import Machine
from tests.support.repository import Package
from tests.support.scenario import Scenario
from tests.support.server import serving

Changes = Mapping[str, str]
"""Changes of one run: by package name, the version with its state if that is not simply installed; by path, the content
of a watched file."""


@dataclass(frozen=True, kw_only=True)
class Differs:
    """How the peer's result differs, and why the agent's is right."""

    peer: Changes
    because: str
    conceded: bool = False
    """Whether the peer's result is the better one; then `because` explains the agent's."""


@dataclass(frozen=True, kw_only=True)
class World:
    """One scenario and its expected result."""

    title: str
    """A sentence without capital letter and full stop."""
    installed: tuple[Package, ...] = ()
    offers: Mapping[str, tuple[Package, ...]] = field(default_factory=dict)
    """Packages by kind of repository (`Scenario.repository`)."""
    releases: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Release fields of a kind's repository, if not the default."""
    options: str = ""
    """Options of every source, instead of `signed-by`."""
    ubuntu: bool = False
    foreign: str = ""
    """A second architecture of the machine."""
    automatic: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    commands: str = ""
    """Shell commands to run last on the machine; they may fail."""
    attempts: tuple[Package, ...] = ()
    """Packages to install with dpkg one by one; this may fail."""
    unpacked: tuple[Package, ...] = ()
    """Packages to unpack but not configure."""
    spoil: str = ""
    """Fault of the server for paths with this part: "404:b_2", "hash:b_2"; repositories are then served over HTTP."""
    origins: tuple[str, ...] = ()
    """Allowed origins instead of the default, for both programs."""
    allowed: tuple[str, ...] = ("security", "esm-apps", "esm-infra")
    """Kinds of repository that these origins match."""
    peer_origins: tuple[str, ...] = ()
    """Allowed origins of the peer only."""
    config: str = ""
    """The agent's configuration."""
    peer_config: str = ""
    """The peer's equivalent configuration."""
    refresh: bool = True
    watch: tuple[str, ...] = ()
    """Files whose content is part of the result."""

    changes: Changes = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    """The agent's `why` by package."""
    code: int = 0
    peer_code: int = 0
    breaks: bool = False
    """Whether a package is expected to stay unfinished."""
    differs: Differs | None = None

    @property
    def slug(self) -> str:
        """The title as a test id."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of a machine, read from dpkg and apt."""

    packages: Mapping[str, str]
    automatic: frozenset[str]
    held: frozenset[str]
    files: Mapping[str, str]
    audit: str


def origins_of(world: World, codename: str) -> tuple[str, ...]:
    """Return the effective allowed origins of a world."""
    distro = Distro(id="ubuntu", codename="noble") if world.ubuntu else Distro(id="debian", codename=codename)
    return world.origins or default_origins(distro)


@contextlib.contextmanager
def prepare(world: World, scenario: Scenario) -> Iterator[None]:
    """Build a world on a machine; its repositories are served until the block ends."""
    machine = scenario.machine
    if world.ubuntu:
        scenario.be_ubuntu()
    if world.foreign:
        machine.check(f"dpkg --add-architecture {world.foreign}")
    if world.installed:
        scenario.install(*world.installed)
    with contextlib.ExitStack() as stack:
        url = ""
        if world.spoil:
            archive = stack.enter_context(serving(machine.path("/srv")))
            how, _, part = world.spoil.partition(":")
            archive.refused.update({part: int(how)} if how.isdigit() else {})
            archive.spoiled.update(() if how.isdigit() else (part,))
            url = archive.url
        for kind, packages in world.offers.items():
            at = f"{url}/{kind}" if url else None
            made = scenario.repository(kind, *packages, at=at, **world.releases.get(kind, {}))
            if world.options:
                scenario.configure(kind, f"file:/srv/{kind}", made.codename, world.options)
        if world.foreign:
            machine.check(f"sed -i 's/arch=amd64/arch=amd64,{world.foreign}/' /etc/apt/sources.list.d/*.list")
        _administer(world, machine)
        yield


def _administer(world: World, machine: Machine) -> None:
    if world.automatic:
        machine.check(f"apt-mark auto {' '.join(world.automatic)}")
    for name, text in world.files.items():
        machine.write(name, text)
    for verb, packages in (("--install", world.attempts), ("--unpack", world.unpacked)):
        for package in packages:
            machine.path(f"/srv/{package.filename}").write_bytes(package.build())
            machine.run(f"dpkg {verb} {shlex.quote(f'/srv/{package.filename}')}")
    for name in world.holds:
        machine.check(f"echo {name} hold | dpkg --set-selections")
    if world.commands:
        machine.run(world.commands)


def state_of(machine: Machine, watch: tuple[str, ...] = ()) -> State:
    """Read every package, mark and hold from dpkg and apt, and the watched files."""
    form = "${binary:Package} ${db:Status-Want} ${db:Status-Status} ${db:Status-Eflag} ${Version}\\n"
    lines = [line.split() for line in machine.check(f"dpkg-query -W -f '{form}'").splitlines()]
    packages = {words[0]: _format_state(*words[2:]) for words in lines if words[2] != "not-installed"}
    files = {name: machine.path(name) for name in watch}
    return State(
        packages=packages,
        automatic=_automatic(machine),
        held=frozenset(words[0] for words in lines if words[1] == "hold"),
        files={name: path.read_text() for name, path in files.items() if path.exists()},
        audit=machine.run("dpkg --audit").stdout,
    )


def _automatic(machine: Machine) -> frozenset[str]:
    """Read apt's own file; `apt-mark` fails if apt rejects its configuration."""
    text = machine.run("cat /var/lib/apt/extended_states").stdout
    stanzas = (dict(re.findall(r"(?m)^(\S+): (.*)$", stanza)) for stanza in text.split("\n\n"))
    marked = (stanza["Package"] for stanza in stanzas if stanza.get("Auto-Installed") == "1")
    return frozenset(marked)


def _format_state(status: str, flag: str, version: str = "") -> str:
    words = [status] if status != "installed" else []
    words += [flag] if flag != "ok" else []
    return " ".join([*words, version])


def changes_between(before: State, after: State) -> dict[str, str]:
    """Return the changes from one state to the other."""
    changed: dict[str, str] = {}
    for name in before.packages.keys() | after.packages.keys():
        now, then = after.packages.get(name, "gone"), before.packages.get(name)
        mark = name in after.automatic
        words = [now] if now != then else []
        if then is None or mark != (name in before.automatic):
            words += ["automatic"] if mark else ["manual"] if then is not None and now != "gone" else []
        if words:
            changed[name] = " ".join(words)
    return {**changed, **{name: text for name, text in after.files.items() if text != before.files.get(name)}}
