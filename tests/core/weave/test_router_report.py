"""The router's report: weave-behaviour.md I4, I5, I6, W9."""

from typing import Any

import pytest

from agent.core.weave.router_report import router_report

OWN, PEER = "4e:ec:26:14:22:3d", "ce:2c:3b:a6:0f:10"


def report(connections: object = None, ipam: object = None, **more: object) -> dict[str, Any]:
    """Return the report of a fresh router: lists are null."""
    router = {"Name": OWN, "NickName": "w1", "Connections": connections, "Targets": None, "TrustedSubnets": []}
    return {"Ready": True, "Version": "2.8.1", "Router": router, "IPAM": ipam, **more}


def connection(state: str, info: str, address: str = "192.168.77.2:6783") -> dict[str, object]:
    return {"Address": address, "Outbound": True, "State": state, "Info": info, "Attrs": None}


def test_i4_lists_of_a_fresh_router_are_null() -> None:
    found = router_report(report())

    assert (found.version, found.ready, found.peer_name, found.nickname) == ("2.8.1", True, OWN, "w1")
    assert (found.targets, found.established, found.failed, found.ipam_ready) == ((), (), (), None)


def test_i6_connections_count_by_the_peers_name() -> None:
    text = f"sleeve {PEER}(w2) encrypted=truemtu=1414"

    outbound = router_report(report([connection("established", text)]))
    inbound = router_report(report([connection("established", text, "192.168.77.2:45801")]))

    assert outbound.established == inbound.established == (PEER,)


@pytest.mark.parametrize("state", ["failed", "retrying"])
def test_w9_a_failed_connection_has_its_reason_without_the_time_of_the_next_try(state: str) -> None:
    text = "Unable to decrypt TCP msg, retry: 2026-11-28 23:53:45.1 +0000 UTC"

    found = router_report(report([connection(state, text), connection("pending", f"{PEER}(w2)")]))

    assert found.failed == ("Unable to decrypt TCP msg",)
    assert found.established == ()
    assert found.ready


@pytest.mark.parametrize(
    ("ipam", "ready"),
    [
        (None, None),
        ({"Paxos": None, "Range": "10.32.0.0/12", "Entries": None}, None),
        ({"Paxos": {"Elector": True, "KnownNodes": 1, "Quorum": 2}, "Entries": None}, False),
        ({"Paxos": None, "Entries": [{"Token": "10.32.0.0", "Size": 1, "Peer": OWN}]}, True),
        ({"Entries": [{"Token": "10.32.0.0"}], "PendingAllocates": ["c1"]}, False),
    ],
    ids=["off", "idle", "awaiting-consensus", "ready", "no-address-free"],
)
def test_i5_ready_says_nothing_of_ipam(ipam: object, ready: bool | None) -> None:  # noqa: FBT001 - a table
    found = router_report(report(ipam=ipam))

    assert found.ipam_ready is ready
    assert found.ready


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "2.8.1",
        {},
        {"Ready": True},
        {"Ready": 1, "Version": "2.8.1", "Router": {"Name": OWN}},
        {"Version": []},
    ],
    ids=["null", "list", "text", "empty", "no-version", "no-bool", "list-for-text"],
)
def test_i8_another_servers_answer_is_no_report(document: object) -> None:
    with pytest.raises(ValueError, match="not a report"):
        router_report(document)


@pytest.mark.parametrize("value", [5, "x", True, {"a": 1}, [None, 5, [], {"State": 5, "Info": None}]], ids=repr)
def test_a_value_of_another_shape_is_left_out(value: object) -> None:
    found = router_report(report(connections=value, ipam={"ActiveIPs": value, "Entries": 1, "Range": value}))

    assert found.established == ()
    assert found.failed == ()
