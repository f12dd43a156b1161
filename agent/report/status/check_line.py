"""One line on the machine for Nagios and programs that run its plugins: `status --check`. Pure and light.

The form is that of the Monitoring Plugins Development Guidelines: a text, "|", performance data; the exit code is the
state.
A machine is OK unless something needs a person (`agent.report.status.needs`): an update that the next scheduled upgrade
installs wakes nobody, and the performance data has its count all the same.
"""

from datetime import datetime
from enum import IntEnum

from agent.core.release_support import SupportState
from agent.report.layout import harmless
from agent.report.status.document import Status
from agent.report.status.needs import Need, needs

_FAILURES = ("run-", "docker-", "weave-")
"""Needs whose code continues with the result of a run."""
_CRITICAL = frozenset({"unfinished", "service-failed", "reboot-failed"})
_RESTARTS = frozenset({"docker-restart", "weave-restart"})
_LONGEST_NEED = 200
"""Characters; NRPE 2 passes on 1 KiB of the whole line."""
_MOST_NEEDS = 2
_UNKNOWN = "U"
"""A value that could not be determined, as in the guidelines."""


class CheckState(IntEnum):
    """The state of a service, as an exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def check_state(status: Status) -> CheckState:
    """Return the state: unknown outranks all else, and a failure outranks what only needs a person."""
    if status.unknown:
        return CheckState.UNKNOWN
    found = needs(status)
    if any(_is_failure(need, status) for need in found):
        return CheckState.CRITICAL
    return CheckState.WARNING if found else CheckState.OK


def check_line(status: Status) -> str:
    """Return the line: state, what needs a person, performance data."""
    return f"MAESTRO {check_state(status).name} - {_text(status)} | {_performance(status)}"


def failed_check_line(message: str) -> str:
    """Return the line of a check that failed itself; the state is unknown."""
    return f"MAESTRO {CheckState.UNKNOWN.name} - {_plain(message)}"


def _is_failure(need: Need, status: Status) -> bool:
    if need.code == "release-support":
        return status.release.support.state is SupportState.ENDED
    return need.code in _CRITICAL or (need.code.startswith(_FAILURES) and need.code not in _RESTARTS)


def _text(status: Status) -> str:
    failures_first = sorted(needs(status), key=lambda need: not _is_failure(need, status))
    texts = list(status.unknown) if status.unknown else [need.text for need in failures_first]
    if not texts:
        pending = len(status.state.plan.install) if status.state else 0
        return f"{pending} pending, installed by the next upgrade" if pending else "nothing needs a person"
    more = f"; and {len(texts) - _MOST_NEEDS} more" if len(texts) > _MOST_NEEDS else ""
    return "; ".join(map(_plain, texts[:_MOST_NEEDS])) + more


def _plain(text: str) -> str:
    """Return foreign text for one line: a "|" would start the performance data."""
    line = harmless(text).replace("|", "/")
    return line if len(line) <= _LONGEST_NEED else f"{line[: _LONGEST_NEED - 3]}..."


def _performance(status: Status) -> str:
    plan, exposure = status.state.plan if status.state else None, status.runtime.exposure
    inactive = [fix.pending_since for fix in exposure.fixes] if exposure else []
    no_fix = exposure is not None and None not in (exposure.pending, exposure.installed)
    reboot = status.reboot.required if status.reboot is not None else None
    values = {
        "pending": len(plan.install) or plan.none if plan else None,
        "held": len(plan.held) or plan.none if plan else None,
        "other": plan.other_updates or plan.none if plan else None,
        "reboot_required": int(reboot) if reboot is not None else None,
    }
    ages = {
        "oldest_fix": _age(min(inactive), status.now) if inactive else 0 if no_fix else None,
        "check_age": _age(status.state.generated_at, status.now) if status.state else None,
    }
    counts = [f"{name}={_UNKNOWN if value is None else value};;;0" for name, value in values.items()]
    return " ".join([*counts, *(f"{name}={_UNKNOWN if age is None else f'{age}s'};;;0" for name, age in ages.items())])


def _age(since: datetime, now: datetime) -> int:
    return max(int((now - since).total_seconds()), 0)
