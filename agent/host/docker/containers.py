"""Every container of a running engine, from one listing and one inspection each."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from agent.core.model.docker import NO_STOP_LIMIT_S, Container, RestartPolicy, WeaveAttachment
from agent.core.pattern import lazy_pattern
from agent.errors import HostError
from agent.host.docker.api import EngineApi, EngineApiError
from agent.host.docker.fields import Fields
from agent.host.docker.signals import handles_signal, signal_number
from agent.host.docker.weave_address import weave_interface
from agent.host.docker.weave_attachment import weave_attachment

_ID = lazy_pattern(r"[0-9a-f]{64}")
_STOP_TIMEOUT_S = 10
"""The engine's default."""
_GONE = 404
_MOST_BYTES = 4 << 20
_SWARM_LABEL = "com.docker.swarm.task"
_WEAVE_VOLUMES = "weavevolumes-"


def read_containers(api: EngineApi, data_root: str) -> tuple[Container, ...]:
    """Return all containers, in the engine's order.

    Raises:
        HostError: any of them cannot be read in time: a missing one would be taken for one that does not exist.
    """
    listed = api.get("/containers/json?all=1")
    if not isinstance(listed, list):
        raise HostError("Docker's API: the list of containers is not a list")
    ids = [Fields(one, "container").required("Id") for one in listed]
    inspected = [one for one in (_inspect(api, id_, len(ids)) for id_ in ids) if one is not None]
    paths = tuple(path for one in inspected if _name(one).startswith(_WEAVE_VOLUMES) for path in _mounts(one))
    return tuple(_container(one, data_root, paths) for one in inspected)


def _inspect(api: EngineApi, id_: str, number: int) -> Fields | None:
    """Return one inspection; None if the container was removed since the listing."""
    if not _ID.fullmatch(id_):
        raise HostError("Docker's API: a container's id is not one")
    try:
        return Fields(api.get(f"/containers/{id_}/json"), "container")
    except EngineApiError as error:
        if error.status == _GONE:
            return None
        raise HostError(f"{error} (one of {number} containers)") from error


def _container(seen: Fields, data_root: str, weave_paths: Sequence[str]) -> Container:
    state, host, config = seen.child("State"), seen.child("HostConfig"), seen.child("Config")
    networks = tuple(seen.child("NetworkSettings").child("Networks").keys())
    id_, pid = seen.required("Id"), state.number("Pid") or None
    signal = signal_number(config.text("StopSignal"))
    name, weave = _name(seen), _attachment(config, networks, pid)
    return Container(
        id=id_,
        name=name,
        state=state.required("Status"),
        policy=_policy(host.child("RestartPolicy").text("Name")),
        auto_remove=bool(host.flag("AutoRemove")),
        stop_timeout_s=_stop_timeout_s(config.number("StopTimeout")),
        handles_stop=None if pid is None or signal is None else handles_signal(pid, signal),
        stopped_by_owner=_stopped_by_owner(data_root, id_),
        exit_code=state.number("ExitCode"),
        started_at=state.text("StartedAt"),
        pid=pid,
        networks=networks,
        published=_published(seen, host),
        swarm_task=any(key.startswith(_SWARM_LABEL) for key in config.child("Labels").keys()),  # noqa: SIM118 - a method
        weave=weave,
        weave_address=weave_interface(pid) if pid and weave is WeaveAttachment.ATTACHED else "",
        weave_paths=not name.startswith(_WEAVE_VOLUMES) and _binds_any(seen, weave_paths),
        error=state.text("Error"),
    )


def _name(seen: Fields) -> str:
    return seen.text("Name").removeprefix("/")


def _stop_timeout_s(seconds: int | None) -> int:
    """Return the limit of a stop; a negative one is none."""
    if seconds is None:
        return _STOP_TIMEOUT_S
    return seconds if seconds >= 0 else NO_STOP_LIMIT_S


def _policy(name: str) -> RestartPolicy:
    """Return a policy; empty counts as "no", as the engine has it. Raises HostError: an unknown one."""
    try:
        return RestartPolicy(name or "no")
    except ValueError:
        raise HostError(f"Docker's API: unknown restart policy {name!r}") from None


def _published(seen: Fields, host: Fields) -> bool:
    ports = seen.child("NetworkSettings").child("Ports")
    return bool(host.child("PortBindings").keys()) or any(ports.items(key) for key in ports.keys())  # noqa: SIM118 - a method


def _attachment(config: Fields, networks: Sequence[str], pid: int | None) -> WeaveAttachment:
    entrypoint: list[str] = []
    with suppress(HostError):  # text in very old containers
        entrypoint = [str(one) for one in config.items("Entrypoint")]
    return weave_attachment(networks=networks, entrypoint=entrypoint, pid=pid)


def _mounts(seen: Fields) -> list[str]:
    return [path for path in (mount.text("Source") for mount in seen.objects("Mounts")) if path.startswith("/")]


def _binds_any(seen: Fields, paths: Iterable[str]) -> bool:
    binds = [mount.text("Source") for mount in seen.objects("Mounts") if mount.text("Type") == "bind"]
    return any(bind == path or bind.startswith(f"{path}/") for path in paths for bind in binds)


def _stopped_by_owner(data_root: str, id_: str) -> bool | None:
    """Return HasBeenManuallyStopped, which no API shows; None without root, or if the file has another shape."""
    path = os.path.join(data_root, "containers", id_, "config.v2.json")
    try:
        with open(path, "rb") as file:
            return Fields(json.loads(file.read(_MOST_BYTES)), "config").flag("HasBeenManuallyStopped")
    except (OSError, ValueError, RecursionError, HostError):
        return None
