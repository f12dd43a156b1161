"""The endpoint as a FleetLock server, held against the protocol's page line by line, and what it adds.

The page: zincati, docs/development/fleetlock/protocol.md.
"""

import base64
import json
import uuid
from typing import Any

import pytest

from tests.endpoint.conftest import MakeEndpoint
from tests.support.endpoint_server import Answer
from tests.support.local_endpoint import LocalClient, LocalEndpoint

LOCKS: dict[str, Any] = {"groups": {"default": 1, "workers": 2, "frozen": 0}}


@pytest.fixture
def server(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint(locks=LOCKS)


@pytest.fixture
def lock(server: LocalEndpoint) -> LocalClient:
    return server.client(server.any_host_token)


def kind(answer: Answer) -> str:
    """Return an error's kind; every error has the form of the protocol, and nothing else."""
    assert answer.status >= 400
    assert set(answer.json) == {"kind", "value"}
    assert all(isinstance(text, str) and text for text in answer.json.values())
    return str(answer.json["kind"])


def raw(client: LocalClient, body: object, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"fleet_lock_protocol": "true", "Content_Encoding": "identity", **headers}
    return client.send("POST", "/v1/pre-reboot", data, **fields)


# The page: "RecursiveLock: try to reserve (lock) a slot for rebooting"
# The page: "If the operation is successful, a 200 status code is returned."
def test_a_free_slot_is_granted_with_200_and_no_body(lock: LocalClient) -> None:
    answer = lock.fleet_lock("pre-reboot", "c988d2509fdf5cdcbed39037c56406fb")

    assert (answer.status, answer.body) == (200, b"")


# The page: "UnlockIfHeld: try to release (unlock) a slot that it was previously holding"
def test_a_released_slot_is_free_for_another(lock: LocalClient) -> None:
    asked = [
        lock.fleet_lock("pre-reboot", "a"),
        lock.fleet_lock("pre-reboot", "b"),
        lock.fleet_lock("steady-state", "a"),
        lock.fleet_lock("pre-reboot", "b"),
    ]

    assert [answer.status for answer in asked] == [200, 423, 200, 200]
    assert [answer.body for answer in asked if answer.status == 200] == [b""] * 3


# The page: "Semaphore locks are owned, so that only the client that created a lock can release it."
def test_a_client_does_not_release_what_another_holds(lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "a")

    assert lock.fleet_lock("steady-state", "b").status == 200
    assert lock.fleet_lock("pre-reboot", "b").status == 423


# The page: "All operations are recursive, meaning that multiple unbalanced lock/unlock actions by a client are
# allowed."
def test_calls_may_be_repeated(lock: LocalClient) -> None:
    calls = ["steady-state", "pre-reboot", "pre-reboot", "steady-state", "steady-state", "pre-reboot"]

    assert [lock.fleet_lock(call, "a").status for call in calls] == [200] * 6
    assert lock.fleet_lock("steady-state", "a").status == 200
    assert lock.fleet_lock("pre-reboot", "b").status == 200


# The page: "Each operation consists of a JSON payload sent as a POST request to the server."
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/pre-reboot", "/v1/steady-state"])
def test_other_methods_are_405(method: str, path: str, lock: LocalClient) -> None:
    answer = lock.send(method, path, None, fleet_lock_protocol="true")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert method == "HEAD" or kind(answer) == "method_not_allowed"


# The page: "client_params (object, mandatory)"; "id (string, mandatory, non-empty)"; "group (string, mandatory,
# non-empty)"
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "client_params",
        {"client_params": None},
        {"client_params": []},
        {"client_params": {}},
        {"client_params": {"id": "a"}},
        {"client_params": {"group": "default"}},
        {"client_params": {"id": "", "group": "default"}},
        {"client_params": {"id": 5, "group": "default"}},
        {"client_params": {"id": "a\0", "group": "default"}},
        {"client_params": {"id": "\ud800", "group": "default"}},
        {"client_params": {"id": "x" * 257, "group": "default"}},
        {"client_params": {"id": "a", "group": None}},
        {"client_params": {"id": "a", "group": ["default"]}},
        {"id": "a", "group": "default"},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_body_without_id_or_group_is_400(body: object, lock: LocalClient) -> None:
    answer = raw(lock, body)

    assert (answer.status, kind(answer)) == (400, "invalid_client_identity")


# The page: "All POST requests contain well-formed JSON body"
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"client_params": NaN}', b"[" * 100], ids=repr)
def test_a_body_that_is_not_json_is_400(body: bytes, lock: LocalClient) -> None:
    answer = raw(lock, body)

    assert (answer.status, kind(answer)) == (400, "bad_request")


