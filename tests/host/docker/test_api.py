"""The client of the engine's API against a socket that answers badly."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.host.docker.api import EngineApi, EngineApiError
from tests.support.api_server import Script, api_server, http_answer


def _sends(data: bytes) -> Script:
    return lambda connection, _: connection.sendall(data)


def _hangs(connection: socket.socket, _: str) -> None:
    connection.recv(1)


def _trickles(connection: socket.socket, _: str) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 90:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def _error(path: Path, script: Script, call: Callable[[EngineApi], object], *, call_s: float = 60) -> EngineApiError:
    with api_server(path / "sock", script), pytest.raises(EngineApiError) as caught:
        call(EngineApi(str(path / "sock"), call_s=call_s))
    return caught.value


def test_json_and_headers_are_returned(tmp_path: Path) -> None:
    answer = http_answer('{"Version": "27.3.1"}', headers="Api-Version: 1.47\r\nServer: Docker/27.3.1 (linux)\r\n")
    with api_server(tmp_path / "sock", _sends(answer)) as seen:
        api = EngineApi(str(tmp_path / "sock"))
        assert api.get("/version") == {"Version": "27.3.1"}
        assert api.ping()["server"] == "Docker/27.3.1 (linux)"
    assert seen == ["GET /version HTTP/1.1", "GET /_ping HTTP/1.1"]


def test_chunked_answers_are_joined(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
    with api_server(tmp_path / "sock", _sends(answer)):
        assert EngineApi(str(tmp_path / "sock")).get("/info") == [1, 2]


def test_a_body_is_posted_as_json(tmp_path: Path) -> None:
    with api_server(tmp_path / "sock", _sends(http_answer("", "204 No Content"))) as seen:
        answer = EngineApi(str(tmp_path / "sock")).request("POST", "/containers/x/stop?t=5", {"a": 1})
    assert (answer.status, seen) == (204, ["POST /containers/x/stop?t=5 HTTP/1.1"])


@pytest.mark.parametrize("script", [_hangs, _trickles], ids=["never answers", "one byte at a time"])
def test_an_engine_that_hangs_is_given_up_at_the_deadline(tmp_path: Path, script: Script) -> None:
    error = _error(tmp_path, script, lambda api: api.get("/version"), call_s=0.3)
    assert (error.status, error.problem) == (None, "it does not answer")


def test_a_full_queue_counts_as_no_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(tmp_path / "sock"))
        listening.listen(0)
        first.connect(str(tmp_path / "sock"))
        with pytest.raises(EngineApiError, match="it does not answer"):
            EngineApi(str(tmp_path / "sock"), call_s=0.3).get("/version")


def test_all_calls_together_have_a_deadline(tmp_path: Path) -> None:
    api = EngineApi(str(tmp_path / "sock"), all_s=0.0)
    with api_server(tmp_path / "sock", _sends(http_answer("{}"))), pytest.raises(EngineApiError) as caught:
        api.get("/version")
    assert caught.value.problem == "it does not answer"


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param(_sends(b""), None, id="nothing"),
        pytest.param(_sends(b"SSH-2.0-OpenSSH_9.2\r\n"), None, id="another protocol"),
        pytest.param(_sends(b"\x00\xff" * 40000), None, id="bytes"),
        pytest.param(_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), None, id="cut short"),
        pytest.param(_sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), None, id="bad chunk"),
        pytest.param(_sends(http_answer("<html>")), 200, id="not JSON"),
        pytest.param(_sends(http_answer("[" * 200_000)), 200, id="deep JSON"),
        pytest.param(_sends(http_answer("[" + "1," * (9 << 20) + "1]")), 200, id="too long"),
        pytest.param(_sends(http_answer("{}", "500 Internal Server Error")), 500, id="an error without a message"),
    ],
)
def test_a_bad_answer_is_an_error(tmp_path: Path, script: Script, status: int | None) -> None:
    with api_server(tmp_path / "sock", script), pytest.raises(EngineApiError) as caught:
        EngineApi(str(tmp_path / "sock")).get("/info")
    assert (caught.value.method, caught.value.path, caught.value.status) == ("GET", "/info", status)


@pytest.mark.parametrize(
    "body",
    [json.dumps({"message": "client version 1.23 is too old."}), "client version 1.23 is too old.\n"],
    ids=["JSON", "text"],
)
def test_messages_of_both_forms_are_read(tmp_path: Path, body: str) -> None:
    error = _error(tmp_path, _sends(http_answer(body, "400 Bad Request")), lambda api: api.get("/v1.23/info"))
    assert (error.status, error.problem) == (400, "400: client version 1.23 is too old.")


def test_a_missing_socket_and_a_dead_one_are_errors_without_a_status(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "dead"))
    for name in ("missing", "dead"):
        with pytest.raises(EngineApiError) as caught:
            EngineApi(str(tmp_path / name)).get("/version")
        assert caught.value.status is None
