"""A booted machine that the agent keeps patched: the package installed with apt, daemon and worker socket active."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.support import bases, crash_checks
from tests.support.booted import Booted, booted
from tests.support.machine import Machine
from tests.support.repository import Package, Ready, Repository, Signer
from tests.support.scenario import Scenario

UNIT = "maestro-agent"
WORKER_SOCKET = "maestro-agent-worker.socket"
SOCKET = "/run/maestro-agent-worker.sock"
RECORD = "/var/lib/maestro-agent"
WORKER = "libexec/maestro-agent/worker"
_VERSION_FILE = "usr/share/maestro-agent/agent/version.py"


@dataclass(frozen=True, kw_only=True)
class Rebuilt(Ready):
    """The agent's package with another version, in its control file and in its code."""

    def build(self) -> bytes:
        """Return the package; byte code is made from the new code when it is installed."""
        with tempfile.TemporaryDirectory() as scratch:
            tree, made = Path(scratch, "tree"), Path(scratch, "made.deb")
            subprocess.run(["dpkg-deb", "-R", str(self.deb), str(tree)], check=True)
            (tree / "DEBIAN/control").write_text(self.control)
            code = tree / _VERSION_FILE
            code.write_text(re.sub(r'(?m)^VERSION = ".*"$', f'VERSION = "{self.version}"', code.read_text()))
            assert self.version in code.read_text()
            digest = subprocess.run(["md5sum", str(code)], stdout=subprocess.PIPE, text=True, check=True).stdout[:32]
            sums = tree / "DEBIAN/md5sums"
            sums.write_text(re.sub(rf"(?m)^\w+(?=  {re.escape(_VERSION_FILE)}$)", digest, sums.read_text()))
            command = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(made)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            return made.read_bytes()


def version_of(deb: Path) -> str:
    """Return the version of a built package."""
    shown = subprocess.run(["dpkg-deb", "-f", str(deb), "Version"], stdout=subprocess.PIPE, text=True, check=True)
    return shown.stdout.strip()


def newer(deb: Path, suffix: str) -> Rebuilt:
    """Return the agent's next version."""
    return Rebuilt(name=UNIT, version=f"{version_of(deb)}+{suffix}", architecture="all", deb=deb)


def put_off(machine: Machine) -> None:
    """Have the daily upgrade half a day away, and checks as rare as can be: by itself none comes within a test."""
    at = datetime.now(timezone.utc) + timedelta(hours=12)
    text = f'[agent]\nupgrade_at = "{at:%H:%M}"\nsplay = "0s"\ncheck_interval = "7d"\n'
    machine.write("/etc/maestro-agent/config.d/10-put-off.toml", text)


def stop_daemon(machine: Machine) -> None:
    """Have no job begin by itself: the first one is due within minutes, and another one would be refused meanwhile."""
    machine.check(f"systemctl stop {UNIT}")


