"""Removes what an upgrade run made unneeded, after it, in a transaction of its own (`security.remove_unused`).

Only what a plan showed that the run carried out, and what apt calls unneeded after it and did not before. A package
that is left because something failed stays: the next run finds it unneeded before it begins.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from agent.core.frozen import replace
from agent.core.model.facts import Facts
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Outcome, Underway
from agent.core.model.plan import Plan
from agent.core.packages.unused import unused_packages
from agent.core.ports import RefreshResult
from agent.errors import BusyError, HostError, StoppedError
from agent.report.reasons import sentence
from agent.report.text import counted
from agent.worker.context import JobContext
from agent.worker.steps.remove import RemovalResult, remove_packages

Recorded = Callable[[Underway], AbstractContextManager[None]]
"""Records what a block is about to do."""
_NOTHING = RemovalResult(removed=(), failed=(), others=())


class UnusedPackages:
    """What one run makes unneeded."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._before: Facts | None = None
        self._shown: dict[str, str] = {}
        """Labels by package of what the plans that were carried out showed."""
        self.problem = ""
        """Why some of it is left; empty if none is."""

    def begin(self, before: Facts) -> None:
        """Take the facts of the run's first plan, which have what was unneeded before the run."""
        self._before = before

    def expect(self, plan: Plan) -> None:
        """Take a plan that is about to be carried out."""
        self._shown.update({str(removal.id): removal.label for removal in plan.unused})

    def remove(self, outcome: Outcome, refreshed: RefreshResult, recorded: Recorded) -> RemovalResult:
        """Remove it, recorded as underway; a failure is kept in `problem`, because the upgrade itself has succeeded."""
        if self._before is None or not self._shown:
            return _NOTHING
        names = ", ".join(self._shown.values())
        stopped = self._context.control.stop()
        if outcome.failed or stopped:
            reason = "because packages failed" if outcome.failed else f"stopped {stopped}"
            self.problem = f"not removed, {reason}: {names}"
            return _NOTHING
        try:
            done = self._remove(self._removable(self._before, outcome, refreshed), recorded)
        except (BusyError, HostError, StoppedError) as error:
            self.problem = f"not removed: {names}: {error}"
            return _NOTHING
        if done.failed:
            self.problem = "; ".join(f"not removed: {one.package.label}: {one.error}" for one in done.failed)
        return done

    def _removable(self, before: Facts, outcome: Outcome, refreshed: RefreshResult) -> tuple[Removal, ...]:
        snapshot = self._context.engine.open(self._context.machine.now(), refreshed)
        found = unused_packages(self._context.policy, before, snapshot.unneeded_after((), outcome.scope))
        shown = (removal for removal in found if str(removal.id) in self._shown)
        return tuple(replace(removal, reason=sentence(removal.cause)) for removal in shown)

    def _remove(self, removals: tuple[Removal, ...], recorded: Recorded) -> RemovalResult:
        if not removals:
            return _NOTHING
        self._context.control.step(f"removing {counted(len(removals), 'package')} that nothing needs any more")
        with recorded(Underway(unused=removals)):
            return remove_packages(self._context.engine, removals)
