"""docker.service from systemctl's text."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.core.model.docker import EngineUnit
from agent.core.model.facts import Unseen
from agent.host.docker.unit import SeenUnit, Systemctl, read_unit
from agent.host.process.run import ProgramResult

_SOCKET = "Id=docker.socket\nLoadState=loaded\nActiveState={}\nListen=/run/docker.sock (Stream)\n"


def _service(**changed: str) -> str:
    values = {
        "TimeoutStopUSec": "1min 30s",
        "MainPID": "412",
        "NRestarts": "2",
        "ExecStart": "{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; ignore_errors=no ; "
        "start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }",
        "Environment": "",
        "EnvironmentFiles": "",
        "Id": "docker.service",
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        **changed,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _shows(text: str, code: int | None = 0) -> Systemctl:
    def systemctl(arguments: Sequence[str]) -> ProgramResult:
        assert arguments[0] == "show"
        return ProgramResult(code=code, output=text.strip())

    return systemctl


def _unit(socket: str = "active", **changed: str) -> EngineUnit:
    seen = read_unit(_shows(f"{_service(**changed)}\n{_SOCKET.format(socket)}"))
    assert isinstance(seen, SeenUnit)
    return seen.unit


def test_a_running_unit_is_read() -> None:
    unit = _unit()
    assert unit.running
    assert (unit.main_pid, unit.restarts, unit.stop_timeout_s, unit.socket_active) == (412, 2, 90.0, True)
    assert unit.arguments == ("/usr/sbin/dockerd", "-H", "fd://")
    assert not unit.needs_reload


def test_changed_unit_files_are_seen() -> None:
    assert _unit(NeedDaemonReload="yes").needs_reload


@pytest.mark.parametrize(
    ("active", "pid", "running"),
    [("inactive", "0", False), ("failed", "0", False), ("activating", "412", False), ("reloading", "412", True)],
)
def test_only_an_engine_that_has_started_counts_as_running(active: str, pid: str, *, running: bool) -> None:
    assert _unit(ActiveState=active, MainPID=pid).running is running


def test_a_masked_unit_is_seen() -> None:
    unit = _unit("inactive", LoadState="masked", ActiveState="inactive", MainPID="0", ExecStart="")
    assert (unit.load_state, unit.arguments, unit.socket_active) == ("masked", (), False)


def test_variables_of_the_unit_are_replaced_as_systemd_does(tmp_path: Path) -> None:
    defaults = tmp_path / "docker"
    defaults.write_text("# comment\nDOCKER_OPTS='--mtu 1400 --debug'\nROOT=/data\n")
    unit = _unit(
        ExecStart="{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd --data-root=${ROOT} $DOCKER_OPTS $NONE ${LOG} ; "
        "ignore_errors=no ; start_time=[n/a] }",
        Environment='LOG=--log-level=warn "OTHER=a b"',
        EnvironmentFiles=f"{defaults} (ignore_errors=yes)",
    )
    assert unit.arguments == (
        "/usr/bin/dockerd", "--data-root=/data", "--mtu", "1400", "--debug", "--log-level=warn",
    )  # fmt: skip


@contextmanager
def _running(*arguments: str) -> Iterator[str]:
    """Have a process with these arguments; yields its id."""
    shell = ("-c", "read line", *arguments[1:])  # is there until its input ends
    with subprocess.Popen((arguments[0], *shell), executable="/bin/sh", stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        # The kernel lets the parent go on a moment before a new program has its arguments.
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.001)
        yield str(process.pid)


def _exec_start(text: str) -> str:
    return f"{{ path=/x ; argv[]={text} ; ignore_errors=no ; start_time=[n/a] }}"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("/usr/bin/dockerd -c read line --label rack=row 4", "/usr/bin/dockerd"),
        ('/usr/bin/dockerd -c "read line" --label "rack=row 4"', "/usr/bin/dockerd"),
        ("/usr/bin/env dockerd -c read line --label rack=row 4", "dockerd"),
        ("/usr/local/sbin/start-engine", "/usr/bin/dockerd"),
    ],
    ids=["unquoted", "quoted", "env", "a-script"],
)
def test_an_engine_that_runs_shows_its_words_as_they_are(text: str, program: str) -> None:
    with _running(program, "--label", "rack=row 4") as pid:
        unit = _unit(ExecStart=_exec_start(text), MainPID=pid)
    assert unit.arguments == (program, "-c", "read line", "--label", "rack=row 4")
    assert unit.starts_engine


def test_words_that_the_unit_got_since_its_start_count() -> None:
    with _running("/usr/bin/dockerd", "--debug") as pid:
        unit = _unit(ExecStart=_exec_start("/usr/bin/dockerd -H fd://"), MainPID=pid)
    assert unit.arguments == ("/usr/bin/dockerd", "-H", "fd://")


def test_a_wrapper_that_stays_beside_the_engine_is_no_engine() -> None:
    with _running("/usr/local/sbin/start-engine") as pid:
        unit = _unit(ExecStart=_exec_start("/usr/local/sbin/start-engine --fast"), MainPID=pid)
    assert unit.arguments == ("/usr/local/sbin/start-engine", "--fast")
    assert not unit.starts_engine


def test_a_missing_unit_is_none() -> None:
    text = "Id=docker.service\nLoadState=not-found\nActiveState=inactive\n\nId=docker.socket\nLoadState=not-found\n"
    assert read_unit(_shows(text)) is None


@pytest.mark.parametrize("text", ["", "systemctl: no answer within 5 s", "nonsense"])
@pytest.mark.parametrize("code", [None, 1, 0])
def test_without_an_answer_the_unit_is_unseen(text: str, code: int | None) -> None:
    assert isinstance(read_unit(_shows(text, code)), Unseen)
