"""`requests` and `status` show what people have sent through the endpoint, and how it ended."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.cli.main import main
from agent.core.requests.model import Authentic, RequestRefusal, RequestWhy, Verb
from agent.report.requests_text import reason_text, request_lines, request_rows
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.report.text import requester_name
from agent.state.requests_record import RequestsRecord
from agent.state.requests_view import RequestView, read_requests
from agent.state.store import REQUESTS, Store
from agent.state.timestamps import utc_now
from agent.worker.steps.requests.desk import RequestDesk
from tests.conftest import CHECKOUT
from tests.core.requests.given_request import SATURDAY, document, request_id, rules


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a record with one request that waits, one that was refused and one id twice."""
    now = utc_now().replace(microsecond=0)
    found = Store(str(tmp_path))
    desk = RequestDesk(RequestsRecord(found), rules(windows={Verb.UPGRADE_SECURITY: SATURDAY}), lambda: now)
    waits: dict[str, Any] = {"arguments": {"when": "window"}, "comment": "tonight"}
    desk.receive(document(1, created_at=now, lives=timedelta(days=8), **waits), lambda _: Authentic(signed_by="ann"))
    desk.receive(document(1, created_at=now), lambda _: Authentic())
    unsigned = RequestRefusal(why=RequestWhy.UNSIGNED, detail="requests.signers is set")
    desk.receive(document(2, created_at=now), lambda _: unsigned)
    return found


def views(store: Store) -> list[RequestView]:
    found = read_requests(store)
    assert found is not None
    return found[1]


def status(store: Store) -> Status:
    return build_status(collect_status(store, store.directory), utc_now())


def test_the_list_has_each_request_with_its_state_and_why(store: Store) -> None:
    newest, oldest = request_rows(views(store))

    assert request_id(2) in newest
    assert "refused" in newest
    assert request_id(1) in oldest
    assert "accepted" in oldest


def test_one_request_is_shown_with_each_step(store: Store) -> None:
    text = "\n".join(request_lines(views(store)[1]))

    for part in (
        request_id(1),
        "upgrade-security",
        "jörg, signed by ann",
        "tonight",
        "Received",
        "Accepted",
        "Refused",
    ):
        assert part in text


def test_every_reason_has_its_sentence(store: Store) -> None:
    step = views(store)[0].last
    for why in RequestWhy:
        step.why, step.detail = why.value, ""
        assert reason_text(step) != why.value


def test_a_run_of_a_request_has_the_person_in_its_column() -> None:
    assert requester_name(f"request {request_id()} by jörg by the way") == "jörg by the way (request)"
    assert [requester_name(name) for name in ("ann", "request", "")] == ["ann", "request", "-"]


def test_the_document_has_its_schema(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads((CHECKOUT / "schemas/maestro.requests-1.json").read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(Path(store.path(REQUESTS)).read_text()))

    assert main(["--state-dir", store.directory, "requests", "--json", "-n", "1"]) == 0
    shown = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator(schema).validate(shown)
    assert [one["id"] for one in shown["requests"]] == [request_id(2)]


def test_a_host_without_requests_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--state-dir", str(tmp_path), "requests"]) == 0
    assert main(["--state-dir", str(tmp_path), "requests", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert json.loads("\n".join(lines[1:]))["requests"] == []
    assert main(["--state-dir", str(tmp_path), "requests", request_id()]) == 2


def test_status_shows_those_that_wait_and_the_last_one(store: Store) -> None:
    found = status(store)

    section: Any = status_document(found)["requests"]
    assert [one["id"] for one in section["open"]] == [request_id(1)]
    assert (section["last"]["id"], section["last"]["why"]) == (request_id(2), "unsigned")
    assert any("upgrade-security by jörg: accepted" in line for line in status_lines(found))


def test_what_ended_long_ago_is_no_line_of_status(store: Store) -> None:
    RequestDesk(RequestsRecord(store), rules(), utc_now).cancel([request_id(1)])
    later = build_status(collect_status(store, store.directory), utc_now() + timedelta(days=8))

    assert any(line.startswith("Requests") for line in status_lines(status(store)))
    assert not any(line.startswith("Requests") for line in status_lines(later))


def test_a_damaged_record_needs_a_person_and_stays(store: Store) -> None:
    Path(store.path(REQUESTS)).write_text("{")
    found = status(store)

    assert status_document(found)["requests"] is None
    assert "requests" in [need.code for need in needs(found)]
    assert Path(store.path(REQUESTS)).read_text() == "{"


def test_without_any_request_there_is_no_section(tmp_path: Path) -> None:
    found = status(Store(str(tmp_path)))

    assert status_document(found)["requests"] is None
    assert not any(line.startswith("Requests") for line in status_lines(found))


def test_what_an_open_request_is_to_install_is_shown(tmp_path: Path) -> None:
    now, found = utc_now().replace(microsecond=0), Store(str(tmp_path))
    desk = RequestDesk(RequestsRecord(found), rules(), lambda: now)
    named = document(
        1, created_at=now, verb="upgrade-fixes", arguments={"fixes": ["nginx", "curl"], "reboot": "if-required"}
    )
    desk.receive(named, lambda _: Authentic())

    view = views(found)[0]

    assert (view.fixes, view.reboots) == (["nginx", "curl"], True)
    assert any("nginx curl" in line for line in request_lines(view))
    assert any("nginx curl" in line for line in status_lines(status(found)) if line.startswith("Requests"))
