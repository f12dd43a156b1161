"""All that a host's page shows of its report. Pure; unknown is None."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from endpoint.core.host_page.engines import EngineView, engine_view
from endpoint.core.host_page.packages import PackagesView, packages_view
from endpoint.core.host_page.parts import Part
from endpoint.core.host_page.reboots import RebootView, reboot_view

_SHOWN = 200
"""Of reasons, warnings, errors and so on: a report may have thousands."""
_SUPPORT: Mapping[str, str] = {
    "supported": "supported",
    "extended": "in a later support phase",
    "ended": "gets no security updates",
    "unknown": "unknown",
}
_AUTOMATIC: Mapping[str, str] = {
    "on": "the agent installs security updates by itself",
    "stands-aside": "unattended-upgrades installs the updates, the agent checks",
    "checks-only": "the agent checks and installs nothing by itself",
    "stopped": "the agent's service is stopped",
    "disabled": "the agent's service is disabled",
    "masked": "the agent's service is masked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """What runs there."""

    name: str | None
    os: str
    codename: str | None
    architecture: str | None
    support: str
    support_until: str | None
    support_phase: str | None
    agent_version: str | None
    agent_state: str | None
    automatic: str
    patcher: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsView:
    """The package lists."""

    state: str | None
    updated_at: datetime | None
    errors: tuple[tuple[str, str, str, bool | None], ...]
    """Source, fault, detail, and whether it is one of security."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnooze:
    """An update that a person on the host leaves alone."""

    what: str
    until: datetime | None
    comment: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A scheduled job."""

    name: str
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    failures: int | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The last upgrade run, as the report has it."""

    id: str
    result: str
    started_at: datetime | None
    finished_at: datetime | None
    upgraded: int | None
    failed: tuple[tuple[str, str], ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """A host's report."""

    generated_at: datetime | None
    system: SystemView
    health: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    lists: ListsView
    packages: PackagesView
    reboot: RebootView
    engines: tuple[EngineView, ...]
    snoozes: tuple[HostSnooze, ...] | None
    """None: unknown."""
    jobs: tuple[JobView, ...]
    last_run: LastRun | None
    tags: tuple[str, ...]
    """Those in the host's own configuration."""
    queued: tuple[int | None, int | None]
    """Events that wait on the host, and events that it has dropped."""


def host_view(report: Mapping[str, Any], *, has_ended: bool = False) -> HostView:
    """Return what a page shows of `maestro.report/1`; `has_ended`: whether its release is past its end by now."""
    part = Part(report)
    engines = (engine_view(part, "docker"), engine_view(part, "weave"))
    snoozes = part.texts_or_none("snoozes")
    outbox = part.child("outbox")
    return HostView(
        generated_at=part.moment("generated_at"),
        system=_system(part, has_ended=has_ended),
        health=part.word("health"),
        reasons=part.texts("reasons")[:_SHOWN],
        warnings=part.texts("warnings")[:_SHOWN],
        lists=_lists(part.child("lists")),
        packages=packages_view(part),
        reboot=reboot_view(part),
        engines=tuple(engine for engine in engines if engine is not None),
        snoozes=None if snoozes is None else tuple(map(_snooze, part.children("snoozes")[:_SHOWN])),
        jobs=tuple(_job(name, part.child("jobs").child(name)) for name in ("check", "upgrade")),
        last_run=_last_run(part.child("last_outcome")),
        tags=part.child("host").texts("tags"),
        queued=(outbox.whole("depth"), outbox.whole("dropped")),
    )


def _system(report: Part, *, has_ended: bool) -> SystemView:
    host, release, agent = report.child("host"), report.child("release"), report.child("agent")
    system = host.child("os")
    support, automatic = "ended" if has_ended else release.word("support"), agent.word("automatic")
    return SystemView(
        name=host.text("name"),
        os=" ".join(filter(None, (system.text("id"), system.text("version")))) or "unknown",
        codename=system.text("codename"),
        architecture=host.text("architecture"),
        support=_SUPPORT.get(support, support),
        support_until=release.text("until"),
        support_phase=release.text("phase"),
        agent_version=agent.text("version"),
        agent_state=agent.text("state"),
        automatic=_AUTOMATIC.get(automatic, automatic),
        patcher=agent.text("patcher"),
    )


def _lists(lists: Part) -> ListsView:
    return ListsView(
        state=lists.text("state"),
        updated_at=lists.moment("updated_at"),
        errors=tuple(
            (one.word("source"), one.word("fault"), one.text("detail") or "", one.flag("security"))
            for one in lists.children("errors")[:_SHOWN]
        ),
    )


def _snooze(one: Part) -> HostSnooze:
    return HostSnooze(
        what=one.word("what"), until=one.moment("until"), comment=one.text("comment") or "", by=one.word("by")
    )


def _job(name: str, job: Part) -> JobView:
    return JobView(
        name=name,
        started_at=job.moment("last_started_at"),
        finished_at=job.moment("last_finished_at"),
        exit_code=job.whole("last_exit_code"),
        failures=job.whole("consecutive_failures"),
        next_at=job.moment("next_at"),
    )


def _last_run(run: Part) -> LastRun | None:
    if run.is_empty:
        return None
    failed = [(one.word("package"), one.text("error") or one.word("stage")) for one in run.children("failed")[:_SHOWN]]
    return LastRun(
        id=run.word("id"),
        result=run.word("result"),
        started_at=run.moment("started_at"),
        finished_at=run.moment("finished_at"),
        upgraded=run.whole("upgraded"),
        failed=tuple(failed),
        message=run.text("message") or "",
    )
