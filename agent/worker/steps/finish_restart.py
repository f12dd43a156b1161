"""Ends the record of a restart of services that was interrupted, so that it is reported."""

from contextlib import suppress

from agent.core.schemas import RESTART_OUTCOME_SCHEMA
from agent.errors import HostError, RecordError
from agent.state.restart_outcome_view import RestartOutcomeView
from agent.state.restart_record import watch_restarts
from agent.state.timestamps import format_utc
from agent.worker.context import JobContext

_MESSAGE = "interrupted: the job was killed, or the machine went down"


def finish_interrupted_restart(context: JobContext) -> None:
    """End the newest run of the history if it is a restart of services without an end.

    systemd finishes what was asked of it, so that nothing is undone; the next pass looks at what is left.
    """
    store = context.record.store
    with suppress(HostError, RecordError):  # a full disk: the next job tries again
        newest = next(iter(store.run_ids()), "")
        run = store.read_run(newest) if newest else None
        if run is None or run.text("schema") != RESTART_OUTCOME_SCHEMA or run.optional_text("finished_at"):
            return
        units = RestartOutcomeView(run).of_result("restarting", "failed")
        watch_restarts(store, [unit.unit for unit in units])
        store.write_run(newest, {**run.raw, "finished_at": format_utc(context.machine.now()), "message": _MESSAGE})
