"""Acts on Weave's router and its network, behind the port `agent.core.weave.ports.RouterOperator`.

Containers and images are handled through the engine's API. The script is run for stop, launch and connect only.
"""

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import quote

from agent.core.model.docker import Container, DockerFacts, WeaveAttachment
from agent.core.redact import redact, remember_secrets
from agent.core.weave.arguments import PASSWORD, variable
from agent.core.weave.reattach import has_fallen
from agent.core.weave.snapshot import ROUTER, AttachedContainer, WeaveNetwork
from agent.errors import HostError
from agent.host.docker.api import SOCKET, EngineApi, EngineApiError
from agent.host.docker.fields import Fields
from agent.host.docker.weave_address import weave_address
from agent.host.process.run import ProgramResult, run_program

_SCRIPT_S: Mapping[str, float] = {"stop": 90.0, "launch": 120.0, "connect": 60.0, "attach": 60.0}
"""Limits by command; the script has none (I9). A stop took 0.9 s, a launch 1.4 s."""
_THIS_ENGINE: Mapping[str, str] = {"DOCKER_CONTEXT": "default"}
"""For the docker command in the script, which takes another engine from root's ~/.docker/config.json otherwise."""
_UNIT_S = 180.0
_START_S = 90.0
"""For a container: a plugin of a network may take 15 s, and a full network longer."""
_STOP_S = 40.0
_PULL_S = 600.0
_NAME_S = 10.0
_MISSING = 404
_LONGEST = 1000
_LOG_LINES = 3
_HEADER = 8
_HIDDEN = "..."


