"""The runs of a host, with their log of packages, and its other events, from the messages that it sent. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from endpoint.core.host_page.engines import NAMES
from endpoint.core.host_page.parts import Part
from endpoint.core.host_page.reasons import REBOOT_WHYS, request_why_text, why_text

_KINDS: Mapping[str, str] = {
    "outcome": "Upgrade",
    "engine-outcome": "Engine",
    "reboot-outcome": "Reboot",
    "reboot-started": "Reboot",
    "restart-outcome": "Restart of services",
}
_MOST_HELD = 50
_MOST_CHANGES = 300
"""Of one run on the page of a host."""
_MOST_NAMES = 50
_UNFINISHED = "end-not-reported"
"""The result of a reboot that began: it is under way, or the host never came back and would be "running" for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is stored: `body` is `maestro.event/1`."""

    type: str
    received_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A line of a run's log."""

    what: str
    """Such as "upgraded"."""
    package: str
    before: str | None
    after: str | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run of a host."""

    id: str
    kind: str
    result: str
    at: datetime | None
    """When it ended, or began if its end is not known."""
    started_at: datetime | None
    duration_s: float | None
    by: str | None
    summary: str
    message: str
    changes: tuple[PackageChange, ...]
    """The first 300; those that failed come first."""
    more_changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Any other event."""

    at: datetime | None
    type: str
    text: str


def run_views(events: Iterable[StoredEvent]) -> list[RunView]:
    """Return the runs, the latest first; of several events about one run, the one that was received last."""
    found: dict[tuple[str, str], RunView] = {}
    for event in sorted(events, key=lambda one: one.received_s):
        if event.type in _KINDS:
            run = _run(event)
            found[run.kind, run.id] = run
    return sorted(found.values(), key=lambda run: run.at.timestamp() if run.at else 0.0, reverse=True)


def event_views(events: Iterable[StoredEvent]) -> list[EventView]:
    """Return all other events, the latest first."""
    others = [_event(event) for event in events if event.type not in _KINDS]
    return sorted(others, key=lambda event: event.at.timestamp() if event.at else 0.0, reverse=True)


def _run(event: StoredEvent) -> RunView:
    body = Part(event.body)
    document = body.child("document")
    began = event.type == "reboot-started"
    changes = tuple(_changes(event.type, document))
    return RunView(
        id=document.word("id"),
        kind=NAMES.get(document.word("component"), "Engine") if event.type == "engine-outcome" else _KINDS[event.type],
        result=_UNFINISHED if began else document.word("result"),
        at=document.moment("finished_at") or document.moment("fired_at") or body.moment("at"),
        started_at=document.moment("started_at"),
        duration_s=_duration(document),
        by=document.text("requested_by"),
        summary=_summary(event.type, document, changes),
        message=document.text("message") or "",
        changes=changes[:_MOST_CHANGES],
        more_changes=max(0, len(changes) - _MOST_CHANGES),
    )


def _duration(document: Part) -> float | None:
    started, finished = document.moment("started_at"), document.moment("finished_at")
    measured = document.number("duration_s")
    if measured is None and started is not None and finished is not None:
        measured = (finished - started).total_seconds()
    return measured if measured is not None and measured >= 0 else None  # negative: the host's clock was set back


def _changes(kind: str, document: Part) -> Iterator[PackageChange]:
    if kind == "restart-outcome":
        yield from (_unit(one) for one in document.children("units"))
    elif kind in {"reboot-outcome", "reboot-started"}:
        yield from (
            PackageChange(
                what="problem", package=one.word("code"), before=None, after=None, detail=one.text("detail") or ""
            )
            for one in document.children("problems")
        )
    elif kind == "engine-outcome":
        yield from (_package("changed", one) for one in document.children("packages"))
        yield from (
            PackageChange(what="container lost", package=name, before=None, after=None)
            for name in document.texts("containers_lost")
        )
    else:
        yield from _upgrade_changes(document)


