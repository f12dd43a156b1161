"""Single heartbeats: hundreds a day per host, so that request and response must be cheap."""

import gzip
import json
import uuid

import pytest

from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.test_refusals import problem
from tests.support.endpoint_server import Answer, Requests
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.messages import HASH, Outbox

OTHER = "f" * 16
HIGHEST = 2**63 - 1


def known(client: Requests, *, sequence: int = 1) -> Outbox:
    """Return an outbox whose state the endpoint holds."""
    box = Outbox(others=sequence - 1)
    assert client.post(box.batch(box.state())).statuses == ["accepted"]
    return box


def beat(client: Requests, box: Outbox, sequence: object, state_hash: str = HASH) -> Answer:
    return client.beat(box.host, box.instance, sequence, state_hash)


def test_a_heartbeat_without_news_gets_an_empty_response(client: LocalClient) -> None:
    box = known(client)

    answers = [beat(client, box, sequence) for sequence in (2, 2, 3, HIGHEST)]

    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * 4
    assert set(answers[0].headers) == set()


def test_an_old_heartbeat_is_superseded_with_the_newest_sequence(client: LocalClient) -> None:
    box = known(client, sequence=70)

    answer = beat(client, box, 69)

    assert answer.statuses == ["accepted"]
    assert (answer.json["results"][0]["code"], answer.json["results"][0]["sequence"]) == ("superseded", 70)
    assert answer.json["resend_state"] is False


def test_a_single_heartbeat_may_be_gzipped(client: LocalClient) -> None:
    box = known(client)
    path = f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2"

    assert client.send("PUT", path, gzip.compress(json.dumps({"hash": HASH}).encode())).status == 204


def test_a_heartbeat_of_an_unknown_outbox_requests_the_state(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = Outbox()

    answer = beat(client, box, 7)

    assert answer.status == 200
    assert answer.json["resend_state"] is True
    assert [(result["key"], result["status"]) for result in answer.json["results"]] == [
        ("h-00000000000000000007", "accepted")
    ]
    assert box.host not in endpoint.run("fleet").stdout
    assert beat(client, Outbox(host=box.host), 7).json["resend_state"] is True


def test_another_hash_requests_the_state_until_it_arrives(client: LocalClient) -> None:
    box = known(client)

    asked = [beat(client, box, sequence, OTHER) for sequence in (2, 2, 3)]
    box.others = 3
    client.post(box.batch(box.state(OTHER)))

    assert [answer.json["resend_state"] for answer in asked] == [True] * 3
    assert [answer.statuses for answer in asked] == [["accepted"], ["duplicate"], ["accepted"]]
    assert beat(client, box, 5, OTHER).status == 204


def test_a_heartbeat_with_a_reused_sequence_is_rejected(client: LocalClient) -> None:
    box = known(client)
    of_a_state = beat(client, box, 1)
    beat(client, box, 2)

    answer = beat(client, box, 2, OTHER)

    assert (of_a_state.statuses, of_a_state.codes) == (["refused"], ["sequence-reused"])
    assert answer.json == {
        "schema": "maestro.receipt/1",
        "results": [
            {"key": "h-00000000000000000002", "status": "refused", "code": "key-reused", "detail": "key reused"}
        ],
        "resend_state": False,
    }


def test_a_heartbeat_sent_alone_and_in_a_batch_is_a_duplicate(client: LocalClient) -> None:
    box = known(client)
    beat(client, box, 2)

    in_a_batch = client.post(box.batch(box.heartbeat()))
    beat_again = client.post(box.batch(box.heartbeat())).statuses, beat(client, box, 3).status

    assert in_a_batch.statuses == ["duplicate"]
    assert beat_again == (["accepted"], 204)


@pytest.mark.parametrize(
    ("host", "instance", "sequence", "expected"),
    [
        ("web1", None, "2", "host_id"),
        (None, "%00", "2", "instance_id"),
        (None, "UPPER", "2", "instance_id"),
        *((None, None, text, "sequence") for text in ("0", "-1", "02", "1.0", "2e3", "%D9%A3", "9" * 400, 2**63)),
    ],
)
def test_an_invalid_path_is_rejected_with_its_part(
    client: LocalClient, host: str | None, instance: str | None, sequence: str, expected: str
) -> None:
    box = Outbox()
    instance = box.instance.upper().replace("0", "A") if instance == "UPPER" else instance

    answer = client.beat(host or box.host, instance or box.instance, sequence, HASH)

    assert problem(answer)[0] == 400
    assert expected in problem(answer)[1]
    assert client.get("/v1/health").status == 200


@pytest.mark.parametrize(
    ("data", "status", "pointer"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"[]", 422, ""),
        (b"{}", 422, ""),
        (b'{"hash": 5}', 422, "/hash"),
        (b'{"hash": "0123456789ABCDEF"}', 422, "/hash"),
        (b'{"hash": "' + b"a" * 17 + b'"}', 422, "/hash"),
        (b" " * (2 << 20), 413, None),
    ],
    ids=lambda part: str(part)[:20],
)
def test_an_invalid_heartbeat_is_rejected_with_a_pointer(
    client: LocalClient, data: bytes, status: int, pointer: str | None
) -> None:
    path = f"/v1/hosts/{uuid.uuid4()}/instances/{uuid.uuid4()}/heartbeats/1"

    answer = client.send("PUT", path, data, Content_Encoding="identity")

    assert problem(answer)[0] == status
    assert [error["pointer"] for error in answer.json.get("errors", [])] == ([] if pointer is None else [pointer])


def test_a_heartbeat_needs_credentials_of_its_host(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = known(client)
    own = endpoint.client(endpoint.token("--host", box.host))
    admin = endpoint.client(endpoint.token("--admin"))

    assert beat(own, box, 2).status == 204
    assert problem(beat(own, Outbox(), 2))[0] == 403
    assert problem(beat(admin, box, 3))[0] == 403
    assert problem(endpoint.client().beat("no", "matter", "what", ""))[0] == 401
    wrong_method = client.get(f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2")
    assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "PUT")


@pytest.mark.usefixtures("still_clock")
def test_heartbeats_count_towards_the_rate_limit(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(limits={"requests_per_minute": 60, "burst": 4})
    client = endpoint.client(endpoint.token())
    box = known(client)

    statuses = [beat(client, box, sequence).status for sequence in range(2, 8)]

    assert statuses == [204] * 3 + [429] * 3
