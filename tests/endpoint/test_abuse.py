"""Malicious input beyond random values: names, numbers and times at the limits, with and without a token."""

import json
import time
from datetime import timedelta

import pytest

from endpoint.core.json_body import parse_json
from endpoint.errors import RefusedError
from endpoint.store.database import Database
from endpoint.store.queries import FleetQueries
from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.test_messages import gaps, host_row
from tests.endpoint.test_refusals import problem
from tests.endpoint.test_retention import NOW, put
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.messages import HASH, Outbox

NASTY = ("\x00", "\udce4", "a\nb", "\x1b[2J", "é" * 20, "'; DROP TABLE streams; --")


def ascii_start(text: str) -> str:
    return ascii(text)[1:20]


def test_unsupported_methods_get_405(client: LocalClient) -> None:
    box = Outbox()
    path = f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/1"

    found = {
        (method, where): client.send(method, where, None).status
        for method in ("HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT")
        for where in ("/v1/messages", path, "/v1/fleet")
    }

    assert {status for (method, _), status in found.items() if method not in {"OPTIONS", "HEAD"}} == {405}
    assert {status for (method, _), status in found.items() if method == "OPTIONS"} == {405}
    assert found["HEAD", "/v1/fleet"] == 403
    assert client.get("/v1//fleet").status == 404  # and no redirect
    assert client.get("/v1/./fleet").status == 404


def test_an_unterminated_string_takes_linear_time() -> None:
    for data in (b'"' + b'\\"' * 4_000_000, b'"' + b'\\"' * 4_000_000 + b"\\", b'["\\\\' + b'"\\' * 4_000_000):
        before = time.process_time()
        with pytest.raises(RefusedError):
            parse_json(data)
        assert time.process_time() - before < 3


def test_a_large_body_with_many_errors_is_rejected_within_3_seconds(client: LocalClient) -> None:
    box = Outbox()
    batch = box.batch(box.state(warnings=[0] * 100_000), box.state(warnings=[[]] * 50_000))
    before = time.process_time()

    answer = client.post(batch)

    assert answer.statuses == ["refused"] * 2
    assert time.process_time() - before < 3


def test_numbers_that_are_not_finite_are_rejected(client: LocalClient) -> None:
    box = Outbox()
    text = json.dumps(box.batch(box.event(document={"x": 7654321})))

    assert problem(client.raw(text.replace("7654321", "1e999").encode()))[0] == 400
    assert problem(client.raw(text.replace("7654321", "-1e999").encode()))[0] == 400
    assert client.raw(text.replace("7654321", "1e300").encode()).statuses == ["accepted"]


@pytest.mark.parametrize("text", NASTY, ids=ascii_start)
def test_text_that_a_database_rejects_causes_no_error(endpoint: LocalEndpoint, client: LocalClient, text: str) -> None:
    box, lost = Outbox(), {"count": 1, "first_sequence": 2, "last_sequence": 2}
    batches = [
        {**box.batch(box.event()), "agent_version": text},
        box.batch({**box.event(), "created_at": text}),
        box.batch(box.event("messages-lost", {**lost, "reason": text})),
        box.batch(box.event("messages-lost", {**lost, "reason": 5, text: text})),
        box.batch(box.event("outcome", {"schema": text, text: 1})),
        box.batch(box.state(health=text, host={text: text})),
        box.batch(box.state(warnings=[text], jobs={text: {text: text}})),
        box.batch(box.event(document={text: [text]})),
        {**box.batch(box.event()), "host_id": box.host + text},
        {**box.batch(box.event()), "instance_id": box.instance + text},
    ]

    found = [client.post(batch).status for batch in batches]

    assert set(found) <= {200, 422}
    assert "request.failed" not in endpoint.journal
    for command in ("fleet", "gaps"):
        done = endpoint.run(command)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("since", ["2026-13-45T99:99:99Z", "0000-00-00T00:00:00Z", "2026-11-23T08:10:00.1Z"])
def test_an_invalid_time_does_not_break_the_table(endpoint: LocalEndpoint, client: LocalClient, since: str) -> None:
    box = Outbox()
    state = box.state()
    state["body"]["reboot"]["since"] = since
    assert client.post(box.batch(state)).statuses == ["accepted"]

    done = endpoint.run("fleet")

    assert (done.returncode, done.stderr) == (0, "")
    assert box.host in done.stdout


def test_the_highest_sequences_do_not_break_the_table(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    outbox = {"depth": 0, "bytes": 0, "oldest_at": None, "dropped": 0, "refused": 0, "last_sequence": 2**53 - 1}
    client.post(box.batch(box.event(sequence=2**53 - 1), box.state(outbox=outbox)))
    client.beat(box.host, box.instance, 2**63 - 1, HASH)

    assert gaps(endpoint, box.host) == f"missing 1-{2**53 - 2}"
    assert host_row(endpoint, box.host)["missing_events"] == 2**53 - 2


@pytest.mark.usefixtures("still_clock")
def test_rejected_requests_count_towards_the_rate_limit(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(limits={"requests_per_minute": 60, "burst": 5})
    box = Outbox()
    client = endpoint.client(endpoint.token("--host", box.host))
    anybody = endpoint.client(endpoint.token())
    stranger = Outbox()

    foreign = [client.post(stranger.batch(stranger.event())).status for _ in range(8)]
    bad = [anybody.raw(b"[]").status for _ in range(8)]

    assert foreign[0] == 403
    assert foreign[-1] == 429
    assert bad[0] == 422
    assert bad[-1] == 429


def test_last_contact_recovers_after_the_clock_was_ahead(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW + timedelta(days=4000), box.event())
    put(database, box, NOW, box.event())

    assert FleetQueries(database).streams(NOW)[0].last_seen_at == NOW
    put(database, box, NOW - timedelta(seconds=5), box.event())
    assert FleetQueries(database).streams(NOW)[0].last_seen_at == NOW
