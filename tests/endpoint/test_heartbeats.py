"""Heartbeats on their own: hundreds a day of each host, so that both ways cost next to nothing."""

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


def test_a_heartbeat_that_says_nothing_new_is_answered_with_nothing(client: LocalClient) -> None:
    box = known(client)

    answers = [beat(client, box, sequence) for sequence in (2, 2, 3, HIGHEST)]

    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * 4
    assert set(answers[0].headers) == set()


def test_one_that_was_overtaken_is_told_by_which(client: LocalClient) -> None:
    box = known(client, sequence=70)

    answer = beat(client, box, 69)

    assert answer.statuses == ["accepted"]
    assert (answer.json["results"][0]["code"], answer.json["results"][0]["sequence"]) == ("superseded", 70)
    assert answer.json["resend_state"] is False


def test_it_may_be_packed(client: LocalClient) -> None:
    box = known(client)
    path = f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2"

    assert client.send("PUT", path, gzip.compress(json.dumps({"hash": HASH}).encode())).status == 204


def test_of_an_unknown_outbox_nothing_is_stored_and_the_state_is_asked_for(
    endpoint: LocalEndpoint, client: LocalClient
) -> None:
    box = Outbox()

    answer = beat(client, box, 7)

    assert answer.status == 200
    assert answer.json["resend_state"] is True
    assert [(result["key"], result["status"]) for result in answer.json["results"]] == [
        ("h-00000000000000000007", "accepted")
    ]
    assert box.host not in endpoint.run("fleet").stdout
    assert beat(client, Outbox(host=box.host), 7).json["resend_state"] is True


def test_another_hash_asks_for_the_state_until_it_is_there(client: LocalClient) -> None:
    box = known(client)

    asked = [beat(client, box, sequence, OTHER) for sequence in (2, 2, 3)]
    box.others = 3
    client.post(box.batch(box.state(OTHER)))

    assert [answer.json["resend_state"] for answer in asked] == [True] * 3
    assert [answer.statuses for answer in asked] == [["accepted"], ["duplicate"], ["accepted"]]
    assert beat(client, box, 5, OTHER).status == 204


def test_the_same_sequence_with_other_content_is_refused(client: LocalClient) -> None:
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


def test_one_that_comes_in_a_batch_as_well_is_a_duplicate_either_way(client: LocalClient) -> None:
    box = known(client)
    beat(client, box, 2)

    in_a_batch = client.post(box.batch(box.heartbeat()))
    beat_again = client.post(box.batch(box.heartbeat())).statuses, beat(client, box, 3).status

    assert in_a_batch.statuses == ["duplicate"]
    assert beat_again == (["accepted"], 204)


@pytest.mark.parametrize(
    ("host", "instance", "sequence", "words"),
    [
        ("web1", None, "2", "host_id"),
        (None, "%00", "2", "instance_id"),
        (None, "UPPER", "2", "instance_id"),
        *((None, None, text, "sequence") for text in ("0", "-1", "02", "1.0", "2e3", "%D9%A3", "9" * 400, 2**63)),
    ],
)
def test_an_address_that_cannot_be_meant_is_named(
    client: LocalClient, host: str | None, instance: str | None, sequence: str, words: str
) -> None:
    box = Outbox()
    instance = box.instance.upper().replace("0", "A") if instance == "UPPER" else instance

    answer = client.beat(host or box.host, instance or box.instance, sequence, HASH)

    assert problem(answer)[0] == 400
    assert words in problem(answer)[1]
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
def test_a_body_that_is_none_is_refused_with_the_place(
    client: LocalClient, data: bytes, status: int, pointer: str | None
) -> None:
    path = f"/v1/hosts/{uuid.uuid4()}/instances/{uuid.uuid4()}/heartbeats/1"

    answer = client.send("PUT", path, data, Content_Encoding="identity")

    assert problem(answer)[0] == status
    assert [error["pointer"] for error in answer.json.get("errors", [])] == ([] if pointer is None else [pointer])


def test_nobody_beats_for_another(endpoint: LocalEndpoint, client: LocalClient) -> None:
    box = known(client)
    own = endpoint.client(endpoint.token("--host", box.host))
    admin = endpoint.client(endpoint.token("--admin"))

    assert beat(own, box, 2).status == 204
    assert problem(beat(own, Outbox(), 2))[0] == 403
    assert problem(beat(admin, box, 3))[0] == 403
    assert problem(endpoint.client().beat("no", "matter", "what", ""))[0] == 401
    wrong_method = client.get(f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2")
    assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "PUT")


def test_they_count_towards_the_same_share_as_batches(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(limits={"requests_per_minute": 60, "burst": 4})
    client = endpoint.client(endpoint.token())
    box = known(client)

    statuses = [beat(client, box, sequence).status for sequence in range(2, 8)]

    assert statuses[:3] == [204] * 3
    assert statuses[-1] == 429
