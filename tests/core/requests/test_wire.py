"""Reading `maestro.request/1`: exactly what its schema permits, and the canonical form of both programs."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.requests import wire
from agent.core.requests.model import Malformed, Request, RequestWhy, Verb
from endpoint.core import requests as endpoint_requests
from endpoint.http.validation import strict
from tests.core.requests.given_request import document, malformed, request, request_id

SCHEMA = jsonschema.Draft7Validator(strict("maestro.request-1"))
SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"
VALID: list[dict[str, Any]] = [
    {},
    {"verb": "check"},
    {"verb": "send-report", "comment": "heute — bitte"},
    {"arguments": {"when": "now", "reboot": "no"}, "plan_id": "0123456789ab"},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["openssl", "libc6:amd64", "CVE-2026-12345"], "when": "window"}},
    {"verb": "reboot-if-required", "arguments": {"when": "window"}},
    {"verb": "apply-docker", "signature": SIGNATURE},
    {"verb": "apply-weave", "created_at": "2026-11-23T05:10:00.5Z"},
]
INVALID: list[dict[str, Any]] = [
    {"arguments": {"fixes": ["openssl"]}},
    {"arguments": {"command": "id"}},
    {"arguments": []},
    {"arguments": {"when": "2026-11-29T15:00:00Z"}},
    {"arguments": {"reboot": True}},
    {"verb": "check", "arguments": {"when": "now"}},
    {"verb": "reboot-if-required", "arguments": {"reboot": "no"}},
    {"verb": "upgrade-fixes", "arguments": {}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": []}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["openssl", "openssl"]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": [f"p{number}" for number in range(51)]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["../../etc/passwd"]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["-o=Dir::Etc=/tmp/x"]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["openssl;reboot"]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": ["openssl\n"]}},
    {"verb": "upgrade-fixes", "arguments": {"fixes": [1]}},
    {"host_id": "web-1"},
    {"created_at": "2026-11-29T15:00:00+01:00"},
    {"created_at": "2026-13-29T15:00:00Z"},
    {"expires_at": None},
    {"requested_by": ""},
    {"requested_by": "j" * 65},
    {"comment": "two\nlines"},
    {"comment": "\x1b[2J"},
    {"comment": "c" * 201},
    {"plan_id": "latest"},
    {"verb": "check", "plan_id": "0123456789ab"},
    {"verb": "reboot-if-required", "plan_id": "0123456789ab"},
    {"signature": "signed"},
    {"schema": "maestro.request/2"},
    {"more": 1},
]


@pytest.mark.parametrize("changed", VALID, ids=json.dumps)
def test_each_valid_request_is_read_and_the_schema_permits_it(changed: dict[str, Any]) -> None:
    assert isinstance(wire.read_request(document(**changed)), Request)
    assert SCHEMA.is_valid(document(**changed))


@pytest.mark.parametrize("changed", INVALID, ids=lambda changed: json.dumps(changed)[:60])
def test_all_else_is_invalid(changed: dict[str, Any]) -> None:
    assert malformed(**changed).why is RequestWhy.INVALID
    # A regular expression of the schema says nothing about months, and its "$" permits a newline in Python.
    assert not SCHEMA.is_valid(document(**changed)) or any(one in str(changed) for one in ("2026-13", "openssl\\n"))


def test_a_missing_member_is_invalid() -> None:
    for name in document():
        found = wire.read_request({key: value for key, value in document().items() if key != name})
        expected = {"id": None, "verb": RequestWhy.UNKNOWN_VERB}.get(name, RequestWhy.INVALID)
        assert (found.why if isinstance(found, Malformed) else None) is expected, name


@pytest.mark.parametrize(
    ("created_at", "expires_at"),
    [
        ("2026-11-23T05:10:00Z", "2026-11-23T05:10:00Z"),
        ("2026-11-23T05:10:00Z", "2026-11-23T05:09:59Z"),
        ("2026-11-23T05:10:00Z", "2026-12-23T05:10:01Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_life_is_longer_than_nothing_and_at_most_thirty_days(created_at: str, expires_at: str) -> None:
    assert malformed(created_at=created_at, expires_at=expires_at).why is RequestWhy.INVALID


@pytest.mark.parametrize("verb", ["run", "upgrade", "UPGRADE-SECURITY", "", None, 1, "x" * 100])
def test_an_unknown_verb_is_named(verb: object) -> None:
    found = malformed(verb=verb)

    assert found.why is RequestWhy.UNKNOWN_VERB
    assert found.verb == (verb if verb in ("run", "upgrade") else "unknown")


@pytest.mark.parametrize("wrong", [None, 1, "", "3F0B6C1E-6F0E-4B7E-9A39-0D9C2F4A7C11", "../x", f"{request_id()}\n"])
def test_nothing_can_be_said_about_a_document_without_an_id(wrong: object) -> None:
    assert wire.read_request(document(id=wrong)) is None


@pytest.mark.parametrize("changed", VALID, ids=json.dumps)
def test_both_programs_have_the_same_canonical_form(changed: dict[str, Any]) -> None:
    whole = document(**changed)

    assert wire.canonical_form(whole) == endpoint_requests.canonical_form(whole)
    assert wire.canonical_form(request(**changed).document) == wire.canonical_form(whole)
    assert wire.SIGNATURE_NAMESPACE == endpoint_requests.SIGNATURE_NAMESPACE
    assert [verb.value for verb in Verb] == strict("maestro.request-1")["properties"]["verb"]["enum"]


def test_a_lone_surrogate_is_invalid() -> None:
    assert malformed(comment="\ud800").why is RequestWhy.INVALID


def test_the_digest_covers_everything_but_the_signature() -> None:
    digest = request().digest

    assert request(signature=SIGNATURE).digest == digest
    for changed in VALID[1:]:
        assert request(**changed).digest != digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(document())), value=JSON)
def test_no_value_of_a_member_breaks_the_reading(name: str, value: object) -> None:
    found = wire.read_request({**document(), name: value})

    assert isinstance(found, Request | Malformed | None)
    if isinstance(found, Request):
        assert SCHEMA.is_valid({**document(), name: value})


def test_offers_are_bounded_and_of_the_right_type() -> None:
    receipt = {
        "requests": ["x", *({"id": number} for number in range(30))],
        "requests_cancelled": [1, "x", *(request_id(number) for number in range(200))],
    }

    offers = wire.read_offers(receipt)

    assert [one["id"] for one in offers.documents] == list(range(20))
    assert offers.cancelled == tuple(request_id(number) for number in range(100))
    assert wire.read_offers({"requests": 1, "requests_cancelled": {}}) == wire.read_offers({})
