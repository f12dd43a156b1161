"""dpkg transactions: exactly the given steps, under dpkg's locks, in a supervised child process."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.model.kernels import Removal
from agent.core.model.outcome import LockWait
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.transaction import TransactionReport
from agent.core.pattern import lazy_pattern
from agent.core.policy.origins import OriginPattern
from agent.errors import HostError
from agent.host.apt.cache import PackageCache
from agent.host.apt.direct_dpkg import configure_packages, hold_packages, install_archives
from agent.host.apt.download import mark_exactly
from agent.host.apt.errors import LIBAPT_ERRORS, message_of, plain_error
from agent.host.apt.history import RunOrigin
from agent.host.apt.kernels import auto_marks_kept, mark_removal
from agent.host.apt.prepared import Beforehand, Mark, PreparedEarly, prepare
from agent.host.apt.transaction_report import FATAL, HOOK, LIBAPT, transaction_report
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.child import ChildChannel, supervise
from agent.host.dpkg.output import FATAL_CODE, read_output
from agent.host.dpkg.timeouts import DpkgTimeouts
from agent.host.locks import LockWaiter, first_holder, locked

_HOOK_FAILED = lazy_pattern("Problem executing scripts|Failure running script")
"""In libapt's error after a failed hook: DPkg::Pre-Invoke and Post-Invoke, DPkg::Pre-Install-Pkgs (apt.conf(5))."""
_MAX_ARGUMENT_BYTES = 512 * 1024
"""Of one dpkg command: 2,000 archives with long paths; the kernel's limit is 2 MiB (execve(2))."""


