"""daemon.json as dockerd reads it, and where the engine listens."""

from pathlib import Path

import pytest

from agent.core.model.docker import DaemonConfig
from agent.core.model.facts import Unseen
from agent.host.docker.daemon_config import read_config, socket_of


def _read(tmp_path: Path, content: bytes) -> DaemonConfig:
    (tmp_path / "daemon.json").write_bytes(content)
    config, _ = read_config(("dockerd", "--config-file", str(tmp_path / "daemon.json")))
    assert isinstance(config, DaemonConfig)
    return config


@pytest.mark.parametrize("content", [b"", b" \n", b"{}", b"\xef\xbb\xbf{}"], ids=["empty", "blank", "object", "mark"])
def test_what_dockerd_accepts_is_no_problem(tmp_path: Path, content: bytes) -> None:
    assert _read(tmp_path, content) == DaemonConfig(present=True)


def test_settings_are_read(tmp_path: Path) -> None:
    config = _read(tmp_path, b'{"live-restore": false, "min-api-version": "1.24", "debug": true}')
    assert (config.live_restore, config.min_api_version) == (False, "1.24")
    assert config.keys == ("debug", "live-restore", "min-api-version")


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b'{"debug": true,}', "line 1, column"),
        (b'{\n"debug" yes}', "line 2, column 9"),
        (b"[]", "daemon.json: not an object"),
        (b'{"live-restore": "true"}', "daemon.json.live-restore: not of type bool"),
        (b'{"a": "\xff"}', "byte 7: not UTF-8"),
        (b"[" * 100_000, "maximum recursion"),
    ],
    ids=["comma", "line", "list", "type", "encoding", "depth"],
)
def test_a_faulty_file_is_a_problem_with_its_place(tmp_path: Path, content: bytes, start: str) -> None:
    assert _read(tmp_path, content).problem.startswith(start)


def test_a_missing_file_is_not_present_and_an_unreadable_one_unseen(tmp_path: Path) -> None:
    assert read_config((), f"{tmp_path}/none") == (DaemonConfig(present=False), ())
    assert isinstance(read_config((f"--config-file={tmp_path}",))[0], Unseen)


def test_a_missing_file_that_the_unit_names_is_a_problem(tmp_path: Path) -> None:
    path = f"{tmp_path}/none"

    found, _ = read_config((f"--config-file={path}",))

    assert found == DaemonConfig(present=False, problem=f"{path}: No such file or directory")


@pytest.mark.parametrize(
    ("arguments", "hosts", "path"),
    [
        ((), (), "/run/docker.sock"),
        (("-H", "fd://"), (), "/run/unit.sock"),
        (("-H", "tcp://0.0.0.0:2376", "-H", "unix:///srv/d.sock"), (), "/srv/d.sock"),
        (("--host=unix://",), (), "/run/docker.sock"),
        ((), ("tcp://0.0.0.0:2376",), None),
        ((), ("unix:///srv/e.sock",), "/srv/e.sock"),
    ],
    ids=["default", "systemd", "unix", "empty", "tcp only", "file"],
)
def test_the_socket_is_the_engines_own(arguments: tuple[str, ...], hosts: tuple[str, ...], path: str | None) -> None:
    assert socket_of(arguments, hosts, "/run/unit.sock") == path


def test_the_environment_of_clients_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert socket_of((), ()) == "/run/docker.sock"
