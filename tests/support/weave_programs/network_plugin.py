"""Docker's plugin protocol of the first kind: the drivers `weave` and `weavemesh`, each on a socket of its own."""

import json
import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.weave_programs import links
from tests.support.weave_programs.database import Database

SOCKETS = Path("/run/docker/plugins")
POOL = "weavepool"
_PING = "/Plugin.Activate"
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Driver:
    """The requests of Docker."""

    def __init__(self, scope: str, database: Database) -> None:
        self._scope = scope
        self._database = database
        self.answers: dict[str, Answer] = {
            _PING: lambda _: {"Implements": ["NetworkDriver", "IpamDriver"]},
            "/NetworkDriver.GetCapabilities": lambda _: {"Scope": self._scope},
            "/NetworkDriver.Join": self._join,
            "/NetworkDriver.Leave": self._leave,
            "/NetworkDriver.CreateEndpoint": lambda _: {"Interface": {}},
            "/NetworkDriver.EndpointOperInfo": lambda _: {"Value": {}},
            "/IpamDriver.GetCapabilities": lambda _: {"RequiresMACAddress": False},
            "/IpamDriver.GetDefaultAddressSpaces": lambda _: {
                "LocalDefaultAddressSpace": "weavelocal",
                "GlobalDefaultAddressSpace": "weaveglobal",
            },
            "/IpamDriver.RequestPool": self._pool,
            "/IpamDriver.RequestAddress": self._address,
            "/IpamDriver.ReleaseAddress": self._release,
        }

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; those without an entry need no act."""
        known = self.answers.get(path)
        return known(body) if known else {}

    def _pool(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"PoolID": POOL, "Pool": self._database.range, "Data": {"com.docker.network.gateway": "0.0.0.0/0"}}

    def _address(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("Address") or ""
        owner = f"docker-{len(self._database.addresses)}-{wanted or 'any'}"
        while owner in self._database.addresses:
            owner += "x"
        return {"Address": self._database.allocate(owner, wanted), "Data": {}}

    def _release(self, body: dict[str, Any]) -> dict[str, Any]:
        self._database.release(body["Address"].partition("/")[0])
        return {}

    def _join(self, body: dict[str, Any]) -> dict[str, Any]:
        outer, inner = _pair(body)
        links.make_pair(outer, inner)
        return {"InterfaceName": {"SrcName": inner, "DstPrefix": "ethwe"}}

    def _leave(self, body: dict[str, Any]) -> dict[str, Any]:
        links.remove(_pair(body)[0])
        return {}


def _pair(body: dict[str, Any]) -> tuple[str, str]:
    short = body["EndpointID"][:7]
    return f"vethwepl{short}", f"vethwepg{short}"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    driver: Driver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        body = json.loads(self.rfile.read(length) or "{}")
        try:
            status, found = 200, self.server.driver.answer(self.path, body)
        except (OSError, ValueError, StopIteration) as error:
            status, found = 500, {"Err": str(error)}
        answer = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self) -> str:
        return "docker"

    def log_message(self, *words: object) -> None:
        print(f"INFO: [plugin] {words[0] % words[1:]}", flush=True)  # type: ignore[operator]


def serve(database: Database) -> None:
    """Serve both drivers; sockets that were left lying are replaced (W7)."""
    SOCKETS.mkdir(parents=True, exist_ok=True)
    for name, scope in (("weave", "global"), ("weavemesh", "local")):
        path = SOCKETS / f"{name}.sock"
        path.unlink(missing_ok=True)
        server = _Server(str(path), _Handler)
        server.driver = Driver(scope, database)
        Thread(target=server.serve_forever, daemon=True).start()
