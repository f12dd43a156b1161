"""The router's pages: /status and /report, and the two requests that change its peers."""

import ipaddress
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from tests.support.weave_programs.arguments import Given
from tests.support.weave_programs.database import Database

_EMPTY_IF_NONE = {"connections", "targets", "peers", "dns", "ipam"}
_NO_FORMAT = "error: must supply one format parameter\n"


class Shown(Protocol):
    """The router, as its pages show it."""

    version: str
    reports: str
    given: Given
    name: str
    nickname: str
    database: Database
    targets: list[str]

    @property
    def ready(self) -> bool: ...

    def connections(self) -> list[dict[str, Any]] | None: ...

    def fault(self, name: str) -> Any: ...


def report(router: Shown) -> dict[str, Any]:
    """Return /report (I4)."""
    return {
        "Ready": router.ready,
        "Version": router.reports,
        "VersionCheck": {"Enabled": False, "Success": False, "NewVersion": "", "NextCheckAt": "0001-01-01T00:00:00Z"},
        "Router": _router(router),
        "IPAM": _ipam(router),
        "DNS": {"Domain": "weave.local.", "Upstream": None, "Address": "172.17.0.1:53", "TTL": 1, "Entries": None},
        "Proxy": {"Addresses": ["unix:///var/run/weave/weave.sock"]},
        "Plugin": {"Config": {}, "DriverName": "weave", "MeshDriverName": "weavemesh"},
    }


def _router(router: Shown) -> dict[str, Any]:
    named = {"Name": router.name, "NickName": router.nickname}
    return {
        **named,
        "Protocol": "weave",
        "ProtocolMinVersion": 1,
        "ProtocolMaxVersion": 2,
        "Encryption": bool(router.given.password),
        "PeerDiscovery": True,
        "Port": 6783,
        "Interface": "weave",
        "Peers": [{**named, "UID": 1, "ShortID": 1, "Version": 2, "Connections": None}],
        "Connections": router.connections(),
        "Targets": sorted(router.targets) or None,
        "TrustedSubnets": [],
        "CaptureStats": {},
        "MACs": None,
        "UnicastRoutes": None,
        "BroadcastRoutes": None,
        "TerminationCount": 0,
        "OverlayDiagnostics": {},
    }


def _ipam(router: Shown) -> dict[str, Any]:
    network = ipaddress.ip_network(router.database.range)
    active = len(router.database.addresses)
    waits = {"Elector": True, "KnownNodes": 1, "Quorum": 2} if router.fault("awaiting_consensus") else None
    entry = {
        "Token": str(network.network_address),
        "Size": network.num_addresses,
        "Peer": router.name,
        "Nickname": router.nickname,
        "IsKnownPeer": True,
        "Version": 1,
    }
    return {
        "Paxos": waits,
        "Range": str(network),
        "RangeNumIPs": network.num_addresses,
        "ActiveIPs": active,
        "DefaultSubnet": str(network),
        "Entries": [entry] if active and not waits else None,
        "PendingClaims": None,
        "PendingAllocates": None,
    }


def status(router: Shown) -> str:
    """Return /status."""
    shown = report(router)
    connections = shown["Router"]["Connections"] or []
    states = [one["State"] for one in connections]
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    waits, entries = shown["IPAM"]["Paxos"], shown["IPAM"]["Entries"]
    ipam = "awaiting consensus (quorum: 2, known: 1)" if waits else "ready" if entries else "idle"
    lines = {
        "Version": f"{router.reports} (version check update disabled)",
        "Service": "router",
        "Protocol": "weave 1..2",
        "Name": f"{router.name}({router.nickname})",
        "Encryption": "enabled" if router.given.password else "disabled",
        "PeerDiscovery": "enabled",
        "Targets": str(len(router.targets)),
        "Connections": f"{len(states)} ({counted})" if states else "0",
        "Peers": "1",
        "TrustedSubnets": "none",
        "Service ": "ipam",
        "Status": ipam,
        "Range": shown["IPAM"]["Range"],
        "DefaultSubnet": shown["IPAM"]["DefaultSubnet"],
    }
    return "".join(f"{name:>15}: {value}\n" for name, value in lines.items())


def _connections(router: Shown) -> str:
    rows = router.connections() or []
    arrows = {True: "->", False: "<-"}
    return "".join(f"{arrows[one['Outbound']]} {one['Address']:<21} {one['State']:<11} {one['Info']}\n" for one in rows)


def page(router: Shown, path: str, accept: str) -> tuple[int, str]:
    """Return status and text of a page."""
    split = urlsplit(path)
    if split.path == "/report":
        wanted = parse_qs(split.query).get("format", [""])[0]
        if wanted == "{{.Version}}":
            return 200, router.reports
        shown = accept == "application/json" or wanted == "json"
        return (200, json.dumps(report(router))) if shown else (400, _NO_FORMAT)
    pages: dict[str, Callable[[Shown], str]] = {
        "/status": status,
        "/status/connections": _connections,
        "/status/targets": lambda one: "".join(f"{target}\n" for target in one.targets),
    }
    if split.path.removeprefix("/status/") in _EMPTY_IF_NONE or split.path in pages:
        known = pages.get(split.path)
        text = known(router) if known else ""
        return (200 if router.ready or split.path != "/status" else 503), text
    return 404, "404 page not found\n"


def serve(router: Shown) -> None:
    """Serve on both addresses.

    Raises:
        OSError: one of them is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*page(router, self.path, self.headers["Accept"] or ""))

        def do_POST(self) -> None:
            if self.path.startswith("/attach/"):
                self._answer(200, router.database.allocate(self.path.rpartition("/")[2]))
                return
            length = int(self.headers["Content-Length"] or 0)
            peers = parse_qs(self.rfile.read(length).decode()).get("peer", [])
            others = [one for one in router.targets if one not in peers]
            router.targets[:] = [*others, *peers] if self.path == "/connect" else others
            router.database.peers = list(router.targets)
            router.database.save()
            self._answer(200, "")

        def _answer(self, code: int, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    for address in (router.given.http_address, router.given.status_address):
        host, _, port = address.rpartition(":")
        server = ThreadingHTTPServer((host, int(port)), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
