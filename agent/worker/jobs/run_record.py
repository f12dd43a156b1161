"""The progress of an upgrade run as its record holds it: what is about to happen is written before it happens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agent.core.frozen import replace
from agent.core.model.facts import PackageState
from agent.core.model.outcome import NOTHING_UNDERWAY, Outcome, Underway
from agent.core.model.package import PackageId
from agent.core.packages.settle import at_end
from agent.errors import BusyError, ChangedError, StoppedError
from agent.worker.context import JobContext
from agent.worker.jobs.run_progress import RunProgress


class RunRecord:
    """What a run has done so far, in memory and on disk."""

    def __init__(self, context: JobContext, started: Outcome) -> None:
        self._context = context
        self.progress = RunProgress(outcome=started)

    def save(self, progress: RunProgress) -> None:
        """Set the progress and write it.

        Raises:
            HostError: it cannot be written.
        """
        self.progress = progress
        self._context.record.save_outcome(progress.outcome, self._context.machine.now())

    @contextmanager
    def underway(self, underway: Underway) -> Iterator[None]:
        """Write what the block is about to do; once the block has ended, nothing is underway.

        After an error in the midst it stays: `settle`, or the next run, judges it by dpkg's states.

        Raises:
            HostError: it cannot be written; the block was not entered.
        """
        self.save(self.progress.with_underway(underway))
        try:
            yield
        except (BusyError, ChangedError, StoppedError):  # before dpkg began: nothing was done
            self.progress = self.progress.with_underway(NOTHING_UNDERWAY)
            raise
        self.progress = self.progress.with_underway(NOTHING_UNDERWAY)

    def settle(self, read_states: Callable[[], Mapping[PackageId, PackageState]]) -> None:
        """Judge what an error left underway, at the end of the run.

        Raises:
            HostError: dpkg's database cannot be read; it stays underway, for the next run.
        """
        outcome = self.progress.outcome
        if outcome.underway != NOTHING_UNDERWAY:
            self.progress = replace(self.progress, outcome=at_end(outcome, read_states()))
