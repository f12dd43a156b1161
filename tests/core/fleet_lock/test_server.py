"""Requests to a FleetLock server."""

import json

import pytest

from agent.core.fleet_lock.server import ACQUIRE, RELEASE, joined, reason_header, request_body


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://locks.example.org", "https://locks.example.org/v1/pre-reboot"),
        ("https://locks.example.org/", "https://locks.example.org/v1/pre-reboot"),
        ("https://example.org/fleet/lock", "https://example.org/fleet/lock/v1/pre-reboot"),
        ("https://example.org/fleet/lock//", "https://example.org/fleet/lock/v1/pre-reboot"),
    ],
    ids=["host", "slash", "path", "two-slashes"],
)
def test_the_path_of_a_call_is_appended_to_the_base(base: str, url: str) -> None:
    assert joined(base, ACQUIRE) == url


def test_the_body_has_the_two_keys_of_the_protocol_and_nothing_else() -> None:
    assert json.loads(request_body("a-1", "web")) == {"client_params": {"id": "a-1", "group": "web"}}


def test_both_calls_are_those_of_the_protocol() -> None:
    assert (ACQUIRE, RELEASE) == ("/v1/pre-reboot", "/v1/steady-state")


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("required by linux-image-6.1.0-28-amd64", "required by linux-image-6.1.0-28-amd64"),
        ("für\r\nX-Evil: 1", "f?r??X-Evil: 1"),
        (" " * 9, ""),
        ("a" * 999, "a" * 256),
    ],
    ids=["plain", "unprintable", "blank", "long"],
)
def test_a_reason_is_one_header_of_ascii(reason: str, value: str) -> None:
    assert reason_header(reason) == value
