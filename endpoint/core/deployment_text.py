"""Deployments as text for people. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from endpoint.core.deploy.new_deployment import MAX_LEFT_OUT
from endpoint.core.deploy.texts import left_out_text
from endpoint.core.request_arguments import spread
from endpoint.core.text import clean, table
from endpoint.core.timestamps import format_age, parse_utc

_LIST_HEAD = ("ID", "AGE", "REQUEST", "STATUS", "HOSTS", "BY", "COMMENT")
_SHOW_HEAD = ("HOST", "STATUS", "SINCE", "REASON", "RUN", "SIGNED BY", "ID")
_SHORT_ID = 8
_MAX_DETAIL = 100
_MAX_LEFT_OUT_NAMES = 8


def list_lines(document: Mapping[str, Any], now: datetime) -> list[str]:
    """Render `maestro.deployments/1`."""
    rows = [_list_row(deployment, now) for deployment in document["deployments"]]
    return table([_LIST_HEAD, *rows]) if rows else ["nothing has been requested yet"]


def show_lines(document: Mapping[str, Any], now: datetime) -> list[str]:
    """Render `maestro.deployment/1`."""
    lines = [
        f"{document['id']}: {work_text(document)}, by {clean(document['requested_by'])}, "
        f"{format_age(parse_utc(document['created_at']), now)} ago",
        f"{document['status']}: {counts_text(document['counts'])}; {document['at_once']} at once, "
        f"stops after {document['stop_after']} failed, not started after {document['expires_at']}",
    ]
    if document["comment"]:
        lines.append(f"comment: {clean(document['comment'], 200)}")
    advice = _advice(document, now)
    lines += [advice] if advice else []
    rows = [_show_row(request, now) for request in document["requests"]]
    head: tuple[str, ...] = _SHOW_HEAD
    if len(document["steps"]) > 1:
        head = (head[0], "STEP", *head[1:])
        verbs = [document["steps"][request["step"] - 1]["verb"] for request in document["requests"]]
        rows = [(row[0], verb, *row[1:]) for row, verb in zip(rows, verbs, strict=True)]
    lines += ["", *table([head, *rows]), ""]
    lines += left_out_lines(document)
    lines += [_action_line(action) for action in document["actions"]]
    return lines


def work_text(document: Mapping[str, Any]) -> str:
    """Return what is requested, in one line, step by step."""
    steps = document.get("steps") or [document]  # the form of one request is its only step
    text = "; then ".join(_step_text(step["verb"], step["arguments"]) for step in steps)
    return f"{text}, plan {document['plan_id']}" if document["plan_id"] else text


def _step_text(verb: str, arguments: Mapping[str, Any]) -> str:
    parts = [verb]
    if arguments.get("fixes"):
        parts.append(spread(arguments["fixes"], 5))
    if arguments.get("when") == "window":
        parts.append("in the maintenance window")
    if arguments.get("reboot") == "if-required":
        parts.append("reboot if required")
    return ", ".join(parts)


def counts_text(counts: Mapping[str, int]) -> str:
    """Return how many requests have each status."""
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no hosts"


def left_out_lines(document: Mapping[str, Any]) -> list[str]:
    """Say which hosts are left out of a deployment, why, and of what, as far as that is recorded."""
    names, left_out = defaultdict(list), document.get("left_out", ())
    more = " or more" if len(left_out) == MAX_LEFT_OUT else ""
    for one in left_out:
        names[one["why"], one["detail"]].append(clean(one["host"] or one["host_id"]))
    return [
        f"left out{f' of {detail}' if detail else ''}, {len(found)}{more}: {left_out_text(why)}: "
        f"{spread(found, _MAX_LEFT_OUT_NAMES)}"
        for (why, detail), found in names.items()
    ]


def _advice(document: Mapping[str, Any], now: datetime) -> str:
    short = document["id"][:_SHORT_ID]
    if document["status"] == "stopped" and parse_utc(document["expires_at"]) <= now:
        return f"too many failed, and it has expired: hosts finish what they have, or `... requests cancel {short}`"
    if document["status"] == "stopped":
        return f"too many failed: see why, then `maestro-endpoint requests resume {short}` or `... cancel {short}`"
    if document["counts"]["waiting-signature"] and document["status"] == "active":
        return f"to sign: `maestro-endpoint requests sign {short} --with KEY`"
    return ""


def _list_row(deployment: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    return (
        deployment["id"][:_SHORT_ID],
        format_age(parse_utc(deployment["created_at"]), now),
        work_text(deployment),
        deployment["status"],
        counts_text(deployment["counts"]),
        clean(deployment["requested_by"]),
        clean(deployment["comment"]),
    )


def _show_row(request: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    reason = ": ".join(text for text in (request["why"], request["detail"]) if text)
    return (
        clean(request["host"] or request["host_id"]),
        f"{request['status']}, cancelling" if request["cancelling"] else request["status"],
        format_age(parse_utc(request["changed_at"]), now),
        clean(reason, _MAX_DETAIL) or "-",
        clean(request["run"] or "-"),
        clean(request["signed_by"] or ("-" if not request["signed"] else "(not verified yet)")),
        request["id"][:_SHORT_ID],
    )


def _action_line(action: Mapping[str, Any]) -> str:
    of = f" request {action['request'][:_SHORT_ID]}" if action["request"] else ""
    by = f" by {clean(action['by'])}" if action["by"] else ""
    detail = f": {clean(action['detail'], 200)}" if action["detail"] else ""
    return f"{action['at']}  {action['action']}{of}{by}{detail}"
