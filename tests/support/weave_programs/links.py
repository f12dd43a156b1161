"""The bridge, and pairs of interfaces between it and containers."""

import json
import subprocess
from typing import Any

BRIDGE = "weave"
_IPTABLES = ("chroot", "/host", "iptables", "-w")


def make_bridge(mac: str) -> None:
    """Make the bridge unless it is there, and let traffic within it pass."""
    if bridge_mac() is None:
        _run("ip", "link", "add", BRIDGE, "address", mac, "type", "bridge")
        _run("ip", "link", "set", BRIDGE, "up")
    rule = ("FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")
    if subprocess.run([*_IPTABLES, "-C", *rule], capture_output=True, check=False).returncode:
        _run(*_IPTABLES, "-I", *rule)


def bridge_mac() -> str | None:
    """Return the address of the bridge that is there, None without one."""
    found = _shown("ip", "-j", "link", "show", BRIDGE)
    return found[0]["address"] if found else None


def make_pair(outer: str, inner: str) -> None:
    """Make a pair, one end in the bridge; one that is left of before is replaced."""
    remove(outer)
    _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
    _run("ip", "link", "set", outer, "master", BRIDGE, "up")


def remove(outer: str) -> None:
    """Remove a pair if it is there."""
    subprocess.run(["ip", "link", "del", outer], capture_output=True, check=False)


def attach(pid: int, address: str) -> None:
    """Give the container of a process the interface ethwe with an address: "10.32.0.1/12"."""
    if addresses(pid, "ethwe"):
        return
    outer, inner = f"vethwepl{pid}", f"vethwepg{pid}"
    make_pair(outer, inner)
    _run("ip", "link", "set", inner, "netns", str(pid))
    _run(*_within(pid), "ip", "link", "set", inner, "name", "ethwe")
    _run(*_within(pid), "ip", "addr", "add", address, "dev", "ethwe")
    _run(*_within(pid), "ip", "link", "set", "ethwe", "up")


def detach(pid: int) -> None:
    """Take the interface ethwe away."""
    _run(*_within(pid), "ip", "link", "del", "ethwe")


def addresses(pid: int, prefix: str = "ethwe") -> list[tuple[str, str]]:
    """Return hardware address and address of each interface of Weave in the container of a process."""
    return [
        (link["address"], f"{one['local']}/{one['prefixlen']}")
        for link in _shown(*_within(pid), "ip", "-j", "addr", "show")
        if link["ifname"].startswith(prefix)
        for one in link["addr_info"]
        if one["family"] == "inet"
    ]


def _within(pid: int) -> tuple[str, ...]:
    return "nsenter", "-t", str(pid), "-n"


def _shown(*command: str) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]") if done.returncode == 0 else []
    return [one for one in found if one]


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
