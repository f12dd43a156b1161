"""Why a package is or is not upgraded: every gate with its verdict, not only the first that is shut. Pure."""

from dataclasses import dataclass
from enum import Enum

from agent.core.model.facts import Facts, KnownPackage, ListsState, Update
from agent.core.model.plan import Held, Plan, Why
from agent.core.packages.gates.registry import evaluate
from agent.core.policy.policy import Conffiles, Policy


class GateVerdict(Enum):
    """How one gate stands."""

    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


class Conclusion(Enum):
    """What all gates together come to."""

    WOULD_INSTALL = "would-install"
    HELD = "held"
    NO_SECURITY_UPDATE = "no-security-update"
    NOT_INSTALLED = "not-installed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """One gate: its verdict, the reason in words, and what would open it where it is shut."""

    name: str
    verdict: GateVerdict
    reason: str
    opens: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that decides about one package."""

    package: str
    architecture: str
    installed: str | None
    candidate: str | None
    conclusion: Conclusion
    gates: tuple[GateReport, ...]


_OPENS = {
    Why.HELD_BY_ADMIN: "apt-mark unhold {package}",
    Why.BLOCKLISTED: "remove the pattern from security.blocklist",
    Why.NOT_ALLOWLISTED: "add it to security.allowlist, or empty that list",
    Why.PINNED: "change the pin in /etc/apt/preferences.d (`apt-cache policy {package}` shows it)",
    Why.NEEDS_OTHER_ORIGIN: "allow that origin in security.origins, or install by hand: apt-get install {package}",
    Why.WOULD_REMOVE: "decide by hand: apt-get install {package} shows what would be removed",
    Why.UNTRUSTED: "mend the repository's signature or its key in /etc/apt",
    Why.PHASED: "wait: the rollout reaches this machine in a few days",
    Why.RUNTIME_MANAGED: "security.include_runtime = true; plan the downtime first",
    Why.BROKEN_DEPENDENCY: "apt-get install {package} shows the relation that fails",
    Why.DOWNLOAD_FAILED: "the repository must offer the file again; the next run tries it",
    Why.FAILED_BEFORE: "`maestro-agent history` shows the error; the next run tries it again",
    Why.NO_SPACE: "make room on the file system",
    Why.CONFFILE: 'decide by hand: apt-get install {package}; or security.conffiles = "keep"',
}
_CONFFILES = GateReport(
    name="conffiles",
    verdict=GateVerdict.UNKNOWN,
    reason="whether dpkg would ask about a configuration file is known only once the package is downloaded",
    opens='security.conffiles = "keep"',
)
_OF_ANOTHER = {Why.HELD_BY_ADMIN, Why.BLOCKLISTED, Why.RUNTIME_MANAGED, Why.PINNED}
"""Reasons that, from the resolver, speak of a package that the update needs, not of the update's own."""


def explain_package(policy: Policy, facts: Facts, plan: Plan, known: KnownPackage) -> Explanation:
    """Walk through every gate of one package as this plan found them."""
    update = _update_of(facts, known)
    gates = [_lists_gate(facts), _installed_gate(known), _offer_gate(facts, known, update)]
    if known.installed is not None:
        gates += _policy_gates(policy, known, update)
    if update is not None:
        held = next((item for item in plan.held if _is(item, known)), None)
        shut = next((gate.name for gate, refusal in evaluate(policy, update) if refusal is not None), None)
        gates.append(_dependency_gate(held, shut))
        if policy.security.conffiles is Conffiles.HOLD:
            gates.append(_CONFFILES)
    return Explanation(
        package=known.package,
        architecture=known.architecture,
        installed=known.installed,
        candidate=update.candidate if update else None,
        conclusion=_conclude(facts, plan, known, update),
        gates=tuple(gates),
    )


def _is(item: Held | Update, known: KnownPackage) -> bool:
    return item.id == known.id


