"""libapt and dpkg behind the port that the verbs know (`agent.core.ports.PackageEngine`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

import apt_pkg

from agent.core.model.facts import KnownPackage, PackageState, Repair, SourceError, Update
from agent.core.model.kernels import KernelRemoval
from agent.core.model.outcome import LockWait
from agent.core.model.package import PackageId
from agent.core.model.plan import Resolution, Scope, Step
from agent.core.model.transaction import TransactionReport
from agent.core.packages.decide import Veto
from agent.core.packages.gates.veto import veto
from agent.core.policy.origins import OriginPattern
from agent.core.policy.policy import Policy
from agent.core.ports import Download, JobControl, PackagesSeen, RefreshResult
from agent.errors import HostError
from agent.host.apt import daily_lock
from agent.host.apt import download as fetching
from agent.host.apt import refresh as refreshing
from agent.host.apt.cache import PackageCache, configure
from agent.host.apt.candidates import scan
from agent.host.apt.download import mark_exactly
from agent.host.apt.kernels import kernel_facts
from agent.host.apt.lists import assess
from agent.host.apt.reinstall import reinstallations
from agent.host.apt.resolve import resolve
from agent.host.apt.transaction import Transactions
from agent.host.dpkg import conffiles
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.timeouts import DpkgTimeouts
from agent.host.locks import LockWaiter

_UNFINISHED = {"unpacked", "half-configured", "triggers-awaited", "triggers-pending"}
"""States that dpkg can finish by itself."""


class AptEngine:
    """The package manager of this machine. Opened indexes live from a look to the next change."""

    def __init__(self, policy: Policy, *, log: Path, ledger: Path, control: JobControl) -> None:
        """Read apt's configuration; `ledger` is the file that lists downloaded archives until they are removed.

        Raises:
            HostError: it is broken.
        """
        configure()
        self._policy = policy
        self._control = control
        self._index: PackageCache | None = None
        self._marked: tuple[frozenset[Step], PackageCache] | None = None
        """What the resolver marked, on which index: opening another one to download just that would cost as much."""
        self._ledger = ledger
        self._archives: tuple[Path, ...] = ()
        self._daily = LockWait()
        self._transactions = Transactions(
            lock_timeout=policy.apt.lock_timeout,
            limits=DpkgTimeouts(stall=policy.apt.stall_timeout, package=policy.apt.package_timeout),
            log=log,
            control=control,
        )

    @property
    def lock(self) -> LockWait:
        """How dpkg's locks were come by so far, and the turn with apt's daily jobs."""
        lock = self._transactions.lock
        waited_s = round(lock.waited_s + self._daily.waited_s, 3)
        return replace(lock, waited_s=waited_s, by=lock.by or self._daily.by)

    @contextmanager
    def apt_daily_lock(self) -> Iterator[None]:
        """Keep apt's own daily jobs out for the block; one that runs is waited for."""
        waiter = self._lock_waiter()
        try:
            with daily_lock.apt_daily_lock(waiter):
                self._daily = waiter.wait
                yield
        finally:
            self._daily = waiter.wait

    def refresh(self) -> tuple[SourceError, ...]:
        """Fetch the lists; return what failed."""
        self._forget()
        return refreshing.refresh(self._policy.apt.refresh_timeout, self._lock_waiter(), self._control)

    def observe(self, now: datetime, refreshed: RefreshResult) -> PackagesSeen:
        """Open the lists anew and look at the packages."""
        self._forget()
        index = self._index = PackageCache()
        patterns = self._policy.security.origins
        found = scan(index, patterns)
        lists = assess(index, patterns, refreshed, now=now, max_age=self._policy.apt.max_list_age)
        return PackagesSeen(
            lists=lists,
            updates=found.updates,
            repair=found.repair,
            kernels=kernel_facts(index),
            journal=bool(dpkg_database.journal()),
        )

    def find(self, name: str) -> KnownPackage | None:
        """Return a package by name, the installed one of several architectures; None where there is none."""
        index = self._require_index()
        base, _, architecture = name.partition(":")
        key = (base, architecture) if architecture else base
        if key not in index.cache:
            return None
        package = index.cache[key]
        current = package.current_ver
        if not package.has_versions:
            return None
        return KnownPackage(
            package=package.name,
            architecture=package.architecture,
            installed=current.ver_str if current is not None else None,
            on_hold=package.selected_state == apt_pkg.SELSTATE_HOLD,
        )

    def similar(self, name: str) -> tuple[str, ...]:
        """Return names of installed packages that look like this one."""
        installed = {package.name for package in self._require_index().dpkg_packages if package.current_ver}
        return tuple(get_close_matches(name, sorted(installed), n=3))

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        """Ask libapt's resolver; marks are made on the index of the last look, or a new one."""
        index, self._index = self._index or PackageCache(), None
        security = index.allowed(self._policy.security.origins)
        allowed = index.allowed(self._patterns(scope))
        resolution = resolve(index, admitted, allowed=allowed, security=security, veto=veto)
        self._marked = (frozenset(resolution.steps), index)
        return resolution

    def fetch(self, steps: Sequence[Step], scope: Scope) -> Download:
        """Download and verify what the steps need."""
        done = fetching.fetch(
            self._marked_index(steps, scope),
            steps,
            ledger=self._ledger,
            waiter=self._lock_waiter(),
            control=self._control,
        )
        self._archives = done.archives
        return Download(failed=done.failed, downloaded_bytes=done.downloaded_bytes)

    def install(self, steps: Sequence[Step], scope: Scope, *, carry_on: bool = False) -> TransactionReport:
        """Carry out the steps in one transaction of their own process."""
        self._forget()
        pending = not self._left_alone(self._unfinished())
        return self._transactions.install(steps, self._patterns(scope), carry_on=carry_on, pending=pending)

    def remove(self, removals: Sequence[KernelRemoval]) -> TransactionReport:
        """Remove exactly these packages in one transaction of their own process."""
        self._forget()
        return self._transactions.remove(removals, pending=not self._left_alone(self._unfinished()))

    def repair(self) -> TransactionReport:
        """Finish what dpkg left unfinished."""
        self._forget()
        unfinished = self._unfinished()
        left_alone = self._left_alone(unfinished)
        return self._transactions.repair(
            [name for name in unfinished if name not in left_alone] if left_alone else None
        )

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        """Return steps that reinstall what dpkg can only finish from its archive, at the version it has."""
        index = PackageCache()
        return reinstallations(index, repair, index.allowed(self._policy.security.origins))

    def states(self) -> Mapping[PackageId, PackageState]:
        """Read dpkg's own database."""
        return dpkg_database.states()

    def conffile_questions(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        """Say which of the steps, as `fetch` downloaded them last, would make dpkg ask about which file."""
        return conffiles.conffile_prompts(self._archives, steps)

    def kept_conffiles(self, packages: Sequence[PackageId], since: datetime) -> tuple[str, ...]:
        """Return local configuration files of these packages that were kept since then."""
        return conffiles.kept_conffiles(packages, since.timestamp())

    def remove_downloads(self) -> None:
        """Remove the archives that `fetch` put on the machine, in this run or in one that was killed."""
        fetching.remove_listed_downloads(self._ledger)

    def _marked_index(self, steps: Sequence[Step], scope: Scope) -> PackageCache:
        """Return an index with just these steps marked: the resolver's own, if they are just what it marked."""
        if self._marked is not None and self._marked[0] == frozenset(steps):
            (_, index), self._marked = self._marked, None
            return index
        index = PackageCache()
        mark_exactly(index, steps, index.allowed(self._patterns(scope)))
        return index

    def _forget(self) -> None:
        self._index = self._marked = None

    def _patterns(self, scope: Scope) -> tuple[OriginPattern, ...] | None:
        return self._policy.security.origins if scope is Scope.SECURITY else None

    def _unfinished(self) -> list[PackageId]:
        return [name for name, state in dpkg_database.states().items() if state.state in _UNFINISHED]

    def _left_alone(self, unfinished: Sequence[PackageId]) -> set[PackageId]:
        """Return those that are not ours to touch: configuring Docker would restart its engine."""
        return {package for package in unfinished if veto(self._policy, package.name) is not None}

    def _lock_waiter(self) -> LockWaiter:
        return LockWaiter(self._policy.apt.lock_timeout, self._control)

    def _require_index(self) -> PackageCache:
        if self._index is None:
            raise HostError("the packages were not looked at yet")
        return self._index
