"""A run ends by itself before the daemon kills it, though each of its requests alone is in time."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.core.schedule.backoff import ResponseClass
from agent.report.endpoint import run_deadline
from agent.report.endpoint.client import EndpointClient, EndpointResponse
from agent.report.endpoint.run_deadline import RunDeadline
from tests.core.given import NO_ENDPOINT
from tests.report.endpoint.test_heartbeat import tls
from tests.report.installation import ReportingAgent
from tests.support.authority import Authority
from tests.support.fault_proxy import private_file

SECOND = timedelta(seconds=1)


def test_deadline_counts_from_the_first_request_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    deadline = RunDeadline(30 * SECOND)
    now += 500
    assert (deadline.next_limit(), deadline.passed) == (30 * SECOND, False)
    now += 45
    assert (deadline.next_limit(), deadline.passed) == (15 * SECOND, False)
    now += 15
    assert (deadline.next_limit(), deadline.passed) == (0 * SECOND, True)


def test_request_after_the_deadline_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, exchange = 1000.0, EndpointClient._exchange  # noqa: SLF001 - what sends

    def takes_a_second(client: EndpointClient, *request: Any) -> EndpointResponse:
        nonlocal now_s
        try:
            return exchange(client, *request)
        finally:
            now_s += 1  # however long it took on a busy machine

    monkeypatch.setattr(run_deadline, "time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(EndpointClient, "_exchange", takes_a_second)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        policy = replace(NO_ENDPOINT, url=f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=SECOND)
        deadline = RunDeadline(policy.timeout)

        def ask() -> EndpointResponse:
            with closing(EndpointClient(policy, deadline=deadline)) as client:
                return client.post({"messages": []})

        found = [ask() for _ in range(3)]

    assert now_s == 1002, "the third one was not sent"
    assert {one.response_class for one in found} == {ResponseClass.RETRY}
    assert [one.why == deadline.why for one in found[1:]] == [True, True]


@dataclass
class SlowEndpoint:
    """Enrols, and rejects the token that it gave; each answer takes a while."""

    tls: ssl.SSLContext
    pause_s: float
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket_ = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.socket_.accept()
                with suppress(OSError), plain, self.tls.wrap_socket(plain, server_side=True) as secured:
                    self._answer(secured)

    def _answer(self, connection: ssl.SSLSocket) -> None:
        connection.settimeout(10)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
        while len(body) < length:
            if not (received := connection.recv(1 << 16)):
                return  # the client is gone
            body += received
        path = head.split(b" ")[1].decode()
        self.requests.append(path)
        time.sleep(self.pause_s)
        if path != "/v1/enrol":
            connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            return
        given = {"schema": "maestro.enrolled/1", "host_id": json.loads(body)["host_id"], "token": "t" * 20}
        text = json.dumps(given).encode()
        connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


@pytest.fixture
def slow(authority: Authority) -> Iterator[SlowEndpoint]:
    made = SlowEndpoint(tls=tls(authority), pause_s=1.6)
    with closing(made.socket_):
        yield made


def test_run_of_slow_requests_ends_with_a_status_and_a_backoff(
    slow: SlowEndpoint, authority: Authority, tmp_path: Path
) -> None:
    """Four requests, each of which may be late by another second on a busy machine."""
    agent = ReportingAgent(directory=tmp_path)
    key = private_file(tmp_path / "key", "enrolment-key-0123456789\n")
    port = slow.socket_.getsockname()[1]
    agent.configure(port=port, ca_file=str(authority.file), enrolment_key_file=str(key), timeout="3s")

    done = agent.send()

    assert (done.returncode, slow.requests[:2]) == (1, ["/v1/enrol", "/v1/messages"])
    assert agent.endpoint_status["why"].endswith(RunDeadline(3 * SECOND).why)
    written = json.loads((tmp_path / "run/exporter-endpoint.json").read_text())
    assert written["export_state"]["failures"] == 1
    assert written["export_state"]["not_before"]