def _update_of(facts: Facts, known: KnownPackage) -> Update | None:
    return next((update for update in facts.updates if update.security and _is(update, known)), None)


def _conclude(facts: Facts, plan: Plan, known: KnownPackage, update: Update | None) -> Conclusion:
    if known.installed is None:
        return Conclusion.NOT_INSTALLED
    if any(step.id == known.id for step in plan.install):
        return Conclusion.WOULD_INSTALL
    if update is not None:
        return Conclusion.HELD
    current = facts.lists.state in {ListsState.FRESH, ListsState.PARTIAL}
    return Conclusion.NO_SECURITY_UPDATE if current else Conclusion.UNKNOWN


def _lists_gate(facts: Facts) -> GateReport:
    state = facts.lists.state
    updated = f", last verified {facts.lists.updated_at:%Y-%m-%d %H:%M} UTC" if facts.lists.updated_at else ""
    if state in {ListsState.FRESH, ListsState.PARTIAL}:
        return GateReport(name="lists", verdict=GateVerdict.OPEN, reason=f"package lists are {state.value}{updated}")
    reason = f"package lists are {state.value}{updated}: there may be updates that they do not show"
    return GateReport(name="lists", verdict=GateVerdict.UNKNOWN, reason=reason, opens="maestro-agent check")


def _installed_gate(known: KnownPackage) -> GateReport:
    if known.installed is None:
        return GateReport(
            name="installed", verdict=GateVerdict.SHUT, reason="not installed, so there is nothing to upgrade"
        )
    return GateReport(name="installed", verdict=GateVerdict.OPEN, reason=f"version {known.installed} is installed")


def _offer_gate(facts: Facts, known: KnownPackage, update: Update | None) -> GateReport:
    if update is not None:
        reason = f"{update.origin} {update.archive} offers {update.candidate}"
        return GateReport(name="offer", verdict=GateVerdict.OPEN, reason=reason)
    other = next((one for one in facts.updates if _is(one, known)), None)
    reason = "no allowed origin offers a newer version"
    if other is not None:
        reason += f"; {other.origin} {other.archive} offers {other.candidate}, which is not a security update"
    opens = "maestro-agent upgrade --all installs other updates too" if other else None
    return GateReport(name="offer", verdict=GateVerdict.SHUT, reason=reason, opens=opens)


def _policy_gates(policy: Policy, known: KnownPackage, update: Update | None) -> list[GateReport]:
    subject = update or Update(
        package=known.package, architecture=known.architecture, installed=known.installed or "", candidate="",
        origin="", archive="", security=True, download_bytes=0, on_hold=known.on_hold,
    )  # fmt: skip
    gates = []
    for gate, refusal in evaluate(policy, subject):
        if refusal is None:
            gates.append(GateReport(name=gate.name, verdict=GateVerdict.OPEN, reason="nothing in the way"))
            continue
        reason = f"{refusal.why.value}: {refusal.detail}"
        opens = _OPENS[refusal.why].format(package=known.package)
        gates.append(GateReport(name=gate.name, verdict=GateVerdict.SHUT, reason=reason, opens=opens))
    return gates


def _dependency_gate(held: Held | None, shut: str | None) -> GateReport:
    """Return the resolver's own gate; it is asked only where every other one is open."""
    name = "dependencies"
    if shut is not None:
        return GateReport(
            name=name, verdict=GateVerdict.UNKNOWN, reason=f"not tried, because the gate {shut!r} is shut"
        )
    if held is None:
        return GateReport(name=name, verdict=GateVerdict.OPEN, reason="all it needs can be had without a removal")
    opens = _OPENS[held.why].format(package=held.package)
    if held.why in _OF_ANOTHER:
        opens = "`maestro-agent explain` of the package that it needs says what opens that one's gate"
    return GateReport(name=name, verdict=GateVerdict.SHUT, reason=f"{held.why.value}: {held.detail}", opens=opens)
