"""Marks admitted updates on libapt's dependency cache, all at once or one by one, and checks each mark by the rules."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

import apt_pkg

from agent.core.model.facts import Update
from agent.core.packages.decide import Veto
from agent.errors import ChangedError
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.candidates import conflicting_origin, newer, offered, version_text
from agent.host.apt.marks import find_version, mark


class Marking:
    """The marks on one depcache, checked against the rules."""

    def __init__(self, cache: PackageCache, files: frozenset[int], veto: Veto) -> None:
        self._cache = cache
        self._depcache = cache.depcache
        self._files = files
        self._veto = veto
        self._wanted: dict[int, apt_pkg.Version] = {}
        """Versions to try one by one, by package ID, as is all that follows."""
        self._accepted: dict[int, apt_pkg.Version] = {}
        self._bundles: list[dict[int, apt_pkg.Version]] = []
        """The accepted versions by the attempt that marked them."""
        self.result: list[apt_pkg.Version] = []
        """All marked versions, once every rule was checked on the whole set."""

    def version(self, update: Update) -> apt_pkg.Version:
        """Return the version object of an update found in this cache."""
        version = find_version(self._cache, update.package, update.architecture, update.candidate, self._files)
        if version is None:
            raise ChangedError(f"{update.label} {update.candidate} is no longer in the package lists")
        return version

    def all_at_once(self, versions: Sequence[apt_pkg.Version]) -> bool:
        """Mark all versions; return whether libapt's choices obey every rule."""
        with apt_pkg.ActionGroup(self._depcache):
            for version in versions:
                self._depcache.set_candidate_ver(version.parent_pkg, version)
            for version in versions:
                mark(self._cache, version, with_dependencies=True)
        if not all(self._depcache.marked_upgrade(version.parent_pkg) for version in versions):
            return False
        self.result = self._marked([version.parent_pkg for version in versions])
        return self._all_allowed()

    def one_by_one(self, pairs: Sequence[tuple[Update, apt_pkg.Version]]) -> list[tuple[Update, apt_pkg.Version]]:
        """Mark the versions that fit, in this order; return the pairs that do not fit."""
        self._wanted = {version.parent_pkg.id: version for _, version in pairs}
        self._set_candidates()
        for _, version in pairs:
            if version.parent_pkg.id not in self._accepted:
                self._try_one(version)
        stopped = [version for _, version in pairs if version.parent_pkg.id not in self._accepted]
        if len(stopped) > 1 and self._cache.withhold(stopped):
            self._try_apart(stopped)
        self.result = self._marked([version.parent_pkg for version in self._accepted.values()])
        if not self._all_allowed():
            self._accept_again()
        return [pair for pair in pairs if pair[1].parent_pkg.id not in self._accepted]

    def _marked(self, starts: Iterable[apt_pkg.Package]) -> list[apt_pkg.Version]:
        """Return the versions marked for installation; looks at these packages first."""
        changed = self._changed(starts, besides={}).values()
        installed = (package for package in changed if not self._depcache.marked_delete(package))
        versions = map(self._depcache.get_candidate_ver, installed)
        return [version for version in versions if version is not None]

    def _all_allowed(self) -> bool:
        return self._cache.breaks_nothing() and all(map(self.allows, self.result))

    def _try_apart(self, stopped: Sequence[apt_pkg.Version]) -> None:
        """Try versions again that did not fit, each without what libapt need not choose of the others."""
        self._wanted = {}
        self._restart()
        for version in stopped:
            package, current = version.parent_pkg, version.parent_pkg.current_ver
            if package.id not in self._accepted:
                self._try_one(version)
            if package.id not in self._accepted and current is not None:
                self._depcache.set_candidate_ver(package, current)

    def _try_one(self, version: apt_pkg.Version) -> None:
        """Accept a version, and what libapt marks with it, if that obeys every rule; else leave the marks as before."""
        while True:
            touched = self._mark_with_siblings(version)
            fits = self._cache.breaks_nothing() and self._depcache.marked_upgrade(version.parent_pkg)
            if fits:
                touched = self._changed(touched.values(), besides=self._accepted)
            refused = self._refused(touched.values())
            if fits and not refused:
                self._accept(touched.values())
                return
            if not refused or not self._withhold(refused):
                self._roll_back(touched.values())
                return

    def _mark_with_siblings(self, version: apt_pkg.Version) -> dict[int, apt_pkg.Package]:
        """Mark a version, and the admitted updates of what it would break; return packages whose marks changed."""
        tried: dict[int, apt_pkg.Version] = {}
        touched: dict[int, apt_pkg.Package] = {}
        queue = [version]
        while queue:
            for each in queue:
                tried[each.parent_pkg.id] = each
                mark(self._cache, each, with_dependencies=True)
            touched = self._touched([each.parent_pkg for each in tried.values()], besides=self._accepted)
            queue = [] if self._cache.breaks_nothing() else self._siblings(touched, tried)
        return touched

    def _refused(self, packages: Iterable[apt_pkg.Package]) -> list[apt_pkg.Package]:
        """Return the packages that are marked in a version that no step may install."""
        depcache = self._depcache
        marked = (one for one in packages if not depcache.marked_keep(one) and not depcache.marked_delete(one))
        choices = ((package, depcache.get_candidate_ver(package)) for package in marked)
        return [package for package, choice in choices if choice is None or not self.allows(choice)]

    def _withhold(self, refused: Sequence[apt_pkg.Package]) -> bool:
        """Have libapt choose no more what no step may install of these packages; return whether it could so far.

        The first time of all installed packages, too: to clear the marks takes as long for one as for all.
        """
        installed = () if self._cache.withheld else self._cache.dpkg_packages
        choose = self._depcache.get_candidate_ver
        pending = [one for one in installed if one.current_ver is not None and choose(one) != one.current_ver]
        versions = chain.from_iterable(package.version_list for package in (*refused, *pending))
        changes = self._cache.withhold(filter(self._is_against_rules, versions))
        if changes:
            self._restart()
        return changes

    def _is_against_rules(self, version: apt_pkg.Version) -> bool:
        known = version_text(version) != "" and version != version.parent_pkg.current_ver
        return known and not self.allows(version)

    def _accept(self, packages: Iterable[apt_pkg.Package]) -> None:
        versions = (self._depcache.get_candidate_ver(package) for package in packages)
        bundle = {version.parent_pkg.id: version for version in versions if version is not None}
        self._bundles.append(bundle)
        self._accepted.update(bundle)
        if self._depcache.inst_count != len(self._accepted):  # libapt gave up one of those before
            still = [one for one in self._accepted.values() if not self._depcache.marked_keep(one.parent_pkg)]
            self._accepted = {version.parent_pkg.id: version for version in still}

    def _accept_again(self) -> None:
        """Accept, one attempt after the other and without libapt's choices, only what obeys every rule now."""
        bundles, self._bundles, self._accepted = self._bundles, [], {}
        self._restart()
        for bundle in bundles:
            packages = [version.parent_pkg for version in bundle.values()]
            for version in bundle.values():
                mark(self._cache, version, with_dependencies=False)
            self.result = self._marked([*(one.parent_pkg for one in self._accepted.values()), *packages])
            expected = {*self._accepted, *bundle} == {version.parent_pkg.id for version in self.result}
            if expected and self._all_allowed():
                self._accept(packages)
            else:
                self._roll_back(packages)
        self.result = list(self._accepted.values())

    def _roll_back(self, packages: Collection[apt_pkg.Package]) -> None:
        for package in packages:
            self._depcache.mark_keep(package)
        if not self._cache.breaks_nothing() or self._depcache.inst_count != len(self._accepted):
            self._restart()  # the traversal missed a change by libapt

    def _restart(self) -> None:
        """Mark the accepted versions and nothing else."""
        self._cache.forget_marks()
        self._set_candidates()
        for version in self._accepted.values():
            mark(self._cache, version, with_dependencies=False)

    def _set_candidates(self) -> None:
        for version in self._wanted.values():
            self._depcache.set_candidate_ver(version.parent_pkg, version)

    def _changed(
        self, starts: Iterable[apt_pkg.Package], *, besides: Mapping[int, object]
    ) -> dict[int, apt_pkg.Package]:
        """Return all packages whose marks changed, except those in `besides`.

        By traversal; libapt also upgrades an installed package that needs the old version of another, which the
        traversal misses if nothing is broken. Then all packages are scanned, those of dpkg first.
        """
        starts, found = list(starts), dict[int, apt_pkg.Package]()
        for more in ((), self._cache.dpkg_packages, self._cache.pkg_cache.packages):
            changed = [one for one in chain(starts, more) if not self._depcache.marked_keep(one)]
            found = self._touched([one for one in changed if one.id not in besides], besides=besides)
            if self._depcache.inst_count + self._depcache.del_count == len(found.keys() | besides.keys()):
                break
        return found

    def _touched(
        self, starts: Sequence[apt_pkg.Package], *, besides: Mapping[int, object]
    ) -> dict[int, apt_pkg.Package]:
        """Traverse from newly marked packages to all whose marks changed with theirs, except those in `besides`."""
        found = {package.id: package for package in starts}
        queue = list(starts)
        while queue:
            for package in self._neighbours(queue.pop()):
                fresh = package.id not in found and package.id not in besides
                if fresh and not self._depcache.marked_keep(package):
                    found[package.id] = package
                    queue.append(package)
        return found

    def _neighbours(self, package: apt_pkg.Package) -> Iterable[apt_pkg.Package]:
        choice = self._depcache.get_candidate_ver(package)
        for version in (choice, package.current_ver):
            for groups in version.depends_list.values() if version is not None else ():
                for group in groups:
                    for dependency in group:
                        yield dependency.target_pkg
                        yield from (target.parent_pkg for target in dependency.all_targets())
        if not self._cache.breaks_nothing():
            for dependency in package.rev_depends_list:
                yield dependency.parent_pkg

    def _siblings(
        self, touched: Mapping[int, apt_pkg.Package], tried: Mapping[int, apt_pkg.Version]
    ) -> list[apt_pkg.Version]:
        """Return admitted updates, not tried yet, of packages that the current marks would break."""
        found: dict[int, apt_pkg.Version] = {}
        for package in touched.values():
            for dependency in package.rev_depends_list:
                parent = dependency.parent_pkg
                if parent.id in self._wanted and parent.id not in tried and self._depcache.is_inst_broken(parent):
                    found[parent.id] = self._wanted[parent.id]
        return list(found.values())

    def allows(self, version: apt_pkg.Version) -> bool:
        """Return whether a step may install a version."""
        package = version.parent_pkg
        return (
            offered(version, self._files)
            and version_text(version) != ""
            and conflicting_origin(self._cache, version, self._files) is None
            and package.selected_state != apt_pkg.SELSTATE_HOLD
            and self._veto(package_id(package)) is None
            and (package.current_ver is None or newer(version, package.current_ver))
        )
