"""What libapt found and answered, as long as nothing that it depends on has changed. Pure.

Only what depends on files alone is remembered. All that depends on the clock, on the agent's own record or on the rest
of the policy is decided again each time, from these facts as from new ones.
"""

from collections.abc import Collection, Sequence

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Repair, Update
from agent.core.model.kernels import KernelFacts
from agent.core.model.package import PackageId
from agent.core.model.plan import Resolution
from agent.core.model.scope import Scope
from agent.core.packages.cves import VersionChange
from agent.core.packages.decide import Veto

_MOST_ANSWERS = 8
"""How many answers are kept: a check asks one question, and one more for each fallback."""


@frozen
class PackageFacts:
    """What libapt's cache shows of the packages, whatever the time is."""

    updates: tuple[Update, ...]
    """Without age, CVEs and snoozes."""
    repair: tuple[Repair, ...]
    kernels: KernelFacts
    journal: bool
    """This and the next as in `agent.core.model.facts.Facts`."""
    esm_only: tuple[Update, ...]
    excluded: tuple[str, ...]
    """Paths of the index files that apt's preferences exclude."""
    foreign: tuple[PackageId, ...]
    """Installed packages of architectures that dpkg is not configured for any more."""


@frozen
class ResolverAnswer:
    """One answer of the resolver, with all that it depends on beside the facts."""

    scope: Scope
    admitted: tuple[Update, ...]
    """As in `PackageFacts.updates`, in the order in which they were tried."""
    permitted: tuple[PackageId, ...]
    """The packages about which the resolver asked whether it may touch them; it might touch each."""
    resolution: Resolution


@frozen
class MissingArchives:
    """Changelogs that no archive on this machine has, while apt's archive directory stays the same."""

    directory: str
    """What changes with the directory."""
    subjects: tuple[VersionChange, ...]


@frozen
class RememberedPackages:
    """Facts and answers, and the digest of what they depend on."""

    basis: str
    """From `agent.host.apt.basis`; empty if that is unknown, and then nothing is remembered."""
    facts: PackageFacts
    answers: tuple[ResolverAnswer, ...] = ()
    missing: MissingArchives | None = None

    @property
    def usable(self) -> bool:
        """Whether a later job may go by it; not where dpkg left anything unfinished, which is looked at each time."""
        return bool(self.basis) and not self.facts.journal and not self.facts.repair

    def answer(self, admitted: Sequence[Update], scope: Scope, veto: Veto) -> Resolution | None:
        """Return the answer to a question of the resolver; None if it was not asked before in this form."""
        question = plain_updates(admitted)
        for known in self.answers:
            same = known.scope is scope and known.admitted == question
            if same and all(veto(package) is None for package in known.permitted):
                return known.resolution
        return None

    def lacks(self, subjects: Collection[VersionChange], directory: str) -> bool:
        """Whether no archive has any of these changelogs, with apt's archive directory as it is."""
        known = self.missing
        return known is not None and known.directory == directory and set(subjects) <= set(known.subjects)

    def with_answer(self, answer: ResolverAnswer) -> "RememberedPackages":
        """Return the same with one more answer, the newest first."""
        others = (one for one in self.answers if (one.scope, one.admitted) != (answer.scope, answer.admitted))
        return replace(self, answers=(answer, *others)[:_MOST_ANSWERS])


def plain_updates(updates: Sequence[Update]) -> tuple[Update, ...]:
    """Return updates as libapt shows them: without what the agent's record adds, which the resolver does not use."""
    return tuple(replace(one, cves=(), cves_complete=False, snoozes=(), age=None) for one in updates)
