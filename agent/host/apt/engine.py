"""libapt and dpkg behind the port `agent.core.ports.PackageEngine`.

A check that finds nothing new fetches the lists and compares; what opens libapt's cache, what installs and what reads
changelogs is loaded by name, when it is used.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import apt_pkg

from agent.core.frozen import replace
from agent.core.job_control import JobControl
from agent.core.model.facts import PackageState
from agent.core.model.kernels import Removal
from agent.core.model.outcome import LockWait
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages.cves import Findings, VersionChange
from agent.core.packages.explain_cve import InstalledFixes
from agent.core.packages.gates.veto import veto
from agent.core.packages.remembered import RememberedPackages
from agent.core.policy.policy import Policy
from agent.core.ports import Archive, RefreshAttempt, RefreshResult
from agent.errors import BusyError
from agent.host.apt import daily_lock
from agent.host.apt import refresh as refreshing
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.archives import discard_archives, not_downloaded, remove_listed_downloads
from agent.host.apt.basis import packages_basis
from agent.host.apt.configuration import configure
from agent.host.apt.history import RunOrigin
from agent.host.apt.remembering import LivePackages, RememberingSnapshot
from agent.host.dpkg import database as dpkg_database
from agent.host.locks import LockWaiter

_UNKNOWN_ORIGIN = RunOrigin()
_UNFINISHED = {"unpacked", "half-configured", "triggers-awaited", "triggers-pending"}
"""States that dpkg can finish without an archive."""


class AptEngine:
    """The package manager of this machine."""

    def __init__(
        self, policy: Policy, *, files: AgentFiles, control: JobControl, origin: RunOrigin = _UNKNOWN_ORIGIN
    ) -> None:
        """Read apt's configuration; `origin` is for apt's history.

        Raises:
            HostError: apt's configuration cannot be parsed.
        """
        configure()
        self._configuration = apt_pkg.config.dump()
        self._policy = policy
        self._control = control
        self._files = files
        self._daily = LockWait()
        self._snapshot: RememberingSnapshot | None = None
        """The last one, until packages or lists change: its memory is released then, and for the next one."""
        self._origin = origin
        self._transactions: Any = None

    @property
    def transactions(self) -> Any:
        """What runs dpkg (`agent.host.apt.transaction`), for packages that are installed from kept archives, too."""
        if self._transactions is None:
            apt = self._policy.apt
            limits = _load("dpkg.timeouts").DpkgTimeouts(stall=apt.stall_timeout, package=apt.package_timeout)
            self._transactions = _load("apt.transaction").Transactions(
                lock_timeout=apt.lock_timeout,
                limits=limits,
                log=self._files.dpkg_log,
                control=self._control,
                origin=self._origin,
            )
        return self._transactions

    @property
    def lock(self) -> LockWait:
        """Time spent waiting for and holding dpkg's locks, and waiting for apt's daily_lock; and the last holder."""
        lock: LockWait = self._transactions.lock if self._transactions is not None else LockWait()
        waited_s = round(lock.waited_s + self._daily.waited_s, 3)
        return replace(lock, waited_s=waited_s, by=lock.by or self._daily.by)

    @contextmanager
    def apt_daily_lock(self) -> Iterator[None]:
        """Exclude apt's daily jobs during the block; a running one is waited for."""
        waiter = self._lock_waiter()
        try:
            with daily_lock.apt_daily_lock(waiter):
                self._daily = waiter.wait
                yield
        finally:
            self._daily = waiter.wait

    def wait_for_dpkg(self) -> bool:
        """Wait until no other program holds dpkg's locks, or too long; return whether one held them."""
        waiter = self._lock_waiter()
        with suppress(BusyError):
            waiter.wait_until_free(dpkg_database.lock_files())
        return bool(waiter.wait.by)

    def require_idle_dpkg(self) -> None:
        """Wait until no other program holds dpkg's locks.

        Raises:
            BusyError: one did up to the deadline. StoppedError: a stop was requested.
        """
        self._lock_waiter().wait_until_free(dpkg_database.lock_files())

    def refresh(self) -> RefreshAttempt:
        """Fetch the package lists."""
        self._release()
        return refreshing.refresh(self._policy.apt.refresh_timeout, self._lock_waiter(), self._control)

    def open(
        self, now: datetime, refreshed: RefreshResult, remembered: RememberedPackages | None = None
    ) -> RememberingSnapshot:
        """Open the package lists and dpkg's database as they are now.

        libapt's cache itself only if they are not as remembered, or when more of them is asked for.
        """
        self._release()
        basis = self._basis()
        known = remembered if remembered is not None and basis and remembered.basis == basis else None
        # Without a reference to the engine: a copy of dpkg's status file ends with its cache, and no collector runs.
        open_live = partial(_open_live, self._policy, self._files, self._control)
        self._snapshot = RememberingSnapshot(open_live, known, basis)
        self._snapshot.observe(self._policy, refreshed, now)
        return self._snapshot

    def shared_cache(self) -> Any:
        """Return the cache of the last snapshot, to read it and leave its marks alone; None: not open, or old."""
        return self._snapshot.open_cache if self._snapshot else None

    def take_cache(self) -> Any:
        """Return the same cache and give it up: a snapshot that is used again opens another one.

        None also if versions are withheld from libapt in it, as vetoed packages are.
        """
        cache = self.shared_cache()
        if cache is not None and self._snapshot is not None:
            self._snapshot.release()
        return cache if cache is not None and not cache.withheld else None

    def install(self, steps: Sequence[Step], scope: Scope, *, keep_going: bool = False) -> TransactionReport:
        """Install the steps in one transaction, in a child process, which takes over the cache of the last snapshot."""
        opened, opened_basis = self._snapshot.marked_cache(steps) if self._snapshot is not None else (None, "")
        before = _load("apt.prepared").Beforehand(basis=self._basis, opened=opened, opened_basis=opened_basis)
        self._release()
        pending = not self._vetoed(self._unfinished())
        origins = _load("apt.snapshot").allowed_origins(self._policy, scope)
        report: TransactionReport = self.transactions.install(
            steps, origins, before, keep_going=keep_going, pending=pending
        )
        return report

    def install_files(self, files: Sequence[Path], remove: Sequence[str]) -> TransactionReport:
        """Remove packages, then install archives, older versions included, in a child process."""
        self._release()
        report: TransactionReport = self.transactions.install_files(files, remove)
        return report

    def remove(self, removals: Sequence[Removal]) -> TransactionReport:
        """Remove exactly these packages in one transaction, in a child process."""
        self._release()
        pending = not self._vetoed(self._unfinished())
        report: TransactionReport = self.transactions.remove(removals, pending=pending)
        return report

    def repair(self) -> TransactionReport:
        """Finish packages that dpkg left unfinished."""
        self._release()
        unfinished = self._unfinished()
        vetoed = self._vetoed(unfinished)
        report: TransactionReport = self.transactions.repair(
            [package for package in unfinished if package not in vetoed] if vetoed else None
        )
        return report

    def states(self) -> Mapping[PackageId, PackageState]:
        """Read dpkg's database."""
        return dpkg_database.states()

    def kept_conffiles(self, packages: Sequence[PackageId], since: datetime) -> tuple[str, ...]:
        """Return local conffiles of these packages that were kept since then."""
        kept: tuple[str, ...] = _load("dpkg.conffiles").kept_conffiles(packages, since.timestamp()) if packages else ()
        return kept

    def remove_downloads(self) -> None:
        """Remove the archives downloaded by this run, or by an earlier one that was killed."""
        remove_listed_downloads(self._files.download_log)

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        """Return the steps' archives that are not in apt's archive directory yet."""
        return not_downloaded(steps)

    def discard(self, archives: Sequence[Archive]) -> None:
        """Remove archives from apt's archive directory, unless apt is configured to keep downloads."""
        discard_archives(archives)

    def installed_fixes(self, cve: str) -> InstalledFixes:
        """Search the changelogs of all installed packages for a CVE."""
        fixes: InstalledFixes = _load("apt.installed_fixes").find_installed_fixes(cve)
        return fixes

    def read_installed_changelogs(self, subjects: Sequence[VersionChange]) -> Findings:
        """Read installed changelogs of packages just upgraded; omits the rest when its time is up."""
        findings: Findings = _load("apt.changelogs").read_installed(subjects)
        return findings

    def _basis(self) -> str:
        return packages_basis(self._configuration, self._policy.security.origins)

    def _release(self) -> None:
        if self._snapshot is not None:
            self._snapshot.release()
            self._snapshot = None

    def _unfinished(self) -> list[PackageId]:
        return [package for package, state in dpkg_database.states().items() if state.state in _UNFINISHED]

    def _vetoed(self, unfinished: Sequence[PackageId]) -> set[PackageId]:
        """Return the packages that must not be changed: configuring Docker would restart its engine."""
        return {package for package in unfinished if veto(self._policy, package.name) is not None}

    def _lock_waiter(self) -> LockWaiter:
        return LockWaiter(self._policy.apt.lock_timeout, self._control)


def _open_live(policy: Policy, files: AgentFiles, control: JobControl) -> LivePackages:
    live: LivePackages = _load("apt.snapshot").AptPackageSnapshot(policy, files=files, control=control)
    return live


def _load(name: str) -> Any:
    """Return a module of this room by its name there."""
    return importlib.import_module(f"agent.host.{name}")
