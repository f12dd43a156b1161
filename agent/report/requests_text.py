"""Renders requests of the endpoint for people. Pure and light."""

from collections.abc import Iterable

from agent.report.layout import Line, Tone, columns, field
from agent.state.requests_view import RequestStateView, RequestView
from agent.state.timestamps import format_human

_WIDTH = 14
_TONES = {"refused": Tone.HELD, "failed": Tone.FAILED, "expired": Tone.HELD}
_WHYS = {
    "not-allowed": "the configuration does not allow it",
    "unknown-verb": "this version of the agent does not know it",
    "invalid": "it is not a valid request",
    "not-for-this-host": "it is for another host",
    "expired": "it arrived after it had expired",
    "stale": "it is older than requests that are no longer on record",
    "duplicate-id": "another request has the same id",
    "plan-changed": "the plan of this host is another",
    "not-in-plan": "the plan of this host does not have it",
    "unsigned": "it is not signed",
    "bad-signature": "its signature is not one of this request",
    "signer-unknown": "nobody in requests.signers has signed it",
    "not-confirmed": "the endpoint does not confirm it",
    "no-window": "no maintenance window opens for it",
    "busy-too-long": "this host was busy for too long",
    "interrupted": "its job was interrupted",
}


def what_text(request: RequestView) -> str:
    """Return the verb with its arguments, which are known until the request has ended: "upgrade-fixes nginx"."""
    return " ".join([request.verb, *request.fixes, *(["(reboot if required)"] if request.reboots else [])])


def reason_text(step: RequestStateView) -> str:
    """Return why a request was refused or has failed, and the detail; empty if there is neither."""
    reason = _WHYS.get(step.why, step.why)
    return " - ".join(part for part in (reason, step.detail) if part)


def request_rows(requests: Iterable[RequestView]) -> list[str]:
    """Render one line for each request."""
    rows = [
        [
            format_human(one.last.at),
            one.id,
            one.verb,
            one.requested_by or "-",
            one.last.state,
            reason_text(one.last) or waiting_text(one),
        ]
        for one in requests
    ]
    return [*columns(rows, indent=0)]


def waiting_text(request: RequestView) -> str:
    """Return what an accepted request waits for; empty for any other."""
    if request.last.state != "accepted":
        return ""
    expires = f", expires {format_human(request.expires_at)}" if request.expires_at else ""
    return f"waits for {'its maintenance window' if request.in_window else 'its turn'}{expires}"


def request_lines(request: RequestView) -> list[Line]:
    """Render one request completely."""
    signed = f", signed by {request.signed_by}" if request.signed_by else ""
    lines = [
        field("Request", request.id, width=_WIDTH),
        field("For", what_text(request), width=_WIDTH),
        field("From", f"{request.requested_by or 'unknown'}{signed}", width=_WIDTH),
    ]
    lines += [field("Comment", request.comment, width=_WIDTH)] if request.comment else []
    lines += [field("Next", waiting_text(request), width=_WIDTH)] if waiting_text(request) else []
    for step in (*request.steps, *filter(None, [request.conflict])):
        reason = reason_text(step)
        run = f" (`maestro-agent history {step.run}`)" if step.run else ""
        text = f"{format_human(step.at)}{f': {reason}' if reason else ''}{run}"
        lines.append(field(step.state.capitalize(), text, width=_WIDTH, tone=_TONES.get(step.state)))
    return lines
