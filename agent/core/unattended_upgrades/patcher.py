"""Decides who installs security updates daily: the agent, unattended-upgrades or nobody. Exactly one, never two. Pure.

ADR 15 has the reasons.
"""

from collections.abc import Iterator

from agent.core.model.facts import Unseen
from agent.core.policy.policy import DailyJobMode
from agent.core.unattended_upgrades.model import DailyPatcher, Gap, Patcher, TheirJob, UnitFacts

_ENABLED = {"enabled", "enabled-runtime", "static", "generated"}
_LOAD_GAPS = {"masked": Gap.TIMER_MASKED, "not-found": Gap.TIMER_MISSING}
_RUNNING = {"active", "activating", "reloading"}


def daily_patcher(mode: DailyJobMode, *, upgrades: bool, theirs: TheirJob | Unseen) -> DailyPatcher:
    """Return who patches; `upgrades`: whether the configuration lets the daemon upgrade (`agent.upgrade`).

    A job of the distribution that would install updates is never joined by the agent's, in no mode. If it is unknown
    whether there is one, the agent patches unless its owner delegates: apt's daily_lock keeps both apart, and nobody is
    worse than two.
    """
    if isinstance(theirs, Unseen):
        unseen = theirs.reason
        return DailyPatcher(patcher=_without_theirs(mode, upgrades=upgrades), unseen=unseen)
    if isinstance(theirs.settings, Unseen) and theirs.version is not None:
        return DailyPatcher(patcher=_without_theirs(mode, upgrades=upgrades), unseen=theirs.settings.reason)
    gaps = tuple(_gaps(theirs))
    if not gaps:
        return DailyPatcher(patcher=Patcher.UNATTENDED_UPGRADES)
    return DailyPatcher(patcher=_without_theirs(mode, upgrades=upgrades), gaps=gaps)


def _without_theirs(mode: DailyJobMode, *, upgrades: bool) -> Patcher:
    return Patcher.AGENT if upgrades and mode is not DailyJobMode.DELEGATE else Patcher.NOBODY


def _gaps(theirs: TheirJob) -> Iterator[Gap]:
    if theirs.version is None or isinstance(theirs.settings, Unseen):
        yield Gap.NOT_INSTALLED
        return  # the rest is then of no interest
    settings = theirs.settings
    if not settings.enabled:
        yield Gap.PERIODIC_OFF
    if settings.every is None:
        yield Gap.UPGRADE_OFF if settings.every_text in {None, "0"} else Gap.UPGRADE_INVALID
    if not settings.origins:
        yield Gap.NO_ORIGINS
    if theirs.timer is not None and (gap := _timer_gap(theirs.timer)) is not None:
        yield gap
    if theirs.service is not None and theirs.service.load != "loaded":
        yield Gap.SERVICE_MASKED
    if not theirs.scheduler:
        yield Gap.NO_SCHEDULER


def _timer_gap(timer: UnitFacts) -> Gap | None:
    """Return why the timer does not elapse; one that is disabled and active elapses until the next boot."""
    if timer.active in _RUNNING and timer.sub != "elapsed":
        return None
    if timer.load in _LOAD_GAPS:
        return _LOAD_GAPS[timer.load]
    if timer.load != "loaded":
        return Gap.TIMER_INVALID
    return Gap.TIMER_STOPPED if timer.enabled in _ENABLED else Gap.TIMER_DISABLED
