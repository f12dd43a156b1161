"""Whether this machine patches itself: what the daemon schedules, or why it does not run. Pure and light."""

from datetime import datetime

from agent.core.schemas import Document
from agent.host.unit_file import UNIT, UnitState
from agent.report.status.observed import DaemonView, Damaged
from agent.state.timestamps import format_human, parse_utc_or_none

AUTOMATIC_STATES = ("on", "stands-aside", "checks-only", "stopped", "disabled", "masked")
_HEADS = {
    "on": "on",
    "stands-aside": "only checks (unattended-upgrades installs the updates)",
    "checks-only": "only checks (agent.upgrade = false)",
}
_OFF = {
    "stopped": f"{UNIT} is not running",
    "disabled": f"{UNIT} is disabled",
    "masked": f"{UNIT} is masked",
}
_TURN_ON = {
    UnitState.DISABLED: "`systemctl enable --now maestro-agent`",
    UnitState.MASKED: "`systemctl unmask maestro-agent`, then `systemctl enable --now maestro-agent`",
}


class Automatic:
    """The state of automatic checks and upgrades."""

    def __init__(
        self,
        daemon: DaemonView | Damaged | None,
        unit: UnitState | None,
        masked_worker: str = "",
        *,
        patcher: str | None = None,
    ) -> None:
        """Take the daemon, the state of its unit, and a unit of the worker that is masked.

        `unit` is None where systemd is not this machine's init; `patcher` is who installs the updates as of the record
        (`DailyJobView.patcher`), which may be some seconds ahead of the daemon's schedule.
        """
        self._unit = unit
        self._masked_worker = masked_worker
        self._known = not isinstance(daemon, Damaged)
        runs = daemon.next_runs if isinstance(daemon, DaemonView) else {}
        self._next = {name: parse_utc_or_none(runs.get(name)) for name in ("check", "upgrade")}
        if patcher == "unattended-upgrades":
            self._next["upgrade"] = None
        self.state = "masked" if masked_worker else _state(daemon, unit, patcher)
        """One of `AUTOMATIC_STATES`; None if unknown: no daemon runs, and systemd is to start none."""

    @property
    def starts_at_boot(self) -> bool | None:
        """Whether systemd starts the daemon at the next boot; None if systemd is not to start it at all."""
        return None if self._unit in {None, UnitState.ABSENT} else self._unit is UnitState.ENABLED

    @property
    def document(self) -> Document | None:
        """Return the `automatic` of the status."""
        if self.state is None:
            return None
        return {"state": self.state, "starts_at_boot": self.starts_at_boot}

    @property
    def reasons(self) -> list[str]:
        """Return that this machine will not patch itself; that the daemon is dead is said by `daemon_reasons`."""
        if self._masked_worker:
            unit = self._masked_worker
            return [f"no check or upgrade runs by itself: {unit} is masked: `systemctl unmask {unit}`"]
        if self._unit is None or self._unit not in _TURN_ON:
            return []
        turn_on = _TURN_ON[self._unit]
        if self.state in _OFF:
            return [f"no check or upgrade runs by itself: {UNIT} is {self._unit.value}: {turn_on}"]
        return [f"after the next boot no check or upgrade runs by itself: {UNIT} is {self._unit.value}: {turn_on}"]

    def text(self, now: datetime) -> str:
        """Return the state with the times of the next jobs."""
        if self._masked_worker:
            return f"off ({self._masked_worker} is masked)"
        if self.state is None:
            return "off (no daemon is running)" if self._known else "unknown"
        if self.state in _OFF:
            return f"off ({_OFF[self.state]})"
        head = _HEADS[self.state]
        if self.starts_at_boot is False:
            head += " until the next boot"
        times = [f"next {name} {_when(at, now)}" for name, at in self._next.items() if at is not None]
        return f"{head}: {', '.join(times)}" if times else head


def _state(daemon: DaemonView | Damaged | None, unit: UnitState | None, patcher: str | None) -> str | None:
    if isinstance(daemon, Damaged):
        return None
    if daemon is not None and daemon.pid is not None:
        if patcher == "unattended-upgrades":
            return "stands-aside"
        # The record may be ahead of its schedule, which follows it; of its own configuration it alone knows.
        follows = patcher == "agent" and daemon.upgrades is not False
        return "on" if follows or daemon.next_runs["upgrade"] is not None else "checks-only"
    if unit is None or unit is UnitState.ABSENT:
        return None
    return "stopped" if unit is UnitState.ENABLED else unit.value


def _when(at: datetime, now: datetime) -> str:
    return "is due now" if at <= now else format_human(at)
