"""A world: a machine's packages, what its repositories offer and what its administrator said, as data.

The same world is put on two machines, one for the agent and one for its peer, and what came of each run is read
from dpkg and apt on that machine, never from what the program said of itself.
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

Came = Mapping[str, str]
"""What a run changed: version by package name, with its state where that is not plainly installed, or the content of
a watched file by its path."""


@dataclass(frozen=True, kw_only=True)
class Differs:
    """What the peer does otherwise, and why ours is right."""

    peer: Came
    because: str
    conceded: bool = False
    """Whether the peer's way is the better one here; then `because` says what ours comes from."""


@dataclass(frozen=True, kw_only=True)
class World:
    """One scenario, and what is expected to come of it."""

    title: str
    """What this world shows: a sentence without its capital and its stop."""
    installed: tuple[Package, ...] = ()
    offers: Mapping[str, tuple[Package, ...]] = field(default_factory=dict)
    """Packages by kind of repository, as `Scenario.repository` knows them."""
    releases: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What a kind's repository says of itself, where that is not the usual."""
    options: str = ""
    """Options of every source in place of `signed-by`."""
    ubuntu: bool = False
    foreign: str = ""
    """A second architecture of the machine."""
    automatic: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    commands: str = ""
    """Shell commands run on the finished machine; they may fail."""
    attempts: tuple[Package, ...] = ()
    """Packages that are given to dpkg one by one, however that ends."""
    unpacked: tuple[Package, ...] = ()
    """Packages that were unpacked and never configured."""
    spoil: str = ""
    """How the server answers for this part of a path: "404:b_2", "hash:b_2"; repositories are served over HTTP then."""
    origins: tuple[str, ...] = ()
    """Allowed origins in place of the agent's default, the same for both."""
    allowed: tuple[str, ...] = ("security", "esm-apps", "esm-infra")
    """Kinds of repository that these origins stand for."""
    peer_origins: tuple[str, ...] = ()
    """Allowed origins of the peer alone."""
    config: str = ""
    """The agent's configuration."""
    peer_config: str = ""
    """The peer's, to the same purpose."""
    refresh: bool = True
    watch: tuple[str, ...] = ()
    """Files whose content is part of what came of it."""

    came: Came = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)
    """Reason by package that the agent gives."""
    code: int = 0
    peer_code: int = 0
    breaks: bool = False
    """Whether a package's own scripts leave it unfinished."""
    differs: Differs | None = None

    @property
    def slug(self) -> str:
        """The title as a test's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, kw_only=True)
class State:
    """What dpkg and apt say of a machine."""

    packages: Mapping[str, str]
    automatic: frozenset[str]
    held: frozenset[str]
    files: Mapping[str, str]
    audit: str


def origins_of(world: World, codename: str) -> tuple[str, ...]:
    """Return the allowed origins that hold in a world."""
    distro = Distro(id="ubuntu", codename="noble") if world.ubuntu else Distro(id="debian", codename=codename)
    return world.origins or default_origins(distro)


@contextlib.contextmanager
def furnish(world: World, scenario: Scenario) -> Iterator[None]:
    """Put a world on a machine; its repositories are served until the block ends."""
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
    """Ask dpkg and apt for every package, mark and hold, and read the watched files."""
    form = "${binary:Package} ${db:Status-Want} ${db:Status-Status} ${db:Status-Eflag} ${Version}\\n"
    lines = [line.split() for line in machine.check(f"dpkg-query -W -f '{form}'").splitlines()]
    packages = {words[0]: _spell(*words[2:]) for words in lines if words[2] != "not-installed"}
    files = {name: machine.path(name) for name in watch}
    return State(
        packages=packages,
        automatic=_automatic(machine),
        held=frozenset(words[0] for words in lines if words[1] == "hold"),
        files={name: path.read_text() for name, path in files.items() if path.exists()},
        audit=machine.run("dpkg --audit").stdout,
    )


def _automatic(machine: Machine) -> frozenset[str]:
    """Read apt's own file; `apt-mark` would not answer where apt is not content with its configuration."""
    text = machine.run("cat /var/lib/apt/extended_states").stdout
    stanzas = (dict(re.findall(r"(?m)^(\S+): (.*)$", stanza)) for stanza in text.split("\n\n"))
    marked = (stanza["Package"] for stanza in stanzas if stanza.get("Auto-Installed") == "1")
    return frozenset(marked)


def _spell(status: str, flag: str, version: str = "") -> str:
    words = [status] if status != "installed" else []
    words += [flag] if flag != "ok" else []
    return " ".join([*words, version])


def came_of(before: State, after: State) -> dict[str, str]:
    """Return what changed from one state to the other."""
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
