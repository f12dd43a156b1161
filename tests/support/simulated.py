"""A machine in memory behind the ports of `agent.core.ports`: transactions change what the next snapshot shows.

Versions are whole numbers, there is one architecture, and a dependency requires the dependent's version or later. As
on a real machine, the repositories (`archive`) and the machine's package lists (`lists`) differ until a refresh.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from agent.core.exposure import InstalledFiles
from agent.core.kernel_release import image_release
from agent.core.model.facts import (
    KnownPackage,
    Lists,
    ListsState,
    PackageState,
    Reboot,
    Repair,
    SourceError,
    Unseen,
    Update,
)
from agent.core.model.kernels import AutoRemovable, Dependency, KernelFacts, KernelImage, NewlyUnneeded, Removal
from agent.core.model.outcome import LockWait, Stage
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Refusal, Resolution, Step, Why
from agent.core.model.reasons import text_reason
from agent.core.model.release import Release
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.packages.decide import Veto
from agent.core.packages.explain_cve import InstalledFix, InstalledFixes
from agent.core.packages.remembered import RememberedPackages
from agent.core.packages.verify import HEALTHY_STATES
from agent.core.ports import Archive, ChangelogRequest, PackagesSeen, RefreshAttempt, RefreshResult
from agent.core.reboot.services import ReplacedFile, ServiceScan
from agent.errors import BusyError, ChangedError
from tests.support.simulated_engines import SimulatedEngines

ARCHITECTURE = "amd64"
MAX_LIST_AGE = timedelta(hours=36)
SECURITY = "security"
"""The name of the security source."""
_ON_HOLD = Refusal(why=Why.HELD_BY_ADMIN, reason=text_reason("is on hold"))


def package_id(name: str) -> PackageId:
    """Return a package's ID; the machine has one architecture."""
    return PackageId(name=name, architecture=ARCHITECTURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One version of one package in a repository."""

    package: str
    version: int = 2
    security: bool = True
    needs: tuple[str, ...] = ()


class Killed(BaseException):
    """Ends the process like `kill -9` or a power cut; never caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDownload:
    """The port Download."""

    machine: "Simulated"
    steps: tuple[Step, ...]
    failed: Mapping[PackageId, str]
    downloaded_bytes: int

    def conffile_prompts(self) -> Mapping[PackageId, str]:
        assert {step.package for step in self.steps} <= self.machine.downloaded, "an archive is read before it is there"
        return {step.id: self.machine.asks[step.package] for step in self.steps if step.package in self.machine.asks}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSnapshot:
    """The port PackageSnapshot."""

    machine: "Simulated"
    seen: PackagesSeen
    remembered: RememberedPackages | None = None

    def find(self, name: str) -> KnownPackage | None:
        return self.machine.find(name)

    def similar(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(one for one in self.machine.packages if one[:3] == name[:3]))

    def offers(self, package: PackageId, version: str) -> bool:
        return package.name not in self.machine.only_newest and version.isdigit()

    def with_companions(self, old: Mapping[PackageId, str]) -> Mapping[PackageId, str]:
        return old

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        return self.machine.resolve(admitted, scope, veto)

    def unneeded_after(self, steps: Sequence[Step], scope: Scope) -> NewlyUnneeded:  # noqa: ARG002 - the port has it
        return self.machine.unneeded_after(steps)

    def needed_steps(
        self,
        steps: Sequence[Step],
        wanted: Collection[PackageId],
        scope: Scope,  # noqa: ARG002 - the port has it
    ) -> tuple[Step, ...]:
        return self.machine.needed_steps(steps, wanted)

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        return self.machine.reinstallations(repair)

    def download(self, steps: Sequence[Step], scope: Scope) -> SimulatedDownload:
        return self.machine.download(steps, scope)

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        return self.machine.not_downloaded(steps)

    def prefetch(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        return self.machine.prefetch(steps)

    def read_changelogs(
        self, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        return self.machine.read_changelogs(wanted)


class Simulated:
    """One machine. Tests set the attributes; the agent calls the methods."""

    only_newest: frozenset[str] = frozenset()
    """Packages whose installed version no repository offers any more."""
    dpkg_busy = False
    """Whether another program holds dpkg's lock until the deadline."""
    cause = ""
    """Why no transaction changes any package; empty if they do."""
    hook_error = ""
    """Error of a hook that fails at the end of each transaction."""
    frees: tuple[tuple[str, str], ...] = ()
    """Packages, each with one that its next version makes unneeded."""
    fixed: tuple[tuple[str, InstalledFix], ...] = ()
    """CVEs, each with the installed version that fixed it."""
    boot = 1
    looks = 0
    """How often the agent looked at the packages."""

    before_repair: Callable[[], None] | None = None
    """Called before the next repair."""
    while_waiting: Callable[[], None] | None = None
    """What another program that holds dpkg's locks does until the agent has waited for it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 5, 10, tzinfo=timezone.utc)
        self.packages: dict[str, PackageState] = {}
        self.archive: list[Offer] = []
        self.lists: list[Offer] = []
        self.on_hold: set[str] = set()
        self.fails: dict[str, Stage] = {}
        """The stage at which dpkg fails, by package."""
        self.missing: set[str] = set()
        """Packages that are listed but cannot be downloaded."""
        self.fetch_errors: dict[str, str] = {}
        """Further download errors, by name."""
        self.refresh_errors: tuple[SourceError, ...] = ()
        self.holder = ""
        """The holder of the package manager's lock; empty if it is free."""
        self.required_reboot: Reboot | Unseen = Reboot(required=False)
        self.running = ""
        """The running kernel's release."""
        self.unneeded: set[str] = set()
        """Packages that the package manager marks as garbage."""
        self.needs: tuple[Dependency, ...] = ()
        """Dependencies on them."""
        self.before_remove: deque[Callable[[], None]] = deque()
        """Called before each of the next removals."""
        self.conffiles: list[tuple[str, str, datetime]] = []
        """Package, conffile that was kept, and when."""
        self.asks: dict[str, str] = {}
        """The conffile prompt that dpkg would show, by package."""
        self.before_fetch: deque[Callable[[], None]] = deque()
        """Called before each of the next downloads."""
        self.before_install: deque[Callable[[], None]] = deque()
        """Called before each of the next transactions."""
        self.idle: deque[bool] = deque()
        """Whether each of the next transactions ends without doing anything."""
        self.done: list[str] = []
        """The agent's actions in order: "refresh", "fetch a b", "install a b", "remove a b", "repair"."""
        self.downloaded: set[str] = set()
        """Packages in apt's archive directory."""
        self._own: set[str] = set()  # downloaded by the current run
        self.cves: dict[str, ChangelogFindings] = {}
        """Findings in the changelog of each package's newest version; other changelogs cannot be read."""
        self.read_ahead: list[str] = []
        """Packages whose changelogs were read from archives, in order."""
        self.units: dict[str, str] = {}
        """The package whose files each unit runs."""
        self.stale_units: set[str] = set()
        """Units whose package changed while they ran."""
        # Whether an interrupted dpkg left its journal, and whether a repair cannot merge it.
        self.journal = self.journal_stays = False
        self.unseen_processes = ""
        """Why processes cannot be scanned; empty if they can."""
        self.engines = SimulatedEngines()

    def offer(self, *offers: Offer | str) -> None:
        """Install version 1 of each package, and publish and list a newer one."""
        for offer in (Offer(package=one) if isinstance(one, str) else one for one in offers):
            self.packages.setdefault(offer.package, PackageState(version="1", state="installed"))
            self.publish(offer)
            self.lists.append(offer)

    def publish(self, *offers: Offer) -> None:
        """Replace versions in the repository; the lists show them after a refresh."""
        for offer in offers:
            self.archive = [
                one for one in self.archive if (one.package, one.security) != (offer.package, offer.security)
            ]
            self.archive.append(offer)

    def put(self, package: str, version: int, state: str = "installed") -> None:
        """Set a package's version and state, as another program would."""
        self.packages[package] = PackageState(version=str(version), state=state)
        self.stale_units |= {unit for unit, runs in self.units.items() if runs == package}

    def reboot_machine(self) -> None:
        """Reboot: all units run the installed files."""
        self.boot += 1
        self.stale_units.clear()

    def take_away(self, package: str) -> None:
        """Remove a package, as another program would."""
        del self.packages[package]

    def versions(self) -> dict[str, str | None]:
        """Return the version of every package."""
        return {name: state.version for name, state in self.packages.items()}

    def transactions(self) -> int:
        """Return the number of transactions."""
        return sum(one.startswith("install ") for one in self.done)

    distribution: Release | None = None
    """What `release` returns."""

    # the port Machine

    def now(self) -> datetime:
        return self.time

    def reboot(self) -> Reboot | Unseen:
        return self.required_reboot

    def release(self) -> Release | None:
        return self.distribution

    def scan_services(self) -> ServiceScan:
        stale = tuple(sorted(self.stale_units))
        replaced = Unseen(reason=self.unseen_processes) if self.unseen_processes else stale
        files = tuple(
            ReplacedFile(path=f"/usr/lib/{self.units[unit]}.so", units=(unit,))
            for unit in ([] if self.unseen_processes else stale)
            if unit in self.units
        )
        return ServiceScan(boot_id=f"boot-{self.boot}", replaced=replaced, files=files)

    def installed_files(
        self, packages: Collection[PackageId], paths: Collection[str]
    ) -> Mapping[PackageId, InstalledFiles]:
        return {
            package: InstalledFiles(
                unpacked_at=self.time, paths=frozenset({f"/usr/lib/{package.name}.so"}.intersection(paths))
            )
            for package in packages
        }

    # the port PackageEngine

    @property
    def lock(self) -> LockWait:
        return LockWait(by=self.holder or None)

    def apt_daily_lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def wait_for_dpkg(self) -> bool:
        finish, self.while_waiting = self.while_waiting, None
        if finish is not None:
            finish()
        return finish is not None

    def require_idle_dpkg(self) -> None:
        if self.dpkg_busy:
            raise BusyError("apt-get (pid 4711) holds dpkg's lock")

    def refresh(self) -> RefreshAttempt:
        self._act("refresh")
        failed = any(error.security for error in self.refresh_errors)
        if not failed:
            self.lists = list(self.archive)
        errors = tuple(replace(error, security=None) for error in self.refresh_errors)  # the next snapshot sets it
        return RefreshAttempt(verified=() if failed else (SECURITY,), errors=errors)

    def open(
        self,
        now: datetime,
        refreshed: RefreshResult,
        remembered: RememberedPackages | None = None,  # noqa: ARG002 - the port has it
    ) -> SimulatedSnapshot:
        self.looks += 1
        return SimulatedSnapshot(machine=self, seen=self._observe(now, refreshed))

    def _observe(self, now: datetime, refreshed: RefreshResult) -> PackagesSeen:
        unfinished = tuple(
            Repair(package=name, architecture=ARCHITECTURE, state=state.state)
            for name, state in self.packages.items()
            if state.state not in HEALTHY_STATES
        )
        return PackagesSeen(
            lists=self._judge_lists(now, refreshed),
            updates=tuple(self._updates()),
            repair=unfinished,
            kernels=self._kernels(),
            journal=self.journal,
        )

    def find(self, name: str) -> KnownPackage | None:
        state = self.packages.get(name)
        if state is None and not any(offer.package == name for offer in self.lists):
            return None
        installed = state.version if state is not None else None
        return KnownPackage(package=name, architecture=ARCHITECTURE, installed=installed, on_hold=name in self.on_hold)

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        refused: list[Held] = []
        groups: list[dict[str, Offer]] = []
        for update in admitted:
            found = self._closure(update, scope, veto)
            if isinstance(found, Held):
                refused.append(found)
                continue
            shared = [group for group in groups if group.keys() & found.keys()]
            groups = [group for group in groups if group not in shared]
            groups.append({name: offer for group in (*shared, found) for name, offer in group.items()})
        steps = tuple(self._step(offer, number) for number, group in enumerate(groups) for offer in group.values())
        return Resolution(steps=steps, refused=tuple(refused))

    def unneeded_after(self, steps: Sequence[Step]) -> NewlyUnneeded:
        versions = {step.package: step.candidate for step in steps}
        freed = {freed for package, freed in self.frees if package in versions}
        found = [
            AutoRemovable(
                package=name,
                architecture=ARCHITECTURE,
                version=versions.get(name, str(self._version(name))),
                on_hold=name in self.on_hold,
            )
            for name in sorted((self.unneeded | freed) & self.packages.keys())
        ]
        return NewlyUnneeded(packages=tuple(found), needs=self.needs)

    def needed_steps(self, steps: Sequence[Step], wanted: Collection[PackageId]) -> tuple[Step, ...]:
        by_name = {step.package: step for step in steps}
        found, pending = set[str](), [package.name for package in wanted]
        while pending:
            name = pending.pop()
            if name in by_name and name not in found:
                found.add(name)
                version = by_name[name].candidate
                pending += [n for o in self.lists if (o.package, str(o.version)) == (name, version) for n in o.needs]
        return tuple(step for step in steps if step.package in found)

    def download(self, steps: Sequence[Step], scope: Scope) -> SimulatedDownload:
        if self.before_fetch:
            self.before_fetch.popleft()()
        self._require_unchanged(steps, scope)
        self._act("fetch", steps)
        there = {(offer.package, str(offer.version)) for offer in self.archive if offer.package not in self.missing}
        failed = {step.id: "404  Not Found" for step in steps if (step.package, step.candidate) not in there}
        failed |= {package_id(name): error for name, error in self.fetch_errors.items()}
        fetched = {step.package for step in steps if step.id not in failed} - self.downloaded
        self.downloaded |= fetched
        self._own |= fetched
        return SimulatedDownload(machine=self, steps=tuple(steps), failed=failed, downloaded_bytes=1000 * len(fetched))

    def install(self, steps: Sequence[Step], scope: Scope, *, keep_going: bool = False) -> TransactionReport:
        self._act("install", steps)
        if self.before_install:
            self.before_install.popleft()()
        self._require_unchanged(steps, scope)
        if self.idle and self.idle.popleft():
            return TransactionReport()
        if self.cause:
            return TransactionReport(fatal="returned an error code (2)", cause=self.cause)
        errors: dict[PackageId | str, str] = {}
        for step in steps:
            if self.fails.get(step.package) is Stage.UNPACK:
                errors[step.package] = "new pre-installation script returned error exit status 1"
                if not keep_going:
                    return TransactionReport(errors=errors)
            else:
                self.put(step.package, int(step.candidate), "unpacked")
                self.unneeded |= {freed for package, freed in self.frees if package == step.package}
        configured = self._configure(keep_going=keep_going)
        return TransactionReport(errors={**errors, **configured}, cause=self.hook_error)

    def remove(self, removals: Sequence[Removal]) -> TransactionReport:
        self._act("remove", removals)
        if self.before_remove:
            self.before_remove.popleft()()
        if any(self._version(one.package) != int(one.version) for one in removals):
            raise ChangedError("changed since the plan was made")
        for one in removals:
            if self.fails.get(one.package) is Stage.REMOVE:
                error = "installed pre-removal script returned error exit status 1"
                return TransactionReport(errors={one.package: error})
            del self.packages[one.package]
        return TransactionReport()

    def repair(self) -> TransactionReport:
        self._act("repair")
        before, self.before_repair = self.before_repair, None
        if before is not None:
            before()
        self.journal = self.journal_stays
        return TransactionReport(errors=self._configure(keep_going=True))

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        broken = {item.package for item in repair if item.state == "reinst-required"}
        same = [
            offer for offer in self.lists if offer.package in broken and offer.version == self._version(offer.package)
        ]
        return tuple(self._step(offer, number) for number, offer in enumerate(same))

    def states(self) -> Mapping[PackageId, PackageState]:
        return {package_id(name): state for name, state in self.packages.items()}

    def kept_conffiles(self, packages: Sequence[PackageId], since: datetime) -> tuple[str, ...]:
        return tuple(file for name, file, at in self.conffiles if package_id(name) in packages and at >= since)

    def remove_downloads(self) -> None:
        self.downloaded -= self._own
        self._own.clear()

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        return tuple(
            Archive(package=step.package, architecture=step.architecture, version=step.candidate)
            for step in steps
            if step.package not in self.downloaded
        )

    def prefetch(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        failed = self.download(steps, Scope.SECURITY).failed
        self._own.clear()
        return failed

    def read_changelogs(
        self, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        for one in wanted:
            package = one.subject.package
            if package in self.cves and (one.may_fetch or package in self.downloaded):
                self.read_ahead.append(package)
                yield one.subject, self.cves[package]

    def installed_fixes(self, cve: str) -> InstalledFixes:
        return InstalledFixes(found=tuple(fix for name, fix in self.fixed if name == cve))

    def read_installed_changelogs(self, subjects: Sequence[VersionChange]) -> Findings:
        return {one: self.cves[one.package] for one in subjects if one.package in self.cves}

    def discard(self, archives: Sequence[Archive]) -> None:
        self.downloaded -= {archive.package for archive in archives}

    # internals

    def _act(self, what: str, steps: Sequence[Step | Removal] = ()) -> None:
        if self.holder:
            raise BusyError(f"{self.holder} holds /var/lib/dpkg/lock-frontend")
        self.done.append(" ".join([what, *(step.package for step in steps)]))
        self.time += timedelta(seconds=1)

    def _configure(self, *, keep_going: bool) -> dict[PackageId | str, str]:
        errors: dict[PackageId | str, str] = {}
        for name, state in sorted(self.packages.items()):
            if state.state not in {"unpacked", "half-configured"}:
                continue
            if not all(self._healthy(need) for need in self._needs(name)):
                errors[name] = "dependency problems - leaving unconfigured"
            elif self.fails.get(name) is Stage.CONFIGURE:
                self.packages[name] = replace(state, state="half-configured")
                errors[name] = "installed post-installation script returned error exit status 1"
                if not keep_going:
                    break
            else:
                self.packages[name] = replace(state, state="installed")
        return errors

    def _healthy(self, name: str) -> bool:
        return name in self.packages and self.packages[name].state in HEALTHY_STATES

    def _needs(self, name: str) -> tuple[str, ...]:
        found = (o.needs for o in self.lists if o.package == name and str(o.version) == self.packages[name].version)
        return next(found, ())

    def _version(self, name: str) -> int:
        state = self.packages.get(name)
        return int(state.version or 0) if state is not None else 0

    def _require_unchanged(self, steps: Sequence[Step], scope: Scope) -> None:
        allowed = {
            (offer.package, str(offer.version)) for offer in self.lists if offer.security or scope is not Scope.SECURITY
        }
        for step in steps:
            state = self.packages.get(step.package)
            installed = state.version if state is not None else None
            if installed != step.installed or (step.package, step.candidate) not in allowed:
                raise ChangedError(f"{step.package} {step.candidate} changed since the plan was made")

    def _judge_lists(self, now: datetime, refreshed: RefreshResult) -> Lists:
        security = {error.source: error.security for error in self.refresh_errors}
        errors = tuple(replace(error, security=security.get(error.source)) for error in refreshed.errors)
        at = refreshed.verified(SECURITY)
        state = ListsState.PARTIAL if errors else ListsState.FRESH
        if at is None:
            state = ListsState.NEVER
        elif now - at > MAX_LIST_AGE:
            state = ListsState.STALE
        return Lists(state=state, updated_at=at, errors=errors)

    def _kernels(self) -> KernelFacts:
        releases = ((image_release(name), name) for name in sorted(self.packages, key=self._version))
        return KernelFacts(
            running=self.running,
            patterns=("linux-.*",),
            images=tuple(
                KernelImage(release=release, version=str(self._version(name))) for release, name in releases if release
            ),
            unneeded=tuple(
                AutoRemovable(
                    package=name,
                    architecture=ARCHITECTURE,
                    version=str(self._version(name)),
                    on_hold=name in self.on_hold,
                )
                for name in sorted(self.unneeded & self.packages.keys())
            ),
            needs=self.needs,
        )

    def _updates(self) -> Iterator[Update]:
        for name in self.packages:
            newer = [offer for offer in self.lists if offer.package == name and offer.version > self._version(name)]
            highest = max(newer, key=lambda offer: (offer.version, offer.security), default=None)
            secure = max((o for o in newer if o.security), key=lambda offer: offer.version, default=None)
            for offer in dict.fromkeys([secure, highest]):
                if offer is not None:
                    yield self._update(offer)

    def _update(self, offer: Offer) -> Update:
        return Update(
            package=offer.package,
            architecture=ARCHITECTURE,
            installed=str(self._version(offer.package)),
            candidate=str(offer.version),
            origin="Debian",
            archive="stable-security" if offer.security else "stable",
            security=offer.security,
            download_bytes=1000,
            on_hold=offer.package in self.on_hold,
        )

    def _step(self, offer: Offer, group: int) -> Step:
        state = self.packages.get(offer.package)
        return Step(
            package=offer.package,
            architecture=ARCHITECTURE,
            installed=state.version if state is not None else None,
            candidate=str(offer.version),
            origin="Debian",
            archive="stable-security" if offer.security else "stable",
            security=offer.security,
            download_bytes=1000,
            group=group,
        )

    def _closure(self, update: Update, scope: Scope, veto: Veto) -> dict[str, Offer] | Held:
        """Return an update with its dependencies, or why it is held."""
        (first, *_) = (o for o in self.lists if (o.package, str(o.version)) == (update.package, update.candidate))
        found = {first.package: first}
        pending = [(need, first.version) for need in first.needs]
        while pending:
            name, version = pending.pop()
            if name in found or self._version(name) >= version:
                continue
            refusal = veto(package_id(name)) or (_ON_HOLD if name in self.on_hold else None)
            offers = [offer for offer in self.lists if offer.package == name and offer.version >= version]
            allowed = [offer for offer in offers if offer.security or scope is not Scope.SECURITY]
            if refusal is None and not allowed:
                why = Why.NEEDS_OTHER_ORIGIN if offers else Why.BROKEN_DEPENDENCY
                refusal = Refusal(why=why, reason=text_reason("cannot be had"))
            if refusal is not None:
                return Held.of(update, refusal.after(f"needs {name} (>= {version}), which"))
            found[name] = allowed[0]
            pending += [(need, allowed[0].version) for need in allowed[0].needs]
        return found
