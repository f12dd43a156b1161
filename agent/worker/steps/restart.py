"""One pass of `restart-services`: each unit alone, and read again some seconds later."""

import math
from collections.abc import Mapping

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.restart.model import (
    MANAGER_UNIT,
    LeftWhy,
    RestartAction,
    RestartOutcome,
    RestartResult,
    RestartUnit,
    SystemdUnit,
    UnitResult,
)
from agent.core.restart.plan import MAX_FAILURES, left, why_left
from agent.core.restart.verdict import (
    LONGEST_LIMIT_WAIT_S,
    SETTLE_S,
    judge,
    restart_limit_s,
    restart_result,
    start_limit_wait_s,
)
from agent.errors import HostError
from agent.host import log
from agent.report.restart_reasons import restart_sentence
from agent.state.documents.restart_outcome import restart_outcome_to_document
from agent.worker.context import JobContext
from agent.worker.log_items import restart_items
from agent.worker.steps.exposure import record_services
from agent.worker.steps.services import planned_restarts

_REEXEC_LIMIT_S = 90.0


class RestartRun:
    """One run, or its plan."""

    def __init__(self, context: JobContext, requested_by: str) -> None:
        self._context = context
        self._units: Mapping[str, SystemdUnit] = {}
        self._never = context.policy.services.never_restart
        self.outcome = RestartOutcome(
            id=context.run_id,
            started_at=context.machine.now(),
            finished_at=None,
            result=RestartResult.INTERRUPTED,
            requested_by=requested_by,
        )

    def plan(self) -> RestartOutcome:
        """Return what a run would do now; nothing is recorded.

        Raises:
            HostError: the processes cannot be read, or systemd does not answer.
        """
        scan = self._context.machine.scan_services()
        if isinstance(scan.replaced, Unseen):
            raise HostError(f"which services run replaced files is unknown: {scan.replaced.reason}")
        self._units, units = planned_restarts(self._context, scan, scan.replaced)
        planned = replace(self.outcome, id="", result=RestartResult.PLANNED, units=units, remaining=scan.replaced)
        return replace(planned, finished_at=self._context.machine.now())

    def run(self) -> RestartOutcome:
        """Restart what may be restarted; return the recorded outcome.

        Raises:
            HostError: the processes cannot be read, systemd does not answer, or the run cannot be recorded.
        """
        self.outcome = replace(self.outcome, units=self.plan().units)
        self._save()
        reason = ""
        for unit in self.outcome.units:
            if unit.result is UnitResult.PLANNED:
                reason = reason or self._context.control.stop()
                self._put(left(unit, LeftWhy.STOPPED, reason) if reason else self._one(unit))
        return self._end(stopped=bool(reason))

    def _one(self, unit: RestartUnit) -> RestartUnit:
        """Restart one unit; return what became of it."""
        failures = sum(one.result is UnitResult.FAILED for one in self.outcome.units)
        if failures >= MAX_FAILURES:
            return left(unit, LeftWhy.AFTER_FAILURES, str(failures))
        started_s = self._context.services.now_s()
        try:
            done = self._reexec(unit) if unit.action is RestartAction.REEXEC else self._restart(unit)
        except HostError as error:  # systemd does not answer
            done = replace(unit, result=UnitResult.FAILED, detail=str(error))
        if done.result is UnitResult.LEFT:
            return done
        took_s = round(max(self._context.services.now_s() - started_s - SETTLE_S, 0.0), 1)
        return replace(done, duration_s=took_s)

    def _restart(self, unit: RestartUnit) -> RestartUnit:
        planned, before = self._units[unit.unit], self._state(unit.unit)
        if before.invocation_id != planned.invocation_id:
            return _judged(replace(unit, detail="it was restarted meanwhile"), planned, before)
        if reason := why_left(before, self._never):
            return left(unit, reason.why, *reason.values)
        if seconds := self._wait_for_start_limit(before):
            return left(unit, LeftWhy.START_LIMIT, str(seconds))
        self._begin(unit)
        others = {name: self._units[name] for name in unit.restarts_with}
        error = self._context.services.restart(unit.unit, limit_s=restart_limit_s(before))
        self._context.services.wait(SETTLE_S)
        after = self._context.services.units([unit.unit, *others])
        done = _judged(unit, before, after.get(unit.unit, replace(before, active_state="unknown")))
        if error:
            return replace(done, result=UnitResult.FAILED, detail=error)
        broken = [name for name, seen in others.items() if seen.is_up and name in after and not after[name].is_up]
        if broken and done.result is UnitResult.RESTARTED:
            return replace(done, result=UnitResult.FAILED, detail=f"{broken[0]}, which was restarted with it, stopped")
        return done

    def _reexec(self, unit: RestartUnit) -> RestartUnit:
        self._begin(unit)
        error = self._context.services.reexec(limit_s=_REEXEC_LIMIT_S)
        self._context.services.wait(SETTLE_S)
        if not error:
            self._state(MANAGER_UNIT)  # it answers
        return replace(unit, result=UnitResult.FAILED if error else UnitResult.RESTARTED, detail=error)

    def _wait_for_start_limit(self, unit: SystemdUnit) -> int:
        """Wait until a start limit is over; return the seconds that it lasts if that is too long, else 0."""
        services = self._context.services
        seconds = start_limit_wait_s(unit, services.now_s())
        if seconds > LONGEST_LIMIT_WAIT_S:
            return math.ceil(seconds)
        if seconds:
            self._context.control.progress(f"waiting {math.ceil(seconds)} s for the start limit of {unit.name}")
            services.wait(seconds)
        return 0

    def _begin(self, unit: RestartUnit) -> None:
        """Record that a restart begins."""
        verb = "re-executing systemd" if unit.action is RestartAction.REEXEC else f"restarting {unit.unit}"
        self._context.control.step(verb)
        self._put(replace(unit, result=UnitResult.RESTARTING))

    def _put(self, unit: RestartUnit) -> None:
        """Replace one unit in the outcome and record it."""
        units = tuple(unit if one.unit == unit.unit else one for one in self.outcome.units)
        self.outcome = replace(self.outcome, units=units)
        self._save()

    def _end(self, *, stopped: bool) -> RestartOutcome:
        failures = [one for one in self.outcome.units if one.result is UnitResult.FAILED]
        broken = [name for one in failures for name in (one.unit, *one.restarts_with)]
        remaining = record_services(self._context, broken).replaced
        seen = None if isinstance(remaining, Unseen) else remaining
        units = tuple(_still_outdated(one) if one.unit in (seen or ()) else one for one in self.outcome.units)
        self.outcome = replace(self.outcome, units=units, remaining=seen, finished_at=self._context.machine.now())
        self.outcome = replace(self.outcome, result=restart_result(self.outcome, stopped=stopped))
        self._save()
        failed = any(one.result is UnitResult.FAILED for one in units)
        name = log.LogEvent.SERVICES_FAILED if failed else log.LogEvent.SERVICES_RESTARTED
        log.event(name, **restart_items(self.outcome))
        return self.outcome

    def _state(self, name: str) -> SystemdUnit:
        found = self._context.services.units([name]).get(name)
        if found is None:
            raise HostError(f"systemd does not show {name}")
        return found

    def _save(self) -> None:
        document = restart_outcome_to_document(self.outcome, self._context.machine.now(), restart_sentence)
        self._context.record.store.write_run(self.outcome.id, document)


def _judged(unit: RestartUnit, before: SystemdUnit, after: SystemdUnit) -> RestartUnit:
    result, detail = judge(before, after)
    return replace(
        unit, result=result, detail=detail or unit.detail, active_state=after.active_state, unit_result=after.result
    )


def _still_outdated(unit: RestartUnit) -> RestartUnit:
    """Return a failure where systemd still runs replaced files; a service may have processes that survive a restart."""
    if unit.action is not RestartAction.REEXEC or unit.result is not UnitResult.RESTARTED:
        return unit
    return replace(unit, result=UnitResult.FAILED, detail="it still runs replaced files")