class Transactions:
    """Runs transactions one after the other, with common timeouts and a common log."""

    def __init__(
        self,
        *,
        lock_timeout: timedelta,
        limits: DpkgTimeouts,
        log: Path,
        control: JobControl,
        origin: RunOrigin,
    ) -> None:
        self._origin = origin
        self._control = control
        self._lock_timeout = lock_timeout
        self._limits = limits
        self._log = log
        self.lock = LockWait()
        """Wait and hold times of the locks, summed over all transactions."""

    def install(
        self,
        steps: Sequence[Step],
        patterns: tuple[OriginPattern, ...] | None,
        before: Beforehand,
        *,
        keep_going: bool,
        pending: bool,
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
            # From six archives on, libapt would give dpkg a directory of links, which dpkg's errors name.
            apt_pkg.config.set("DPkg::Install::Recursive::Minimum", str(_MAX_ARGUMENT_BYTES))
            apt_pkg.config.set("DPkg::MaxArgBytes", str(_MAX_ARGUMENT_BYTES))
            self._transact(
                channel,
                lambda cache: mark_exactly(cache, steps, cache.allowed(patterns)),
                steps,
                before,
                pending=pending,
            )

        return self._supervise(work, packages=len(steps))

    def remove(self, removals: Sequence[Removal], *, pending: bool) -> TransactionReport:
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

                self._transact(channel, mark, [], None, pending=pending)

        return self._supervise(work, packages=len(removals))

    def repair(self, packages: Sequence[PackageId] | None) -> TransactionReport:
        """Configure packages that an interrupted dpkg left unfinished, all (None) or only these; keeps local conffiles.

        Raises:
            BusyError: as `install`.
        """
        return self._supervise(lambda channel: self._do_repair(channel, packages))

    def install_files(self, files: Sequence[Path], remove: Sequence[str], *, unpack: bool = False) -> TransactionReport:
        """Remove packages, then install archives, older versions too, or only unpack them; by dpkg, without libapt.

        Raises:
            BusyError: as `install`.
        """
        return self._by_dpkg(lambda to: install_archives(to, files, remove, unpack=unpack), packages=len(files))

    def hold(self, packages: Sequence[str]) -> TransactionReport:
        """Put packages on hold, as `apt-mark hold` does.

        Raises:
            BusyError: as `install`.
        """
        return self._by_dpkg(lambda channel: hold_packages(channel, packages))

    def _by_dpkg(self, run: Callable[[ChildChannel], None], packages: int = 0) -> TransactionReport:
        def work(channel: ChildChannel) -> None:
            waiter, (frontend, database) = self._child_waiter(channel), dpkg_database.lock_files()
            with _recording_lock_times(channel, waiter) as acquired, locked(frontend, waiter):
                waiter.wait_until_free((database,))
                acquired()
                run(channel)

        return self._supervise(work, packages=packages)

    def _supervise(self, work: Callable[[ChildChannel], None], packages: int = 0) -> TransactionReport:
        start = self._log.stat().st_size if self._log.exists() else 0

        def recorded(channel: ChildChannel) -> None:
            self._origin.record()
            work(channel)

        report = supervise(recorded, log=self._log, limits=self._limits, control=self._control, packages=packages)
        waited, held, by = (report.values.get(name) for name in ("waited_s", "held_s", "by"))
        self.lock = LockWait(
            waited_s=round(self.lock.waited_s + float(waited or 0), 3),
            held_s=round(self.lock.held_s + float(held or 0), 3),
            by=self.lock.by or (str(by) if by else None),
        )
        if report.raised is not None:
            raise report.raised
        return transaction_report(report, read_output(self._log, start), self._log)

    def _transact(
        self, channel: ChildChannel, mark: Mark, steps: Sequence[Step], before: Beforehand | None, *, pending: bool
    ) -> None:
        """Execute the marks of the steps, which `mark` sets; without `pending`, configure only these at the end."""
        early = PreparedEarly(before, mark, steps) if before is not None else None
        waiter = self._child_waiter(channel)
        with _recording_lock_times(channel, waiter) as locks_acquired:
            _lock(waiter)
            locks_acquired()
            _do_marked(channel, mark, steps, early, pending=pending)

    def _do_repair(self, channel: ChildChannel, packages: Sequence[PackageId] | None) -> None:
        """Have libapt configure all unfinished packages, as `apt-get -f install` does; only some: dpkg alone."""
        apt_pkg.config.set("DPkg::ConfigurePending", "true")
        apt_pkg.config.set("Dpkg::StopOnError", "false")
        waiter = self._child_waiter(channel)
        frontend, database = dpkg_database.lock_files()
        with _recording_lock_times(channel, waiter) as locks_acquired:
            with locked(frontend, waiter):
                waiter.wait_until_free((database,))
                locks_acquired()
                if packages is not None:
                    configure_packages(channel, packages)
                    return
                if dpkg_database.journal():
                    # libapt refuses to work until dpkg has merged its journal. Not by `--set-selections`, which would
                    # replace priorities and sections of other packages by those in dpkg's list of available ones.
                    configure_packages(channel, None)
                    return
            try:
                _lock(waiter)
                _do_marked(channel, _mark_nothing, [], None, pending=True)
            except HostError as error:  # the package lists are damaged, for example, which dpkg does not need
                print(error, file=sys.stderr, flush=True)
                with locked(frontend, waiter):
                    configure_packages(channel, None)

    def _child_waiter(self, channel: ChildChannel) -> LockWaiter:
        """Return a waiter for the child, which reports through its channel; the parent sends the keep-alives."""
        return LockWaiter(
            self._lock_timeout, JobControl(progress=channel.progress, keep=channel.keep, stop=self._control.stop)
        )


def _do_marked(
    channel: ChildChannel, mark: Mark, steps: Sequence[Step], early: PreparedEarly | None, *, pending: bool
) -> None:
    """Have libapt execute the marks that `mark` sets. The caller holds dpkg's locks; they are released at the end."""
    try:
        ready = (early.take() if early is not None else None) or prepare(PackageCache(), mark, steps)
        channel.archives(ready.archives)
        apt_pkg.pkgsystem_unlock_inner()
        try:
            ready.manager.do_install(channel.descriptor)
        except LIBAPT_ERRORS as error:
            _record_error(channel, plain_error(message_of(error)))
        finally:
            if not pending:  # libapt configures at the end, which ConfigurePending=false disabled
                configure_packages(channel, [step.id for step in steps])
            with suppress(
                *LIBAPT_ERRORS
            ):  # a program that ignores the frontend lock has taken it: nothing is left to do
                apt_pkg.pkgsystem_lock_inner()
    finally:
        apt_pkg.pkgsystem_unlock()


def _record_error(channel: ChildChannel, message: str) -> None:
    """Record libapt's error: a failed package, reported in status lines too, or what is reported only here."""
    channel.values[LIBAPT] = message
    program = apt_pkg.config.find_file("Dir::Bin::dpkg", "dpkg")
    if f"{program} returned an error code ({FATAL_CODE})" in message:
        channel.values[FATAL] = True
    if _HOOK_FAILED.search(message):
        channel.values[HOOK] = "; ".join(one for one in message.split("; ") if not one.startswith("Sub-process "))
    print(message, file=sys.stderr, flush=True)


def _mark_nothing(_cache: PackageCache) -> None:
    """Leave it to libapt to configure what is pending."""


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
        except LIBAPT_ERRORS as error:
            if first_holder(dpkg_database.lock_files()) is None:
                raise HostError(f"dpkg's lock cannot be taken: {plain_error(message_of(error))}") from error
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
