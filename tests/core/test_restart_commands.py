"""The command that makes a unit run current files, where there is one."""

import pytest

from agent.core.restart_commands import restart_command


@pytest.mark.parametrize(
    ("unit", "command"),
    [
        ("ssh.service", "systemctl restart ssh"),
        ("getty@tty1.service", "systemctl restart getty@tty1"),
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
