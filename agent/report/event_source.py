"""Queues the events of the record that an exporter has not sent yet."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from agent.core.frozen import replace
from agent.errors import RecordError
from agent.host.boot_time import booted_at
from agent.host.machine.facts import host_facts
from agent.host.reboot.need import read_reboot_need
from agent.report.events import DaemonStart, Snapshot, initial_cursor, new_events, unseen_runs
from agent.report.outbox.outbox import Outbox
from agent.state.daemon_status import read_daemon_status
from agent.state.job_status import read_job_status
from agent.state.owed_hooks import run_with_owed_hooks
from agent.state.request_steps import RequestSteps, read_request_steps
from agent.state.store import Store
from agent.state.timestamps import minus_clamped, utc_now

_RUNS = 10
"""How many runs are read at a time: each may list every package of the machine."""


class EventSource:
    """Reads new events from the state directory and the machine."""

    def __init__(self, store: Store, run_dir: str) -> None:
        """Take where to read; reads nothing yet."""
        self._store = store
        self._run_dir = run_dir

    def enqueue(self, outbox: Outbox, reach: timedelta) -> None:
        """Queue the events that are not in the outbox yet; events and cursor are written in one transaction.

        A new outbox gets the events of the last `reach`.
        """
        seen = self._snapshot()
        state = outbox.state
        if state.cursor is None:
            since = None if state.start_reason == "other-host" else minus_clamped(seen.now, reach)
            cursor = initial_cursor(seen, since)
        else:
            cursor = dict(state.cursor)
        new = unseen_runs(cursor, seen.runs)
        known = sorted(set(seen.runs).difference(new))
        for first in range(0, max(len(new), 1), _RUNS):
            part = replace(seen, runs=[*known, *new[: first + _RUNS]])
            events, cursor = new_events(cursor, part)
            with outbox.transaction() as tx:
                for event in events:
                    tx.add(event.kind, event.at, event.document, seen.now)
                tx.state = replace(tx.state, cursor=cursor)
                tx.enforce_limits(seen.now)

    def _snapshot(self) -> Snapshot:
        reboot = None
        with suppress(OSError):  # `status` reports it
            reboot = read_reboot_need().view
        facts = host_facts()
        return Snapshot(
            now=utc_now(),
            runs=self._runs(),
            read_run=self._read_run,
            jobs=self._jobs(),
            reboot=(reboot.packages, reboot.since) if reboot and reboot.required else None,
            reboot_known=reboot is not None,
            boot_id=facts.boot_id,
            booted_at=booted_at(),
            kernel=facts.kernel,
            daemon=self._daemon(),
            requests=self._requests(),
        )

    def _runs(self) -> list[str]:
        try:
            return self._store.run_ids()
        except RecordError:  # `status` reports it
            return []

    def _read_run(self, run_id: str) -> Mapping[str, object] | None:
        """Return a run; without its end while it owes hooks, because what they come to is still added to it."""
        owing = run_with_owed_hooks(self._store)  # before the run: it owes them from before its end on
        try:
            run = self._store.read_run(run_id)
        except RecordError:
            return None
        if run is None:
            return None
        return {**run.raw, "finished_at": None} if run_id == owing else run.raw

    def _jobs(self) -> dict[str, Mapping[str, object]]:
        try:
            document = read_job_status(self._store)
            jobs = document.child("jobs") if document else None
            names = jobs.raw if jobs else {}
            return {name: jobs.child(name).raw for name in names} if jobs else {}
        except RecordError:
            return {}

    def _requests(self) -> RequestSteps | None:
        try:
            return read_request_steps(self._store)
        except RecordError:
            return None

    def _daemon(self) -> DaemonStart | None:
        try:
            found = read_daemon_status(self._run_dir)
            return DaemonStart(version=found[1].text("version"), at=found[1].text("started_at")) if found else None
        except RecordError:
            return None
