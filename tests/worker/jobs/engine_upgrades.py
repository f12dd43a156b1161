"""Runs upgrades of Docker and Weave for an agent on a simulated machine."""

from collections.abc import Collection
from dataclasses import replace

from agent.core.job_kinds import JobKind, JobOption
from agent.worker.jobs import docker_upgrade, weave_upgrade
from agent.worker.protocol import JobAnswer, JobRequest
from tests.worker.jobs.simulator import Agent

_JOBS = {JobKind.DOCKER_UPGRADE: docker_upgrade.run, JobKind.WEAVE_UPGRADE: weave_upgrade.run}


def run_upgrade(
    agent: Agent, kind: JobKind, options: Collection[JobOption] = (), plan_id: str | None = None
) -> JobAnswer:
    """Run the job as ann, under a new id."""
    context = agent.context
    context = replace(context, run_id=context.record.new_run_id(agent.machine.now()))
    request = JobRequest(
        kind=kind,
        plan_id=plan_id,
        options=frozenset(options),
        requested_by="ann",
        state_dir=agent.store.directory,
    )
    return _JOBS[kind](request, context)
