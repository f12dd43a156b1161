"""What the answers of three FleetLock servers mean, and those that none of them sends."""

import json

import pytest

from agent.core.fleet_lock.answers import (
    Meaning,
    ServerAnswer,
    ServerError,
    describe,
    meaning_of_acquire,
    meaning_of_release,
    server_error,
)

DONE, REFUSED, REJECTED = Meaning.DONE, Meaning.REFUSED, Meaning.REJECTED
UNCERTAIN, IN_FLIGHT = Meaning.UNCERTAIN, Meaning.IN_FLIGHT
FULL_OF_AIRLOCK = "failed to lock semaphore: all 1 semaphore slots currently locked"


def error(status: int, kind: str = "", value: str = "") -> ServerAnswer:
    return ServerAnswer(status=status, body=json.dumps({"kind": kind, "value": value}) if kind else "")


ANSWERS = [
    # dialect and case, the answer, after a call to take the slot, after one to give it back
    ("airlock-done", error(200), DONE, DONE),
    ("airlock-full", error(500, "failed_lock", FULL_OF_AIRLOCK), REFUSED, REFUSED),
    ("airlock-etcd-down", error(500, "failed_lock", "context deadline exceeded"), UNCERTAIN, UNCERTAIN),
    ("airlock-no-semaphore", error(500, "failed_sem_init", "etcd"), UNCERTAIN, UNCERTAIN),
    ("airlock-wrong-client", error(400, "invalid_client_identity", "no header"), REJECTED, REJECTED),
    ("airlock-unknown-group", error(400, "unknown_group", "g"), REJECTED, REJECTED),
    ("poseidon-done", ServerAnswer(status=200, body="lease for a\n"), DONE, DONE),
    ("poseidon-held-by-other", error(423, "lock_held", "held"), REFUSED, DONE),
    ("poseidon-internal", error(500, "internal_error", "kube"), UNCERTAIN, UNCERTAIN),
    ("poseidon-missing-header", error(400, "missing_header"), REJECTED, REJECTED),
    ("poseidon-decode", error(400, "decode_error"), REJECTED, REJECTED),
    ("poseidon-method", error(405, "method_not_allowed"), REJECTED, REJECTED),
    ("heathcliff26-done", error(200, "success", "fine"), DONE, DONE),
    ("heathcliff26-full", error(423, "all_slots_full"), REFUSED, DONE),
    ("heathcliff26-error", error(500, "error"), UNCERTAIN, UNCERTAIN),
    ("specification-full", error(409, "failed_lock_semaphore_full"), REFUSED, REFUSED),
    ("locked-without-kind", ServerAnswer(status=423, body="<html>"), REFUSED, DONE),
    ("no-content", error(204), DONE, DONE),
    ("accepted-only", error(202), IN_FLIGHT, IN_FLIGHT),
    ("login-page", ServerAnswer(status=200, body="<html>", is_page=True), UNCERTAIN, UNCERTAIN),
    ("moved", error(301), REJECTED, REJECTED),
    ("moved-with-the-body", error(308), REJECTED, REJECTED),
    ("no-credentials", error(401), REJECTED, REJECTED),
    ("wrong-address", error(404), REJECTED, REJECTED),
    ("request-timeout", error(408), IN_FLIGHT, IN_FLIGHT),
    ("too-many", error(429), REJECTED, REJECTED),
    ("client-gone", error(499), IN_FLIGHT, IN_FLIGHT),
    ("bad-gateway", error(502), IN_FLIGHT, IN_FLIGHT),
    ("unavailable", error(503), UNCERTAIN, UNCERTAIN),
    ("gateway-timeout", error(504), IN_FLIGHT, IN_FLIGHT),
    ("unheard-of", error(299), UNCERTAIN, UNCERTAIN),
    ("no-connection", ServerAnswer(fault="Connection refused", sent=False), REJECTED, REJECTED),
    ("no-answer", ServerAnswer(fault="no answer in time"), IN_FLIGHT, IN_FLIGHT),
]


@pytest.mark.parametrize(
    ("answer", "acquired", "released"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_an_answer_means_the_same_of_whichever_server(
    answer: ServerAnswer, acquired: Meaning, released: Meaning
) -> None:
    assert (meaning_of_acquire(answer), meaning_of_release(answer)) == (acquired, released)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"kind": "k", "value": "v"}', ServerError(kind="k", value="v")),
        ('{"kind": "k"}', ServerError(kind="k")),
        ('{"kind": 7, "value": ["v"]}', ServerError()),
        ('["kind"]', ServerError()),
        ("null", ServerError()),
        ("", ServerError()),
        ("[" * 100_000, ServerError()),
        (json.dumps({"kind": "k" * 100}), ServerError(kind="k" * 64)),
    ],
    ids=["whole", "kind-alone", "other-types", "list", "null", "empty", "deep", "long"],
)
def test_the_body_of_an_error_has_kind_and_value_or_nothing(body: str, found: ServerError) -> None:
    assert server_error(body) == found


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (error(423, "lock_held", "by another"), "HTTP 423 lock_held: by another"),
        (error(503), "HTTP 503"),
        (error(302), "redirects"),
        (ServerAnswer(status=200, is_page=True), "not a FleetLock server"),
        (ServerAnswer(fault="Connection refused", sent=False), "Connection refused"),
    ],
    ids=["kind", "status", "redirect", "page", "fault"],
)
def test_an_answer_is_described_by_what_the_server_says(answer: ServerAnswer, part: str) -> None:
    assert part in describe(answer)
