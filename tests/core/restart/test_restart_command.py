"""The command that makes a unit run current files, where there is one."""

import pytest

from agent.core.restart.never import restart_command


@pytest.mark.parametrize(
    ("unit", "command"),
    [
        ("ssh.service", "systemctl restart ssh"),
        ("app@web.service", "systemctl restart app@web"),
        ("getty@tty1.service", None),
        ("docker.service", None),
        ("docker-proxy.service", None),
        ("run-r4f1a2b3c.service", None),
        ("run-p812-i900.service", None),
        ("run-u12.service", None),
        ("runner.service", "systemctl restart runner"),
        ("maestro-agent.service", None),
        (r"mnt\x2ddata.service", r"systemctl restart 'mnt\x2ddata'"),
        ("init.scope", "systemctl daemon-reexec"),
        ("dbus.service", None),
        ("systemd-logind.service", None),
        ("user@1000.service", None),
        ("session-3.scope", None),
        ("cups.socket", None),
        ("screen", None),
        ("", None),
    ],
)
def test_a_unit_has_its_command(unit: str, command: str | None) -> None:
    assert restart_command(unit) == command
