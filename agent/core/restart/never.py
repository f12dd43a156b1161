"""Units that are never restarted, by name. Pure.

A superset of `$nrconf{override_rc}` of needrestart 3.6 (Debian 12) and 3.11 (Debian 13), which are prefixes, too:
tests/machines/test_restart_services.py compares them with the files of these versions. Everything else that needs no
restart is recognized by its properties (`agent.core.restart.plan`), not by its name.
"""

from collections.abc import Collection
from fnmatch import fnmatchcase

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.restart.model import MANAGER_UNIT, LeftWhy

_SUFFIX = ".service"
_USER = lazy_pattern(r"user(?:-runtime-dir)?@([0-9]+)\.service")
_SESSION = lazy_pattern(r"session-.+\.scope")


@frozen
class NeverRestarted:
    """Why a unit is never restarted; values as in `LeftWhy`."""

    why: LeftWhy
    values: tuple[str, ...] = ()


_NEEDS_REBOOT = {
    "a restart disconnects every client of the bus": ("dbus",),
    "a restart ends or orphans sessions": ("systemd-logind", "elogind"),
}
_NEVER = {
    "a restart ends graphical sessions": (
        *("gdm", "kdm", "nodm", "sddm", "wdm", "xdm", "lightdm", "slim", "lxdm", "greetd", "xrdp", "display-manager"),
    ),
    "a restart interrupts the network": (
        *("bird", "network", "NetworkManager", "ModemManager", "wpa_supplicant", "iwd", "openvpn", "quagga", "frr"),
        *("tinc", "openswan", "freeswan", "libreswan", "strongswan", "ipsec", "bluetooth", "ifup", "systemd-networkd"),
        *("wg-quick@", "qrtr-ns", "rmtfs"),
    ),
    "a restart ends a login": ("getty@", "serial-getty@", "console-getty", "container-getty@", "autovt@"),
    "a restart stops containers or virtual machines": (
        *("docker", "weave", "libvirt", "virtlogd", "virtlockd", "virtqemud", "xendomains", "lxc", "lxd", "incus"),
        *("systemd-nspawn",),
    ),
    "a restart interrupts file systems, devices or a running recording": (
        *("zfs-fuse", "mythtv-backend", "usbguard.service", "bacula-"),
    ),
    "a restart may move services to another node": ("corosync", "pacemaker"),
    "it belongs to the rescue mode": ("emergency.service", "rescue.service"),
    "it starts only at boot": ("rc-local.service",),
    "it installs packages or runs one job": (
        *("apt-daily.service", "apt-daily-upgrade.service", "unattended-upgrades.service", "cron-"),
    ),
}
_REASONS = tuple(
    (prefixes, NeverRestarted(why=why, values=(breaks,)))
    for why, names in ((LeftWhy.NEEDS_REBOOT, _NEEDS_REBOOT), (LeftWhy.NEVER_RESTARTED, _NEVER))
    for breaks, prefixes in names.items()
)
_AGENT = "maestro-agent"
_OF_SYSTEMD_RUN = lazy_pattern(r"run-(?:[pru][0-9a-f]|[0-9]).*\.service")
"""Transient units to which nobody gave a name."""


def never_restarted(unit: str, patterns: Collection[str] = ()) -> NeverRestarted | None:
    """Return why a unit may not be restarted by its name; None if it may.

    `patterns` are shell patterns of unit names, `services.never_restart`; ".service" may be left out.
    """
    if unit.startswith(_AGENT):
        return NeverRestarted(why=LeftWhy.AGENT)
    user = _USER.fullmatch(unit)
    if user or _SESSION.fullmatch(unit):
        return NeverRestarted(why=LeftWhy.SESSION, values=(user[1] if user else "",))
    pattern = next((one for one in patterns if fnmatchcase(unit, one) or fnmatchcase(unit, f"{one}{_SUFFIX}")), None)
    if pattern is not None:
        return NeverRestarted(why=LeftWhy.CONFIGURED, values=(pattern,))
    if unit != MANAGER_UNIT and not unit.endswith(_SUFFIX):
        return NeverRestarted(why=LeftWhy.NOT_A_SERVICE if "." in unit else LeftWhy.NO_UNIT)
    return next((reason for prefixes, reason in _REASONS if unit.startswith(prefixes)), None)


def needs_reboot(unit: str) -> bool:
    """Whether only a reboot makes a unit run current files, by its name."""
    found = never_restarted(unit)
    return found is not None and found.why is LeftWhy.NEEDS_REBOOT


def restart_command(unit: str) -> str | None:
    """Return the command that restarts a unit; None if its name shows that it is not restarted."""
    if never_restarted(unit) is not None or _OF_SYSTEMD_RUN.fullmatch(unit):
        return None
    if unit == MANAGER_UNIT:
        return "systemctl daemon-reexec"
    name = unit.removesuffix(_SUFFIX)
    return f"systemctl restart '{name}'" if "\\" in name else f"systemctl restart {name}"