@pytest.mark.parametrize(
    ("body", "headers", "status", "expected"),
    [
        (b" " * ((1 << 20) + 1), {}, 413, "body_too_large"),
        (b"{}", {"Content_Encoding": "br"}, 415, "unsupported_encoding"),
        (b"{}", {"Transfer_Encoding": "chunked"}, 411, "length_required"),
        (b"{}", {"Content_Encoding": "gzip"}, 400, "bad_request"),
    ],
    ids=["too-large", "encoding", "chunked", "not-gzip"],
)
def test_a_body_beyond_the_limits_is_rejected_in_the_protocols_form(
    body: bytes, headers: dict[str, str], status: int, expected: str, lock: LocalClient
) -> None:
    answer = raw(lock, body, **headers)

    assert (answer.status, kind(answer)) == (status, expected)


# The schema does not forbid other members; the servers in use ignore them.
def test_other_members_are_ignored(lock: LocalClient) -> None:
    body = {"client_params": {"id": "a", "group": "default", "node": 5}, "more": [1]}

    assert raw(lock, body).status == 200


# The page: "Client ID is a case-sensitive textual label that uniquely identifies a lock holder."
def test_ids_are_case_sensitive(lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "Node")

    assert lock.fleet_lock("pre-reboot", "node").status == 423
    assert lock.fleet_lock("steady-state", "node").status == 200
    assert lock.fleet_lock("pre-reboot", "Node").status == 200


# The page: "conforming to the regexp ^[a-zA-Z0-9.-]+$ ... A server SHOULD check this value"
@pytest.mark.parametrize("group", ["", "a b", "a_b", "default\n", "é", "x" * 65, "unknown", "Default"])
@pytest.mark.parametrize("call", ["pre-reboot", "steady-state"])
def test_a_group_that_is_not_configured_is_400(call: str, group: str, lock: LocalClient) -> None:
    answer = lock.fleet_lock(call, "a", group)

    assert (answer.status, kind(answer)) == (400, "unknown_group")


# The page: "MAY use it to provide multiple reboot buckets"
def test_each_group_has_its_own_slots(lock: LocalClient) -> None:
    asked = [
        lock.fleet_lock("pre-reboot", client, group).status for group in ("default", "workers") for client in "abc"
    ]

    assert asked == [200, 423, 423, 200, 200, 423]


# The page: "must contain a fleet-lock-protocol header with a fixed value of true"
@pytest.mark.parametrize("value", ["", "false", "1", "True", "true, true"])
def test_another_value_of_the_header_is_400(value: str, lock: LocalClient) -> None:
    answer = lock.fleet_lock("pre-reboot", "a", fleet_lock_protocol=value)

    assert (answer.status, kind(answer)) == (400, "missing_header")


def test_a_request_without_the_header_is_400(lock: LocalClient) -> None:
    body = json.dumps({"client_params": {"id": "a", "group": "default"}}).encode()

    answer = lock.send("POST", "/v1/pre-reboot", body, Content_Encoding="identity")

    assert (answer.status, kind(answer)) == (400, "missing_header")
    assert lock.fleet_lock("pre-reboot", "b").status == 200


# The page: "Error values carry a type-identifier and a textual description"; "possible values for kind have a
# bounded cardinality"
def test_a_full_group_is_423_with_retry_after_and_who_holds_it(lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "node-1")
    answer = lock.fleet_lock("pre-reboot", "node-2")
    later = lock.fleet_lock("pre-reboot", "node-3")

    assert (answer.status, kind(answer)) == (423, "failed_lock_semaphore_full")
    assert answer.headers["Content-Type"] == "application/json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 120
    assert "node-1" in answer.json["value"]
    assert int(later.headers["Retry-After"]) > int(answer.headers["Retry-After"])


def test_a_slot_that_is_free_but_reserved_is_423(lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "a")
    lock.fleet_lock("pre-reboot", "b")
    lock.fleet_lock("steady-state", "a")

    answer = lock.fleet_lock("pre-reboot", "c")

    assert (answer.status, kind(answer)) == (423, "failed_lock_queued")
    assert lock.fleet_lock("pre-reboot", "b").status == 200


def test_a_group_with_0_slots_grants_none(lock: LocalClient) -> None:
    answer = lock.fleet_lock("pre-reboot", "a", "frozen")

    assert (answer.status, kind(answer)) == (423, "failed_lock_semaphore_full")
    assert lock.fleet_lock("steady-state", "a", "frozen").status == 200


def test_a_slot_of_a_group_that_is_no_longer_configured_can_be_given_back(
    server: LocalEndpoint, lock: LocalClient
) -> None:
    lock.fleet_lock("pre-reboot", "a", "workers")
    server.settings = {"locks": {"groups": {"default": 1}}}
    server.configure()
    server.restart()
    lock = server.client(server.any_host_token)

    refused, released = (lock.fleet_lock(call, "a", "workers") for call in ("pre-reboot", "steady-state"))

    assert (kind(refused), released.status) == ("unknown_group", 200)


