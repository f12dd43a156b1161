"""One sentence per kind of event, for readers of log records. Pure."""

from collections.abc import Callable
from functools import partial

from agent.report.metric_values import value_at

_REQUEST = "request-"
"""Events of requests of the endpoint."""


def event_sentence(kind: str, document: object) -> str:
    """Return an event as one line; for an unknown kind, its name."""
    render = partial(_request, kind) if kind.startswith(_REQUEST) else _SENTENCES.get(kind)
    return (render(document) if render else "") or kind.replace("-", " ")


def _field(document: object, name: str) -> str:
    """Return a field, or "unknown"."""
    found = value_at(document, name)
    return str(found) if isinstance(found, str | int) else "unknown"


def _names(document: object) -> str:
    found = value_at(document, "packages")
    names = [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
    return f" by {', '.join(names)}" if names else ""


def _outcome(document: object) -> str:
    message = value_at(document, "message")
    return f"{_field(document, 'result')}: {message}" if isinstance(message, str) and message else ""


def _engine_outcome(document: object) -> str:
    versions = f"{_field(document, 'from')} ran, {_field(document, 'running')} runs"
    message = value_at(document, "message")
    why = f": {message}" if isinstance(message, str) and message else ""
    return f"upgrade of {_field(document, 'component')}: {_field(document, 'result')}, {versions}{why}"


def _restart_outcome(document: object) -> str:
    found = value_at(document, "units")
    results = [str(value_at(unit, "result")) for unit in found] if isinstance(found, list) else []
    counts = ", ".join(f"{results.count(name)} {name}" for name in ("restarted", "failed", "left"))
    return f"restart of services: {_field(document, 'result')}, {counts}"


def _reboot_outcome(document: object) -> str:
    down, problems = value_at(document, "downtime_s"), value_at(document, "problems")
    details = [str(value_at(one, "detail")) for one in problems] if isinstance(problems, list) else []
    why, message = value_at(document, "blocked", "detail"), value_at(document, "message")
    parts = [f"down for {down} s"] if isinstance(down, int | float) else []
    parts += [*details, *(text for text in (why, message) if isinstance(text, str) and text)]
    return f"reboot: {'; '.join([_field(document, 'result'), *parts])}"


def _reboot_started(document: object) -> str:
    return f"the machine goes down for a reboot{_names(value_at(document, 'reason'))}"


def _request(kind: str, document: object) -> str:
    head = f"request {_field(document, 'request_id')} ({_field(document, 'verb')}) {kind.removeprefix(_REQUEST)}"
    reasons = (value_at(document, "why"), value_at(document, "detail"))
    return ": ".join([head, *(reason for reason in reasons if isinstance(reason, str) and reason)])


def _job_failed(document: object) -> str:
    message = value_at(document, "message")
    why = f": {message}" if isinstance(message, str) and message else ""
    code, times = _field(document, "exit_code"), _field(document, "consecutive_failures")
    return f"the job {_field(document, 'job')} failed with exit code {code}, {times} in a row{why}"


def _rebooted(document: object) -> str:
    return f"the machine was rebooted at {_field(document, 'booted_at')} into kernel {_field(document, 'kernel')}"


def _messages_lost(document: object) -> str:
    reason = _field(document, "reason").replace("-", " ")
    return f"{_field(document, 'count')} events lost: {reason}"


_SENTENCES: dict[str, Callable[[object], str]] = {
    "outcome": _outcome,
    "engine-outcome": _engine_outcome,
    "reboot-outcome": _reboot_outcome,
    "reboot-started": _reboot_started,
    "restart-outcome": _restart_outcome,
    "job-failed": _job_failed,
    "rebooted": _rebooted,
    "reboot-required": lambda document: f"a reboot is required{_names(document)}",
    "reboot-cleared": lambda document: f"a reboot is no longer required; it was required{_names(document)}",
    "agent-started": lambda document: f"the agent started, version {_field(document, 'version')}",
    "messages-lost": _messages_lost,
    "outbox-begun": lambda document: f"a new outbox was created: {_field(document, 'reason')}",
}
