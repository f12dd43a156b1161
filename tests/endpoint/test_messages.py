"""The contract per message: accepted, duplicate, rejected, and state requests."""

import json
import uuid

import pytest

from tests.support.endpoint_server import EndpointServer
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.messages import MOMENT, Outbox, outcome


def host_row(endpoint: LocalEndpoint | EndpointServer, host: str) -> dict[str, object]:
    done = endpoint.run("fleet", "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)["hosts"]
    return next(row for row in rows if row["host_id"] == host)


def gaps(endpoint: LocalEndpoint | EndpointServer, host: str) -> str:
    lines = endpoint.run("gaps").stdout.splitlines()
    return next((line.partition("): ")[2] for line in lines if host in line), "no gaps")


def test_a_batch_of_every_kind_is_accepted_in_order(client: LocalClient) -> None:
    box = Outbox()

    answer = client.post(box.batch(box.event("outcome", outcome()), box.event(), box.state(), box.heartbeat()))

    assert answer.statuses == ["accepted"] * 4
    assert answer.codes == [None] * 4
    assert answer.json["resend_state"] is False
    assert answer.headers["Content-Type"] == "application/json"


def test_a_retry_is_a_duplicate_in_any_formatting(client: LocalClient) -> None:
    box = Outbox()
    messages = [box.event(), box.state(), box.event("rebooted", {
        "boot_id": str(uuid.UUID(int=1)), "previous_boot_id": None, "booted_at": MOMENT, "kernel": None,
    })]  # fmt: skip
    batch = box.batch(*messages)
    turned = [dict(reversed(message.items())) for message in messages]

    first = client.post(batch)
    again = client.post(batch)
    written_otherwise = client.raw(json.dumps(box.batch(*turned), indent=3).encode())

    assert first.statuses == ["accepted"] * 3
    assert again.statuses == written_otherwise.statuses == ["duplicate"] * 3


def test_a_message_twice_in_one_batch_is_stored_once(client: LocalClient) -> None:
    box = Outbox()
    event = box.event()

    assert client.post(box.batch(event, event)).statuses == ["accepted", "duplicate"]


@pytest.mark.parametrize("sort", ["event", "state", "heartbeat"])
def test_a_reused_key_is_rejected(client: LocalClient, sort: str) -> None:
    box = Outbox()
    message = next(made for made in (box.event(), box.state(), box.heartbeat()) if made["kind"] == sort)
    client.post(box.batch(message))

    changed: dict[str, object] = (
        {"body": {"hash": "f" * 16}} if sort == "heartbeat" else {"created_at": "2026-11-23T08:11:00Z"}
    )
    answer = client.post(box.batch({**message, **changed}))

    assert answer.json["results"] == [
        {"key": message["key"], "status": "refused", "code": "key-reused", "detail": "key reused"}
    ]


@pytest.mark.parametrize("sort", ["event", "state"])
def test_a_reused_sequence_is_rejected(client: LocalClient, sort: str) -> None:
    box = Outbox()
    message = next(made for made in (box.event(), box.state()) if made["kind"] == sort)
    client.post(box.batch(message))

    answer = client.post(box.batch({**message, "key": str(uuid.uuid4())}))

    assert answer.statuses == ["refused"]
    assert answer.codes == ["sequence-reused"]
    assert answer.json["results"][0]["detail"] == "sequence reused"  # which agents before 0.1.0 read


def test_the_same_key_of_another_host_or_outbox_is_another_message(client: LocalClient) -> None:
    one = Outbox()
    other_host, other_instance = Outbox(instance=one.instance), Outbox(host=one.host)
    event = one.event()

    answers = [client.post(box.batch(event)) for box in (one, other_host, other_instance)]

    assert [answer.statuses for answer in answers] == [["accepted"]] * 3


def test_events_out_of_order_are_accepted_and_close_the_gap(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    first, second, third = box.event(), box.event(), box.event()
    client.post(box.batch(first))
    client.post(box.batch(third))
    open_gap = gaps(endpoint, box.host)

    late = client.post(box.batch(second))

    assert open_gap == "missing 2"
    assert late.statuses == ["accepted"]
    assert gaps(endpoint, box.host) == "no gaps"


def test_a_declared_loss_explains_a_gap(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    client.post(box.batch(box.event(), box.event(sequence=9)))
    lost = {"count": 5, "first_sequence": 2, "last_sequence": 6, "reason": "too-many-bytes"}

    client.post(box.batch(box.event("messages-lost", lost)))

    assert gaps(endpoint, box.host) == "missing 7-8; lost 2-6"
    row = host_row(endpoint, box.host)
    assert (row["missing_events"], row["lost_events"]) == (2, 5)


def test_acknowledged_events_that_are_not_stored_are_a_gap(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    outbox = {"depth": 2, "bytes": 900, "oldest_at": MOMENT, "dropped": 0, "refused": 0, "last_sequence": 7}

    client.post(box.batch(box.event(), box.event(), box.state(outbox=outbox)))

    assert gaps(endpoint, box.host) == "missing 3-5"


def test_an_invalid_body_is_rejected_alone_and_its_sequence_is_accounted_for(
    endpoint: LocalEndpoint, client: LocalClient
) -> None:
    box = Outbox()
    bad = box.event("outcome", {"schema": "maestro.outcome/1"})
    good = box.event()
    bad_state = box.state(kernel={"running": 6, "newest": None, "outdated": None})

    answer = client.post(box.batch(bad, good, bad_state))
    again = client.post(box.batch(bad, good))

    assert answer.statuses == ["refused", "accepted", "refused"]
    assert answer.codes == ["invalid", None, "invalid"]
    details = [result["detail"] for result in answer.json["results"]]
    assert details[0].startswith("/document/: 'generated_at' is a required property")
    assert details[2] == "/kernel/running: 6 is not of type 'string', 'null'"
    assert again.statuses == ["refused", "duplicate"]
    assert gaps(endpoint, box.host) == "rejected 1"
    assert host_row(endpoint, box.host)["refused_messages"] == 3


def test_only_the_latest_state_counts(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    older, newer = box.state("a" * 16, health="attention"), box.state("b" * 16, health="healthy")
    client.post(box.batch(newer))

    answer = client.post(box.batch(older))

    assert answer.json["results"][0] == {
        "key": older["key"],
        "status": "accepted",
        "code": "superseded",
        "sequence": 2,
        "detail": "overtaken by sequence 2",
    }
    assert host_row(endpoint, box.host)["health"] == "healthy"


def test_a_state_is_requested_until_it_arrives(client: LocalClient) -> None:
    box = Outbox()
    heartbeat = box.heartbeat("a" * 16)

    unknown = client.post(box.batch(heartbeat))
    repeated = client.post(box.batch(heartbeat))
    other = client.post(box.batch(box.state("b" * 16), box.heartbeat("a" * 16)))
    known = client.post(box.batch(box.state("a" * 16)))
    beats = client.post(box.batch(box.heartbeat("a" * 16)))

    asked = [answer.json["resend_state"] for answer in (unknown, repeated, other, known, beats)]
    assert asked == [True, True, True, False, False]


def test_unknown_types_and_members_are_accepted(client: LocalClient) -> None:
    box = Outbox()
    state = box.state(newer_part={"x": [1, None]}, health="better-than-ever")
    event = box.event("seen-in-2031", {"any": {"thing": [True, 1.5, "\x00\udce4"]}})

    assert client.post(box.batch(state, event)).statuses == ["accepted", "accepted"]


def test_the_fleet_shows_pending_held_and_reboot_required(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    client.post(box.batch(box.state()))
    silent_host = Outbox()
    client.post(silent_host.batch(silent_host.heartbeat()))

    row, other = host_row(endpoint, box.host), host_row(endpoint, silent_host.host)

    assert (row["name"], row["pending"], row["held"], row["reboot_required"]) == ("web1", 3, 3, True)
    assert (row["silent"], row["last_result"], row["kernel_outdated"]) == (False, "failed", True)
    assert {other[name] for name in ("name", "pending", "held", "health", "reboot_required")} == {None}
    text = endpoint.run("fleet").stdout
    assert "web1" in text
    assert "HOST" in text


def test_a_host_with_any_name_is_shown_on_any_terminal(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()
    state = box.state()
    state["body"]["host"]["name"] = "\u65e5\u672c"
    assert client.post(box.batch(state)).statuses == ["accepted"]

    done = endpoint.run("fleet", encoding="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u65e5\\u672c" in done.stdout


def test_the_fleet_is_shown_to_administrators_only(endpoint: LocalEndpoint, client: LocalClient) -> None:
    admin = endpoint.client(endpoint.token("--admin"))
    anonymous = endpoint.client()

    answers = [one.get("/v1/fleet") for one in (admin, client, anonymous)]

    assert [answer.status for answer in answers] == [200, 403, 401]
    assert answers[0].json["schema"] == "maestro.fleet/1"
    assert admin.post(Outbox().batch(Outbox().event())).status == 403
    assert anonymous.get("/v1/health").json == {"status": "ok"}
