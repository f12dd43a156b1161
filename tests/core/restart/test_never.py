"""Which units are never restarted, by their names."""

import pytest

from agent.core.restart.model import LeftWhy
from agent.core.restart.never import never_restarted

NEEDRESTART_12 = (
    *("dbus.service", "dbus-broker.service", "gdm.service", "gdm3.service", "kdm.service", "nodm.service"),
    *("sddm.service", "wdm.service", "xdm.service", "lightdm.service", "slim.service", "lxdm.service"),
    *("bird.service", "bird6.service", "networking.service", "network-manager.service", "networkd-dispatcher.service"),
    *("NetworkManager.service", "NetworkManager-dispatcher.service", "ModemManager.service", "wpa_supplicant.service"),
    *("openvpn.service", "openvpn@site.service", "openvpn-server@site.service", "quagga.service", "frr.service"),
    *("tinc@mesh.service", "openswan.service", "freeswan.service", "libreswan.service", "strongswan.service"),
    *("strongswan-starter.service", "bluetooth.service", "getty@tty1.service", "serial-getty@ttyS0.service"),
    *("zfs-fuse.service", "mythtv-backend.service", "xendomains.service", "lxcfs.service", "libvirtd.service"),
    *("libvirt-guests.service", "virtlogd.service", "virtlockd.service", "docker.service", "emergency.service"),
    *("rescue.service", "elogind.service", "apt-daily.service", "apt-daily-upgrade.service"),
    *("unattended-upgrades.service", "cron-hourly.service", "rc-local.service", "systemd-logind.service"),
)
"""One or more units for each line of needrestart.conf of needrestart 3.6."""
NEEDRESTART_13 = (
    *("greetd.service", "xrdp.service", "xrdp-sesman.service", "ifup@eth0.service", "usbguard.service"),
    *("lxc.service", "lxc-net.service", "bacula-fd.service", "qrtr-ns.service", "rmtfs.service"),
    "systemd-nspawn@web.service",
)
"""The same for the lines that needrestart 3.11 adds."""


@pytest.mark.parametrize("unit", [*NEEDRESTART_12, *NEEDRESTART_13])
def test_what_needrestart_never_restarts_is_never_restarted(unit: str) -> None:
    assert never_restarted(unit) is not None


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        pytest.param("maestro-agent.service", LeftWhy.AGENT, id="our-daemon"),
        pytest.param("maestro-agent-worker@1-20-0.service", LeftWhy.AGENT, id="our-worker"),
        pytest.param("user@1000.service", LeftWhy.SESSION, id="user-manager"),
        pytest.param("session-4.scope", LeftWhy.SESSION, id="session"),
        pytest.param("session-c2.scope", LeftWhy.SESSION, id="session-of-a-container"),
        pytest.param("dbus.service", LeftWhy.NEEDS_REBOOT, id="dbus"),
        pytest.param("systemd-logind.service", LeftWhy.NEEDS_REBOOT, id="logind"),
        pytest.param("docker.service", LeftWhy.NEVER_RESTARTED, id="docker"),
        pytest.param("weave.service", LeftWhy.NEVER_RESTARTED, id="weave"),
        pytest.param("systemd-networkd.service", LeftWhy.NEVER_RESTARTED, id="networkd"),
        pytest.param("docker-3f2a.scope", LeftWhy.NOT_A_SERVICE, id="a-container"),
        pytest.param("dbus.socket", LeftWhy.NOT_A_SERVICE, id="socket"),
        pytest.param("tmux: server", LeftWhy.NO_UNIT, id="process-of-no-unit"),
        pytest.param("ssh.service", None, id="ssh"),
        pytest.param("cron.service", None, id="cron"),
        pytest.param("containerd.service", None, id="containerd-is-judged-by-its-process"),
        pytest.param("systemd-journald.service", None, id="journald"),
        pytest.param("postgresql@15-main.service", None, id="template-instance"),
        pytest.param("init.scope", None, id="systemd-itself"),
    ],
)
def test_the_reason_is_named(unit: str, why: LeftWhy | None) -> None:
    found = never_restarted(unit)

    assert (found.why if found else None) is why


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        ("mysql", "mysql.service"),
        ("mysql.service", "mysql.service"),
        ("postgresql@*", "postgresql@15-main.service"),
        ("init.scope", "init.scope"),
    ],
    ids=["name", "unit", "instances", "systemd"],
)
def test_a_configured_pattern_is_named(pattern: str, unit: str) -> None:
    found = never_restarted(unit, ("nginx", pattern))

    assert found is not None
    assert (found.why, found.values) == (LeftWhy.CONFIGURED, (pattern,))


def test_a_pattern_is_for_whole_names() -> None:
    assert never_restarted("mysqlrouter.service", ("mysql",)) is None
