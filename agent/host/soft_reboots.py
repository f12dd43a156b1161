"""How often this boot's userspace was restarted by `systemctl soft-reboot` (systemd-soft-reboot.service(8)).

A soft-reboot keeps the kernel, its boot id and /run, and restarts every service.
"""

from datetime import datetime, timezone

from agent.host.process.run import run_program
from agent.host.systemd import systemd_runs

_LIMIT_S = 5.0
_COMMAND = ("systemctl", "show", "--timestamp=unix", "-p", "SoftRebootsCount", "-p", "UserspaceTimestamp")


def soft_reboots() -> int | None:
    """Return systemd's SoftRebootsCount; None if it cannot be read, 0 if systemd has none (before version 254)."""
    shown = _show()
    count = shown.get("SoftRebootsCount", "0")
    return int(count) if shown and count.isdecimal() else None


def soft_rebooted_at() -> datetime | None:
    """Return when the last soft-reboot started userspace again; None if there was none, or if that is unknown."""
    shown = _show()
    count, at = shown.get("SoftRebootsCount", "0"), shown.get("UserspaceTimestamp", "").removeprefix("@")
    if not count.isdecimal() or int(count) == 0 or not at.isdecimal():
        return None
    return datetime.fromtimestamp(int(at), timezone.utc)


def _show() -> dict[str, str]:
    """Return systemd's properties by name; none if systemd does not answer."""
    if not systemd_runs():
        return {}
    result = run_program(_COMMAND, limit_s=_LIMIT_S)
    if result.code != 0:
        return {}
    return dict(line.split("=", 1) for line in result.output.splitlines() if "=" in line)
