"""The router's `/report` as a document from outside (weave-behaviour.md I4 to I6). Pure."""

from collections.abc import Iterator

from agent.core.model.weave import RouterReport
from agent.core.pattern import lazy_pattern
from agent.core.redact import redact

_PEER = lazy_pattern(r"(\S+)\([^()]*\)")
"""A peer in the text of a connection: "sleeve 4e:ec:26:14:22:3d(w2) encrypted=true mtu=1414"."""
_RETRY = ", retry:"
_LONGEST_TEXT = 300
_MOST = 1000
"""How many entries of one list are read."""


def router_report(document: object) -> RouterReport:
    """Return what the report shows.

    Raises:
        ValueError: it is no report of Weave's router.
    """
    top = _mapping(document)
    router = _mapping(top.get("Router"))
    version, ready = top.get("Version"), top.get("Ready")
    if not isinstance(version, str) or not isinstance(ready, bool) or not router:
        raise ValueError("not a report of Weave's router")
    ipam = _mapping(top.get("IPAM"))
    return RouterReport(
        version=_text(version).strip(),
        ready=ready,
        peer_name=_text(router.get("Name")),
        nickname=_text(router.get("NickName")),
        targets=tuple(sorted(_text(one) for one in _list(router.get("Targets")))),
        established=tuple(sorted(set(_established(router)))),
        failed=tuple(sorted(_failed(router))),
        ipam_range=_text(ipam.get("Range")),
        ipam_ready=_ipam_ready(ipam),
        active_addresses=_count(ipam.get("ActiveIPs")),
    )


def _established(router: dict[str, object]) -> Iterator[str]:
    """Yield peers by name: an inbound connection has a port of the moment in its address (I6)."""
    for one in _list(router.get("Connections")):
        found = _PEER.search(_text(_mapping(one).get("Info")))
        if found and _mapping(one).get("State") == "established":
            yield found[1]


def _failed(router: dict[str, object]) -> Iterator[str]:
    for one in _list(router.get("Connections")):
        if _mapping(one).get("State") in {"failed", "retrying"}:
            yield _text(_mapping(one).get("Info")).partition(_RETRY)[0]


def _ipam_ready(ipam: dict[str, object]) -> bool | None:
    """Return what `weave status` shows as "ready" or "awaiting consensus"; None for "idle" and without IPAM (I5)."""
    if _list(ipam.get("Entries")):
        return not _list(ipam.get("PendingAllocates"))
    return False if ipam.get("Paxos") is not None else None


def _mapping(value: object) -> dict[str, object]:
    return {key: one for key, one in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    """Return a list; an empty one may be null (I4)."""
    return value[:_MOST] if isinstance(value, list) else []


def _text(value: object) -> str:
    printable = "".join(char if char.isprintable() else " " for char in value) if isinstance(value, str) else ""
    return redact(printable[:_LONGEST_TEXT])


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
