"""One run of `upgrade`, from the first look to the judgement: what it has done so far is always on record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agent.core.model.facts import Repair
from agent.core.model.outcome import Failure, Outcome, Result
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan, Refusal, Step, Why
from agent.core.model.reasons import Reason, ReasonCode, text_reason
from agent.core.packages import verify
from agent.core.packages.batches import pack
from agent.core.packages.gates.veto import veto
from agent.core.policy.policy import Conffiles
from agent.core.ports import Download
from agent.errors import AgentError, ChangedError, HostError, NoSpaceError
from agent.report.reasons import sentence
from agent.worker.context import JobContext
from agent.worker.steps import plan as planning
from agent.worker.steps.install import TransactionResult, run_transaction
from agent.worker.steps.plan import Planned
from agent.worker.steps.remove import remove_kernels
from agent.worker.steps.repair import not_repaired, still_unfinished

_MAX_REPLANS = 4
"""How often a run plans anew because the machine changed under it."""


class UpgradeRun:
    """A run while it grows. The machine is judged by looking at it again, never by the plan."""

    def __init__(self, context: JobContext, begun: Outcome) -> None:
        self._context = context
        self._engine = context.engine
        self._so_far = begun
        self._refreshed = context.record.load_refresh()
        self._may_refresh = False
        self._mending = False
        self._unrepaired: dict[PackageId, Failure] = {}
        self._dropped: dict[PackageId, Refusal] = {}
        """Packages that this run no longer tries."""
        self.after: Plan | None = None
        """The plan of the machine as it is after the run; None until it was judged."""

    def carry_out(self, *, refresh: bool, plan_id: str | None) -> Outcome:
        """Go through the rounds, then judge the machine as it is.

        Raises:
            BusyError, HostError: the run could not go on; `end` says what stands.
        """
        self._may_refresh = refresh
        if refresh:
            self._refreshed = planning.refresh(self._context)
        current = self._plan()
        plan = current.plan
        planning.record_plan(self._context, plan)
        if plan_id is not None and plan.id != plan_id:
            raise ChangedError(
                f"the plan is {plan.id} now, not {plan_id}: the machine has changed since. "
                "Nothing was done; look at `maestro-agent check` again"
            )
        if plan.repairable:
            current = self._repair(plan)
        current = self._retire_kernels(current)
        try:
            self._rounds(current)
        finally:
            self._engine.remove_downloads()
        return self._judged()

    def end(self, result: Result, message: str) -> Outcome:
        """Return what stands when the run could not go on; packages that arrived before that are in it."""
        try:
            outcome = self._judged()
        except AgentError:  # the machine cannot even be looked at: what is known stands
            outcome = replace(
                self._so_far,
                finished_at=self._context.machine.now(),
                reboot=self._context.machine.reboot(),
                lock=self._engine.lock,
            )
        return replace(outcome, result=result, message=message)

    def _plan(self) -> Planned:
        current = planning.observe_and_decide(self._context, self._so_far.scope, self._refreshed, self._dropped)
        if not self._mending:
            return current
        install = (*current.plan.install, *self._reinstallations(current))
        return replace(current, plan=replace(current.plan, install=install))

    def _repair(self, plan: Plan) -> Planned:
        self._context.control.progress("finishing what an interrupted dpkg left behind")
        report = self._engine.repair()
        packages = [item.id for item in plan.repair]
        self._unrepaired = {one.package: one for one in not_repaired(packages, self._engine.states(), report)}
        self._mending = True
        after = self._plan()
        still = {item.id for item in after.plan.repair}
        done = tuple(item for item in plan.repair if item.id not in still)
        merged = plan.journal and not after.plan.journal
        self._so_far = replace(self._so_far, repaired=done, journal_merged=merged)
        return after

    def _retire_kernels(self, current: Planned) -> Planned:
        """Remove superseded kernels before anything is downloaded: /boot may need the room."""
        for _ in range(_MAX_REPLANS):
            if not current.plan.remove or self._context.control.stop():
                break
            try:
                done = remove_kernels(self._engine, current.plan.remove, self._context.control.progress)
            except ChangedError:
                current = self._plan()
                continue
            self._so_far = replace(
                self._so_far,
                superseded=(*self._so_far.superseded, *done.superseded),
                removed=(*self._so_far.removed, *done.others),
                failed=(*self._so_far.failed, *done.failed),
            )
            self._context.record.save_outcome(self._so_far, self._context.machine.now())
            if not done.failed:
                break
            for failure in done.failed:
                self._dropped[failure.package] = _failed(failure)
            current = self._plan()
        return current

    def _reinstallations(self, current: Planned) -> tuple[Step, ...]:
        """Return what has to be installed again as it is; what the plan brings to a new version is mended by that."""
        plan = current.plan
        planned = {step.id for step in plan.install}
        rest = [
            item
            for item in plan.repair
            if item.id not in planned
            and item.id not in self._dropped
            and veto(self._context.policy, item.package) is None
        ]
        first = 1 + max((step.group for step in plan.install), default=0)
        groups = {step.package: step.group for step in plan.install}
        return tuple(
            replace(step, group=groups.get(step.package, first + step.group))
            for step in current.snapshot.reinstallations(rest)
        )

    def _rounds(self, current: Planned) -> None:
        for number in range(_MAX_REPLANS):
            try:
                self._install(self._downloaded(current))
            except ChangedError:
                if number == _MAX_REPLANS - 1:
                    raise
                current = self._plan()
            else:
                return

    def _install(self, steps: Sequence[Step]) -> None:
        """Carry the steps out in as few transactions as may be, each on record before it begins."""
        batches = pack(steps)
        for number, batch in enumerate(batches, start=1):
            self._context.control.progress(f"installing {len(batch)} packages, transaction {number} of {len(batches)}")
            self._so_far = replace(self._so_far, underway=batch)
            self._context.record.save_outcome(self._so_far, self._context.machine.now())
            try:
                acted = run_transaction(self._engine, batch, self._so_far.scope, mending=self._mending)
            finally:
                self._so_far = replace(self._so_far, underway=())
            self._add(acted)
            if self._context.control.stop():
                return

    def _downloaded(self, current: Planned) -> tuple[Step, ...]:
        """Download the plan's packages; what cannot be had drops out with all that needs it."""
        while current.plan.install and not self._context.control.stop():
            plan = current.plan
            self._context.control.progress(f"downloading {len(plan.install)} packages")
            try:
                download = current.snapshot.download(plan.install, plan.scope)
            except NoSpaceError as error:
                current = self._without(plan, error)
                continue
            total = self._so_far.downloaded_bytes + download.downloaded_bytes
            self._so_far = replace(self._so_far, downloaded_bytes=total)
            if not download.failed:
                asked = self._asked(download)
                if not asked:
                    return plan.install
                self._dropped |= asked
            elif self._may_refresh:
                # A package that has gone was most likely superseded: newer lists will say by what.
                self._may_refresh = False
                self._refreshed = planning.refresh(self._context)
            else:
                self._drop([step for step in plan.install if step.id in download.failed], download.failed)
            current = self._plan()
        return ()

    def _asked(self, download: Download) -> dict[PackageId, Refusal]:
        """Return packages that would make dpkg ask about a configuration file, where the policy holds them back."""
        if self._context.policy.security.conffiles is Conffiles.KEEP:
            return {}
        asked = download.conffile_prompts()
        return {
            name: Refusal(why=Why.CONFFILE, reason=text_reason(words))
            for name, words in asked.items()
            if name not in self._dropped
        }

    def _without(self, plan: Plan, error: NoSpaceError) -> Planned:
        """Plan without the packages that there is no room for; where none but those are left, nothing can be done."""
        dropped = [step for step in plan.install if step.package in error.packages]
        for step in dropped:
            self._dropped[step.id] = Refusal(why=Why.NO_SPACE, reason=text_reason(str(error)))
        if len(dropped) in {0, len(plan.install)}:
            raise error
        return self._plan()

    def _drop(self, steps: Iterable[Step], errors: Mapping[PackageId, str]) -> None:
        before = len(self._dropped)
        for step in steps:
            self._dropped[step.id] = Refusal(why=Why.DOWNLOAD_FAILED, reason=text_reason(errors[step.id]))
        if len(self._dropped) == before:
            told = "; ".join(f"{package.name}: {error}" for package, error in errors.items())
            raise HostError(f"a download failed that is no part of the plan: {told}")

    def _add(self, acted: TransactionResult) -> None:
        again = [step for step in acted.upgraded if step.installed == step.candidate]
        repaired = [Repair(package=s.package, architecture=s.architecture, state="reinst-required") for s in again]
        for failure in acted.failed:
            self._dropped[failure.package] = _failed(failure)
        self._so_far = replace(
            self._so_far,
            upgraded=(*self._so_far.upgraded, *(step for step in acted.upgraded if step not in again)),
            repaired=(*self._so_far.repaired, *repaired),
            failed=(*self._so_far.failed, *acted.failed),
            removed=(*self._so_far.removed, *acted.removed),
        )
        self._context.record.save_outcome(self._so_far, self._context.machine.now())

    def _judged(self) -> Outcome:
        # What failed is told as failed; it waits for the next run, so it is not held back.
        for failure in self._so_far.failed:
            self._dropped.pop(failure.package, None)
        after = planning.observe_and_decide(self._context, self._so_far.scope, self._refreshed, self._dropped).plan
        planning.record_plan(self._context, after)
        known = {failure.package for failure in self._so_far.failed}
        failed = (
            *self._so_far.failed,
            *still_unfinished(self._context.policy, after, self._engine.states, self._unrepaired, known),
        )
        self.after = after
        outcome = replace(
            self._so_far,
            finished_at=self._context.machine.now(),
            held=after.held,
            failed=failed,
            conffiles_kept=self._kept_conffiles(failed),
            reboot=after.reboot,
            lists=after.lists,
            lock=self._engine.lock,
            message="",
        )
        stopped = self._context.control.stop()
        result = verify.classify(after, outcome, stopped=bool(stopped))
        said = verify.summary(after, result, stopped=stopped)
        return replace(outcome, result=result, message=sentence(said) if said is not None else "")

    def _kept_conffiles(self, failed: Iterable[Failure]) -> tuple[str, ...]:
        packages = [step.id for step in self._so_far.upgraded]
        packages += [item.id for item in self._so_far.repaired]
        packages += [failure.package for failure in failed]
        try:
            return self._engine.kept_conffiles(packages, self._so_far.started_at)
        except HostError:  # the least of what is to be told must not keep the rest from being told
            return ()


def _failed(failure: Failure) -> Refusal:
    reason = Reason(code=ReasonCode.FAILED_IN_RUN, values=(failure.error,))
    return Refusal(why=Why.FAILED_BEFORE, reason=reason)
