"""One upgrade of Docker through a fault, on a booted machine of its own with the agent and containers of every kind."""

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import docker_judge
from tests.support.docker_judge import CONFIG, REMOVED, Ending
from tests.support.engine_archive import NEWER, engine_layers
from tests.support.engines import EngineMachine, engine_machine, engine_options
from tests.support.recorded import WORKER, Kept, installed_layer
from tests.support.repository import Signer
from tests.support.scenario import Answer

COMMAND = "maestro-agent docker upgrade --yes --json --remove-containers --wait"
LONGEST_S = 240.0
"""For one command; beyond it the run is a failure."""
_MANIFEST = "/etc/maestro-agent/manifest.yml"
_BUSY = 5


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all runs share."""

    layers: tuple[Path, ...]
    signer: Signer


@dataclass(kw_only=True)
class Verdict:
    """Result of one run."""

    name: str
    seconds: float = 0.0
    struck: str = ""
    """When the fault came."""
    results: list[str] = field(default_factory=list)
    """Of each command: result or exit code."""
    problems: list[str] = field(default_factory=list)
    ending: Ending | None = None


@contextlib.contextmanager
def ground(deb: Path, signer: Signer, directory: Path) -> Iterator[Ground]:
    """Give the layers of a Debian 12 with its engine and the agent."""
    with (
        engine_options() as options,
        installed_layer("bookworm", deb, signer, directory, on=engine_layers(), options=options) as layers,
    ):
        yield Ground(layers=layers, signer=signer)


class Trial:
    """A machine with the older engine, seven containers and a manifest that wants the newer one."""

    def __init__(self, engine: EngineMachine, made: Ground, moments: random.Random) -> None:
        self.engine = engine
        self.machine = engine.machine
        self.kept = Kept(engine.machine, made.signer, "bookworm")
        self.signer = made.signer
        self.moments = moments
        self.struck = ""
        self._asking: subprocess.Popen[str] | None = None

    def populate(self) -> None:
        """Start containers of every policy, one that ignores SIGTERM, one that its owner stopped, one with `--rm`."""
        for policy in ("no", "always", "unless-stopped", "on-failure"):
            self.engine.run_container(policy, policy=policy)
        self.engine.run_container("deaf", policy="unless-stopped", handles_stop=False, stop_timeout=3)
        self.engine.run_container("stopped", policy="always")
        self.engine.docker("stop stopped")
        self.engine.run_container(REMOVED, auto_remove=True)
        self.machine.write(_MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
        self.machine.check("apt-mark hold runc")
        self.kept.agent("check --no-refresh --wait")

    def keep_live(self) -> None:
        """Have the containers outlive the engine, from now on."""
        self.engine.configure('{"live-restore": true}\n')
        self.machine.check("systemctl reload docker")
        self.engine.wait("live-restore", "docker info -f '{{.LiveRestoreEnabled}}' | grep -q true")

    def option(self, text: str) -> None:
        """Write daemon.json, and have the engine read it with a restart."""
        self.machine.write(CONFIG, text)
        self.restart()

    def restart(self) -> None:
        """Restart the engine, with the containers as they were."""
        states = self.engine.states()
        self.engine.restart()
        self.engine.docker("stop stopped")
        if REMOVED not in self.engine.states() and REMOVED in states:
            self.engine.run_container(REMOVED, auto_remove=True)
        names = " ".join(name for name, state in states.items() if state == "running")
        self.engine.docker(f"start {names}")

    def reach(self, phase: str, within_s: float) -> None:
        """Wait until the upgrade is in a phase (empty: is a process), and for a random time more."""
        deadline = time.monotonic() + LONGEST_S
        while not (docker_judge.phase(self.engine) == phase if phase else self.machine.processes(WORKER)):
            if self.asking.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the upgrade was never in phase {phase}: {self.asking.communicate()}")
            time.sleep(0.02)
        after_s = self.moments.uniform(0, within_s)
        time.sleep(after_s)
        self.struck = f"{phase or 'begun'} + {after_s:.2f} s"

    @property
    def asking(self) -> "subprocess.Popen[str]":
        """The command that runs."""
        assert self._asking is not None
        return self._asking

    def begin(self) -> None:
        """Start the command, once no job of the daemon runs."""
        self.machine.wait_for(WORKER, gone=True, seconds=LONGEST_S)
        self._asking = self.machine.start(COMMAND)

    def finish(self) -> Answer:
        """Wait for the end of the command."""
        out, err = self.asking.communicate(timeout=LONGEST_S)
        return Answer(code=self.asking.returncode, out=out, err=err)

    def again(self) -> Answer:
        """Let the agent come to rest, and run the command once more."""
        self.machine.wait_for(WORKER, gone=True, seconds=LONGEST_S)
        self.machine.wait_for("/usr/bin/dpkg", gone=True, seconds=LONGEST_S)
        deadline = time.monotonic() + LONGEST_S
        while True:
            done = self.machine.run(COMMAND, timeout=LONGEST_S)
            if done.returncode != _BUSY or time.monotonic() > deadline:
                return Answer(code=done.returncode, out=done.stdout, err=done.stderr)
            time.sleep(1)

    def abandon(self) -> None:
        """End the command if it still runs."""
        if self._asking is not None and self._asking.poll() is None:
            self._asking.kill()
            self._asking.communicate()


@contextlib.contextmanager
def trial(made: Ground, moments: random.Random) -> Iterator[Trial]:
    """Boot a machine for one run."""
    with engine_machine(layers=made.layers) as engine:
        found = Trial(engine, made, moments)
        found.populate()
        try:
            yield found
        finally:
            found.abandon()
