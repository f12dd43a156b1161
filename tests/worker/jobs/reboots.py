"""Runs the jobs of reboots on a simulated machine, and kills them."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.facts import Reboot
from agent.core.policy.policy import RebootPolicy
from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import RebootOutcome, RebootSchedule
from agent.core.reboot.ports import RebootActs
from agent.core.schemas import Document
from agent.errors import BusyError, NothingDoneError
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from agent.worker.jobs import reboot, verify_reboot
from agent.worker.protocol import JobAnswer, JobRequest
from tests.support.simulated_reboot import REQUIRED, SimulatedLock, SimulatedRebootHost, Steps
from tests.worker.jobs.simulator import Agent

_JOBS = {JobKind.REBOOT: reboot.run, JobKind.VERIFY_REBOOT: verify_reboot.run}


class SteppedStore(Store):
    """A store whose every change is a step, before which the process may be killed."""

    def __init__(self, directory: str, steps: Steps) -> None:
        super().__init__(directory)
        self._steps = steps

    def write(self, name: str, document: Document, *, mode: int = 0o644) -> None:
        self._steps.step(f"write {name.partition('/')[0]}")
        super().write(name, document, mode=mode)

    def remove(self, name: str) -> None:
        if self.has(name):
            self._steps.step(f"remove {name}")
        super().remove(name)


class Rebooting:
    """An agent, its machine and its fleet lock; a reboot is required."""

    def __init__(self, directory: Path, *, locked: bool = True, **policy: object) -> None:
        self.agent = Agent(directory)
        self.steps = Steps()
        self.agent.store = SteppedStore(str(directory), self.steps)
        self.machine = self.agent.machine
        self.host = SimulatedRebootHost(self.machine, self.steps)
        self.lock = SimulatedLock(self.steps, configured=locked)
        self.agent.reboot_acts = RebootActs(
            host=self.host,
            lock=self.lock,
            policy=lambda: self.agent.policy.reboot,
            send_report=lambda: self.steps.step("report"),
        )
        self.agent.policy = replace(self.agent.policy, reboot=RebootPolicy(**policy))  # type: ignore[arg-type]
        self.machine.required_reboot = REQUIRED
        self.record = RebootRecord(self.agent.store)

    def job(self, kind: JobKind, options: Collection[JobOption] = (), by: str = "ann", **more: Any) -> JobAnswer:
        """Run a job, under a new id; `more` as in `JobRequest`."""
        context = self.agent.context
        run_id = context.record.new_run_id(self.machine.now()) if kind.in_history else ""
        request = JobRequest(
            kind=kind,
            options=frozenset(options),
            requested_by=by,
            state_dir=self.agent.store.directory,
            **more,
        )
        return _JOBS[kind](request, replace(context, run_id=run_id))

    def reboot(self, *options: JobOption, **more: Any) -> JobAnswer:
        return self.job(JobKind.REBOOT, options, **more)

    def scheduled(self) -> JobAnswer:
        """Have the daemon request a reboot."""
        return self.job(JobKind.REBOOT, by=REQUESTED_BY_SCHEDULE)

    def verify(self) -> JobAnswer:
        return self.job(JobKind.VERIFY_REBOOT, by=REQUESTED_BY_SCHEDULE)

    def go_on(self, *, jobs: int, every: timedelta) -> None:
        """Let the machine go down if it was asked to, and have the next jobs run."""
        self.steps.kill_at = None
        if self.host.down:
            self.host.come_back()
        for _ in range(jobs):
            with suppress(NothingDoneError, BusyError):  # BusyError: it may be going down
                self.verify()
            self.machine.time += every

    def schedule(self, *options: JobOption, hours: float = 2) -> RebootSchedule:
        """Have root schedule a reboot for now."""
        now = self.machine.now()
        schedule = RebootSchedule(
            at=now, until=now + timedelta(hours=hours), created_at=now, requested_by="ann", options=frozenset(options)
        )
        self.record.save_schedule(schedule, now)
        return schedule

    @property
    def last(self) -> RebootOutcome:
        found = self.record.last_outcome()
        assert found is not None
        return found

    def course(self) -> str:
        """Return the phase on record; empty: none."""
        course = self.record.load_course()
        return course.phase.value if course else ""

    def outcomes(self) -> list[RebootOutcome]:
        """Return the outcomes in the history, oldest first."""
        found = [self.record.outcome(run) for run in reversed(self.agent.store.run_ids())]
        return [one for one in found if one is not None]

    def done(self, *names: str) -> list[str]:
        """Return those of the named steps that were done, in order."""
        return [step for step in self.steps.done if step in names]


def require(world: Rebooting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine, which the worker asks for its own need, agree with the simulated one."""
    need = world.machine.required_reboot
    assert isinstance(need, Reboot)
    view = type("View", (), {"required": need.required, "packages": list(need.packages), "since": need.since})
    monkeypatch.setattr("agent.worker.reboot_runs.read_reboot_need", lambda: type("Need", (), {"view": view}))


def result(answer: JobAnswer) -> object:
    return document(answer)["result"]


def document(answer: JobAnswer) -> Mapping[str, object]:
    assert answer.document is not None
    return answer.document


BY_SCHEDULE = RebootOrigin.SCHEDULE
