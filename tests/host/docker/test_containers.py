"""Containers from answers of the API that are old, odd or incomplete."""

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.core.model.docker import NO_STOP_LIMIT_S, Container, RestartPolicy, WeaveAttachment
from agent.errors import HostError
from agent.host.docker.api import EngineApi
from agent.host.docker.containers import read_containers
from agent.host.docker.engine import read_engine
from tests.support.api_server import api_server, http_answer

_ID = "a" * 64


def _inspection(**changed: Any) -> dict[str, Any]:
    return {
        "Id": _ID,
        "Name": "/web",
        "State": {"Status": "exited", "Pid": 0, "ExitCode": 0, "StartedAt": "2026-11-28T10:00:00Z", "Error": ""},
        "HostConfig": {"RestartPolicy": {"Name": "always"}, "AutoRemove": False},
        "Config": {"Labels": None, "Entrypoint": None},
        "NetworkSettings": {"Networks": {"bridge": {}}},
        **changed,
    }


def _read(tmp_path: Path, inspections: Mapping[str, Any], *, listed: list[Any] | None = None) -> tuple[Container, ...]:
    def answer(connection: socket.socket, line: str) -> None:
        if "/containers/json" in line:
            ids = [{"Id": one} for one in inspections] if listed is None else listed
            connection.sendall(http_answer(json.dumps(ids)))
            return
        found = re.search(r"/containers/(\w+)/json", line)
        value = inspections.get(found[1]) if found else None
        status = "200 OK" if value is not None else "404 Not Found"
        connection.sendall(http_answer(json.dumps(value), status))

    with api_server(tmp_path / "sock", answer):
        return read_containers(EngineApi(str(tmp_path / "sock")), str(tmp_path))


def test_missing_fields_are_the_engines_defaults_or_unknown(tmp_path: Path) -> None:
    (one,) = _read(tmp_path, {_ID: _inspection()})
    assert (one.name, one.policy, one.stop_timeout_s) == ("web", RestartPolicy.ALWAYS, 10)
    assert (one.handles_stop, one.stopped_by_owner, one.pid, one.running) == (None, None, None, False)
    assert (one.published, one.swarm_task, one.weave, one.weave_paths) == (False, False, WeaveAttachment.NONE, False)


@pytest.mark.parametrize(("configured", "limit_s"), [(0, 0), (120, 120), (-1, NO_STOP_LIMIT_S)])
def test_a_negative_stop_timeout_is_no_limit(tmp_path: Path, configured: int, limit_s: int) -> None:
    (one,) = _read(tmp_path, {_ID: _inspection(Config={"StopTimeout": configured})})
    assert one.stop_timeout_s == limit_s


@pytest.mark.parametrize(("text", "stopped"), [('{"HasBeenManuallyStopped":true}', True), ("{}", None), ("x", None)])
def test_who_stopped_it_is_read_from_the_engines_file(tmp_path: Path, text: str, *, stopped: bool | None) -> None:
    place = tmp_path / "containers" / _ID
    place.mkdir(parents=True)
    (place / "config.v2.json").write_text(text)
    assert _read(tmp_path, {_ID: _inspection()})[0].stopped_by_owner is stopped


@pytest.mark.parametrize(
    ("changed", "attachment"),
    [
        ({"NetworkSettings": {"Networks": {"weave": {}}}}, WeaveAttachment.NETWORK),
        ({"Config": {"Entrypoint": ["/w/w"]}}, WeaveAttachment.PROXIED),
        ({"Config": {"Entrypoint": "/w/w"}}, WeaveAttachment.NONE),
    ],
    ids=["network", "proxy", "text"],
)
def test_weave_is_seen_as_far_as_an_inspection_shows_it(
    tmp_path: Path, changed: dict[str, Any], attachment: WeaveAttachment
) -> None:
    assert _read(tmp_path, {_ID: _inspection(**changed)})[0].weave is attachment


def test_binds_of_weaves_volumes_are_seen_by_their_paths(tmp_path: Path) -> None:
    volume = "/var/lib/docker/volumes/0f/_data"
    mount = {"Type": "volume", "Source": volume, "Destination": "/w"}
    bind = {"Type": "bind", "Source": volume, "Destination": "/w"}
    holder, user = "b" * 64, "c" * 64
    found = _read(
        tmp_path,
        {
            _ID: _inspection(),
            holder: _inspection(Id=holder, Name="/weavevolumes-2.8.1", Mounts=[mount]),
            user: _inspection(Id=user, Name="/user", Mounts=[bind]),
        },
    )
    assert {one.name: one.weave_paths for one in found} == {"web": False, "weavevolumes-2.8.1": False, "user": True}


def test_swarm_tasks_and_published_ports_are_seen(tmp_path: Path) -> None:
    labels = {"com.docker.swarm.task.id": "x"}
    host = {"RestartPolicy": {"Name": ""}, "PortBindings": {"80/tcp": [{"HostPort": "80"}]}}
    (one,) = _read(tmp_path, {_ID: _inspection(Config={"Labels": labels}, HostConfig=host)})
    assert (one.swarm_task, one.published, one.policy) == (True, True, RestartPolicy.NO)


def test_a_container_removed_since_the_listing_is_left_out(tmp_path: Path) -> None:
    assert _read(tmp_path, {}, listed=[{"Id": _ID}]) == ()


@pytest.mark.parametrize(
    ("listed", "changed"),
    [
        ([{"Id": "../../etc"}], {}),
        ([{"Id": 7}], {}),
        ([7], {}),
        ([{"Id": _ID}], {"State": "running"}),
        ([{"Id": _ID}], {"State": None}),
        ([{"Id": _ID}], {"HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}),
    ],
    ids=["path", "number", "no object", "state", "no state", "policy"],
)
def test_what_cannot_be_read_is_an_error_and_not_a_default(
    tmp_path: Path, listed: list[Any], changed: dict[str, Any]
) -> None:
    with pytest.raises(HostError):
        _read(tmp_path, {_ID: _inspection(**changed)}, listed=listed)


def test_500_containers_are_read_within_the_deadline(tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(500)]
    assert len(_read(tmp_path, {one: _inspection(Id=one) for one in ids})) == 500


@pytest.mark.parametrize(
    ("status", "store"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"]], False),
        (None, False),
    ],
    ids=["containerd", "overlay2", "null"],
)
def test_the_image_store_is_read_from_the_drivers_status(tmp_path: Path, status: Any, *, store: bool) -> None:
    info = {"DockerRootDir": "/data", "Driver": "x", "DriverStatus": status, "Swarm": {"LocalNodeState": ""}}
    version = {"Version": "28.5.2", "ApiVersion": "1.51", "Components": None}

    def answer(connection: socket.socket, line: str) -> None:
        connection.sendall(http_answer(json.dumps(version if "/version" in line else info)))

    with api_server(tmp_path / "sock", answer):
        engine = read_engine(EngineApi(str(tmp_path / "sock")), None)
    assert (engine.containerd_store, engine.executable_replaced, engine.data_root) == (store, None, "/data")
