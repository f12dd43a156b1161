"""Explains why a package is or is not upgraded: the verdict of every gate, not only the first that is shut. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum

from agent.core.frozen import frozen, replace
from agent.core.model.facts import UNMET_DEPENDENCIES, Facts, KnownPackage, ListsState, Repair, Update
from agent.core.model.plan import Held, Plan, Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates import rollout
from agent.core.packages.gates.gate import Gate
from agent.core.packages.gates.registry import evaluate
from agent.core.packages.snoozes import snoozed_in_part, with_snoozes
from agent.core.packages.soak import why_due
from agent.core.policy.policy import Conffiles, Policy


class GateVerdict(Enum):
    """Verdict of one gate."""

    OPEN = "open"
    SHUT = "shut"
    UNKNOWN = "unknown"


class Conclusion(Enum):
    """Conclusion from all gates."""

    WOULD_INSTALL = "would-install"
    HELD = "held"
    NO_SECURITY_UPDATE = "no-security-update"
    NOT_INSTALLED = "not-installed"
    UNFINISHED = "unfinished"
    """dpkg left it unfinished."""
    ESM_ONLY = "esm-only"
    """Up to date but for a fix that only Ubuntu Pro brings."""
    UNKNOWN = "unknown"


class Opener(Enum):
    """What opens a gate, in addition to the remedy of each `Why`."""

    CHECK = "check"
    UPGRADE_ALL = "upgrade-all"
    UPGRADE_ALL_AT_ONCE = "upgrade-all-at-once"
    """The same for one package, which does not wait then."""
    NEEDED_PACKAGE = "needed-package"
    KEEP_CONFFILES = "keep-conffiles"
    REPAIR = "repair"
    FIX_BROKEN = "fix-broken"


@frozen
class GateReport:
    """One gate: its verdict, the reason, and what opens it if it is shut."""

    name: str
    verdict: GateVerdict
    reason: Reason
    why: Why | None = None
    """The code of the reason in documents; None if the gate holds nothing."""
    opens: Why | Opener | None = None
    until: datetime | None = None
    """When it opens by itself; None: it does not, or not at a known time."""
    opens_for: str = ""
    """The package that the remedy concerns; empty: the explained one."""


@frozen
class Explanation:
    """Everything that decides about one package."""

    package: str
    architecture: str
    installed: str | None
    candidate: str | None
    conclusion: Conclusion
    gates: tuple[GateReport, ...]


_CONFFILES = GateReport(
    name="conffiles",
    verdict=GateVerdict.UNKNOWN,
    reason=Reason(code=ReasonCode.PROMPT_UNKNOWN),
    opens=Opener.KEEP_CONFFILES,
)
_UNUSABLE = {ListsState.STALE: "stale", ListsState.NEVER: "missing"}
_OF_ANOTHER = {
    *(Why.HELD_BY_ADMIN, Why.BLOCKLISTED, Why.RUNTIME_MANAGED, Why.PINNED),
    *(Why.SNOOZED, Why.SOAKING, Why.NOT_IN_COHORT),
}
"""Reasons that, if the resolver gives them, concern a dependency of the update and not the update itself."""


_NOTES: Mapping[str, Callable[[Policy, Update], Reason | None]] = {
    "snooze": lambda _policy, update: snoozed_in_part(update),
    "soak": why_due,
}
"""What is to be said of a gate that is open, by its name."""


def explain_package(
    policy: Policy, facts: Facts, plan: Plan, known: KnownPackage, whole: Plan | None = None
) -> Explanation:
    """Return the verdict of every gate for one package under this plan.

    `whole` is a plan of all updates, for a package whose update is no security update; None: it was not made.
    """
    update = _update_of(facts, known)
    gates = [_lists_gate(facts), _installed_gate(facts, known), _offer_gate(facts, known, update)]
    policy_gates = _policy_gates(policy, facts, known, update)
    # Of a package that is not installed, only what keeps others from bringing it by a person's decision.
    gates += [gate for gate in policy_gates if known.installed is not None or gate.why is Why.SNOOZED]
    gates += [_esm_gate(item) for item in plan.esm_only if _is(item, known)]
    tried, offered = (plan, update) if update is not None else (whole, _other_of(facts, known))
    if offered is not None and tried is not None:
        held = next((item for item in tried.held if _is(item, known)), None)
        shut = next((gate.name for gate, refusal in evaluate(policy, offered) if refusal is not None), None)
        if shut is None:
            gates = [_rollout_gate(held) if gate.name == rollout.GATE.name else gate for gate in gates]
            shut = rollout.GATE.name if _is_phased(held) else None
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


def _other_of(facts: Facts, known: KnownPackage) -> Update | None:
    return next((update for update in facts.updates if not update.security and _is(update, known)), None)


def _repair_of(facts: Facts, known: KnownPackage) -> Repair | None:
    return next((repair for repair in facts.repair if repair.id == known.id), None)


def _conclude(facts: Facts, plan: Plan, known: KnownPackage, update: Update | None) -> Conclusion:
    if known.installed is None:
        return Conclusion.NOT_INSTALLED
    if any(step.id == known.id for step in plan.install):
        return Conclusion.WOULD_INSTALL
    if update is not None:
        return Conclusion.HELD
    if _repair_of(facts, known) is not None:
        return Conclusion.UNFINISHED
    if any(_is(item, known) for item in plan.esm_only):
        return Conclusion.ESM_ONLY
    current = facts.lists.state in {ListsState.FRESH, ListsState.PARTIAL}
    return Conclusion.NO_SECURITY_UPDATE if current else Conclusion.UNKNOWN


def _lists_gate(facts: Facts) -> GateReport:
    state, verified_at = facts.lists.state, facts.lists.updated_at
    usable = state in {ListsState.FRESH, ListsState.PARTIAL}
    fault = next((error for error in facts.lists.errors if error.security is not False), None)
    if fault is not None and not usable:  # another check would meet it again
        reason = Reason(code=ReasonCode.LISTS_FAULT, values=(_UNUSABLE[state], fault.source, fault.detail))
        return GateReport(name="lists", verdict=GateVerdict.UNKNOWN, reason=reason)
    if state is ListsState.NEVER:
        reason = Reason(code=ReasonCode.LISTS_NEVER)
    elif verified_at is None:
        reason = Reason(code=ReasonCode.LISTS_STALE)
    else:
        code = ReasonCode.LISTS_USABLE if usable else ReasonCode.LISTS_UNUSABLE
        reason = Reason(code=code, values=(state.value, verified_at))
    if usable:
        return GateReport(name="lists", verdict=GateVerdict.OPEN, reason=reason)
    return GateReport(name="lists", verdict=GateVerdict.UNKNOWN, reason=reason, opens=Opener.CHECK)


def _installed_gate(facts: Facts, known: KnownPackage) -> GateReport:
    repair = _repair_of(facts, known)
    if repair is not None:
        reason = Reason(code=ReasonCode.UNFINISHED, values=(repair.state,))
        opens = Opener.FIX_BROKEN if repair.state == UNMET_DEPENDENCIES else Opener.REPAIR
        return GateReport(name="installed", verdict=GateVerdict.SHUT, reason=reason, opens=opens)
    if known.installed is None:
        return GateReport(name="installed", verdict=GateVerdict.SHUT, reason=Reason(code=ReasonCode.NOT_INSTALLED))
    reason = Reason(code=ReasonCode.INSTALLED, values=(known.installed,))
    return GateReport(name="installed", verdict=GateVerdict.OPEN, reason=reason)


def _offer_gate(facts: Facts, known: KnownPackage, update: Update | None) -> GateReport:
    if update is not None:
        reason = Reason(code=ReasonCode.OFFERED, values=_offer(update))
        return GateReport(name="offer", verdict=GateVerdict.OPEN, reason=reason)
    other = _other_of(facts, known)
    if other is None:
        return GateReport(name="offer", verdict=GateVerdict.SHUT, reason=Reason(code=ReasonCode.NOT_OFFERED))
    reason = Reason(code=ReasonCode.OFFERED_ELSEWHERE, values=_offer(other))
    return GateReport(name="offer", verdict=GateVerdict.SHUT, reason=reason, opens=Opener.UPGRADE_ALL)


def _esm_gate(item: Held) -> GateReport:
    """Return the gate of a fix that only Ubuntu Pro brings."""
    return GateReport(
        name="ubuntu-pro", verdict=GateVerdict.SHUT, reason=item.cause, why=Why.ESM_ONLY, opens=Why.ESM_ONLY
    )


def _offer(update: Update) -> tuple[str, str, str]:
    return (update.origin, update.archive, update.candidate)


def _policy_gates(policy: Policy, facts: Facts, known: KnownPackage, update: Update | None) -> list[GateReport]:
    offered = update or _other_of(facts, known)
    nothing = Update(
        package=known.package, architecture=known.architecture, installed=known.installed or "", candidate="",
        origin="", archive="", security=True, download_bytes=0, on_hold=known.on_hold,
    )  # fmt: skip
    subject = offered or with_snoozes(nothing, facts.snoozes)
    return [
        _policy_gate(policy, gate, subject, refusal or gate.unknown(offered))
        for gate, refusal in evaluate(policy, subject)
    ]


def _policy_gate(policy: Policy, gate: Gate, subject: Update, obstacle: Refusal | Reason | None) -> GateReport:
    """Return the report of a gate that a refusal shuts, of which a reason says why it is unknown, or that is open."""
    if isinstance(obstacle, Reason):
        return GateReport(name=gate.name, verdict=GateVerdict.UNKNOWN, reason=obstacle)
    if obstacle is None:
        note = _NOTES.get(gate.name)
        reason = (note(policy, subject) if note else None) or Reason(code=ReasonCode.GATE_OPEN)
        return GateReport(name=gate.name, verdict=GateVerdict.OPEN, reason=reason)
    shut = GateReport(name=gate.name, verdict=GateVerdict.SHUT, reason=obstacle.reason, until=obstacle.until)
    waits = obstacle.why in {Why.SOAKING, Why.NOT_IN_COHORT}
    return replace(
        shut,
        why=obstacle.why,
        opens=Opener.UPGRADE_ALL_AT_ONCE if waits and not subject.security else obstacle.why,
    )


def _is_phased(held: Held | None) -> bool:
    return held is not None and held.why is Why.PHASED


def _rollout_gate(held: Held | None) -> GateReport:
    """Return the gate of a phased rollout, as the resolver has found it."""
    name = rollout.GATE.name
    if held is None or not _is_phased(held):
        return GateReport(name=name, verdict=GateVerdict.OPEN, reason=Reason(code=ReasonCode.GATE_OPEN))
    return GateReport(name=name, verdict=GateVerdict.SHUT, reason=held.cause, why=held.why, opens=held.why)


def _dependency_gate(held: Held | None, shut: str | None) -> GateReport:
    """Return the gate of the resolver, which runs only if every other gate is open."""
    name = "dependencies"
    if shut is not None:
        return GateReport(
            name=name, verdict=GateVerdict.UNKNOWN, reason=Reason(code=ReasonCode.NOT_TRIED, values=(shut,))
        )
    if held is None:
        return GateReport(name=name, verdict=GateVerdict.OPEN, reason=Reason(code=ReasonCode.DEPENDENCIES_MET))
    shut_by = GateReport(name=name, verdict=GateVerdict.SHUT, reason=held.cause, why=held.why, until=held.until)
    if held.blocker is not None:
        return replace(shut_by, opens=held.blocker.why, opens_for=held.blocker.package)
    return replace(shut_by, opens=Opener.NEEDED_PACKAGE if held.why in _OF_ANOTHER else held.why)
