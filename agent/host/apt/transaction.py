"""dpkg transactions: exactly the given steps, under dpkg's locks, in a supervised child process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.model.kernels import KernelRemoval
from agent.core.model.outcome import LockWait
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.transaction import TransactionReport
from agent.core.policy.origins import OriginPattern
from agent.errors import ChangedError, HostError
from agent.host.apt.cache import PackageCache
from agent.host.apt.download import mark_exactly
from agent.host.apt.errors import libapt_errors, plain_error
from agent.host.apt.kernels import auto_marks_kept, mark_removal
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.child import ChildChannel, supervise
from agent.host.dpkg.environment import KEEP_LOCAL_CONFFILES
from agent.host.dpkg.timeouts import DpkgTimeouts
from agent.host.locks import LockWaiter, first_holder, locked


class Transactions:
    """Runs transactions one after the other, with common timeouts and a common log."""

    def __init__(
        self,
        *,
        lock_timeout: timedelta,
        limits: DpkgTimeouts,
        log: Path,
        control: JobControl,
    ) -> None:
        self._control = control
        self._lock_timeout = lock_timeout
        self._limits = limits
        self._log = log
        self.lock = LockWait()
        """Wait and hold times of the locks, summed over all transactions."""

    def install(
        self, steps: Sequence[Step], patterns: tuple[OriginPattern, ...] | None, *, keep_going: bool, pending: bool
    ) -> TransactionReport:
        """Install the steps; `patterns` are the allowed origins, None for any authenticated one.

        With `pending`, dpkg also configures all other packages that are pending. With `keep_going`, libapt continues
        after an error; dpkg still enforces dependencies.

        Returns dpkg's error messages by package name. The caller reads the result from dpkg's database.

        Raises:
            BusyError: another process holds dpkg's lock.
            ChangedError: the machine changed since the plan was made; nothing was done.
            HostError: libapt cannot start the transaction.
        """

        def work(channel: ChildChannel) -> None:
            # Set in the child only, so that later transactions are not affected.
            apt_pkg.config.set("DPkg::ConfigurePending", "true" if pending else "false")
            apt_pkg.config.set("Dpkg::StopOnError", "false" if keep_going else "true")
            self._transact(
                channel,
                lambda cache: mark_exactly(cache, steps, cache.allowed(patterns)),
                [step.id for step in steps],
                pending=pending,
            )

        return self._supervise(work, packages=len(steps))

    def remove(self, removals: Sequence[KernelRemoval], *, pending: bool) -> TransactionReport:
        """Remove exactly these packages, keeping conffiles; `pending` and return value as in `install`.

        Raises:
            BusyError, ChangedError, HostError: as `install`; also HostError if libapt would do more than this.
        """

        def work(channel: ChildChannel) -> None:
            apt_pkg.config.set("DPkg::ConfigurePending", "true" if pending else "false")
            with ExitStack() as until_done:

                def mark(cache: PackageCache) -> None:
                    mark_removal(cache, removals)
                    until_done.enter_context(auto_marks_kept())

                self._transact(channel, mark, [], pending=pending)

        return self._supervise(work, packages=len(removals))

    def repair(self, packages: Sequence[PackageId] | None) -> TransactionReport:
        """Configure packages that an interrupted dpkg left unfinished, all (None) or only these; keeps local conffiles.

        Raises:
            BusyError: as `install`.
        """
        return self._supervise(lambda channel: self._do_repair(channel, packages))

    def _supervise(self, work: Callable[[ChildChannel], None], packages: int = 0) -> TransactionReport:
        report = supervise(work, log=self._log, limits=self._limits, control=self._control, packages=packages)
        waited, held, by = (report.values.get(name) for name in ("waited_s", "held_s", "by"))
        self.lock = LockWait(
            waited_s=round(self.lock.waited_s + float(waited or 0), 3),
            held_s=round(self.lock.held_s + float(held or 0), 3),
            by=self.lock.by or (str(by) if by else None),
        )
        if report.raised is not None:
            raise report.raised
        fatal = report.fatal or str(report.values.get("error") or "")
        if not report.complete:
            fatal = fatal or f"dpkg exited without reporting a result; see {self._log}"
        return TransactionReport(errors=report.errors, fatal=fatal)

    def _transact(
        self, channel: ChildChannel, mark: Callable[[PackageCache], None], names: Sequence[PackageId], *, pending: bool
    ) -> None:
        """Execute the marks that `mark` sets; without `pending`, configure only the packages in `names` at the end."""
        waiter = self._child_waiter(channel)
        with _recording_lock_times(channel, waiter) as locks_acquired:
            _lock(waiter)
            locks_acquired()
            _do_marked(channel, mark, names, pending=pending)

    def _do_repair(self, channel: ChildChannel, packages: Sequence[PackageId] | None) -> None:
        waiter = self._child_waiter(channel)
        frontend, database = dpkg_database.lock_files()
        with _recording_lock_times(channel, waiter) as locks_acquired, locked(frontend, waiter):
            waiter.wait_until_free((database,))
            locks_acquired()
            _configure(channel, packages)

    def _child_waiter(self, channel: ChildChannel) -> LockWaiter:
        """Return a waiter for the child, which reports through its channel; the parent sends the keep-alives."""
        return LockWaiter(
            self._lock_timeout, JobControl(progress=channel.progress, keep=channel.keep, stop=self._control.stop)
        )


def _do_marked(
    channel: ChildChannel, mark: Callable[[PackageCache], None], names: Sequence[PackageId], *, pending: bool
) -> None:
    """Have libapt execute the marks that `mark` sets. The caller holds dpkg's locks; they are released at the end."""
    try:
        cache = PackageCache()
        mark(cache)
        manager = apt_pkg.PackageManager(cache.depcache)
        fetcher = apt_pkg.Acquire()
        with libapt_errors("the transaction cannot start"):
            manager.get_archives(fetcher, cache.sources, cache.records)
            if fetcher.fetch_needed == 0:  # only local files: downloaded archives and file: repositories
                fetcher.run()
        if not all(item.complete and item.is_trusted for item in fetcher.items):
            raise ChangedError("a downloaded package is missing from apt's archive directory")
        apt_pkg.pkgsystem_unlock_inner()
        try:
            manager.do_install(channel.descriptor)
        except (
            SystemError
        ) as error:  # a failed package, reported in status lines too, or a failed hook, reported only here
            channel.values["error"] = plain_error(str(error))
            print(channel.values["error"], file=sys.stderr, flush=True)
        finally:
            if not pending:  # libapt configures at the end, which ConfigurePending=false disabled
                _configure(channel, names)
            apt_pkg.pkgsystem_lock_inner()
    finally:
        apt_pkg.pkgsystem_unlock()


