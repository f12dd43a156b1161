"""What is open on an invented host: fixes that are pending, held, or installed and not active. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from endpoint.core.demo.dice import Dice
from endpoint.core.demo.fixes import DemoFix
from endpoint.core.demo.roster import DemoHost, Mood

_SOAK = timedelta(days=7)
_SNOOZE = timedelta(days=12)
_RECENT_DAYS = 9
_HELD_FROM, _HELD_TO = timedelta(days=5), timedelta(days=23)


class DemoStage(Enum):
    """How far a fix has come on one host."""

    PENDING = "pending"
    HELD = "held"
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFix:
    """A fix that is not active on one host."""

    fix: DemoFix
    stage: DemoStage
    installed_at: datetime | None = None
    why: str | None = None
    """Of a held one, as in `maestro.plan/1`."""
    detail: str = ""
    until: datetime | None = None


_PENDING = {Mood.PENDING: 3, Mood.FAILED: 1, Mood.SILENT: 1, Mood.STALE: 1}
"""How many fixes are pending on such a host."""
_HOLDS = (
    ("held-by-admin", "marked hold (`apt-mark unhold` opens it)"),
    ("would-remove", "installing it would remove {0}-plugin-legacy"),
    ("conffile", "the maintainer changed /etc/{0}/{0}.conf, which was edited here"),
    ("blocklisted", "matches the blocklist: {0}"),
)


def open_fixes(host: DemoHost, fixes: tuple[DemoFix, ...], now: datetime) -> tuple[OpenFix, ...]:
    """Return what is open on a host now."""
    dice = Dice(f"open {host.name}")
    recent = [fix for fix in fixes if now - fix.published_at < timedelta(days=_RECENT_DAYS)]
    if host.mood in _PENDING:
        return tuple(OpenFix(fix=fix, stage=DemoStage.PENDING) for fix in dice.some(recent, _PENDING[host.mood]))
    if host.mood is Mood.HELD:
        return (_held(dice, fixes, now),)
    if host.mood is Mood.SOAKING:
        return tuple(map(_soaking, dice.some([fix for fix in recent if fix.published_at + _SOAK > now], 2)))
    if host.mood is Mood.SNOOZED:
        return (_snoozed(dice.pick(recent), now),)
    wanted = [fix for fix in fixes if fix.waits_for == host.mood.value]
    return (_installed(wanted[-1], dice),) if wanted else ()


def _held(dice: Dice, fixes: tuple[DemoFix, ...], now: datetime) -> OpenFix:
    why, detail = dice.pick(_HOLDS)
    fix = dice.pick([fix for fix in fixes if _HELD_FROM < now - fix.published_at < _HELD_TO])
    return OpenFix(fix=fix, stage=DemoStage.HELD, why=why, detail=detail.format(fix.package))


def _soaking(fix: DemoFix) -> OpenFix:
    until = fix.published_at + _SOAK
    detail = f"first seen here {fix.published_at:%Y-%m-%d %H:%M}; soaks until {until:%Y-%m-%d %H:%M} UTC"
    return OpenFix(fix=fix, stage=DemoStage.HELD, why="soaking", detail=detail, until=until)


def _snoozed(fix: DemoFix, now: datetime) -> OpenFix:
    until = (now + _SNOOZE).replace(hour=6, minute=0, second=0, microsecond=0)
    detail = f"{fix.package} is snoozed until {until:%Y-%m-%d %H:%M} UTC by alice: release freeze"
    return OpenFix(fix=fix, stage=DemoStage.HELD, why="snoozed", detail=detail, until=until)


def _installed(fix: DemoFix, dice: Dice) -> OpenFix:
    at = fix.published_at + timedelta(hours=dice.between(4, 30))
    return OpenFix(fix=fix, stage=DemoStage.INSTALLED, installed_at=at)
