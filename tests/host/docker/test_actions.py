"""Times of the engine, and a job that is not silent while containers end."""

import socket
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent.host.docker.actions import ContainerActions, parse_time
from tests.core.docker.given_docker import container
from tests.support.api_server import api_server, http_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T10:00:00.123456789Z", datetime(2026, 11, 28, 10, 0, 0, 123456, timezone.utc)),
        ("2026-11-28T10:00:00.5Z", datetime(2026, 11, 28, 10, 0, 0, 500000, timezone.utc)),
        ("2026-11-28T10:00:00Z", datetime(2026, 11, 28, 10, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_time_of_the_engine(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected


def test_a_stop_that_takes_long_is_no_silence(tmp_path: Path) -> None:
    alive = threading.Event()

    def answer(connection: socket.socket, line: str) -> None:
        assert alive.wait(60)
        status = "204 No Content" if "/containers/id-good/" in line else "500 Internal Server Error"
        connection.sendall(http_answer("", status))

    with api_server(tmp_path / "sock", answer):
        actions = ContainerActions(str(tmp_path / "sock"), alive=alive.set, alive_s=0.01)
        errors = actions.stop([container("good"), container("bad")])

    assert errors == {"bad": "500"}


def test_a_container_that_its_policy_restarts_is_known_by_its_count(tmp_path: Path) -> None:
    state = '{"Running": true, "StartedAt": "2026-11-28T10:00:32.1Z", "FinishedAt": "2026-11-28T10:00:31.7Z"}'

    def answer(connection: socket.socket, line: str) -> None:
        count = '"RestartCount": 6, ' if "/containers/id-web/" in line else ""
        connection.sendall(http_answer(f'{{{count}"State": {state}}}'))

    with api_server(tmp_path / "sock", answer):
        found = ContainerActions(str(tmp_path / "sock")).times([container("web"), container("db")])

    assert {name: (times.running, times.restarts) for name, times in found.items()} == {
        "web": (True, 6),
        "db": (True, 0),
    }
