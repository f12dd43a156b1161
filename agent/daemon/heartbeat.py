"""Heartbeats of the endpoint's exporter from the daemon, as long as there is nothing else to send (docs/adr/0009).

There is nothing else while no job, run or request was recorded since the exporter's process ran, and the report has the
hash of the state that the endpoint holds: it is made here as the process makes it.
"""

import os

from agent.core.exporters import ExporterName
from agent.core.frozen import replace
from agent.core.policy.policy import Policy
from agent.core.schedule.backoff import ResponseClass
from agent.daemon.in_daemon import AttemptResult, IsAbandoned
from agent.errors import RecordError
from agent.report.endpoint.heartbeat import HeartbeatSender, is_offered
from agent.report.export_result import ExporterLog, state_after
from agent.report.heartbeat_lease import HeartbeatLease
from agent.report.recent_status import RecentStatus
from agent.report.settings import reported_settings
from agent.report.source import ExporterStatus, ReportSource


def create_in_daemon(recent: RecentStatus) -> "HeartbeatInDaemon":
    """Return the daemon's part of the exporter."""
    return HeartbeatInDaemon(recent)


class HeartbeatNumbers:
    """Counts within the leases of one start of the daemon; a number is taken before it is sent, and only once."""

    def __init__(self) -> None:
        """Start without a lease."""
        self._instance_id = ""
        self._next = 0

    def take(self, lease: HeartbeatLease) -> int | None:
        """Return the next number; None if the lease has none left."""
        if lease.instance_id != self._instance_id:
            self._instance_id, self._next = lease.instance_id, 0
        number = max(self._next, lease.first)
        if number > lease.last:
            return None
        self._next = number + 1
        return number


class HeartbeatInDaemon:
    """Sends a heartbeat where that is all there is to send."""

    def __init__(self, recent: RecentStatus) -> None:
        """Take where to read; sends nothing yet."""
        self._recent = recent
        self._holder = os.urandom(8).hex()
        """A start of the daemon gets no lease of an earlier one: that may have used any number of it."""
        self.process_arguments = ("--heartbeats", self._holder)
        self._numbers = HeartbeatNumbers()
        self._sender = HeartbeatSender(recent.store.directory)

    def applies(self, policy: Policy, *, unchanged: bool) -> bool:
        """Return whether there may be nothing to send but a heartbeat."""
        if not unchanged or not is_offered(policy.endpoint):
            return False
        return self._lease(policy, self._source(policy).exporter_status(ExporterName.ENDPOINT)) is not None

    def run(self, policy: Policy, is_abandoned: IsAbandoned) -> AttemptResult:
        """Send a heartbeat, and record how that went as the exporter's process does."""
        source = self._source(policy)
        status = source.exporter_status(ExporterName.ENDPOINT)
        lease = self._lease(policy, status)
        if lease is None or not _is_current(source, lease, status):
            return AttemptResult.PROCESS_NEEDED
        sequence = self._numbers.take(lease)
        result = self._sender.send(policy, lease, sequence, status.entry) if sequence is not None else None
        if result is None:
            return AttemptResult.PROCESS_NEEDED
        if is_abandoned() or not source.is_newest(ExporterName.ENDPOINT, status):
            return AttemptResult.DONE  # by another process, which recorded what came of it later than this began
        entry, export_state = state_after(status.entry, status.export_state, result)
        recorded = ExporterLog(ExporterName.ENDPOINT, self._recent.run_dir, policy.endpoint.url)
        # Only the process records durably that an outage begins or ends: it makes the next attempt.
        turned = bool(result.why) != bool(status.entry.get("why"))
        result = replace(result, lease=None if turned else lease)
        recorded.record(result, status.entry, {**status.entry, **entry}, export_state, status.instance_id)
        return AttemptResult.DONE if result.response_class is ResponseClass.OK else AttemptResult.FAILED

    def _source(self, policy: Policy) -> ReportSource:
        return ReportSource(self._recent.store, self._recent.run_dir, reported_settings(policy), self._recent)

    def _lease(self, policy: Policy, status: ExporterStatus) -> HeartbeatLease | None:
        """Return the lease of the process's last run, if it is for this daemon and this endpoint."""
        lease = status.lease
        return lease if lease and (lease.holder, lease.url) == (self._holder, policy.endpoint.url) else None


def _is_current(source: ReportSource, lease: HeartbeatLease, status: ExporterStatus) -> bool:
    """Return whether the endpoint holds the state as it is now."""
    try:
        report = source.leased_report(lease, status.entry)
    except RecordError:
        return False
    return report["hash"] == lease.hash
