"""The Prometheus exporter in the daemon: a process for one small file would cost a hundred times the work.

It runs in a thread, because a write to a file server that is away hangs (`agent.daemon.in_daemon`).
"""

import os

from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.daemon.in_daemon import AttemptResult, IsAbandoned
from agent.host.enrolled_token import OUTBOX
from agent.host.machine.user import is_root
from agent.report.export_result import ExporterLog, state_after
from agent.report.prometheus.textfile_export import export_textfile
from agent.report.recent_status import RecentStatus
from agent.report.settings import reported_settings
from agent.report.source import ReportSource
from agent.state.exporter_status import NO_QUEUE
from agent.state.store import DEFAULT_DIRECTORY


def create_in_daemon(recent: RecentStatus) -> "TextfileInDaemon":
    """Return it for the record and the directory of status files that this status is of."""
    return TextfileInDaemon(recent)


class TextfileInDaemon:
    """Does all that the exporter's process does, with the same result, status file and log line."""

    process_arguments = ()

    def __init__(self, recent: RecentStatus) -> None:
        """Take where to read, and where the status file is; writes nothing yet."""
        self._recent = recent

    def applies(self, policy: Policy, *, unchanged: bool) -> bool:  # noqa: ARG002 - the file is written in any case
        """Return whether this process has the user that the exporter's process would have."""
        return not _becomes_another_user(self._recent.store.directory)

    def run(self, policy: Policy, is_abandoned: IsAbandoned) -> AttemptResult:
        """Replace the file and record the result; a process would fail in the same way."""
        run_dir = self._recent.run_dir
        source = ReportSource(self._recent.store, run_dir, reported_settings(policy), self._recent)
        before = source.exporter_status(ExporterName.PROMETHEUS)

        def is_wanted() -> bool:
            return not is_abandoned() and source.is_newest(ExporterName.PROMETHEUS, before)

        result = export_textfile(policy.metrics, source, is_wanted)
        if not is_wanted():
            return AttemptResult.DONE  # by another process, whose file and status file are newer
        entry, state = state_after(before.entry, before.export_state, result)
        log = ExporterLog(ExporterName.PROMETHEUS, run_dir, policy.metrics.textfile)
        log.record(result, before.entry, {**NO_QUEUE, **entry}, state, before.instance_id)
        if result.why != before.entry.get("why", ""):
            self._recent.forget()  # it says how this exporter fares
        return AttemptResult.FAILED if result.why else AttemptResult.DONE


def _becomes_another_user(state_directory: str) -> bool:
    """Whether the exporter's process, started by root, would go on as another user (`agent.cli.export`)."""
    if not is_root():
        return False
    try:
        return os.stat(os.path.join(state_directory, OUTBOX)).st_uid != 0
    except OSError:
        return state_directory == DEFAULT_DIRECTORY  # the process makes the directory, for the daemon's user
