"""Heartbeats on their own: hundreds a day of each host, so that both ways cost next to nothing."""

import gzip
import json
import ssl
import threading
import time
import uuid

import pytest

from tests.endpoint.conftest import Make
from tests.endpoint.test_messages import host_row
from tests.endpoint.test_refusals import problem
from tests.support.endpoint_server import Answer, Centre, Client
from tests.support.messages import HASH, Outbox

OTHER = "f" * 16
HIGHEST = 2**63 - 1


def known(client: Client, *, sequence: int = 1) -> Outbox:
    """Return an outbox whose state the centre holds."""
    box = Outbox(others=sequence - 1)
    assert client.post(box.batch(box.state())).statuses == ["accepted"]
    return box


def beat(client: Client, box: Outbox, sequence: object, state_hash: str = HASH) -> Answer:
    return client.beat(box.host, box.instance, sequence, state_hash)


def test_a_heartbeat_that_says_nothing_new_is_answered_with_nothing(client: Client) -> None:
    box = known(client)

    answers = [beat(client, box, sequence) for sequence in (2, 2, 3, HIGHEST)]

    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * 4
    assert set(answers[0].headers) == {"Date"}


def test_one_that_was_overtaken_is_told_by_which(client: Client) -> None:
    box = known(client, sequence=70)

    answer = beat(client, box, 69)

    assert answer.statuses == ["accepted"]
    assert answer.json["results"][0]["detail"] == "overtaken by sequence 70"
    assert answer.json["resend_state"] is False


def test_it_may_be_packed(client: Client) -> None:
    box = known(client)
    path = f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2"

    assert client.send("PUT", path, gzip.compress(json.dumps({"hash": HASH}).encode())).status == 204


def test_of_an_unknown_outbox_nothing_is_stored_and_the_state_is_asked_for(centre: Centre, client: Client) -> None:
    box = Outbox()

    answer = beat(client, box, 7)

    assert answer.status == 200
    assert answer.json["resend_state"] is True
    assert [(result["key"], result["status"]) for result in answer.json["results"]] == [
        ("h-00000000000000000007", "accepted")
    ]
    assert box.host not in centre.run("fleet").stdout
    assert beat(client, Outbox(host=box.host), 7).json["resend_state"] is True


def test_another_hash_asks_for_the_state_until_it_is_there(client: Client) -> None:
    box = known(client)

    asked = [beat(client, box, sequence, OTHER) for sequence in (2, 2, 3)]
    box.others = 3
    client.post(box.batch(box.state(OTHER)))

    assert [answer.json["resend_state"] for answer in asked] == [True] * 3
    assert [answer.statuses for answer in asked] == [["accepted"], ["duplicate"], ["accepted"]]
    assert beat(client, box, 5, OTHER).status == 204


def test_the_same_sequence_with_other_content_is_refused(client: Client) -> None:
    box = known(client)
    of_a_state = beat(client, box, 1)
    beat(client, box, 2)

    answer = beat(client, box, 2, OTHER)

    assert of_a_state.json["results"][0]["detail"] == "sequence reused"
    assert answer.json == {
        "schema": "maestro.receipt/1",
        "results": [{"key": "h-00000000000000000002", "status": "refused", "detail": "key reused"}],
        "resend_state": False,
    }


def test_one_that_comes_in_a_batch_as_well_is_a_duplicate_either_way(client: Client) -> None:
    box = known(client)
    beat(client, box, 2)

    in_a_batch = client.post(box.batch(box.heartbeat()))
    beat_again = client.post(box.batch(box.heartbeat())).statuses, beat(client, box, 3).status

    assert in_a_batch.statuses == ["duplicate"]
    assert beat_again == (["accepted"], 204)


def test_it_counts_as_a_sign_of_life_and_changes_nothing_else(make: Make) -> None:
    centre = make()
    centre.start()
    client = centre.client(centre.token())
    box = known(client)
    before = host_row(centre, box.host)
    time.sleep(1.1)

    beat(client, box, 2)
    centre.kill()  # what was answered is on disk
    after = host_row(centre, box.host)

    assert str(after.pop("last_seen_at")) > str(before.pop("last_seen_at"))
    assert after == before


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
    client: Client, host: str | None, instance: str | None, sequence: str, words: str
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
    client: Client, data: bytes, status: int, pointer: str | None
) -> None:
    path = f"/v1/hosts/{uuid.uuid4()}/instances/{uuid.uuid4()}/heartbeats/1"

    answer = client.send("PUT", path, data, Content_Encoding="identity")

    assert problem(answer)[0] == status
    assert [error["pointer"] for error in answer.json.get("errors", [])] == ([] if pointer is None else [pointer])


def test_nobody_beats_for_another(centre: Centre, client: Client) -> None:
    box = known(client)
    own = centre.client(centre.token("--host", box.host))
    admin = centre.client(centre.token("--admin"))

    assert beat(own, box, 2).status == 204
    assert problem(beat(own, Outbox(), 2))[0] == 403
    assert problem(beat(admin, box, 3))[0] == 403
    assert problem(centre.client().beat("no", "matter", "what", ""))[0] == 401
    wrong_method = client.get(f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/2")
    assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "PUT")


def test_they_count_towards_the_same_share_as_batches(make: Make) -> None:
    centre = make(limits={"requests_per_minute": 60, "burst": 4})
    centre.start()
    client = centre.client(centre.token())
    box = known(client)

    statuses = [beat(client, box, sequence).status for sequence in range(2, 8)]

    assert statuses[:3] == [204] * 3
    assert statuses[-1] == 429


def test_many_at_once_on_one_connection_are_answered_one_by_one(centre: Centre, client: Client, token: str) -> None:
    box = known(client)
    body = json.dumps({"hash": HASH}).encode()
    requests = b"".join(
        (
            f"PUT /v1/hosts/{box.host}/instances/{box.instance}/heartbeats/{sequence} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for sequence in range(2, 12)
    )
    connection = centre.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)

    answers = b""
    with stream:
        stream.sendall(requests)
        while answers.count(b"\r\n\r\n") < 10:
            answers += stream.recv(65536)

    assert answers.count(b"HTTP/1.1 204 ") == 10
    assert len(answers) < 10 * 80


def test_batches_and_heartbeats_of_many_hosts_at_once_are_each_answered_rightly(centre: Centre, token: str) -> None:
    wrong: list[object] = []

    def one() -> None:
        client = Client(centre=centre, token=token)
        stranger = Outbox()
        box = known(client)
        for sequence in range(2, 22):
            answers = beat(client, box, sequence), beat(client, stranger, sequence)
            wrong.extend(answer for answer, status in zip(answers, (204, 200), strict=True) if answer.status != status)
        client.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
