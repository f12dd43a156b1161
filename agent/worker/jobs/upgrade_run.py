"""One upgrade run, from the first plan to the verification. The record always holds what it has done so far."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.model.outcome import Failure, Outcome, Result, Underway
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan
from agent.core.model.scope import Scope
from agent.core.packages import verify
from agent.core.packages.after_download import Install, Refresh, Replan, after_download, without_oversized
from agent.core.packages.batches import pack
from agent.core.packages.dropped import Dropped
from agent.core.packages.gates.veto import veto
from agent.core.packages.undo import undo_of
from agent.core.policy.policy import Conffiles
from agent.core.ports import Download, PackageSnapshot
from agent.errors import AgentError, ChangedError, HostError, NoSpaceError
from agent.report.reasons import sentence
from agent.report.text import counted
from agent.worker.context import JobContext
from agent.worker.jobs.run_record import RunRecord
from agent.worker.steps import plan as planning
from agent.worker.steps.cve_rules import decided_by_cves
from agent.worker.steps.install import run_transaction
from agent.worker.steps.named import as_named
from agent.worker.steps.plan import Planned
from agent.worker.steps.remove import remove_packages
from agent.worker.steps.repair import not_repaired, still_unfinished, with_reinstallations
from agent.worker.steps.select import RunSelection
from agent.worker.steps.unused import UnusedPackages
from agent.worker.steps.upgrade_hooks import UpgradeHooks

_MAX_REPLANS = 4
"""How often a run plans again because packages changed while it ran."""
_MAX_ROUNDS = 3
"""How often a run on a new server installs what is pending."""


class UpgradeRun:
    """A run in progress. What it achieved is observed on the machine, never taken from the plan."""

    def __init__(self, context: JobContext, started: Outcome, selection: RunSelection) -> None:
        self._context = context
        self._selection = selection
        self._engine = context.engine
        self._control = context.control
        self._run = RunRecord(context, started)
        self._refreshed = context.record.load_refresh()
        self._may_refresh = False
        self._reinstalling = False
        """Whether plans also reinstall what dpkg can finish only from its archive; set by a repair."""
        self._unrepaired: Mapping[PackageId, Failure] = {}
        self.hooks = UpgradeHooks(context)
        self._unused = UnusedPackages(context)
        self._cause = ""
        """What is wrong with dpkg or with a hook, although the run went on."""
        self._after: PackageSnapshot | None = None
        self._replaced: tuple[str, ...] | Unseen = ()
        self.after: Plan | None = None
        """The plan of the machine after the run; None until it was verified."""

    def plan(self, *, refresh: bool) -> Planned:
        """Return the plan to execute. Changes nothing but the package lists, with `refresh`.

        Raises:
            NothingDoneError: it is not the requested one, or has not the requested packages.
            BusyError, HostError: the run cannot continue; `abort` returns the outcome.
        """
        if refresh:
            self._refreshed = planning.refresh(self._context)
        dropped = self._run.progress.dropped
        current = decided_by_cves(self._context, self._observe_and_decide(dropped), dropped)
        self._replaced = planning.record_plan(self._context, current)
        self._may_refresh = refresh and not self._selection.fixed  # newer lists may give another plan than requested
        first = self._selection.first(self._as_requested(current, dropped))
        self._run.progress = self._run.progress.with_overridden(first.plan.overridden)
        return first

    def execute(self, current: Planned) -> Outcome:
        """Repair, remove obsolete kernels, download and install as planned, remove what that made unneeded; verify.

        Raises:
            BusyError, HostError: the run cannot continue; `abort` returns the outcome.
        """
        if current.plan.changes_nothing and not self._selection.limited:  # the machine is as that plan has it
            self._engine.remove_downloads()
            return self._outcome(current, self._replaced)
        self._unused.begin(current.facts)
        if current.plan.repairable:
            current = self._repair(current.plan)
        current = self._remove_obsolete_kernels(current)
        try:
            self._install_with_replans(current)
            self._install_what_follows()
        finally:
            self._engine.remove_downloads()
        self._remove_unused()
        return self._verify()

    def abort(self, result: Result, message: str) -> Outcome:
        """Return the outcome of a run that cannot continue, with the packages that were installed before."""
        try:
            outcome = self._verify()
        except AgentError:  # the machine cannot be observed: the progress on record is the outcome
            outcome = replace(
                self._run.progress.outcome,
                finished_at=self._context.machine.now(),
                reboot=self._context.machine.reboot(),
                lock=self._engine.lock,
            )
        return replace(outcome, result=result, message=message)

    def _observe_and_decide(self, dropped: Dropped) -> Planned:
        return planning.observe_and_decide(self._context, self._run.progress.outcome.scope, self._refreshed, dropped)

    def _as_requested(self, planned: Planned, dropped: Dropped) -> Planned:
        return as_named(self._context, planned, self._selection.requested, dropped)

    def with_undo(self, outcome: Outcome) -> Outcome:
        """Add how to take the run back; best effort."""
        with suppress(HostError):
            if self._after is not None:
                return replace(outcome, undo=undo_of(outcome, self._after.offers, self._after.with_companions))
        return outcome

    def _plan(self) -> Planned:
        dropped = self._run.progress.dropped
        decided = decided_by_cves(self._context, self._observe_and_decide(dropped), dropped)
        current = self._selection.later(self._as_requested(decided, dropped))
        if not self._reinstalling:
            return current
        return replace(current, plan=with_reinstallations(current.plan, current.snapshot, self._may_touch))

    def _may_touch(self, package: PackageId) -> bool:
        return package not in self._run.progress.dropped and veto(self._context.policy, package.name) is None

    def _repair(self, plan: Plan) -> Planned:
        self._control.step("finishing what an interrupted dpkg left behind")
        with self._run.underway(Underway(repairs=plan.repair)):
            report = self._engine.repair()
            self._cause = report.cause
            failures = not_repaired([item.id for item in plan.repair], self._engine.states(), report)
            self._unrepaired = {failure.package: failure for failure in failures}
            self._reinstalling = True
            after = self._plan()
        self._run.save(self._run.progress.with_repaired(plan, after.plan))
        return after

    def _remove_obsolete_kernels(self, current: Planned) -> Planned:
        """Remove obsolete kernels before anything is downloaded: a full /boot may need the space."""
        for _ in range(_MAX_REPLANS):
            if not current.plan.remove or self._control.stop():
                break
            try:
                self._control.step(f"removing {counted(len(current.plan.remove), 'package')} of obsolete kernels")
                with self._run.underway(Underway(kernels=current.plan.remove)):
                    done = remove_packages(self._engine, current.plan.remove)
            except ChangedError:
                current = self._plan()
                continue
            self._run.save(self._run.progress.with_removed(done))
            if not done.failed:
                break
            current = self._plan()
        return current

    def _install_with_replans(self, current: Planned) -> None:
        for number in range(_MAX_REPLANS):
            try:
                self._install(self._download(current))
            except ChangedError:
                if number == _MAX_REPLANS - 1:
                    raise
                current = self._plan()
            else:
                return

    def _install_what_follows(self) -> None:
        """Install what the first packages made possible, on a new server only: a later kernel, another library."""
        for _ in range(_MAX_ROUNDS - 1):
            if self._run.progress.outcome.scope is not Scope.PROVISION or self._control.stop():
                return
            current = self._plan()
            if not current.plan.install:
                return
            self._install_with_replans(current)

    def _download(self, current: Planned) -> Plan:
        """Return the plan with the steps whose packages are downloaded; one that is not available is excluded."""
        while current.plan.install and not self._control.stop():
            decision = self._download_once(current)
            if isinstance(decision, Install):
                return replace(current.plan, install=decision.steps)
            if isinstance(decision, Refresh):
                self._may_refresh = False
                self._refreshed = planning.refresh(self._context)
            elif decision.excluded.keys() <= self._run.progress.dropped.versions.keys():
                # The next plan would be the same.
                names = ", ".join(sorted(str(package) for package, _ in decision.excluded))
                raise HostError(f"the plan still contains packages that this run excluded: {names}")
            else:
                self._run.progress = self._run.progress.without(decision.excluded)
            current = self._plan()
        return replace(current.plan, install=())

    def _download_once(self, current: Planned) -> Install | Replan | Refresh:
        plan = current.plan
        self._control.step(f"downloading {counted(len(plan.install), 'package')}")
        try:
            download = current.snapshot.download(plan.install, plan.scope)
        except NoSpaceError as error:
            decision = without_oversized(plan, error)
            if len(decision.excluded) in {0, len(plan.install)}:  # another plan would not fit either
                self._run.progress = self._run.progress.without(decision.excluded)
                raise
            return decision
        self._run.progress = self._run.progress.with_downloaded(download.downloaded_bytes)
        prompts = {} if download.failed else self._conffile_conflicts(download)
        return after_download(plan, download.failed, prompts, may_refresh=self._may_refresh)

    def _conffile_conflicts(self, download: Download) -> Mapping[PackageId, str]:
        """Return the packages to hold back because dpkg would prompt about a conffile, unless the policy keeps it."""
        if self._context.policy.security.conffiles is Conffiles.KEEP:
            return {}
        return download.conffile_prompts()

    def _install(self, plan: Plan) -> None:
        """Run the hooks, and install the steps in as few transactions as possible; each is recorded before it starts.

        The hooks come after the downloads, so that a drained machine is back as soon as possible.
        """
        self._unused.expect(plan)
        self.hooks.run_before(plan)
        if self._control.stop():
            return
        batches, scope = pack(plan.install), self._run.progress.outcome.scope
        for number, batch in enumerate(batches, start=1):
            packages = counted(len(batch), "package")
            self._control.step(f"installing {packages}, transaction {number} of {len(batches)}")
            with self._run.underway(Underway(steps=batch)):
                done = run_transaction(self._engine, batch, scope, repairing=self._reinstalling)
            self._run.save(self._run.progress.with_transaction(done))
            if done.ended is not None:
                raise done.ended
            if done.cause and done.left:
                raise HostError(done.cause)
            self._cause = done.cause or self._cause
            if self._control.stop():
                return

    def _remove_unused(self) -> None:
        done = self._unused.remove(self._run.progress.outcome, self._refreshed, self._run.underway)
        if done.removed or done.others:
            self._run.save(self._run.progress.with_unused_removed(done))
        self._cause = "; ".join(filter(None, (self._cause, self._unused.problem)))

    def _verify(self) -> Outcome:
        """Observe the machine, record the plan that is left, and return the outcome."""
        observed = self._observe_and_decide(self._run.progress.retryable())
        self._run.settle(self._engine.states)
        return self._outcome(observed, planning.record_plan(self._context, observed))

    def _outcome(self, observed: Planned, replaced: tuple[str, ...] | Unseen) -> Outcome:
        """Return the outcome by the plan that is left and the services that run replaced files."""
        so_far = self._run.progress.outcome
        after, self._after = self._as_requested(observed, self._run.progress.retryable()).plan, observed.snapshot
        known = {*(failure.package for failure in so_far.failed), *(step.id for step in so_far.underway.steps)}
        unfinished = still_unfinished(self._context.policy, after, self._engine.states, self._unrepaired, known)
        failed = (*so_far.failed, *unfinished)
        self.after = after
        concerned = self._selection.concerned(after)
        outcome = replace(
            so_far,
            finished_at=self._context.machine.now(),
            held=concerned.held,
            failed=failed,
            conffiles_kept=self._kept_conffiles(failed),
            overridden=verify.still_overridden(so_far),
            reboot=after.reboot,
            lists=after.lists,
            lock=self._engine.lock,
            restart=None if isinstance(replaced, Unseen) else replaced,
            message="",
        )
        stopped = self._control.stop()
        result = verify.classify(concerned, outcome, stopped=bool(stopped))
        reason = verify.summary(concerned, result, stopped=stopped)
        message = sentence(reason) if reason is not None else ""
        return verify.with_cause(replace(outcome, result=result, message=message), self._cause)

    def _kept_conffiles(self, failed: Iterable[Failure]) -> tuple[str, ...]:
        try:
            return self._engine.kept_conffiles(
                self._run.progress.touched(failed), self._run.progress.outcome.started_at
            )
        except HostError:  # best effort: a failure here must not lose the rest of the outcome
            return ()
