"""apt's merged configuration as the daily job reads it."""

from datetime import timedelta

import apt_pkg
import pytest

from agent.core.unattended_upgrades.model import ALWAYS, RebootKeys
from agent.core.unattended_upgrades.settings import job_settings, parse_dump, parse_every

DAY = timedelta(days=1)
INTERVALS = {
    "1": DAY,
    "7d": 7 * DAY,
    "always": ALWAYS,
    "": ALWAYS,
    "d": ALWAYS,
    "0d": ALWAYS,
    "00": ALWAYS,
    "-1": ALWAYS,
    "+1": DAY,
    "010": 8 * DAY,
    "0x10": 16 * DAY,
    "5s": timedelta(seconds=5),
    "3m": timedelta(minutes=3),
    "2h": timedelta(hours=2),
    " 7d ": 7 * DAY,
    "1 2": DAY,
    "always ": ALWAYS,
    " ": ALWAYS,
    "36500": None,
    "99999d": None,
    "99999999999999999999": None,
    "0": None,
    " 0 ": None,
    "yes": None,
    "08": None,
    "1.5": None,
    "1h30": None,
    "1D": None,
    "Always": None,
    "ALWAYS": None,
}
"""What apt.systemd.daily does with a value whose stamp is six years old; tests/machines asks the script itself."""
DEBIAN = """\
APT::Periodic "";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade "";
Unattended-Upgrade::Origins-Pattern "";
Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename},label=Debian";
"""


@pytest.mark.parametrize("text", INTERVALS, ids=repr)
def test_an_interval_is_read_as_the_script_reads_it(text: str) -> None:
    assert parse_every(text) == INTERVALS[text]


def test_a_value_that_is_not_set_is_off() -> None:
    assert parse_every(None) is None


def test_the_default_of_debian() -> None:
    settings = job_settings(parse_dump(DEBIAN))

    assert (settings.enabled, settings.every, settings.every_text, settings.lists_text) == (True, DAY, "1", "1")
    assert settings.origins == ("origin=Debian,codename=${distro_codename},label=Debian",)
    assert settings.reboot == RebootKeys()
    assert (settings.on_shutdown, settings.days) == (False, ())


@pytest.mark.parametrize(
    ("line", "enabled"),
    [
        ('APT::Periodic::Enable "0";', False),
        ('APT::Periodic::Enable "00";', False),
        ('APT::Periodic::Enable "1";', True),
        ('APT::Periodic::Enable "no";', True),  # `test no -eq 0` is an error, and the script goes on
        ('apt::periodic::enable "0";', False),
    ],
)
def test_enable_is_off_only_where_the_shell_takes_it_for_zero(line: str, *, enabled: bool) -> None:
    assert job_settings(parse_dump(DEBIAN + line)).enabled is enabled


def test_lists_add_up_and_the_last_scalar_counts() -> None:
    text = DEBIAN + (
        'Unattended-Upgrade::Allowed-Origins:: "Ubuntu:noble-security";\n'
        'Unattended-Upgrade::Allowed-Origins::named "Ubuntu:noble";\n'
        'Unattended-Upgrade::Origins-Pattern:: "";\n'
        'Unattended-Upgrade::Package-Blacklist:: "linux-";\nUnattended-Upgrade::Package-Blacklist:: "nginx$";\n'
        'APT::Periodic::Unattended-Upgrade "7d";\n'
    )

    settings = job_settings(parse_dump(text))

    assert (settings.every, settings.blacklist) == (7 * DAY, ("linux-", "nginx$"))
    assert settings.origins == (
        "Ubuntu:noble-security",
        "Ubuntu:noble",
        "origin=Debian,codename=${distro_codename},label=Debian",
    )


def test_keys_of_reboots_of_every_version() -> None:
    text = (
        'Unattended-Upgrade::Automatic-Reboot "true";\nUnattended-Upgrade::Automatic-Reboot-Time "02:00";\n'
        'Unattended-Upgrade::Automatic-Reboot-WithUsers "false";\n'
        'Unattended-Upgrade::Automatic-Reboot-WithSystemUsers "0";\n'
        'Unattended-Upgrade::Automatic-Reboot-IgnoredUsers "bob, alice";\n'
        'Unattended-Upgrade::InstallOnShutdown "yes";\nUnattended-Upgrade::Update-Days:: "Mon";\n'
    )

    settings = job_settings(parse_dump(text))

    assert settings.reboot == RebootKeys(
        automatic=True, time="02:00", with_users=False, with_system_users=False, ignored_users=("bob", "alice")
    )
    assert (settings.on_shutdown, settings.days, settings.every) == (True, ("Mon",), None)


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize(
    "text",
    ["", "0", "1", "2", "-1", "00", "01", "08", "0x0", "0X1", " 1", "1 ", "yes", "TRUE", "with", "Off", "no", "x"],
    ids=repr,
)
def test_a_boolean_is_read_as_libapt_reads_it(text: str, *, default: bool) -> None:
    libapt = apt_pkg.Configuration()
    libapt.set("Key", text)
    key = "automatic-reboot-withusers" if default else "automatic-reboot"

    found = job_settings({f"unattended-upgrade::{key}": [text]}).reboot

    assert (found.with_users if default else found.automatic) is libapt.find_b("Key", default)
