"""The worker's connection: keep-alives while a job makes progress, and rejected peers."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.host.process.peer import PeerCredentials
from agent.worker import server
from agent.worker.line_sender import LineSender
from tests.conftest import CHECKOUT


@pytest.fixture
def connections() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(60)
        yield ours, theirs


def test_a_job_that_makes_progress_is_never_silent_for_longer_than_the_keep_alive_interval(
    connections: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    sender = server.ProgressSender(LineSender(connections[0].fileno()))

    for now_s in range(1001, 1100):
        sender.alive()
        if now_s == 1050:
            sender.progress("half way")

    lines = [json.loads(line)["progress"] for line in connections[1].recv(65536).splitlines()]
    assert lines == ["", "half way", ""], "at 30 s, at 50 s, and 30 s after that"


def test_an_unknown_user_gets_no_answer(connections: tuple[socket.socket, socket.socket]) -> None:
    server.serve(connections[0], PeerCredentials(pid=1, uid=65534, gid=65534))
    connections[0].close()

    assert connections[1].recv(65536) == b""


def test_root_gets_the_fault_of_a_malformed_request(connections: tuple[socket.socket, socket.socket]) -> None:
    connections[1].sendall(b'{"schema": "maestro.request/1"}\n')

    server.serve(connections[0], PeerCredentials(pid=1, uid=0, gid=0))

    answer = json.loads(connections[1].recv(65536))
    assert (answer["exit_code"], answer["document"], answer["recorded"]) == (2, None, False)
    assert "'maestro.request/1' is not supported" in answer["error"]


@pytest.mark.parametrize(("kind", "code"), [("socket", 0), ("file", 2)])
def test_the_worker_ends_at_once_with_its_answer_and_its_exit_code(
    connections: tuple[socket.socket, socket.socket], kind: str, code: int
) -> None:
    connections[1].sendall(b'{"schema": "maestro.request/1"}\n')
    with Path(os.devnull).open("rb") as file:
        program = "from agent.worker.server import main_and_exit; main_and_exit(); print('not reached')"
        stdin = (connections[0] if kind == "socket" else file).fileno()
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=stdin, cwd=CHECKOUT, capture_output=True, check=False, timeout=120
        )
    connections[0].close()

    answer = connections[1].recv(65536) if kind == "socket" else b""
    assert (done.returncode, done.stdout, done.stderr != b"") == (code, b"", True), "the log goes to standard error"
    assert (b'"exit_code": 2' in answer) == (kind == "socket")