class LocalRouterOperator:
    """Weave of this machine."""

    def __init__(self, path: str = SOCKET, *, alive: Callable[[], None] = lambda: None, proc: str = "/proc") -> None:
        """Take the engine's socket, and what is called now and then during long actions."""
        self._path = path
        self._alive = alive
        self._proc = proc

    def network(self, docker: DockerFacts, also: Collection[str] = ()) -> WeaveNetwork:
        """Return the network and its containers, and those with the ids in `also`. Raises HostError."""
        if not isinstance(docker.containers, tuple):
            raise HostError("the containers are unknown")
        api = EngineApi(self._path)
        listed = _list(api.get("/networks"), "networks")
        found = [one for one in listed if one.text("Name") == ROUTER]
        none = {WeaveAttachment.NONE, WeaveAttachment.UNKNOWN}
        attached = [one for one in docker.containers if one.id in also or one.weave not in none]
        seen = [self._container(api, one) for one in attached if one.name != ROUTER]
        return WeaveNetwork(
            id=found[0].required("Id") if found else "", containers=tuple(one for one in seen if one is not None)
        )

    def password(self) -> str:
        """Return WEAVE_PASSWORD of the router's container; empty if it has none. Raises HostError."""
        try:
            config = EngineApi(self._path).get(f"/containers/{ROUTER}/json").get("Config")
        except EngineApiError as error:
            if error.status == _MISSING:
                return ""
            raise
        found = variable([one for one in (config or {}).get("Env") or () if isinstance(one, str)], PASSWORD)
        remember_secrets(filter(None, [found]))
        return found

    def missing_images(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the images that the engine does not have. Raises HostError."""
        return tuple(name for name in names if not self._has(f"/images/{quote(name)}/json"))

    def pull(self, name: str) -> str:
        """Have the engine pull an image; return the problem. Errors may be in an answer of status 200."""
        self._alive()
        image, _, tag = name.rpartition(":")
        problem = self._post(f"/images/create?fromImage={quote(image, safe='')}&tag={quote(tag, safe='')}", _PULL_S)
        return problem or ("" if self._has(f"/images/{quote(name)}/json") else "the engine does not have it afterwards")

    def unresolved(self, peers: Sequence[str]) -> tuple[str, ...]:
        """Return the peers whose name does not resolve at the moment, or not in time."""
        if not peers:
            return ()
        threads = ThreadPoolExecutor(len(peers))
        found = [threads.submit(_resolves, peer) for peer in peers]
        in_time = wait(found, timeout=_NAME_S).done
        threads.shutdown(wait=False)
        return tuple(peer for peer, one in zip(peers, found, strict=True) if one not in in_time or not one.result())

    def unit_active(self, unit: str) -> bool:
        """Whether a systemd unit is active."""
        return run_program(("systemctl", "is-active", unit), limit_s=_NAME_S).code == 0

    def change_unit(self, verb: str, unit: str) -> str:
        """Stop or restart a systemd unit; return the problem."""
        return _problem(run_program(("systemctl", verb, unit), limit_s=_UNIT_S, alive=self._alive))

    def run_script(self, script: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
        """Run Weave's script; return the problem: its output, on either stream (I11), without the password."""
        limit = _SCRIPT_S[words[0]]
        given = {**_THIS_ENGINE, **environment}
        done = run_program((script, *words), limit_s=limit, environment=given, alive=self._alive)
        return _problem(done, environment.get(PASSWORD, ""))

    def log_end(self) -> str:
        """Return the last lines of the router's log as one; empty if they cannot be read."""
        path = f"/containers/{ROUTER}/logs?stdout=1&stderr=1&tail={_LOG_LINES}"
        try:
            body = EngineApi(self._path).request("GET", path).body
        except EngineApiError:
            return ""
        return " ".join(redact(log_text(body)).split())[-_LONGEST:]

    def stop_router(self) -> str:
        """Stop the router's container; return the problem."""
        return self._post(f"/containers/{ROUTER}/stop?t=10", _STOP_S)

    def remove_router(self) -> str:
        """Remove the router's container, without its volumes; return the problem."""
        return self._request("DELETE", f"/containers/{ROUTER}?force=1", _STOP_S)

    def remove_part(self, name: str) -> str:
        """Remove a container of Weave 1.x, if there is one; return the problem."""
        problem = self._request("DELETE", f"/containers/{name}?force=1", _STOP_S)
        return "" if problem.startswith(str(_MISSING)) else problem

    def start(self, container: AttachedContainer) -> str:
        """Start a container; return the problem."""
        return self._post(f"/containers/{container.id}/start", _START_S)

    def reconnect(self, container: AttachedContainer) -> str:
        """Connect a stopped container to the present network instead of the removed one; return the problem."""
        settings: dict[str, object] = {"Aliases": list(container.aliases)} if container.aliases else {}
        if container.fixed_address:
            settings["IPAMConfig"] = {"IPv4Address": container.fixed_address}
        body = {"Container": container.id, "EndpointConfig": settings}
        leave = {"Container": container.id, "Force": True}
        self._post(f"/networks/{ROUTER}/disconnect", _START_S, leave)
        return self._post(f"/networks/{ROUTER}/connect", _START_S, body)

    def _container(self, api: EngineApi, one: Container) -> AttachedContainer | None:
        """Return a container as Docker shows it; None if it was removed meanwhile."""
        try:
            shown = Fields(api.get(f"/containers/{one.id}/json"), "container")
        except EngineApiError as error:
            if error.status == _MISSING:
                return None
            raise
        endpoint = shown.child("NetworkSettings").child("Networks").child(ROUTER)
        pid = shown.child("State").number("Pid") or 0
        return AttachedContainer(
            id=one.id,
            name=one.name,
            attachment=one.weave,
            running=one.running,
            address=endpoint.text("IPAddress") or (weave_address(pid, self._proc) if pid else ""),
            fixed_address=endpoint.child("IPAMConfig").text("IPv4Address"),
            aliases=tuple(str(alias) for alias in endpoint.items("Aliases") if alias != one.id[:12]),
            network_id=endpoint.text("NetworkID"),
            fell=has_fallen(one),
        )

    def _has(self, path: str) -> bool:
        try:
            EngineApi(self._path).request("GET", path)
        except EngineApiError as error:
            if error.status == _MISSING:
                return False
            raise
        return True

    def _post(self, path: str, limit_s: float, body: object = None) -> str:
        return self._request("POST", path, limit_s, body)

    def _request(self, method: str, path: str, limit_s: float, body: object = None) -> str:
        """Return the engine's error; empty if there is none."""
        self._alive()
        try:
            EngineApi(self._path, all_s=None).request(method, path, body, call_s=limit_s)
        except EngineApiError as error:
            return error.problem
        return ""


def log_text(stream: bytes) -> str:
    """Return the text of a container's log: frames with a header of 8 bytes, the last 4 of which are the length."""
    text, at = bytearray(), 0
    while at + _HEADER <= len(stream):
        end = at + _HEADER + int.from_bytes(stream[at + 4 : at + _HEADER], "big")
        text += stream[at + _HEADER : end]
        at = end
    return text.decode(errors="replace")


def _list(value: Any, place: str) -> list[Fields]:
    if not isinstance(value, list):
        raise HostError(f"Docker's API: {place}: not a list")
    return [Fields(one, place) for one in value]


def _resolves(peer: str) -> bool:
    """Whether a peer's name, without its port, has an address."""
    host = peer[1:].partition("]")[0] if peer.startswith("[") else peer
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


def _problem(done: ProgramResult, secret: str = "") -> str:
    """Return a program's output as one line without the secret, if it did not succeed."""
    if done.code == 0:
        return ""
    output = done.output.replace(secret, _HIDDEN) if secret else done.output
    return " ".join(output.split())[:_LONGEST] or f"exit code {done.code}"
