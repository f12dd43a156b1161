"""Which command makes a systemd unit run current files. Pure and light: `status` imports it."""

_SUFFIX = ".service"
NEEDS_REBOOT = frozenset({"dbus.service", "dbus-broker.service", "systemd-logind.service"})
"""Restarting these ends sessions or disconnects every client (needrestart defers them, too)."""


def restart_command(unit: str) -> str | None:
    """Return the command; None if only a reboot, a logout or a person helps."""
    if unit == "init.scope":
        return "systemctl daemon-reexec"
    if unit in NEEDS_REBOOT or unit.startswith("user@") or not unit.endswith(_SUFFIX):
        return None
    name = unit.removesuffix(_SUFFIX)
    return f"systemctl restart '{name}'" if "\\" in name else f"systemctl restart {name}"
