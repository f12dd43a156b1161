"""What an order would do: each host with its steps and plan ids, and who is left out and why. Pure.

Nothing is stored: a confirmed order is previewed again, and only what a person has seen is created.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from endpoint.core.deploy.order import DeployOrder
from endpoint.core.deployment_report import LeftOutRecord
from endpoint.core.host_choice import LeftOut
from endpoint.core.host_query import HostQuery
from endpoint.core.request_arguments import Verb, Work

_UPGRADES = frozenset({Verb.UPGRADE_SECURITY, Verb.UPGRADE_FIXES})
_EVERYWHERE = frozenset({LeftOut.SHARED_ID, LeftOut.TOO_OLD, LeftOut.NO_REQUESTS, LeftOut.SILENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What a host has reported of Docker or Weave."""

    plan_id: str | None = None
    installed: str | None = None
    target: str | None = None
    """The version that the manifest leads to."""
    has_work: bool = False
    """Whether another version is wanted, or only a restart brings the installed one into force."""
    blocked: tuple[str, ...] = ()
    """Why it is not done now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of a selected host; None: not reported."""

    host_id: str
    name: str | None = None
    agents: int = 1
    silent: bool = False
    ended: bool = False
    takes_requests: bool = True
    allow: frozenset[str] | None = None
    """Verbs."""
    signed: bool | None = None
    """Whether it takes only what a person has signed."""
    windows: frozenset[str] | None = None
    """Verbs that have a maintenance window."""
    plan_id: str | None = None
    pending: int | None = None
    held: int | None = None
    reboot_required: bool | None = None
    fixes: Mapping[str, str] = field(default_factory=dict)
    """`pending` or `held` by what the order names."""
    engines: Mapping[Verb, EngineFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of one host."""

    number: int
    """Of the order's works, from 1."""
    work: Work
    plan_id: str | None
    """The plan that a person has seen; `work` is limited to it only if that was ordered."""
    brings: str = ""
    """What it is about, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHost:
    """One host that gets requests."""

    host_id: str
    name: str | None
    steps: tuple[PlannedStep, ...]
    waits_for_signature: bool
    permission_known: bool
    """Whether the host has reported that it allows this; one of an earlier version may refuse."""
    reboots: bool | None
    """Whether a reboot is required there now; None: unknown."""

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self.name or self.host_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be created."""

    order: DeployOrder
    selection: str
    hosts: tuple[PlannedHost, ...]
    left_out: tuple[LeftOutRecord, ...]

    @property
    def digest(self) -> str:
        """Return what two previews have in common that would create the same."""
        hosts = [
            [host.host_id, host.waits_for_signature, [[step.number, step.plan_id] for step in host.steps]]
            for host in self.hosts
        ]
        text = json.dumps([self.order.pairs(), self.selection, hosts], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def waiting(self) -> int:
        """Return how many hosts wait for a signature."""
        return sum(host.waits_for_signature for host in self.hosts)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Return how many hosts are left out, by reason, the most frequent first."""
        return dict(Counter(one.why for one in self.left_out).most_common())


def preview(order: DeployOrder, query: HostQuery, candidates: Sequence[Candidate], *, sign: bool = False) -> Preview:
    """Return what the order would do with the hosts that a query has found.

    `sign`: all requests wait for a signature, whatever their hosts ask for.
    """
    known = {one.host_id for one in candidates}
    missing = (name for name in query.named if name not in known)
    hosts, left_out = [], [LeftOutRecord(host_id=name, host=None, why=LeftOut.UNKNOWN.value) for name in missing]
    for one in candidates:
        steps, without = _steps(order, one)
        left_out += without
        if steps:
            host = PlannedHost(
                host_id=one.host_id,
                name=one.name,
                steps=steps,
                waits_for_signature=sign or order.sign or bool(one.signed),
                permission_known=one.allow is not None,
                reboots=one.reboot_required,
            )
            hosts.append(host)
    return Preview(order=order, selection=query.at(None).to_query(), hosts=tuple(hosts), left_out=tuple(left_out))


def _steps(order: DeployOrder, one: Candidate) -> tuple[tuple[PlannedStep, ...], list[LeftOutRecord]]:
    """Return the steps of a host; a step that is of no use there does not keep it from the others."""
    if (general := _general(one)) is not None:
        return (), [LeftOutRecord(host_id=one.host_id, host=one.name, why=general.value)]
    steps, without = [], []
    for number, work in enumerate(order.works, 1):
        step = _step(number, work, one, exact=order.exact)
        found = _obstacle(work, one) or _unseen(step, exact=order.exact)
        if found is None:
            steps.append(step)
        else:
            why, detail = found
            without.append(LeftOutRecord(host_id=one.host_id, host=one.name, why=why.value, detail=detail))
    return tuple(steps), without


def _general(one: Candidate) -> LeftOut | None:
    """Return why a host gets nothing at all."""
    if one.agents > 1:
        return LeftOut.SHARED_ID
    if not one.takes_requests:
        return LeftOut.TOO_OLD if one.allow is None else LeftOut.NO_REQUESTS
    return LeftOut.SILENT if one.silent else None


def _obstacle(work: Work, one: Candidate) -> tuple[LeftOut, str] | None:
    """Return why a step is left out on a host, and what it is about."""
    needed = [work.verb.value, *([Verb.REBOOT.value] if work.reboot else [])]
    windows = one.windows if work.when == "window" else None
    if one.allow is not None and (missing := [verb for verb in needed if verb not in one.allow]):
        return LeftOut.NOT_ALLOWED, ", ".join(missing)
    if windows is not None and (missing := [verb for verb in needed if verb not in windows]):
        return LeftOut.NO_WINDOW, ", ".join(missing)
    found = _useless(work, one)
    return None if found is None else (found, work.verb.value)


def _unseen(step: PlannedStep, *, exact: bool) -> tuple[LeftOut, str] | None:
    """Return that nobody has seen the plan of a step, where only that may be done; a reboot has none."""
    if not exact or step.plan_id is not None or step.work.verb is Verb.REBOOT:
        return None
    return LeftOut.PLAN_UNKNOWN, step.work.verb.value


def _useless(work: Work, one: Candidate) -> LeftOut | None:
    if work.verb is Verb.REBOOT:
        return LeftOut.NOTHING_PENDING if one.reboot_required is False else None
    if work.verb in (Verb.DOCKER, Verb.WEAVE):
        return _engine_useless(one.engines.get(work.verb))
    if work.reboot and one.reboot_required:
        return None
    pending, held = _counts(work, one)
    if pending is None or pending > 0:
        return None
    if held:
        return LeftOut.HELD
    return LeftOut.PAST_END if one.ended else LeftOut.NOTHING_PENDING


def _counts(work: Work, one: Candidate) -> tuple[int | None, int | None]:
    """Return how much of an upgrade is pending and held on a host; None: unknown."""
    if work.verb is Verb.UPGRADE_SECURITY:
        return one.pending, one.held
    stages = [one.fixes.get(fix) for fix in work.fixes]
    return stages.count("pending"), stages.count("held")


def _engine_useless(engine: EngineFacts | None) -> LeftOut | None:
    if engine is None or not engine.has_work:
        return LeftOut.NOTHING_PENDING
    return LeftOut.BLOCKED if engine.blocked else None


def _step(number: int, work: Work, one: Candidate, *, exact: bool) -> PlannedStep:
    plan, brings = _plan(work, one)
    limited = replace(work, plan_id=plan) if exact else work
    return PlannedStep(number=number, work=limited, plan_id=plan, brings=brings)


def _plan(work: Work, one: Candidate) -> tuple[str | None, str]:
    """Return the id of the plan for a step, and what it brings; of named fixes the plan is made on the host."""
    if work.verb is Verb.UPGRADE_SECURITY:
        return one.plan_id, _updates(one.pending, one.held)
    if work.verb is Verb.UPGRADE_FIXES:
        return None, ", ".join(fix for fix in work.fixes if one.fixes.get(fix) == "pending")
    if work.verb in (Verb.DOCKER, Verb.WEAVE):
        engine = one.engines.get(work.verb) or EngineFacts()
        versions = (engine.installed or "not installed", engine.target or "restart")
        return engine.plan_id, " → ".join(versions)
    return None, {True: "required", False: "not required", None: "not known whether required"}[one.reboot_required]


def _updates(pending: int | None, held: int | None) -> str:
    if pending is None:
        return "not known what is pending"
    kept = f", {held} held" if held else ""
    return f"{pending} security {'update' if pending == 1 else 'updates'}{kept}"
