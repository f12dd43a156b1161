"""The notification that hooks in notify.d get: what needs a person now, or that nothing does any more. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from agent.core.redact import redact_document
from agent.core.schemas import NOTIFICATION_SCHEMA
from agent.report.status.needs import Need
from agent.state.timestamps import format_utc
from agent.version import VERSION

PERSON_NEEDED = "person-needed"
RESOLVED = "resolved"


def is_due(needs: Sequence[Need], known: Collection[str]) -> bool:
    """Whether a receiver that knows the needs with these keys is to be notified: one is new, or the last one ended."""
    keys = {need.key for need in needs}
    return bool(keys - set(known)) or (bool(known) and not keys)


def notification_document(
    *, host: str, needs: Sequence[Need], known: Collection[str], job: str, run: str, now: datetime
) -> object:
    """Return `maestro.notification/1`; `run` is empty for a job that leaves none in the history."""
    state = PERSON_NEEDED if needs else RESOLVED
    fresh = [need for need in needs if need.key not in known]
    document = {
        "schema": NOTIFICATION_SCHEMA,
        "generated_at": format_utc(now),
        "host": host,
        "version": VERSION,
        "state": state,
        "summary": f"{host}: {_summary(fresh or needs)}",
        "text": _text(host, needs),
        "needs": [{"code": need.code, "text": need.text, "new": need in fresh} for need in needs],
        "job": job,
        "run": run or None,
    }
    return redact_document(document)


def _summary(needs: Sequence[Need]) -> str:
    if not needs:
        return "nothing needs a person any more"
    more = f" (and {len(needs) - 1} more)" if len(needs) > 1 else ""
    return f"{needs[0].text}{more}"


def _text(host: str, needs: Sequence[Need]) -> str:
    """Return the body of a mail."""
    if not needs:
        return f"Nothing on {host} needs a person any more.\n"
    lines = [f"- {need.text}" for need in needs]
    return "\n".join([f"On {host}:", "", *lines, "", "`maestro-agent status` shows the whole state.", ""])
