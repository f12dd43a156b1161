"""A host that reports to a local endpoint: a full report, and events of each kind."""

from typing import Any

from tests.support import reports
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox

CVE = "CVE-2024-13176"
"""Pending in a full report."""


def full_state(box: Outbox, **changes: Any) -> dict[str, Any]:
    """Return the full report of a host as a message; `name`: of the host, `agent_tags`: those that it has itself."""
    report = reports.full()
    name, tags = changes.pop("name", "web-1"), changes.pop("agent_tags", None)
    report["host"].update(id=box.host, instance_id=box.instance, name=name)
    if tags is not None:
        report["host"]["tags"] = tags
    report.update(changes)
    return box.state(**{part: value for part, value in report.items() if part != "hash"})


def reporting_host(endpoint: LocalEndpoint, *, events: tuple[str, ...] = (), tag: str = "", **changes: Any) -> Outbox:
    """Let a new host report, and give it a tag of the endpoint; return its outbox."""
    box = Outbox()
    messages = [full_state(box, **changes), *(box.event(kind, reports.DOCUMENTS.get(kind)) for kind in events)]
    answer = endpoint.client(endpoint.any_host_token).post(box.batch(*messages))
    assert set(answer.statuses) == {"accepted"}
    if tag:
        assert endpoint.run("tag", box.host, "--add", tag).returncode == 0
    return box
