"""What a report says of a host as far as an order depends on it. Pure; the report has passed its schema."""

import re
from collections.abc import Mapping
from typing import Any

from endpoint.core.deploy.preview import EngineFacts
from endpoint.core.request_arguments import Verb

_PLAN_ID = re.compile(r"[0-9a-f]{12}")
_NO_BLOCK = frozenset({"outside-window", "not-approved"})
"""Reasons that concern what the host does by itself, not what a person requests."""
_MAX_VERSION = 128
_ENGINES = {Verb.DOCKER: "docker", Verb.WEAVE: "weave"}


def plan_id(text: object) -> str | None:
    """Return a plan's id as requests can have it; None: there is none."""
    return text if isinstance(text, str) and _PLAN_ID.fullmatch(text) else None


def windows(state: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the verbs that have a maintenance window on a host; None: not reported."""
    requests = state.get("requests")
    return frozenset(requests["windows"]) if requests else None


def engines(state: Mapping[str, Any]) -> dict[Verb, EngineFacts]:
    """Return what a host has reported of Docker and of Weave; without one that is not there."""
    return {verb: _engine(state[name]) for verb, name in _ENGINES.items() if state.get(name)}


def _engine(found: Mapping[str, Any]) -> EngineFacts:
    wanted, candidate, installed = (_version(found.get(name)) for name in ("wanted", "candidate", "installed"))
    differs = wanted is not None and candidate != installed and (candidate is not None or wanted != "latest")
    blocked = {str(one.get("why"))[:64] for one in found.get("blocked") or () if isinstance(one, Mapping)}
    return EngineFacts(
        plan_id=plan_id(found.get("id")),
        installed=installed,
        target=(candidate or wanted) if differs else None,
        has_work=differs or bool(found.get("restart_pending")),
        blocked=tuple(sorted(blocked - _NO_BLOCK)),
    )


def _version(value: object) -> str | None:
    return None if value is None else str(value)[:_MAX_VERSION]