def _upgrade_changes(document: Part) -> Iterator[PackageChange]:
    yield from (_failure(one) for one in document.children("failed"))
    yield from (_package("upgraded", one) for one in document.children("upgraded"))
    yield from (_package("new", one) for one in document.children("new"))
    yield from (_package("interrupted", one) for one in document.children("underway"))
    for name in document.texts("removed"):
        yield PackageChange(what="removed", package=name, before=None, after=None)
    for one in document.children("repaired"):
        yield PackageChange(
            what="repaired", package=_name(one), before=None, after=None, detail=f"it was {one.word('state')}"
        )
    for one in document.children("held")[:_MOST_HELD]:
        detail = one.text("detail") or why_text(one.word("why"))
        yield PackageChange(
            what="held", package=_name(one), before=one.text("installed"), after=one.text("candidate"), detail=detail
        )


def _name(one: Part) -> str:
    architecture = one.text("architecture")
    return f"{one.word('package')}:{architecture}" if architecture else one.word("package")


def _package(what: str, one: Part) -> PackageChange:
    cves = ", ".join(one.texts("cves")[:_MOST_NAMES])
    return PackageChange(what=what, package=_name(one), before=one.text("from"), after=one.text("to"), detail=cves)


def _failure(one: Part) -> PackageChange:
    detail = ": ".join(filter(None, (one.text("stage"), one.text("error"), one.text("detail"))))
    return PackageChange(what="failed", package=one.word("package"), before=None, after=None, detail=detail)


def _unit(one: Part) -> PackageChange:
    return PackageChange(
        what=one.word("result"), package=one.word("unit"), before=None, after=None,
        detail=one.text("detail") or one.text("why") or "",
    )  # fmt: skip


def _summary(kind: str, document: Part, changes: Iterable[PackageChange]) -> str:
    """Return what a run did in a few words; empty: nothing that its result does not say."""
    if kind in {"reboot-outcome", "reboot-started"}:
        blocked, down = document.child("blocked").text("why"), document.number("downtime_s")
        parts = [REBOOT_WHYS.get(blocked, blocked)] if blocked else []
        return ", ".join([*parts, *([f"down for {down:.0f} s"] if down is not None else [])])
    if kind == "engine-outcome":
        engine_s = document.child("downtime").number("engine_s")
        versions = f"{document.text('from') or 'none'} → {document.text('running') or 'none'}"
        return versions + (f", down for {engine_s:.0f} s" if engine_s is not None else "")
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.what] = counts.get(change.what, 0) + 1
    return ", ".join(f"{number} {what}" for what, number in counts.items())


def _event(event: StoredEvent) -> EventView:
    body = Part(event.body)
    return EventView(at=body.moment("at"), type=event.type, text=_event_text(event.type, body.child("document")))


def _event_text(kind: str, document: Part) -> str:
    """Return an event as a sentence; empty: of a type that is not known here."""
    if kind.startswith("request-"):
        return _request_text(document)
    found = _TEXTS.get(kind)
    return found(document) if found is not None else ""


def _packages_text(document: Part) -> str:
    names = document.texts("packages")
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more]) or "no package is named"


def _started_text(document: Part) -> str:
    return f"version {document.word('version')}, before that {document.text('previous_version') or 'none'}"


def _job_text(document: Part) -> str:
    message, failures = document.text("message"), document.whole("consecutive_failures")
    parts = [f"{document.word('job')} ended with code {document.whole('exit_code')}", *([message] if message else [])]
    return ", ".join([*parts, *([f"{failures} times in a row"] if failures and failures > 1 else [])])


def _request_text(document: Part) -> str:
    why, detail = request_why_text(document.text("why")), document.text("detail") or ""
    return ": ".join(filter(None, (f"request {document.word('request_id')[:8]}", why, detail)))


_TEXTS: Mapping[str, Callable[[Part], str]] = {
    "rebooted": lambda document: f"booted with kernel {document.word('kernel')}",
    "reboot-required": _packages_text,
    "reboot-cleared": _packages_text,
    "agent-started": _started_text,
    "job-failed": _job_text,
    "messages-lost": lambda document: f"{document.whole('count')} events lost: {document.word('reason')}",
    "outbox-begun": lambda document: f"a new outbox: {document.word('reason')}",
}
"""By type of the event."""