def test_slots_and_the_queue_survive_a_restart(server: LocalEndpoint, lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "a")
    lock.fleet_lock("pre-reboot", "b")
    server.restart()
    lock = server.client(server.any_host_token)

    assert lock.fleet_lock("pre-reboot", "c").status == 423
    assert lock.fleet_lock("steady-state", "a").status == 200
    assert lock.fleet_lock("pre-reboot", "c").status == 423
    assert lock.fleet_lock("pre-reboot", "b").status == 200


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic bm9uc2Vuc2U=", "Basic !", "Digest x"])
def test_without_a_valid_token_it_is_401(authorization: str, server: LocalEndpoint) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = server.client().fleet_lock("pre-reboot", "a", **headers)

    assert (answer.status, kind(answer)) == (401, "unauthenticated")


def test_an_administrators_token_gets_no_slot(server: LocalEndpoint) -> None:
    answer = server.client(server.token("--admin")).fleet_lock("pre-reboot", "a")

    assert (answer.status, kind(answer)) == (403, "forbidden")


def test_the_token_may_be_the_password_in_a_clients_url(server: LocalEndpoint) -> None:
    basic = base64.b64encode(f"fleetlock:{server.any_host_token}".encode()).decode()

    assert server.client().fleet_lock("pre-reboot", "a", Authorization=f"Basic {basic}").status == 200


def test_an_id_belongs_to_the_first_host_whose_credentials_use_it(server: LocalEndpoint) -> None:
    hosts = [str(uuid.uuid4()), str(uuid.uuid4())]
    ours, theirs = (server.client(server.token("--host", host)) for host in hosts)
    any_host = server.client(server.any_host_token)
    ours.fleet_lock("pre-reboot", "a")

    foreign = [theirs.fleet_lock(call, "a") for call in ("pre-reboot", "steady-state")]
    own_id = theirs.fleet_lock("steady-state", "b")

    assert [(answer.status, kind(answer)) for answer in foreign] == [(403, "foreign_id")] * 2
    assert own_id.status == 200
    assert theirs.fleet_lock("pre-reboot", "b").status == 423
    assert any_host.fleet_lock("steady-state", "a").status == 200


def test_one_host_cannot_take_every_slot(server: LocalEndpoint) -> None:
    ours = server.client(server.token("--host", str(uuid.uuid4())))
    others = server.client(server.any_host_token)

    taken = [ours.fleet_lock("pre-reboot", f"id-{number}", "workers").status for number in range(4)]

    assert taken == [200] * 4
    assert others.fleet_lock("pre-reboot", "a", "workers").status == 200
    assert others.fleet_lock("pre-reboot", "b", "workers").status == 423


def test_one_host_cannot_take_several_places_in_the_queue(server: LocalEndpoint) -> None:
    others = server.client(server.any_host_token)
    ours = server.client(server.token("--host", str(uuid.uuid4())))
    others.fleet_lock("pre-reboot", "holder")
    for number in range(4):
        ours.fleet_lock("pre-reboot", f"id-{number}")

    refused = others.fleet_lock("pre-reboot", "b")

    assert "1 client asked earlier" in refused.json["value"]


def test_clients_without_a_token_are_let_in_only_if_configured(make_endpoint: MakeEndpoint) -> None:
    server = make_endpoint(locks={"without_token": True})
    zincati, host = server.client(), str(uuid.uuid4())
    bound = server.client(server.token("--host", host))

    granted = zincati.fleet_lock("pre-reboot", "a")
    refused = zincati.fleet_lock("pre-reboot", "b")
    zincati.fleet_lock("steady-state", "a")
    bound.fleet_lock("pre-reboot", "b")
    foreign = zincati.fleet_lock("steady-state", "b")

    assert (granted.status, refused.status) == (200, 423)
    assert "for 0 s" not in refused.json["value"]
    assert (foreign.status, kind(foreign)) == (403, "foreign_id")
    assert zincati.fleet_lock("pre-reboot", "a", Authorization="Bearer nonsense").status == 401
    assert zincati.get("/v1/fleet").status == 401


def test_the_rate_limit_of_a_host_holds_here_too(make_endpoint: MakeEndpoint) -> None:
    server = make_endpoint(limits={"requests_per_minute": 1, "burst": 2})
    client = server.client(server.any_host_token)

    asked = [client.fleet_lock("pre-reboot", "a") for _ in range(3)]

    assert [answer.status for answer in asked] == [200, 200, 429]
    assert kind(asked[2]) == "rate_limited"
    assert int(asked[2].headers["Retry-After"]) > 0
    assert client.fleet_lock("pre-reboot", "b").status == 423


def test_what_changes_is_logged_with_its_reason(server: LocalEndpoint, lock: LocalClient) -> None:
    lock.fleet_lock("pre-reboot", "a", Maestro_Lock_Reason="kernel 6.1.0-40")
    lock.fleet_lock("pre-reboot", "b")
    lock.fleet_lock("steady-state", "a")

    events = [(entry["event"], entry["client"], entry["reason"]) for entry in server.logged if "client" in entry]
    assert events == [("lock.granted", "a", "kernel 6.1.0-40"), ("lock.released", "a", "")]
