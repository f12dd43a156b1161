"""What an upgrade run has done so far, as a frozen value. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from agent.core.frozen import frozen, replace
from agent.core.model.outcome import Failure, Outcome, Underway
from agent.core.model.package import PackageId
from agent.core.model.plan import Overridden, Plan, Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped, VersionOf
from agent.core.packages.settle import with_installed
from agent.worker.steps.install import TransactionResult
from agent.worker.steps.remove import RemovalResult


@frozen
class RunProgress:
    """The outcome so far, and what the run no longer tries."""

    outcome: Outcome
    dropped: Dropped = NOTHING_DROPPED

    def with_overridden(self, steps: Sequence[Overridden]) -> "RunProgress":
        """Set the steps of the plan that would have to wait."""
        return replace(self, outcome=replace(self.outcome, overridden=tuple(steps)))

    def with_repaired(self, before: Plan, after: Plan) -> "RunProgress":
        """Add what a repair finished, from the plans before and after it."""
        left = {item.id for item in after.repair}
        repaired = tuple(item for item in before.repair if item.id not in left)
        merged = before.journal and not after.journal
        return replace(self, outcome=replace(self.outcome, repaired=repaired, journal_merged=merged))

    def with_removed(self, done: RemovalResult) -> "RunProgress":
        """Add a removal of obsolete kernels."""
        outcome = replace(
            self.outcome,
            removed_kernels=(*self.outcome.removed_kernels, *done.removed),
            removed=(*self.outcome.removed, *done.others),
            failed=(*self.outcome.failed, *done.failed),
        )
        return replace(self, outcome=outcome, dropped=self.dropped.with_packages(_failed_before(done.failed)))

    def with_unused_removed(self, done: RemovalResult) -> "RunProgress":
        """Add a removal of packages that the run made unneeded; one that failed does not fail the run."""
        outcome = replace(
            self.outcome,
            removed_unused=(*self.outcome.removed_unused, *done.removed),
            removed=(*self.outcome.removed, *done.others),
        )
        return replace(self, outcome=outcome)

    def with_downloaded(self, size_bytes: int) -> "RunProgress":
        """Add downloaded bytes."""
        total = self.outcome.downloaded_bytes + size_bytes
        return replace(self, outcome=replace(self.outcome, downloaded_bytes=total))

    def with_underway(self, underway: Underway) -> "RunProgress":
        """Set what is about to happen; nothing once it ended."""
        return replace(self, outcome=replace(self.outcome, underway=underway))

    def with_transaction(self, done: TransactionResult) -> "RunProgress":
        """Add a transaction that ended."""
        outcome = replace(
            with_installed(self.outcome, done.upgraded),
            failed=(*self.outcome.failed, *done.failed),
            removed=(*self.outcome.removed, *done.removed),
            underway=Underway(steps=done.unfinished),
        )
        return replace(self, outcome=outcome, dropped=self.dropped.with_packages(_failed_before(done.failed)))

    def without(self, excluded: Mapping[VersionOf, Refusal]) -> "RunProgress":
        """Drop more versions, each for a reason."""
        return replace(self, dropped=self.dropped.with_versions(excluded))

    def retryable(self) -> Dropped:
        """Return what is dropped but for the failed packages: the next run retries those, so they are not held."""
        failed = {failure.package for failure in self.outcome.failed}
        return Dropped(
            packages={package: why for package, why in self.dropped.packages.items() if package not in failed},
            versions={one: why for one, why in self.dropped.versions.items() if one[0] not in failed},
        )

    def touched(self, failed: Iterable[Failure]) -> list[PackageId]:
        """Return the packages that the run upgraded or repaired, and these that failed."""
        upgraded = [step.id for step in self.outcome.upgraded]
        repaired = [item.id for item in self.outcome.repaired]
        return [*upgraded, *repaired, *(failure.package for failure in failed)]


def _failed_before(failed: Iterable[Failure]) -> dict[PackageId, Refusal]:
    return {
        failure.package: Refusal(
            why=Why.FAILED_BEFORE, reason=Reason(code=ReasonCode.FAILED_IN_RUN, values=(failure.error,))
        )
        for failure in failed
    }
