"""Booted machines with a real dockerd under systemd, and containers on them."""

import contextlib
import re
import shlex
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.booted import Booted, booted
from tests.support.engine_archive import IMAGE_TREE, NEWER, OLDER, engine_layers, engine_packages

__all__ = ["IMAGE", "NEWER", "OLDER", "EngineMachine", "engine_machine", "engine_options"]

IMAGE = "busybox"
_ENDS = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
_IGNORES = "trap '' TERM; while :; do sleep 1; done"


class EngineMachine:
    """A booted machine and the engine on it."""

    def __init__(self, machine: Booted) -> None:
        self.machine = machine

    def docker(self, command: str, *, timeout: float = 300) -> str:
        """Run the Docker client, which must succeed; return its output without the last line end."""
        return self.machine.check(f"docker {command}", timeout=timeout).rstrip("\n")

    def import_image(self) -> None:
        """Make the one image: busybox."""
        self.machine.check(f"tar -C {IMAGE_TREE} -c . | docker import - {IMAGE}")

    def run_container(
        self,
        name: str,
        *,
        policy: str = "no",
        handles_stop: bool = True,
        auto_remove: bool = False,
        published: int | None = None,
        stop_timeout: int | None = None,
        options: str = "",
    ) -> str:
        """Start a container and return its id. With `handles_stop` it ends with 0 on SIGTERM, else it ignores it.

        A published port of the host answers to HTTP with 404, from within the container.
        """
        words = [f"--name={name}", options]
        words += ["--rm"] if auto_remove else [f"--restart={policy}"]
        words += [] if published is None else [f"-p {published}:80"]
        words += [] if stop_timeout is None else [f"--stop-timeout={stop_timeout}"]
        program = ("" if published is None else "httpd -p 80; ") + (_ENDS if handles_stop else _IGNORES)
        return self.docker(f"run -d {' '.join(words)} {IMAGE} sh -c {shlex.quote(program)}")

    def running(self) -> set[str]:
        """Return the names of the containers that run."""
        return set(self.docker("ps --format '{{.Names}}'").split())

    def states(self) -> dict[str, str]:
        """Return the state of each container by name: "running", "exited"."""
        listed = self.docker("ps -a --format '{{.Names}} {{.State}}'").splitlines()
        return {(words := line.split())[0]: words[1] for line in listed}

    def pids(self) -> dict[str, int]:
        """Return the first process of each container that runs, by name."""
        names = " ".join(sorted(self.running()))
        listed = self.docker(f"inspect --format '{{{{.Name}}}} {{{{.State.Pid}}}}' {names}") if names else ""
        return {line.split()[0].lstrip("/"): int(line.split()[1]) for line in listed.splitlines()}

    def engine_version(self) -> str:
        """Return the upstream version of the engine that runs: "20.10.24"."""
        return re.split("[-~+]", self.docker("version --format '{{.Server.Version}}'"))[0]

    def engine_pid(self) -> int:
        """Return the process of dockerd, 0 if it does not run."""
        return int(self.machine.check("systemctl show -P MainPID docker.service"))

    def install_engine(self, version: str) -> None:
        """Install an engine of the archive with apt, as by hand; the one that runs is not restarted."""
        packages = " ".join(engine_packages(self.machine, version))
        self.machine.check(f"apt-get -q -y --allow-downgrades install {packages}", timeout=300)

    def restart(self) -> None:
        """Restart the engine, whatever systemd counted before."""
        self.machine.check("systemctl reset-failed docker.service docker.socket")
        self.machine.check("systemctl restart docker", timeout=300)

    def configure(self, text: str) -> None:
        """Write daemon.json."""
        self.machine.write("/etc/docker/daemon.json", text)

    def wait(self, words: str, condition: str, seconds: float = 180) -> None:
        """Wait until a shell command succeeds on the machine."""
        deadline = time.monotonic() + seconds
        while self.machine.run(condition).returncode:
            if time.monotonic() > deadline:
                journal = self.machine.journal("docker.service")[-2000:]
                raise AssertionError(f"{words}: not after {seconds} s\n{journal}")
            time.sleep(0.1)


@contextlib.contextmanager
def engine_options() -> Iterator[tuple[str, ...]]:
    """Give the options of systemd-nspawn with which an engine runs, its data in a directory that ends with the block.

    On a disk: dockerd needs no overlay below its own (domain/machines.md). /tmp may be a tmpfs, /var/tmp is not.
    """
    with tempfile.TemporaryDirectory(prefix="maestro-docker-", dir="/var/tmp", ignore_cleanup_errors=True) as data:
        Path(data).chmod(0o710)
        yield "--capability=all", "--system-call-filter=add_key keyctl bpf", f"--bind={data}:/var/lib/docker"


@contextlib.contextmanager
def engine_machine(version: str = OLDER, *, layers: tuple[Path, ...] = ()) -> Iterator[EngineMachine]:
    """Boot a machine on which an engine runs and the image is there; or one on layers above `engine_layers()`."""
    with engine_options() as options, booted(*(layers or engine_layers(version)), options=options) as running:
        made = EngineMachine(running)
        made.import_image()
        yield made
