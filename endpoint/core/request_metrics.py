"""The requests in Prometheus' text format. Pure."""

from collections.abc import Mapping

from endpoint.core.deployments import ENDED, RequestStatus

_OPEN, _STOPPED = "maestro_endpoint_requests_open", "maestro_endpoint_deployments_stopped"


def request_metrics(counts: Mapping[RequestStatus, int], stopped: int) -> str:
    """Return the page: open requests by status, and how many deployments wait for a person after failures."""
    lines = [f"# HELP {_OPEN} Requests to hosts that have not ended.", f"# TYPE {_OPEN} gauge"]
    lines += [
        f'{_OPEN}{{status="{status.value}"}} {counts.get(status, 0)}' for status in RequestStatus if status not in ENDED
    ]
    lines += [f"# HELP {_STOPPED} Deployments that stopped after failures, have requests left, and have not expired."]
    lines += [f"# TYPE {_STOPPED} gauge", f"{_STOPPED} {stopped}"]
    return "\n".join(lines) + "\n"
