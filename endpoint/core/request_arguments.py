"""The verbs of requests and what each takes, and the requests of a new deployment. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from endpoint.core.requests import REQUEST_SCHEMA, canonical_form
from endpoint.errors import UsageError

MAX_LIFETIME = timedelta(days=30)
_MAX_FIXES = 50
_FIX = re.compile(r"(?=.{1,128}\Z)(CVE-[0-9]{4}-[0-9]{4,19}|[a-z0-9][a-z0-9+.-]+(:[a-z0-9][a-z0-9-]*)?)")
_CVE = re.compile(r"cve-[0-9]", re.IGNORECASE)


class Verb(Enum):
    """What may be requested."""

    CHECK = "check"
    SEND_REPORT = "send-report"
    UPGRADE_SECURITY = "upgrade-security"
    UPGRADE_FIXES = "upgrade-fixes"
    REBOOT = "reboot-if-required"
    DOCKER = "apply-docker"
    WEAVE = "apply-weave"


_TIMELESS = frozenset({Verb.CHECK, Verb.SEND_REPORT})
_UPGRADES = frozenset({Verb.UPGRADE_SECURITY, Verb.UPGRADE_FIXES})
_PLANNED = _UPGRADES | {Verb.DOCKER, Verb.WEAVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a person requests of each host."""

    verb: Verb
    fixes: tuple[str, ...] = ()
    when: str | None = None
    reboot: str | None = None
    plan_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all requests of a deployment have in common beside the work; times as RFC 3339."""

    created_at: str
    expires_at: str
    requested_by: str
    comment: str


def fix_name(text: str) -> str | None:
    """Return what a person names as a fix: a package, or a CVE id in any spelling; None: it is neither.

    `cve-2026-12345` could be a package by its form, and is none.
    """
    name = text.upper() if _CVE.match(text) else text
    return name if _FIX.fullmatch(name) else None


def request_arguments(work: Work, hosts: int) -> dict[str, object]:
    """Return the member `arguments` of a request for so many hosts.

    Raises:
        UsageError: the verb does not take one of them, or lacks one.
    """
    verb = work.verb
    if bool(work.fixes) != (verb is Verb.UPGRADE_FIXES):
        raise UsageError("--fix names what upgrade-fixes installs, and belongs to it alone")
    if len(set(work.fixes)) > _MAX_FIXES:
        raise UsageError(f"--fix: more than {_MAX_FIXES}")
    if work.when is not None and verb in _TIMELESS:
        raise UsageError(f"--when: {verb.value} is done at once")
    if work.reboot is not None and verb not in _UPGRADES:
        raise UsageError(f"--reboot: {verb.value} does not upgrade packages")
    if work.plan_id is not None and (verb not in _PLANNED or hosts != 1):
        raise UsageError("--plan: a plan is that of one host, for an upgrade or for Docker or Weave")
    arguments = {"fixes": list(dict.fromkeys(work.fixes)), "when": work.when, "reboot": work.reboot}
    return {name: value for name, value in arguments.items() if value}


def request_form(work: Work, terms: Terms, *, identity: str, host_id: str, arguments: dict[str, object]) -> str:
    """Return the canonical form of one host's request."""
    document: dict[str, object] = {
        "schema": REQUEST_SCHEMA,
        "id": identity,
        "host_id": host_id,
        "verb": work.verb.value,
        "arguments": arguments,
        "created_at": terms.created_at,
        "expires_at": terms.expires_at,
        "requested_by": terms.requested_by,
        "comment": terms.comment,
        "plan_id": work.plan_id,
    }
    return canonical_form(document).decode("utf-8")


def spread(values: Sequence[str], most: int) -> str:
    """Return the first values as text, and how many there are beyond."""
    more = len(values) - most
    return ", ".join(values[:most]) + (f" and {more} more" if more > 0 else "")
