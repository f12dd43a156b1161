"""The router: the first process of the container `weave`.

Order as seen (2.2): Docker is asked first, in a version of its API that a newer engine refuses; then the plugin's
sockets, the network and the pages. Peers are simulated: `peers` of the faults' file has for each address its name,
nickname, password and range.
"""

import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from tests.support.weave_programs import links, network_plugin, pages
from tests.support.weave_programs.arguments import Given, given
from tests.support.weave_programs.database import Database
from tests.support.weave_programs.docker_api import RefusedError, ask
from tests.support.weave_programs.stamped import api_version, fault, stamp

NETWORK = "weave"


@dataclass(kw_only=True)
class Router:
    """The state of a router that has started."""

    version: str
    reports: str
    given: Given
    name: str
    nickname: str
    database: Database
    targets: list[str] = field(default_factory=list)

    def fault(self, name: str) -> Any:
        """Return the value of a fault that it shows now."""
        return fault(name, self.version)

    @property
    def ready(self) -> bool:
        """Whether it says so: IPAM and connections do not count (I5, W9)."""
        return not self.fault("never_ready")

    def connections(self) -> list[dict[str, Any]] | None:
        """Return one entry per peer, null without any (I4)."""
        return [self._connection(target) for target in self.targets] or None

    def _connection(self, target: str) -> dict[str, Any]:
        address = target if ":" in target else f"{target}:6783"
        peer = (self.fault("peers") or {}).get(target)
        shown = {"Address": address, "Outbound": True, "Attrs": None}
        problem = self._problem(peer)
        if problem or peer is None:
            retry = time.strftime("%Y-%m-%d %H:%M:%S.000000000 +0000 UTC", time.gmtime(time.time() + 60))
            return {**shown, "State": "failed", "Info": f"{problem}, retry: {retry}"}
        encrypted = "true" if self.given.password else "false"
        inbound = {"Outbound": False, "Address": f"{target}:45801"} if peer.get("inbound") else {}
        text = f"sleeve {peer['name']}({peer['nickname']}) encrypted={encrypted}mtu=1414"
        return {**shown, **inbound, "State": "established", "Info": text, "Attrs": {"name": "sleeve"}}

    def _problem(self, peer: dict[str, Any] | None) -> str:
        if peer is None or peer.get("down"):
            return "dial tcp4 :0->192.0.2.1:6783: connect: connection refused"
        if peer.get("password", "") != self.given.password:
            return (
                "Unable to decrypt TCP msg" if self.given.password else "no password specified, but peer requested it"
            )
        ours = self.database.range
        if peer.get("range", ours) != ours:
            return f"Incompatible IP allocation ranges (received: {peer['range']}, ours: {ours})"
        return ""


def main(words: list[str]) -> None:
    """Run until SIGTERM, then end with 0."""
    stamped = stamp()
    version = stamped["version"]
    signal.signal(signal.SIGTERM, _end)
    dies = fault("dies", version)
    if dies:
        _die(str(dies))
    found = given(words, os.environ)
    _meet_docker(version)
    router = _start(version, stamped["reports"], found)
    network_plugin.serve(router.database)
    try:
        pages.serve(router)
    except OSError as error:
        _die(f"Unable to create http socket: listen tcp {found.http_address}: bind: {error.strerror}")
    threading.Thread(target=_attach_proxied, args=(router,), daemon=True).start()
    _make_network(router)
    while True:
        signal.pause()


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


def _die(text: str) -> None:
    print(f"FATA: {text}", flush=True)
    sys.exit(1)


def _meet_docker(version: str) -> None:
    """Ask as the proxy does; in a newer engine's words this fails (W5)."""
    asked = api_version(version, os.environ.get("DOCKER_API_VERSION"))
    try:
        ask("GET", "/info", version=asked)
    except RefusedError as error:
        _die(f"Could not start proxy: {error}")


def _start(version: str, reports: str, found: Given) -> Router:
    database = Database.read()
    if found.resume and found.peers:
        _die("unable to use a peer list together with --resume")
    resumed = found.resume or _restarted()
    targets = list(database.peers) if resumed and database.peers else list(found.peers)
    if resumed:
        print("INFO: Restart/resume detected - using persisted peer list", flush=True)
    known = fault("peers", version) or {}
    for one in targets:
        _resolve(one, known)
    if database.use_range(found.range):
        print("INFO: [allocator] Deleting persisted data for IPAM range", flush=True)
    database.peers = targets
    database.save()
    name = str(fault("peer_name", version) or found.name or links.bridge_mac() or _machines_name())
    links.make_bridge(name)
    return Router(
        version=version, reports=reports, given=found, name=name, nickname=found.nickname, database=database,
        targets=targets,
    )  # fmt: skip


def _restarted() -> bool:
    """Return whether Docker has started this container before, as the real one sees by a file of its own (M3)."""
    mark = "/started"
    before = os.path.exists(mark)
    with open(mark, "w"):
        return before


def _resolve(peer: str, known: dict[str, Any]) -> None:
    """End where the name of a peer does not resolve (M2); the names of simulated peers do."""
    if peer in known:
        return
    try:
        socket.getaddrinfo(peer.partition(":")[0], 6783)
    except OSError:
        _die(f"lookup {peer}: no such host")


def _machines_name() -> str:
    """Return a name from the machine's id, the same after each boot (I10)."""
    with open("/host/etc/machine-id") as file:
        text = file.read()[:12]
    first = (int(text[:2], 16) & 0xFE) | 0x02
    return ":".join([f"{first:02x}", *(text[at : at + 2] for at in range(2, 12, 2))])


def _make_network(router: Router) -> None:
    """Make Docker's network unless it is there; the call has no version (I15)."""
    try:
        ask("GET", f"/networks/{NETWORK}")
    except RefusedError:
        ipam = {"Driver": "weavemesh", "Config": [{"Subnet": router.database.range}]}
        ask("POST", "/networks/create", {"Name": NETWORK, "Driver": "weavemesh", "IPAM": ipam, "CheckDuplicate": True})


def _attach_proxied(router: Router) -> None:
    """Attach each running container that waits in /w/w (2.1)."""
    while True:
        for one in ask("GET", "/containers/json"):
            shown = ask("GET", f"/containers/{one['Id']}/json")
            pid = shown["State"]["Pid"]
            if (shown["Config"]["Entrypoint"] or [""])[0] == "/w/w" and pid and not links.addresses(pid):
                links.attach(pid, router.database.allocate(one["Id"]))
        time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1:])
