"""Previews as documents, `maestro.deployment-preview/1`. Pure."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from endpoint.core.deploy.preview import PlannedHost, Preview
from endpoint.core.request_arguments import request_arguments
from endpoint.core.timestamps import format_utc

SCHEMA = "maestro.deployment-preview/1"


def preview_document(shown: Preview, now: datetime) -> dict[str, Any]:
    """Return what an order would do.

    Raises:
        UsageError: a verb does not take one of its arguments.
    """
    steps = [
        {"verb": work.verb.value, "arguments": request_arguments(replace(work, plan_id=None), 1)}
        for work in shown.order.works
    ]
    return {
        "schema": SCHEMA,
        "generated_at": format_utc(now),
        "preview": shown.digest,
        "selection": shown.selection,
        "steps": steps,
        "comment": shown.order.comment,
        "expires_at": format_utc(now.replace(microsecond=0) + shown.order.expires_in),
        "at_once": shown.order.at_once_of(len(shown.hosts)),
        "stop_after": shown.order.stop_after,
        "exact": shown.order.exact,
        "hosts": [_host(host) for host in shown.hosts],
        "left_out": [asdict(one) for one in shown.left_out],
    }


def _host(host: PlannedHost) -> dict[str, Any]:
    return {
        "host_id": host.host_id,
        "host": host.name,
        "waits_for_signature": host.waits_for_signature,
        "permission_known": host.permission_known,
        "reboot_required": host.reboots,
        "steps": [{"step": step.number, "plan_id": step.plan_id, "brings": step.brings} for step in host.steps],
    }
