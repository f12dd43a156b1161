"""`maestro.request/1`: what its schema permits, and the canonical form that is signed and compared."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from endpoint.core.request_arguments import Terms, Verb, Work, request_arguments, request_form
from endpoint.core.requests import canonical_form
from endpoint.core.signing_text import signing_text
from endpoint.errors import UsageError
from endpoint.http.validation import strict
from tests.support.messages import Raw

REQUEST: Raw = {
    "schema": "maestro.request/1",
    "id": "3f0b6c1e-6f0e-4b7e-9a39-0d9c2f4a7c11",
    "host_id": "00000000-0000-4000-8000-000000000001",
    "verb": "upgrade-fixes",
    "arguments": {"fixes": ["openssl", "libc6:amd64", "CVE-2026-12345"], "when": "window", "reboot": "if-required"},
    "created_at": "2026-11-29T15:00:00Z",
    "expires_at": "2026-11-30T15:00:00Z",
    "requested_by": "jörg",
    "comment": "heute Nacht — bitte",
    "plan_id": None,
    "signature": None,
}
SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n"
SCHEMA = jsonschema.Draft7Validator(strict("maestro.request-1"))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"verb": "check", "arguments": {}},
        {"verb": "send-report", "arguments": {}},
        {"verb": "upgrade-security", "arguments": {"when": "now", "reboot": "no"}, "plan_id": "0123456789ab"},
        {"verb": "reboot-if-required", "arguments": {"when": "window"}},
        {"verb": "apply-docker", "arguments": {}, "signature": SIGNATURE},
        {"verb": "apply-weave", "arguments": {"when": "now"}},
    ],
    ids=lambda changed: str(changed.get("verb", "example")),
)
def test_each_verb_has_its_arguments(changed: Raw) -> None:
    assert SCHEMA.is_valid({**REQUEST, **changed})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "3F0B6C1E-6F0E-4B7E-9A39-0D9C2F4A7C11"),
        ("verb", "run"),
        ("arguments", {"fixes": []}),
        ("arguments", {}),
        ("arguments", {"fixes": [f"p{number}" for number in range(51)]}),
        ("arguments", {"fixes": ["../../etc/passwd"]}),
        ("arguments", {"fixes": ["-o=Dir::Etc=/tmp/x"]}),
        ("arguments", {"fixes": ["openssl;reboot"]}),
        ("arguments", {"fixes": ["openssl"], "command": "id"}),
        ("arguments", {"fixes": ["openssl"], "when": "2026-11-29T15:00:00Z"}),
        ("arguments", {"fixes": ["openssl"], "reboot": "yes"}),
        ("created_at", "2026-11-29T15:00:00+01:00"),
        ("requested_by", ""),
        ("comment", "two\nlines"),
        ("comment", "\x1b[2J"),
        ("comment", "c" * 201),
        ("plan_id", "latest"),
        ("signature", "signed"),
        ("more", 1),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_all_else_is_refused(name: str, value: Any) -> None:
    assert not SCHEMA.is_valid({**REQUEST, name: value})


def test_the_canonical_form_is_fixed() -> None:
    assert canonical_form(REQUEST).decode() == (
        '{"arguments":{"fixes":["openssl","libc6:amd64","CVE-2026-12345"],"reboot":"if-required","when":"window"},'
        '"comment":"heute Nacht — bitte","created_at":"2026-11-29T15:00:00Z","expires_at":"2026-11-30T15:00:00Z",'
        '"host_id":"00000000-0000-4000-8000-000000000001","id":"3f0b6c1e-6f0e-4b7e-9a39-0d9c2f4a7c11","plan_id":null,'
        '"requested_by":"jörg","schema":"maestro.request/1","verb":"upgrade-fixes"}'
    )


def test_neither_order_nor_signature_changes_the_canonical_form_and_each_other_member_does() -> None:
    form = canonical_form(REQUEST)

    assert canonical_form(dict(reversed(REQUEST.items()))) == form
    assert canonical_form({**REQUEST, "signature": SIGNATURE}) == form
    for name in REQUEST:
        if name != "signature":
            assert canonical_form({**REQUEST, name: "other"}) != form


def test_a_lone_surrogate_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        canonical_form({**REQUEST, "comment": "\ud800"})


def test_a_person_sees_all_fixes_before_signing() -> None:
    work = Work(verb=Verb.UPGRADE_FIXES, fixes=tuple(f"package{number}" for number in range(50)), when="window")
    terms = Terms(created_at="", expires_at="2026-11-30T15:00:00Z", requested_by="anna", comment="\x1b[2J")
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(2)]
    made = {
        one: request_form(work, terms, identity=one, host_id=f"h{one}", arguments=request_arguments(work, 1))
        for one in ids
    }
    other = request_form(work, replace(terms, comment=""), identity=ids[0], host_id="h", arguments={"fixes": ["x"]})

    text = signing_text(made)

    assert text.startswith("upgrade-fixes, in the maintenance window for 2 hosts, until 2026-11-30T15:00:00Z; ")
    assert all(fix in text for fix in work.fixes)
    assert "\x1b" not in text
    with pytest.raises(UsageError):
        signing_text({**made, ids[0]: other})


def test_a_person_sees_all_steps_and_plans_before_signing() -> None:
    terms = Terms(created_at="", expires_at="2026-11-30T15:00:00Z", requested_by="anna", comment="INC-1")
    works = [
        Work(verb=Verb.UPGRADE_SECURITY, reboot="if-required", plan_id="0" * 12),
        Work(verb=Verb.UPGRADE_SECURITY, reboot="if-required", plan_id="1" * 12),
        Work(verb=Verb.DOCKER),
    ]
    made = {}
    for number, work in enumerate(works):
        one = f"{number:08x}-0000-4000-8000-000000000000"
        arguments = request_arguments(work, 1)
        made[one] = request_form(work, terms, identity=one, host_id=f"h{number % 2}", arguments=arguments)

    text = signing_text(made)
    made[one] = request_form(replace(works[0], reboot=None), terms, identity=one, host_id="h", arguments={})

    assert (
        "upgrade-security, reboot if required, plans 000000000000, 111111111111; then apply-docker for 2 hosts" in text
    )
    assert text.endswith("INC-1")
    with pytest.raises(UsageError):
        signing_text(made)


def test_hosts_of_different_steps_are_all_counted_and_none_has_a_step_twice() -> None:
    terms = Terms(created_at="", expires_at="2026-11-30T15:00:00Z", requested_by="anna", comment="")
    docker, upgrade, again = (f"{number:08x}-0000-4000-8000-000000000000" for number in range(3))

    def form(identity: str, verb: Verb, host: str) -> str:
        return request_form(Work(verb=verb), terms, identity=identity, host_id=host, arguments={})

    made = {docker: form(docker, Verb.DOCKER, "db1"), upgrade: form(upgrade, Verb.UPGRADE_SECURITY, "web1")}

    assert signing_text(made).startswith("upgrade-security; then apply-docker for 2 hosts, ")
    with pytest.raises(UsageError):
        signing_text({**made, again: form(again, Verb.DOCKER, "db1")})
