"""Three booted machines with the agent, which report to an endpoint outside of them over real TLS.

A machine has no network but its loopback: there a port leads to the endpoint. A reboot makes another network
namespace, so that the port is opened again.
"""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.booted import booted
from tests.support.endpoint_server import EndpointServer
from tests.support.recorded import UNIT, Kept
from tests.support.relay import relay
from tests.support.repository import Signer

PORT = 8443
SETTINGS = f"""\
[endpoint]
url = "https://127.0.0.1:{PORT}"
token_file = "/etc/maestro-agent/token"
ca_file = "/etc/maestro-agent/ca.pem"
interval = "1m"
[requests]
allow = ["check", "send-report", "upgrade-security", "upgrade-fixes", "reboot-if-required"]
"""


@dataclass(kw_only=True)
class FleetMachine:
    """One machine, and its way to the endpoint."""

    kept: Kept
    name: str
    way_out: Path
    reboots: int = 0
    _leader: int = 0
    _entrance: "subprocess.Popen[bytes] | None" = None

    def connect(self) -> None:
        """Open the port of the endpoint on the machine's loopback."""
        self.disconnect()
        self._leader = self.kept.machine.leader
        listen = f"TCP-LISTEN:{PORT},bind=127.0.0.1,fork,reuseaddr"
        command = ["nsenter", "-t", str(self._leader), "-n", "socat", listen, f"UNIX-CONNECT:{self.way_out}"]
        self._entrance = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def disconnect(self) -> None:
        if self._entrance is not None:
            self._entrance.kill()
            self._entrance.wait()

    def introduce(self, endpoint: EndpointServer) -> None:
        """Set the machine up as docs/endpoint/README.md describes."""
        machine = self.kept.machine
        machine.write("/etc/hostname", f"{self.name}\n")
        machine.check(f"hostname {self.name}")
        machine.write("/srv/token", f"{endpoint.token('--name', self.name)}\n", 0o600)
        machine.check("install -m 640 -g maestro-agent /srv/token /etc/maestro-agent/token")
        machine.write("/etc/maestro-agent/ca.pem", endpoint.authority.file.read_text())
        machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", SETTINGS)
        machine.check(f"systemctl restart {UNIT}")  # its name is that of when it started (ProtectHostname=)

    def nudge(self) -> None:
        """Have it report now, and begin what is due; follow it if it has rebooted."""
        if not Path(f"/proc/{self._leader}").exists():
            self.reboots += 1
            self.kept.machine.follow_reboot(self._leader)
            self.connect()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it may be going down
            self.kept.machine.run(
                f"maestro-agent report --send; systemctl kill --kill-who=main -s HUP {UNIT}", timeout=60
            )


@dataclass(kw_only=True)
class MachineFleet:
    """The machines and their endpoint."""

    endpoint: EndpointServer
    machines: Sequence[FleetMachine]
    at_work: list[int] = field(default_factory=list)

    def until(self, words: str, condition: Callable[[], bool], seconds: float = 420) -> None:
        """Nudge the machines until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [one.kept.machine.journal(UNIT)[-1500:] for one in self.machines]
                raise AssertionError(f"{words}: not after {seconds} s\n{self.endpoint.journal[-1500:]}\n{logs}")
            for one in self.machines:
                one.nudge()


@contextlib.contextmanager
def machine_fleet(
    endpoint: EndpointServer, codename: str, layers: Sequence[Path], signer: Signer, directory: Path
) -> Iterator[MachineFleet]:
    """Boot three machines, web1 to web3, which report to this endpoint, until the block ends."""
    with contextlib.ExitStack() as stack:
        way_out = directory / "endpoint.sock"
        stack.enter_context(relay(way_out, endpoint.port))
        machines = []
        for number in (1, 2, 3):
            kept = Kept(stack.enter_context(booted(*layers)), signer, codename)
            one = FleetMachine(kept=kept, name=f"web{number}", way_out=way_out)
            stack.callback(one.disconnect)
            one.connect()
            kept.wait_for_daemon()
            one.introduce(endpoint)
            machines.append(one)
        yield MachineFleet(endpoint=endpoint, machines=machines)
