"""Stands the distribution's daily job down and puts it back, behind `agent.core.unattended_upgrades.ports`.

Twice over: a drop-in switches it off also where cron starts it or somebody unmasks the timer, and the masked timer
keeps it off if a later file of apt.conf.d switches it on. A timer that is only stopped is started by the next upgrade
of apt; one that is masked while it is active is left failed, so that it is stopped first. A run that is under way goes
on to its end.
"""

import os
from collections.abc import Sequence
from datetime import datetime

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Unseen
from agent.core.schemas import UNATTENDED_UPGRADES_BEFORE_SCHEMA
from agent.core.unattended_upgrades.model import JobSettings, StandDown, TheirJob, UnitFacts
from agent.errors import HostError, RecordError
from agent.host.process.run import run_program
from agent.host.unattended_upgrades.drop_in import OFF, on_text, read_drop_in, write_drop_in
from agent.host.unattended_upgrades.look import TIMER, look_at_daily_job
from agent.state.store import UNATTENDED_UPGRADES_BEFORE, Store
from agent.state.timestamps import format_utc, utc_now

_CALL_S = 60.0
_TIMERS = ("apt-daily.timer", TIMER)
_MASK = f"/etc/systemd/system/{TIMER}"
_RUNNING = frozenset({"active", "activating", "reloading"})


@frozen
class _TimerBefore:
    """The timer as systemd had it."""

    load: str
    active: str
    enabled: str


@frozen
class _Before:
    """How the job was before it was stood down."""

    by: StandDown
    drop_in: str | None
    timer: _TimerBefore | None
    """None: systemd was not the machine's init."""


_LOST = _Before(
    by=StandDown.COMMAND, drop_in=None, timer=_TimerBefore(load="loaded", active="active", enabled="enabled")
)
"""The drop-in stands the job down and there is no record, as after somebody has deleted it: as Debian installs it."""


def _timer_before(timer: UnitFacts | None) -> _TimerBefore | None:
    return _TimerBefore(load=timer.load, active=timer.active, enabled=timer.enabled) if timer else None


