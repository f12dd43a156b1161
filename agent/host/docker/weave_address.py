"""A container's address on Weave's network, from proc(5): `weave ps` would start a container."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_INTERFACE = "ethwe"
_MOST_BYTES = 1 << 20
_ROUTE_FIELDS = 8
_LOCAL = "/32 host LOCAL"


def weave_address(pid: int, proc: str = "/proc") -> str:
    """Return the IPv4 address of a process's interface ethwe; empty if it has none, or if that cannot be read."""
    return weave_interface(pid, proc).partition("/")[0]


def weave_interface(pid: int, proc: str = "/proc") -> str:
    """Return the same with the length of its network's prefix, as `weave attach` takes it: "10.32.0.7/12".

    route(8) of the process shows the networks of the interface, `fib_trie` all of its own addresses.
    """
    try:
        routes = _read(Path(proc, str(pid), "net", "route"))
        tries = _read(Path(proc, str(pid), "net", "fib_trie"))
    except OSError:
        return ""
    networks = list(_networks(routes))
    found = (f"{one}/{network.prefixlen}" for one in _own(tries) for network in networks if one in network)
    return next(found, "")


def _networks(text: str) -> Iterator[IPv4Network]:
    """Yield the networks that are reached directly: address and mask are hexadecimal, in the machine's byte order."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= _ROUTE_FIELDS and fields[0].startswith(_INTERFACE) and int(fields[2], 16) == 0:
            mask = _address(fields[7])
            if int(mask):
                yield IPv4Network((int(_address(fields[1])), str(mask)), strict=False)


def _own(text: str) -> Iterator[IPv4Address]:
    last = ""
    for line in text.splitlines():
        word = line.strip()
        if word == _LOCAL and last:
            yield IPv4Address(last)
        last = word.removeprefix("|-- ") if word.startswith("|-- ") else ""


def _address(word: str) -> IPv4Address:
    return IPv4Address(int(word, 16).to_bytes(4, "little"))


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode(errors="replace")
