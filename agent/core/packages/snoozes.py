"""Snoozes: which updates and packages they hold. Pure.

A snoozed package is like one on hold. A snoozed CVE holds an update only if every CVE of the update is snoozed, and its
changelog was read completely: otherwise the update fixes something that nobody decided to leave open.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from agent.core.frozen import replace
from agent.core.model.facts import Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.waiting import Snooze
from agent.core.packages.named import names_package
from agent.core.policy.policy import Policy

_KEPT = timedelta(days=90)
"""How long a snooze that is over is kept, for the list of all."""


def in_force(snoozes: Iterable[Snooze], now: datetime) -> tuple[Snooze, ...]:
    """Return the snoozes that are not over."""
    return tuple(one for one in snoozes if one.ended_at is None and now < one.until)


def ended(snoozes: Iterable[Snooze], now: datetime) -> tuple[Snooze, ...]:
    """Return the snoozes with the end of those whose time is over; those that ended long ago are dropped.

    An end that lies ahead was seen by a clock that was wrong: it is kept, since the snooze is over all the same.
    """
    noted = (one if one.ended_at or now < one.until else replace(one, ended_at=now) for one in snoozes)
    return tuple(one for one in noted if one.ended_at is None or now - one.ended_at < _KEPT)


def snoozed_package(snoozes: Iterable[Snooze], package: PackageId) -> Refusal | None:
    """Return that a package is snoozed, until the latest of its snoozes ends; None: it is not."""
    found = [one for one in snoozes if names_package(one.what, package)]
    if not found:
        return None
    last = max(found, key=lambda one: one.until)
    values = (last.what, last.until, last.by, last.comment)
    return Refusal(why=Why.SNOOZED, reason=Reason(code=ReasonCode.SNOOZED, values=values), until=last.until)


def snoozed_names(snoozes: Iterable[Snooze], packages: Iterable[str]) -> tuple[str, ...]:
    """Return those packages, named without an architecture, of which one is snoozed; sorted."""
    named = {one.what.partition(":")[0] for one in snoozes}
    return tuple(sorted(named.intersection(packages)))


def snoozed(_policy: Policy, update: Update) -> Refusal | None:
    """Return that an update is snoozed, by its package or by all its CVEs; None: it is not."""
    by_package = snoozed_package(update.snoozes, update.id)
    if by_package is not None:
        return by_package
    found = _of_all_cves(update)
    if not found:
        return None
    first = min(found, key=lambda one: one.until)
    values = (", ".join(update.cves), first.until, first.by, first.comment)
    return Refusal(why=Why.SNOOZED, reason=Reason(code=ReasonCode.SNOOZED_CVES, values=values), until=first.until)


def with_snoozes(update: Update, snoozes: Iterable[Snooze]) -> Update:
    """Return the update with those snoozes that name its package or one of its CVEs."""
    found = tuple(one for one in snoozes if names_package(one.what, update.id) or one.what in update.cves)
    return replace(update, snoozes=found) if found else update


def open_in_spite(update: Update) -> tuple[Snooze, ...]:
    """Return the snoozes of CVEs that an update fixes and that do not hold it."""
    if snoozed_package(update.snoozes, update.id) is not None or _of_all_cves(update):
        return ()
    return update.snoozes


def snoozed_in_part(update: Update) -> Reason | None:
    """Return that some of an update's CVEs are snoozed, which does not hold it; None: none is, or all are."""
    cves = [cve for cve in update.cves if any(one.what == cve for one in open_in_spite(update))]
    if not cves:
        return None
    left = [cve for cve in update.cves if cve not in cves]
    code = ReasonCode.SNOOZED_IN_PART if left else ReasonCode.SNOOZED_UNREAD
    return Reason(code=code, values=(", ".join(cves), *([", ".join(left)] if left else [])))


def _of_all_cves(update: Update) -> Collection[Snooze]:
    """Return one snooze for each CVE of an update, the one that ends last; none unless all are snoozed."""
    if not update.cves or not update.cves_complete:
        return ()
    latest: dict[str, Snooze] = {}
    for one in sorted(update.snoozes, key=lambda one: one.until):
        latest[one.what] = one
    found = [latest[cve] for cve in update.cves if cve in latest]
    return found if len(found) == len(update.cves) else ()
