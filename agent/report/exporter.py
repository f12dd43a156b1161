"""What an exporter is: the protocol, and what a run gets."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from agent.core.frozen import field, frozen
from agent.core.requests.model import RequestOffers
from agent.report.export_result import ExportResult
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.stream_state import StreamState
from agent.report.outbox.transaction import OutboxLimits
from agent.report.source import ReportSource


@frozen
class QueueSettings:
    """The outbox that an exporter needs for its events."""

    directory: str
    """Below the state directory."""
    limits: OutboxLimits
    reach: timedelta
    """How far back a new outbox starts."""


Carry = Callable[[RequestOffers], str]
"""Carries requests of people to the worker; returns what went wrong, for the log. The endpoint offers them again."""


def carry_nothing(_offers: RequestOffers) -> str:
    """Carry nothing: there is no worker."""
    return "requests are not carried: no worker of this state directory"


@frozen
class ExportContext:
    """What one run works with."""

    source: ReportSource
    time_limit: timedelta
    """For all requests of the run, from the first one on; this machine's own work before does not count."""
    last_attempt: Mapping[str, object]
    """The exporter's entry in its status file, or what its outbox kept of it; empty before the first attempt."""
    outbox: Outbox | None = None
    """Open, with all new events queued; None for an exporter without a queue, and while there is a problem with it."""
    state_directory: str = ""
    outbox_directory: str = ""
    outbox_problem: str = ""
    """Why it cannot be used."""
    kept_state: StreamState = field(default_factory=StreamState)
    """The stream's state as an earlier run left it, which could not write it to the outbox."""
    carry: Carry = carry_nothing
    lease_holder: str = ""
    """The daemon that may send heartbeats itself (`agent.report.heartbeat_lease`); empty: none."""


class Exporter(Protocol):
    """One way out for reports and events. Its module has `create(policy: Policy) -> Exporter`."""

    @property
    def queue(self) -> QueueSettings | None:
        """The outbox for its events; None if it sends none."""

    def run(self, context: ExportContext) -> ExportResult:
        """Send what there is. Called again without the outbox if that fails with HostError.

        Raises:
            HostError: the outbox cannot be read or written.
        """


def count_of(count: int, name: str) -> str:
    """Return a number of things for a person: "1 event", "2 events"."""
    return f"{count} {name}{'s' if count != 1 else ''}"
