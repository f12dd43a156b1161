"""The packages at one moment, behind the port `agent.core.ports.PackageSnapshot`.

libapt's cache takes a quarter of a second to open. What it showed and answered the last time is used instead, as long
as nothing that it depends on has changed (`agent.host.apt.basis`); all else opens it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent.core.frozen import replace
from agent.core.model.facts import KnownPackage, Repair, Update
from agent.core.model.kernels import NewlyUnneeded
from agent.core.model.package import PackageId
from agent.core.model.plan import Refusal, Resolution, Step
from agent.core.model.scope import Scope
from agent.core.packages.cves import ChangelogFindings, VersionChange
from agent.core.packages.decide import Veto
from agent.core.packages.remembered import (
    MissingArchives,
    PackageFacts,
    RememberedPackages,
    ResolverAnswer,
    plain_updates,
)
from agent.core.policy.policy import Policy
from agent.core.ports import Archive, ChangelogRequest, Download, PackageQueries, PackagesSeen, RefreshResult
from agent.host.apt.basis import archives_basis
from agent.host.apt.lists import assess


class LivePackages(PackageQueries, Protocol):
    """libapt's cache: `agent.host.apt.snapshot`, which is loaded only when it is needed."""

    @property
    def open_cache(self) -> Any:
        """The open `PackageCache`, if it shows the packages as they are; None if it does not."""

    def marked_cache(self, steps: Sequence[Step]) -> Any:
        """Return the same cache if exactly these steps are marked and nothing else changed; None otherwise."""

    @property
    def missing_archives(self) -> tuple[VersionChange, ...]:
        """The changelogs that `read_changelogs` was asked for and of which there is no archive here."""

    def scan(self) -> PackageFacts:
        """Scan the cache."""

    def release(self) -> None:
        """Free the cache; it is opened again when it is used."""


class RememberingSnapshot:
    """One snapshot: what is remembered of the packages, and libapt's cache for the rest."""

    def __init__(self, open_live: Callable[[], LivePackages], known: RememberedPackages | None, basis: str) -> None:
        """Take what gives libapt's cache, what is remembered if it is still true, and the basis of both.

        Raises:
            HostError: the package lists or dpkg's database cannot be read.
        """
        self._open_live = open_live
        self._opened: LivePackages | None = None
        self._known = known
        self._memory = known or RememberedPackages(basis=basis, facts=self._live.scan())
        self._question: tuple[Sequence[Update], Scope, Veto] | None = None
        """The last one that was answered from memory, so that libapt's marks are not those of its answer."""

    def observe(self, policy: Policy, refreshed: RefreshResult, now: datetime) -> None:
        """Assess the lists as of a moment, and put all facts together."""
        facts = self._memory.facts
        self.seen = PackagesSeen(
            lists=assess(facts, policy.security.origins, refreshed, now=now, max_age=policy.apt.max_list_age),
            updates=facts.updates,
            repair=facts.repair,
            kernels=facts.kernels,
            journal=facts.journal,
            esm_only=facts.esm_only,
        )

    @property
    def remembered(self) -> RememberedPackages | None:
        """What a later snapshot may go by; None if that is on record, or nothing may be remembered."""
        return self._memory if self._memory is not self._known and self._memory.usable else None

    @property
    def _live(self) -> LivePackages:
        if self._opened is None:
            self._opened = self._open_live()
        return self._opened

    @property
    def open_cache(self) -> Any:
        """As of `LivePackages`."""
        return self._opened.open_cache if self._opened is not None else None

    def marked_cache(self, steps: Sequence[Step]) -> tuple[Any, str]:
        """Return `LivePackages.marked_cache`, and the digest from before it was opened."""
        marked = self._opened.marked_cache(steps) if self._opened is not None and self._question is None else None
        return marked, self._memory.basis

    def release(self) -> None:
        """Free libapt's cache; it is opened again when it is needed."""
        if self._opened is not None:
            self._opened.release()

    def resolve(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution:
        """Answer as libapt's resolver did when it was asked the same, else ask it."""
        known = self._memory.answer(admitted, scope, veto)
        if known is not None:
            self._question = (admitted, scope, veto)
            return known
        asked: dict[PackageId, Refusal | None] = {}

        def noted(package: PackageId) -> Refusal | None:
            return asked.setdefault(package, veto(package))

        resolution = self._live.resolve(admitted, scope, noted)
        self._question = None
        if not any(asked.values()):
            answer = ResolverAnswer(
                scope=scope, admitted=plain_updates(admitted), permitted=tuple(asked), resolution=resolution
            )
            self._memory = self._memory.with_answer(answer)
        return resolution

    def find(self, name: str) -> KnownPackage | None:
        """As of the port, as is all that follows."""
        return self._live.find(name)

    def similar(self, name: str) -> tuple[str, ...]:
        """Return names of installed packages that resemble this one."""
        return self._live.similar(name)

    def offers(self, package: PackageId, version: str) -> bool:
        """Return whether an authenticated source offers a package in this version."""
        return self._live.offers(package, version)

    def with_companions(self, old: Mapping[PackageId, str]) -> Mapping[PackageId, str] | None:
        """Return old versions, with those of the packages that must be downgraded with them; None: not possible."""
        return self._live.with_companions(old)

    def reinstallations(self, repair: Sequence[Repair]) -> tuple[Step, ...]:
        """Return steps that reinstall, at the same version, packages that dpkg can only finish from their archive."""
        return self._live.reinstallations(repair)

    def unneeded_after(self, steps: Sequence[Step], scope: Scope) -> NewlyUnneeded:
        """Return what apt calls unneeded once these steps are installed."""
        return self._resolved().unneeded_after(steps, scope)

    def needed_steps(self, steps: Sequence[Step], wanted: Collection[PackageId], scope: Scope) -> tuple[Step, ...]:
        """Return the smallest part of a plan's steps that installs the wanted ones and breaks nothing."""
        return self._live.needed_steps(steps, wanted, scope)

    def download(self, steps: Sequence[Step], scope: Scope) -> Download:
        """Download and verify the packages of the steps."""
        return self._resolved().download(steps, scope)

    def not_downloaded(self, steps: Sequence[Step]) -> tuple[Archive, ...]:
        """Return the archives of security steps that must be fetched."""
        return self._resolved().not_downloaded(steps)

    def prefetch(self, steps: Sequence[Step]) -> Mapping[PackageId, str]:
        """Download and verify the packages of security steps for a later run; return errors by package."""
        return self._resolved().prefetch(steps)

    def read_changelogs(
        self, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        """Read changelogs from archives; requests without an archive, local or downloadable, are omitted."""
        directory = archives_basis()
        if not any(one.may_fetch for one in wanted) and self._memory.lacks([one.subject for one in wanted], directory):
            return
        yield from self._live.read_changelogs(wanted)
        if directory and directory == archives_basis():
            missing = MissingArchives(directory=directory, subjects=self._live.missing_archives)
            self._memory = replace(self._memory, missing=missing)

    def _resolved(self) -> LivePackages:
        """Return libapt's snapshot with the marks of the last answer, which also proves that it is still true."""
        if self._question is not None:
            question, self._question = self._question, None
            self._live.resolve(*question)
        return self._live
