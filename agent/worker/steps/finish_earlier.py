"""Finishes what earlier jobs left: a reboot, a restart of services, upgrades of Docker and Weave, hooks."""

from agent.worker.context import JobContext
from agent.worker.steps.finish_engines import finish_engine_upgrades
from agent.worker.steps.finish_reboot import finish_earlier_reboot
from agent.worker.steps.finish_restart import finish_interrupted_restart
from agent.worker.steps.upgrade_hooks import finish_owed_hooks


def finish_earlier_jobs(context: JobContext) -> str:
    """Finish what is unfinished; if something cannot be finished, the next job tries again.

    Returns what failed of the hooks that an upgrade of packages owed.

    Raises:
        BusyError: the machine is going down.
    """
    finish_earlier_reboot(context)
    finish_interrupted_restart(context)
    finish_engine_upgrades(context)
    return finish_owed_hooks(context)
