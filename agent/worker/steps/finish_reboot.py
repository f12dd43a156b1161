"""Whether an earlier job left a reboot, or a fleet lock, to be finished. Light: almost no job has to load the rest."""

import importlib

from agent.errors import AgentError, BusyError
from agent.host import log
from agent.state.store import FLEET_LOCK, REBOOT, Store
from agent.worker.context import JobContext


def has_reboot_left(store: Store) -> bool:
    """Return whether there is anything to finish."""
    return store.has(REBOOT) or store.has(FLEET_LOCK)


def finish_earlier_reboot(context: JobContext) -> None:
    """Finish the reboot of an earlier job, if its boot has finished; if that fails, the next job tries again.

    Raises:
        BusyError: the machine is going down.
    """
    if not has_reboot_left(context.record.store):
        return
    # Imported by name: almost no job needs it.
    module = importlib.import_module("agent.worker.steps.reboot.finish")
    try:
        module.finish_reboot(context)
    except BusyError:
        raise
    except AgentError as error:
        context.control.step(str(error))
        log.event(log.LogEvent.REBOOT_UNFINISHED, error=str(error))