class LocalDailyJob:
    """The daily job of this machine, and the record of how it was."""

    def __init__(
        self,
        store: Store,
        *,
        systemctl: Sequence[str] = ("systemctl",),
        apt_config: Sequence[str] = ("apt-config",),
    ) -> None:
        """Take the record, and the words that run both programs."""
        self._store = store
        self._systemctl = tuple(systemctl)
        self._apt_config = tuple(apt_config)

    def look(self) -> TheirJob | Unseen:
        """Return what is seen of it now."""
        return look_at_daily_job(systemctl=self._systemctl, apt_config=self._apt_config)

    def stood_down(self) -> StandDown | None:
        """Return on whose behalf it is stood down; None: it is not.

        Raises:
            HostError: the drop-in cannot be read. RecordError: the record is damaged.
        """
        before = self._before()
        return before.by if before is not None else None

    def stand_down(self, stand_down: StandDown, now: datetime) -> None:
        """Switch it off, and keep how it was; does again what another program undid.

        Raises:
            HostError: it cannot be switched off, or not be recorded. RecordError: the record is damaged.
        """
        timer, before = self._timer(), self._before()
        known = before or _Before(by=stand_down, drop_in=read_drop_in(), timer=_timer_before(timer))
        # The record may be of a machine without systemd, as of the image that this one was made from.
        known = replace(known, by=stand_down, timer=known.timer or _timer_before(timer))
        if known != before or before is _LOST:
            self._record(known, now)
        write_drop_in(OFF, self._apt_config)
        if timer is None or timer.load == "not-found":
            return
        if timer.active in _RUNNING:
            self._call("stop", TIMER)
        if timer.load != "masked":
            self._mask()
        after = self._timer() if timer.active not in {"inactive", ""} else None
        if after is not None and after.active == "failed":
            self._call("reset-failed", TIMER)

    def put_back(self) -> None:
        """Switch it on as it was; nothing if it is not stood down.

        Raises:
            HostError: it cannot be switched on. RecordError: the record is damaged.
        """
        before = self._before()
        if before is None:
            return
        if before is _LOST:  # also for the case that this is interrupted
            self._record(before, utc_now())
        if read_drop_in() == OFF:
            write_drop_in(before.drop_in, self._apt_config)
        if before.timer is not None and before.timer.load != "masked":
            self._put_back_timer(before.timer)
        self._store.remove(UNATTENDED_UPGRADES_BEFORE)

    def _mask(self) -> None:
        """Mask the timer; disable it where its owner has a unit file of his own, which systemd does not mask."""
        try:
            self._call("mask", TIMER)
        except HostError:
            self._call("disable", TIMER)

    def _put_back_timer(self, was: _TimerBefore) -> None:
        timer = self._timer()
        if timer is None:
            _remove_mask()
            return
        if timer.load == "masked":
            self._call("unmask", TIMER)
            timer = self._timer() or timer  # it is disabled where an earlier call could not mask it
        if was.enabled == "enabled" and timer.enabled == "disabled":
            self._call("enable", TIMER)
        if was.active in _RUNNING:
            self._call("start", TIMER)

    def set_up(self, theirs: TheirJob) -> None:
        """Switch it on, whatever was before: what is off in apt's configuration, and both timers.

        Raises:
            HostError: it cannot be switched on.
        """
        write_drop_in(None, self._apt_config)
        off = _off_keys(self._settings())
        if off:
            write_drop_in(on_text(off), self._apt_config)
        if theirs.timer is not None:
            self._call("unmask", *_TIMERS)
            self._call("enable", "--now", *_TIMERS)
        self._store.remove(UNATTENDED_UPGRADES_BEFORE)

    def _settings(self) -> JobSettings:
        theirs = self.look()
        found = theirs if isinstance(theirs, Unseen) else theirs.settings
        if isinstance(found, Unseen):
            raise HostError(found.reason)
        return found

    def _timer(self) -> UnitFacts | None:
        theirs = self.look()
        if isinstance(theirs, Unseen):
            raise HostError(theirs.reason)
        return theirs.timer

    def _before(self) -> "_Before | None":
        """Return how it was before it was stood down; None: it is not. Raises HostError, RecordError."""
        found = self._store.read(UNATTENDED_UPGRADES_BEFORE, UNATTENDED_UPGRADES_BEFORE_SCHEMA, keep=True)
        if found is None:
            return _LOST if read_drop_in() == OFF else None
        if found.text("by") not in {one.value for one in StandDown}:
            raise RecordError(f"{self._store.path(UNATTENDED_UPGRADES_BEFORE)}: is damaged: by")
        timer = found.optional_child("timer")
        return _Before(
            by=StandDown(found.text("by")),
            drop_in=found.optional_text("drop_in"),
            timer=_TimerBefore(load=timer.text("load"), active=timer.text("active"), enabled=timer.text("enabled"))
            if timer
            else None,
        )

    def _record(self, before: "_Before", now: datetime) -> None:
        """Record how it was, before anything is changed."""
        timer = before.timer
        self._store.write(
            UNATTENDED_UPGRADES_BEFORE,
            {
                "schema": UNATTENDED_UPGRADES_BEFORE_SCHEMA,
                "generated_at": format_utc(now),
                "by": before.by.value,
                "drop_in": before.drop_in,
                "timer": {"load": timer.load, "active": timer.active, "enabled": timer.enabled} if timer else None,
            },
        )

    def _call(self, *arguments: str) -> None:
        done = run_program((*self._systemctl, *arguments), limit_s=_CALL_S)
        if done.code != 0:
            last = done.output.splitlines()[-1] if done.output else f"exit code {done.code}"
            raise HostError(f"systemctl {' '.join(arguments)}: {last}")


def _remove_mask() -> None:
    """Unmask the timer of a machine that did not boot, as from a chroot: it starts at the next boot.

    Raises:
        HostError: the link cannot be removed.
    """
    try:
        if os.path.islink(_MASK) and os.readlink(_MASK) == os.devnull:
            os.unlink(_MASK)
    except OSError as error:
        raise HostError(f"{_MASK}: cannot be removed: {error.strerror}") from error


def _off_keys(settings: JobSettings) -> list[str]:
    """Return the keys of APT::Periodic that keep the job from its work."""
    off = {
        "Enable": not settings.enabled,
        "Update-Package-Lists": settings.lists_text in {None, "0"},
        "Unattended-Upgrade": settings.every is None,
    }
    return [name for name, is_off in off.items() if is_off]