def _configure(channel: ChildChannel, packages: Sequence[PackageId] | None) -> None:
    """Have dpkg configure these packages, or all pending ones (None). The caller holds the frontend lock."""
    if packages is None:
        _dpkg(channel, "--configure", "--pending")
        return
    _dpkg(channel, "--set-selections")  # no selections: merges the journal that an interrupted dpkg left behind
    arguments = dpkg_database.as_arguments(packages)
    if arguments:
        _dpkg(channel, "--configure", *arguments)
        _dpkg(channel, "--triggers-only", "--pending")


def _dpkg(channel: ChildChannel, *arguments: str) -> None:
    status = str(channel.descriptor)
    command = ["dpkg", *KEEP_LOCAL_CONFFILES, "--status-fd", status, *arguments]
    environment = {**os.environ, "DPKG_FRONTEND_LOCKED": "true"}
    subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[channel.descriptor], check=False)


def _lock(waiter: LockWaiter) -> None:
    """Take both of dpkg's locks, as apt does.

    Raises:
        BusyError: another process holds one of them.
        HostError: they cannot be taken for another reason, such as an interrupted dpkg.
    """
    while True:
        waiter.wait_until_free(dpkg_database.lock_files())
        try:
            apt_pkg.pkgsystem_lock()
        except SystemError as error:
            if first_holder(dpkg_database.lock_files()) is None:
                raise HostError(f"dpkg's lock cannot be taken: {plain_error(str(error))}") from error
        else:
            return


@contextmanager
def _recording_lock_times(channel: ChildChannel, waiter: LockWaiter) -> Iterator[Callable[[], None]]:
    """Record the locks' wait time and, from the block's call of the yielded function, their hold time."""
    since: list[float] = []

    def locks_acquired() -> None:
        since.append(time.monotonic())
        channel.send({"locked": True})

    try:
        yield locks_acquired
    finally:
        held_s = time.monotonic() - since[0] if since else 0.0
        channel.values.update(waited_s=waiter.wait.waited_s, held_s=round(held_s, 3), by=waiter.wait.by)
