"""`maestro.request/1` as it is sent: the canonical form, and the strict reading of a document from outside. Pure.

`schemas/maestro.request-1.json` is the reference; `endpoint/core/requests.py` has the same canonical form.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from agent.core.frozen import frozen
from agent.core.model.package import is_package_name
from agent.core.pattern import lazy_pattern
from agent.core.requests.model import Malformed, Request, RequestOffers, RequestWhy, Verb
from agent.core.schemas import REQUEST_SCHEMA, Document
from agent.core.uuids import is_uuid

SIGNATURE_NAMESPACE = "maestro-request"
"""Of `ssh-keygen -Y sign -n`: a signature for another purpose is none for a request."""
LONGEST_LIFE = timedelta(days=30)
UNKNOWN = "unknown"
_VERB = lazy_pattern(r"[a-z][a-z0-9-]{0,63}")
_MOMENT = lazy_pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?Z")
_PLAN = lazy_pattern(r"[0-9a-f]{12}")
_CVE = lazy_pattern(r"CVE-[0-9]{4}-[0-9]{4,19}")
_SIGNATURE = lazy_pattern(r"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n?")
_LONGEST_SIGNATURE = 16384
_LONGEST_FIX = 128
_CONTROL = lazy_pattern("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_FIELDS = {
    *("schema", "id", "host_id", "verb", "arguments", "created_at", "expires_at"),
    *("requested_by", "comment", "plan_id", "signature"),
}
_TIMED = frozenset({"when"})
_UPGRADE = frozenset({"when", "reboot"})
_ARGUMENTS: Mapping[Verb, frozenset[str]] = {
    Verb.CHECK: frozenset(),
    Verb.SEND_REPORT: frozenset(),
    Verb.UPGRADE_SECURITY: _UPGRADE,
    Verb.UPGRADE_FIXES: _UPGRADE | {"fixes"},
    Verb.REBOOT_IF_REQUIRED: _TIMED,
    Verb.APPLY_DOCKER: _TIMED,
    Verb.APPLY_WEAVE: _TIMED,
}
_PLANNED = frozenset({Verb.UPGRADE_SECURITY, Verb.UPGRADE_FIXES, Verb.APPLY_DOCKER, Verb.APPLY_WEAVE})
"""Verbs whose work has a plan that `plan_id` can be compared with."""
_MOST_FIXES = 50
_LONGEST = {"requested_by": 64, "comment": 200}
_MOST_OFFERED = 20
_MOST_CANCELLED = 100


class _FaultError(ValueError):
    """A value of a request is not accepted; the message names it."""


@frozen
class _Arguments:
    in_window: bool = False
    reboot_if_required: bool = False
    fixes: tuple[str, ...] = ()


def canonical_form(document: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: all members but `signature`, as JSON in UTF-8, keys sorted, no white space.

    Raises:
        ValueError: a text has a lone surrogate, or a number is not finite.
    """
    signed = {name: value for name, value in document.items() if name != "signature"}
    text = json.dumps(signed, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def is_request_id(value: object) -> bool:
    """Return whether a value is the id of a request: a UUID in lower case."""
    return isinstance(value, str) and is_uuid(value)


def shortened(document: Mapping[str, object]) -> Document:
    """Return a request from the record: what stands there for a credential may have made a text longer than allowed."""
    return {name: value[: _LONGEST.get(name)] if isinstance(value, str) else value for name, value in document.items()}


def read_offers(found: Mapping[str, object]) -> RequestOffers:
    """Return what a receipt offers; what is not of the right type, or too much, is left out."""
    documents, cancelled = found.get("requests"), found.get("requests_cancelled")
    kept = [one for one in documents if isinstance(one, dict)] if isinstance(documents, list) else []
    ids = [str(one) for one in cancelled if is_request_id(one)] if isinstance(cancelled, list) else []
    return RequestOffers(documents=tuple(kept[:_MOST_OFFERED]), cancelled=tuple(ids[:_MOST_CANCELLED]))


def read_request(document: Mapping[str, object]) -> Request | Malformed | None:
    """Return the request in a document; None where it has not even an id, so that nothing can be said about it."""
    request_id = document.get("id")
    if not is_request_id(request_id):
        return None
    name, digest = _verb_name(document.get("verb")), ""
    try:
        digest = hashlib.sha256(canonical_form(document)).hexdigest()
        known = {verb.value: verb for verb in Verb}
        if name not in known:
            return _malformed(str(request_id), name, digest, RequestWhy.UNKNOWN_VERB, "")
        return _read(document, known[name], digest)
    except (ValueError, RecursionError, OverflowError) as error:  # also of the canonical form
        detail = str(error) if isinstance(error, _FaultError) else "cannot be read"
        return _malformed(str(request_id), name, digest, RequestWhy.INVALID, detail)


def _malformed(request_id: str, verb: str, digest: str, why: RequestWhy, detail: str) -> Malformed:
    return Malformed(id=request_id, verb=verb, digest=digest, why=why, detail=detail)


def _read(document: Mapping[str, object], verb: Verb, digest: str) -> Request:
    if set(document) != _FIELDS:
        raise _FaultError("it does not have exactly the members of maestro.request/1")
    if document["schema"] != REQUEST_SCHEMA:
        raise _FaultError("schema")
    if not is_request_id(document["host_id"]):
        raise _FaultError("host_id")
    created, expires = _moment(document, "created_at"), _moment(document, "expires_at")
    if not created < expires <= created + LONGEST_LIFE:
        raise _FaultError("expires_at is not within 30 days after created_at")
    arguments = _arguments(document["arguments"], verb)
    if document["plan_id"] is not None and verb not in _PLANNED:
        raise _FaultError(f"plan_id: {verb.value} has no plan")
    return Request(
        id=str(document["id"]),
        host_id=str(document["host_id"]),
        verb=verb,
        in_window=arguments.in_window,
        reboot_if_required=arguments.reboot_if_required,
        fixes=arguments.fixes,
        created_at=created,
        expires_at=expires,
        requested_by=_line(document, "requested_by", least=1),
        comment=_line(document, "comment", least=0),
        plan_id=_optional(document, "plan_id", _PLAN),
        signature=_optional(document, "signature", _SIGNATURE),
        digest=digest,
        document=_unsigned(document),
    )


def _unsigned(document: Mapping[str, object]) -> Document:
    return {name: value for name, value in document.items() if name != "signature"} | {"signature": None}


def _arguments(found: object, verb: Verb) -> _Arguments:
    if not isinstance(found, Mapping) or not set(found) <= _ARGUMENTS[verb]:
        raise _FaultError(f"arguments: not those of {verb.value}")
    when, reboot = found.get("when", "now"), found.get("reboot", "no")
    if when not in ("now", "window") or reboot not in ("no", "if-required"):
        raise _FaultError("arguments: when, reboot")
    fixes = _fixes(found.get("fixes")) if verb is Verb.UPGRADE_FIXES else ()
    return _Arguments(in_window=when == "window", reboot_if_required=reboot == "if-required", fixes=fixes)


def _fixes(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_FIXES:
        raise _FaultError(f"arguments: fixes: 1 to {_MOST_FIXES} are accepted")
    fixes = tuple(one for one in found if isinstance(one, str) and _is_fix(one))
    if len(set(fixes)) != len(found):
        raise _FaultError("arguments: fixes: names of packages and CVE ids are accepted, each once")
    return fixes


def _is_fix(text: str) -> bool:
    return len(text) <= _LONGEST_FIX and (_CVE.fullmatch(text) is not None or is_package_name(text))


def _moment(document: Mapping[str, object], name: str) -> datetime:
    value = document[name]
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _FaultError(name)
    fraction = (found[2] or "0").ljust(6, "0")  # Python 3.10 reads three or six digits
    try:
        return datetime.fromisoformat(found[1]).replace(microsecond=int(fraction), tzinfo=timezone.utc)
    except ValueError as error:
        raise _FaultError(name) from error


def _line(document: Mapping[str, object], name: str, *, least: int) -> str:
    value = document[name]
    if not isinstance(value, str) or not least <= len(value) <= _LONGEST[name] or _CONTROL.search(value):
        raise _FaultError(name)
    return value


def _optional(document: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str | None:
    value = document[name]
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_SIGNATURE or not pattern.fullmatch(value):
        raise _FaultError(name)
    return value


def _verb_name(value: object) -> str:
    return value if isinstance(value, str) and _VERB.fullmatch(value) else UNKNOWN