class Kept(Scenario):
    """The machine and its agent."""

    machine: Booted
    _security: Repository | None = None

    @classmethod
    def bare(cls, running: Booted, signer: Signer, codename: str, deb: Path) -> "Kept":
        """Return a machine without the agent, whose one package source offers it."""
        made = cls.without_sources(running, signer, codename)
        assert isinstance(made, Kept)
        made.repository("main", Ready(name=UNIT, version=version_of(deb), architecture="all", deb=deb))
        running.check("apt-get -q update")
        return made

    def install_agent(self) -> None:
        """Install the agent from its repository."""
        self.machine.check("apt-get install -y maestro-agent")

    def have(self, *packages: Package) -> None:
        """Install each package's version 1, and offer the given versions as security updates."""
        self.install(*(replace(package, version="1", fields=(), scripts=()) for package in packages))
        self.offer_more(*packages)

    def offer_more(self, *packages: Package) -> None:
        """Offer versions as security updates, beside those offered before."""
        if self._security is None:
            self._security = self.repository("security", *packages)
        else:
            self._security.add(*packages)

    def follow_security(self) -> None:
        """Find the repository of `offer_more` again after a reboot, which has made another root of the machine's."""
        if self._security is not None:
            self._security.directory = self.machine.path("/srv/security")

    def wait(self, words: str, condition: str, seconds: float = 180) -> None:
        """Wait until a shell command succeeds on the machine."""
        deadline = time.monotonic() + seconds
        while self.machine.run(condition).returncode:
            if time.monotonic() > deadline:
                raise AssertionError(f"{words}: not after {seconds} s\n{self.machine.journal(UNIT)[-2000:]}")
            time.sleep(0.1)

    def wait_for_export(self, words: str, condition: Callable[[], bool], seconds: float = 150) -> None:
        """Wait for an export, but not for the slot of its exporter: put something new on record, and reload."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{words}: not after {seconds} s\n{self.machine.journal(UNIT)[-2000:]}")
            self.agent("check --wait")
            self.machine.run(f"systemctl reload {UNIT}")
            time.sleep(1)

    def wait_for_daemon(self, other_than: int = 0, seconds: float = 180) -> int:
        """Wait until the daemon is ready, as another process than the given one; return its pid."""
        pid, state = f"$(systemctl show -P MainPID {UNIT})", f"$(systemctl show -P SubState {UNIT})"
        self.wait("the daemon", f"p={pid}; test $p -gt 0 -a $p -ne {other_than} -a {state} = running", seconds)
        return self.daemon_pid()

    def tick(self) -> None:
        """Have the daemon do now what it does twice a minute. Unlike a reload, this accepts no configuration."""
        self.machine.check(f"systemctl kill --kill-who=main -s HUP {UNIT}")

    def wait_for_idle(self, seconds: float = 180) -> None:
        """Wait until no job runs."""
        self.machine.wait_for(WORKER, gone=True, seconds=seconds)

    def daemon_pid(self) -> int:
        """Return the daemon's process as systemd knows it, 0 where there is none."""
        return int(self.machine.check(f"systemctl show -P MainPID {UNIT}"))

    def daemon(self) -> Any:
        """Return what the daemon says of itself."""
        return json.loads(self.machine.path("/run/maestro-agent/daemon.json").read_text())

    def status(self, user: str | None = None) -> Any:
        """Return the document that `status` shows."""
        return self.agent("status --json", user=user).json

    def runs(self) -> list[Any]:
        """Return the runs on record, oldest first."""
        return crash_checks.records(self.machine)

    def accepted(self) -> int:
        """Return how many connections systemd has accepted on the worker's socket."""
        return int(self.machine.check(f"systemctl show -P NAccepted {WORKER_SOCKET}"))

    def python(self, code: str, *, user: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a Python program on the machine."""
        self.machine.write("/srv/program.py", code)
        return self.machine.run("python3 /srv/program.py", user=user)


def install_layer(
    codename: str, deb: Path, signer: Signer, layer: Path, *, below: tuple[Path, ...], options: tuple[str, ...] = ()
) -> None:
    """Install the agent with apt on a machine that has booted, and keep what that changed as a layer for others.

    `below` are the layers to install it on; `options` are further ones of systemd-nspawn(1).
    """
    with booted(*below, keep=layer, options=options) as running:
        Kept.bare(running, signer, codename, deb).install_agent()
        put_off(running)
        running.check(f"systemctl is-active {UNIT} {WORKER_SOCKET}")
        running.power_off()


@contextlib.contextmanager
def installed_layer(
    codename: str,
    deb: Path,
    signer: Signer,
    directory: Path,
    *,
    on: tuple[Path, ...] = (),
    options: tuple[str, ...] = (),
) -> Iterator[tuple[Path, ...]]:
    """Install the agent on the given layers, or on the plain release; give the layers to build others on."""
    layer = directory / f"installed-{codename}-{os.getpid()}"
    below = on or (bases.base(codename, bases.BOOTED),)
    install_layer(codename, deb, signer, layer, below=below, options=options)
    yield layer, *below
    subprocess.run(["rm", "-rf", str(layer)], check=True)
