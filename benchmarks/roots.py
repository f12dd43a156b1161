"""Roots to measure on: a server with more packages than the tests' base, cached as a layer, and layers for one run."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import bases
from tests.support.machine import Machine, machine

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = (
    # Common server packages from `main`, so that at least 60 real security updates are pending. No PHP extensions:
    # their maintainer scripts add a quarter to every run, with any tool.
    "apache2",
    "bind9",
    "dovecot-imapd",
    "dovecot-lmtpd",
    "dovecot-pop3d",
    "ghostscript",
    "haproxy",
    "imagemagick",
    "jq",
    "mutt",
    "postgresql",
    "redis-server",
    "ruby",
    "squid",
    "strongswan",
)
PATCHED = ("npm", "build-essential", *bases.BOOTED)
"""More packages, so that there are some 765, and what the daemon needs."""
PEER = """#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {{ "origin=Debian,codename={codename}-security,label=Debian-Security"; }};
"""
THIS_MACHINE = "this-machine"
"""An overlay over this machine, with its packages, sources and apt settings."""
_DISK_BYTES = 4 << 30
LISTS_S, INSTALL_S = 300, 1200
"""Timeouts for refreshing lists and installing packages."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Shared by all parts of one run: the agent as a layer, and a directory for temporary layers."""

    agent: Path
    scratch: Path
    rounds: int
    """Rounds of the slow commands."""
    peer: bool
    """Whether to measure unattended-upgrade's own upgrade, and upgrades that use the network."""
    idle_minutes: float
    """How long the idle daemon is measured."""


@contextmanager
def session(*, rounds: int, peer: bool, idle_minutes: float) -> Iterator[Session]:
    """Install the agent into a separate layer, in the paths of its package."""
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        agent = Path(name, "agent")
        agent.mkdir()
        subprocess.run(["make", "-s", "-C", str(CHECKOUT), "install", f"DESTDIR={agent}"], check=True)
        yield Session(agent=agent, scratch=Path(name), rounds=rounds, peer=peer, idle_minutes=idle_minutes)


def server(codename: str) -> tuple[Path, ...]:
    """Return the layers of a server without security updates; built if they are not cached (minutes)."""
    if codename == THIS_MACHINE:
        return (Path("/"),)
    base = bases.base(codename)
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:8]
    layer = bases.CACHE / f"{base.name}-server-{digest}"
    with (bases.CACHE / f"{layer.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.exists():
            with machine(base) as running:
                connect(running)
                running.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)  # start no services
                running.check("apt-get -q update", timeout=LISTS_S)
                install = "apt-get -q -y --no-install-recommends install"
                running.check(f"{install} {' '.join(PACKAGES)}", timeout=INSTALL_S)
                running.check("apt-get clean && rm -rf /var/lib/apt/lists/* /etc/resolv.conf")
                save(running, layer)
    return layer, base


def patched(codename: str) -> tuple[Path, ...]:
    """Return the layers of a larger server with all security updates of the day it was built (minutes, cached)."""
    below = server(codename)
    digest = hashlib.sha256(" ".join(PATCHED).encode()).hexdigest()[:8]
    layer = bases.CACHE / f"{below[0].name}-patched-{digest}"
    with (bases.CACHE / f"{layer.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.exists():
            with machine(*below) as running:
                connect(running)
                add_security(running, codename)
                install = "apt-get -q -y --no-install-recommends install"
                running.check(f"{install} {' '.join(PATCHED)}", timeout=INSTALL_S)
                upgrade(running)
                running.check("apt-get clean && rm -rf /var/lib/apt/lists/* /etc/resolv.conf")
                save(running, layer)
    return layer, *below


def upgrade(running: Machine) -> None:
    """Install every update that the machine's lists have."""
    keep = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
    running.check(f"apt-get -q -y {keep} dist-upgrade", timeout=INSTALL_S)


def connect(running: Machine) -> None:
    """Give the machine the DNS configuration of this machine, so that it reaches the same archives."""
    shutil.copy("/etc/resolv.conf", running.path("/etc/resolv.conf"))


def add_security(running: Machine, codename: str) -> None:
    """Add the release's security updates, also for the peer, and refresh the lists."""
    if codename == THIS_MACHINE:  # it has its sources; the peer and the agent's dependencies may be missing
        running.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        running.write("/etc/apt/apt.conf.d/99peer", PEER.format(codename=bases.own_codename()))
        running.check("apt-get -q update", timeout=LISTS_S)
        needed = "unattended-upgrades python3-apt python3-psutil python3-systemd python3-yaml"
        running.check(f"apt-get -q -y --no-install-recommends install {needed}", timeout=INSTALL_S)
        return
    line = f"deb {bases.security_mirror()} {codename}-security main\n"
    running.write("/etc/apt/sources.list.d/security.list", line)
    running.write("/etc/apt/apt.conf.d/99peer", PEER.format(codename=codename))
    running.check("apt-get -q update", timeout=LISTS_S)


def settle(running: Machine) -> None:
    """Compile the agent's modules and build apt's caches, as on a machine in use."""
    running.check("python3 -m compileall -q /usr/share/maestro-agent")  # as the package's postinst does
    running.check("apt-cache stats")


@contextmanager
def disk(directory: Path) -> Iterator[Path]:
    """Make an empty ext4 file system in a file below a directory; it is removed with the block."""
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".img") as image:
        image.truncate(_DISK_BYTES)
        # Not lazily: the kernel would go on writing tables while a round is measured.
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", options, image.name], check=True)
        yield Path(image.name)


def save(running: Machine, layer: Path) -> None:
    """Save everything the machine has written so far as a layer."""
    stat = Path(f"/proc/{running.leader}/stat").read_text()
    outer = stat.rpartition(")")[2].split()[1]  # the parent still sees the mounts outside the root
    mounts = Path(f"/proc/{outer}/mounts").read_text()
    options = [line.split()[3] for line in mounts.splitlines() if line.split()[2] == "overlay"][
        -1
    ]  # the newest is its own
    upper = next(option for option in options.split(",") if option.startswith("upperdir=")).partition("=")[2]
    building = layer.with_name(f"{layer.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    subprocess.run(["cp", "-a", f"/proc/{outer}/root{upper}", str(building)], check=True)
    building.rename(layer)
