"""[reboot] and [services]: one valid file, and one mutation of it for each misconfiguration."""

import os
import shutil
import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.config.load import load
from agent.config.windows import reboot_rules, window_of
from agent.core.policy.distro import Distro
from agent.core.policy.policy import Policy, RebootMode, RebootPolicy, ServicesPolicy, SessionsMode
from agent.core.reboot.hold_off import hold_off_ends
from agent.core.windows import is_open
from agent.errors import ConfigError

DEBIAN = Distro(id="debian", codename="bookworm", version="12")
BERLIN = timezone(timedelta(hours=1))
GOOD = """\
[reboot]
policy = "window"
window = "night"
not_before = "2026-12-27"
expected = "20m"
sessions = "never"
grace = "0s"
warning = "2m"
hook_timeout = "9m"
fleetlock_url = "https://lock.example.org/base/"
fleetlock_group = "web.eu-1"
fleetlock_id = "zincati"
fleetlock_ca_file = "/etc/ca.pem"
fleetlock_token_file = "/etc/token"
fleetlock_client_cert = "/etc/cert.pem"
fleetlock_client_key = "/etc/key.pem"

[services]
never_restart = ["postgresql*", "foo@*.service"]

[windows]
night = "Sat 02:00-04:00"
"""


def loaded(directory: Path, text: str) -> Policy:
    (directory / "config.toml").write_text(text)
    return load(directory / "config.toml", DEBIAN)[0]


def test_a_valid_file_sets_every_field(tmp_path: Path) -> None:
    policy = loaded(tmp_path, GOOD)

    assert policy.reboot == RebootPolicy(
        policy=RebootMode.WINDOW,
        window="Sat 02:00-04:00",
        not_before="2026-12-27",
        expected=timedelta(minutes=20),
        sessions=SessionsMode.NEVER,
        grace=timedelta(0),
        warning=timedelta(minutes=2),
        hook_timeout=timedelta(minutes=9),
        fleetlock_url="https://lock.example.org/base",
        fleetlock_group="web.eu-1",
        fleetlock_id="zincati",
        fleetlock_ca_file="/etc/ca.pem",
        fleetlock_token_file="/etc/token",  # noqa: S106 - a path
        fleetlock_client_cert="/etc/cert.pem",
        fleetlock_client_key="/etc/key.pem",
    )
    assert policy.services == ServicesPolicy(never_restart=("postgresql*", "foo@*.service"))


def test_the_defaults_of_the_values_are_those_of_the_keys_and_reboot_nothing(tmp_path: Path) -> None:
    policy = loaded(tmp_path, "")

    assert policy.reboot == RebootPolicy()
    assert policy.services == ServicesPolicy()
    assert policy.reboot.policy is RebootMode.NEVER
    assert not reboot_rules(policy.reboot).allows_windows


def test_the_rules_have_the_window_and_how_much_of_it_a_reboot_needs(tmp_path: Path) -> None:
    rules = reboot_rules(loaded(tmp_path, GOOD).reboot)

    assert rules.window is not None
    assert (rules.window.text, rules.needed, rules.allows_windows) == ("Sat 02:00-04:00", timedelta(minutes=22), True)


def test_a_window_may_be_just_as_long_as_a_reboot(tmp_path: Path) -> None:
    assert loaded(tmp_path, GOOD.replace('"20m"', '"118m"')).reboot.expected == timedelta(minutes=118)


def test_a_window_whose_time_zone_has_gone_is_a_problem_and_no_window() -> None:
    rules = reboot_rules(RebootPolicy(policy=RebootMode.WINDOW, window="Sat 02:00-04:00 Europe/Berlni"))

    assert rules.window is None
    assert "Europe/Berlni" in rules.window_problem
    assert not rules.allows_windows


_LOCK = "reboot.fleetlock_url"
_MUTATIONS = [
    ('policy = "window"', 'policy = "always"', """reboot.policy = 'always': accepted: "never" or "window\""""),
    ('policy = "window"', "policy = true", "reboot.policy = True: accepted"),
    ('"night"', '""', "reboot.policy = 'window': requires reboot.window"),
    ('"night"', '"nite"', "reboot.window = 'nite': accepted: the name of a window in [windows]"),
    ('"2026-12-27"', "2026-12-27", "reboot.not_before"),
    ('"2026-12-27"', '"27.12.2026"', "reboot.not_before = '27.12.2026': accepted: a date"),
    ('"2026-12-27"', '"2026-02-30"', "reboot.not_before = '2026-02-30': day is out of range"),
    ('"2026-12-27"', '"2026-12-27 25:00"', "reboot.not_before = '2026-12-27 25:00': hour must be"),
    ('"20m"', '"119m"', "reboot.window = 'night': shorter than reboot.expected and reboot.warning together"),
    ('"2026-12-27"', '"9999-12-31"', "reboot.not_before = '9999-12-31': the year is beyond 9000; accepted: a date"),
    ('"20m"', '"10s"', """reboot.expected = '10s': accepted: a duration from "1m" to "12h\""""),
    ('sessions = "never"', 'sessions = "ask"', """reboot.sessions = 'ask': accepted: "wait" or "never\""""),
    ('grace = "0s"', 'grace = "13h"', """reboot.grace = '13h': accepted: a duration from "0s" to "12h\""""),
    ('warning = "2m"', 'warning = "2h"', """reboot.warning = '2h': accepted: a duration from "0s" to "1h\""""),
    ('"9m"', '"0s"', "reboot.hook_timeout = '0s': accepted"),
    ('"https://lock.example.org/base/"', '"lock.example.org"', f"{_LOCK} = 'lock.example.org': accepted: a URL"),
    ("/base/", "/v1/pre-reboot", f"{_LOCK} = 'https://lock.example.org/v1/pre-reboot': accepted: the URL without"),
    ("web.eu-1", "web_1", "reboot.fleetlock_group = 'web_1': accepted"),
    ("web.eu-1", "", "reboot.fleetlock_group = '': accepted"),
    ('"zincati"', '"höst"', "reboot.fleetlock_id = 'höst': accepted"),
    (
        'fleetlock_client_cert = "/etc/cert.pem"',
        "",
        "reboot.fleetlock_client_key: requires reboot.fleetlock_client_cert",
    ),
    ('"foo@*.service"', '"foo bar"', "services.never_restart = ['postgresql*', 'foo bar']: 'foo bar': accepted"),
    ("[services]", "[servces]", "unknown section 'servces'; did you mean 'services'?"),
]


@pytest.mark.parametrize(("good", "bad", "message"), _MUTATIONS, ids=[f"{bad}-{msg}" for _, bad, msg in _MUTATIONS])
def test_one_mistake_is_one_problem(tmp_path: Path, good: str, bad: str, message: str) -> None:
    assert GOOD.count(good) == 1

    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GOOD.replace(good, bad))

    (problem,) = str(caught.value).splitlines()
    assert message in problem


_KEYS = ["fleetlock_ca_file", "fleetlock_token_file", "fleetlock_client_cert"]


@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "requires reboot.fleetlock_url"),
        ("http://lock.example.org", "otherwise nothing protects it"),
        ("endpoint", "which uses that of [endpoint]"),
    ],
    ids=["no server", "clear text", "endpoint"],
)
def test_what_gives_access_to_the_server_needs_one_to_which_it_is_safe(
    tmp_path: Path, key: str, url: str, message: str
) -> None:
    endpoint = '[endpoint]\nurl = "https://endpoint.example.org"\n'
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f'{endpoint}[reboot]\nfleetlock_url = "{url}"\n{key} = "/etc/file"\n')

    (problem,) = str(caught.value).splitlines()
    assert f"reboot.{key}" in problem
    assert message in problem


@pytest.mark.parametrize("url", ["http://127.0.0.1:3333", "http://localhost", "https://lock.example.org"])
def test_credentials_go_to_this_machine_or_over_https(tmp_path: Path, url: str) -> None:
    policy = loaded(tmp_path, f'[reboot]\nfleetlock_url = "{url}"\nfleetlock_token_file = "/etc/token"\n')

    assert policy.reboot.fleetlock_url == url


def test_a_server_without_credentials_may_be_reached_in_clear_text(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[reboot]\nfleetlock_url = "http://airlock.example.org:3333/"\n').reboot.fleetlock_url == (
        "http://airlock.example.org:3333"
    )


def test_the_endpoint_as_server_needs_an_endpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reboot\.fleetlock_url = 'endpoint': requires endpoint\.url"):
        loaded(tmp_path, '[reboot]\nfleetlock_url = "endpoint"\n')


@pytest.mark.parametrize("name", ["token_file", "client_key"])
def test_a_secret_in_place_of_its_file_is_not_shown(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f'[reboot]\nfleetlock_{name} = "c2VjcmV0"\n')

    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("2026-12-27", datetime(2026, 12, 27, tzinfo=BERLIN)),
        ("2026-12-27T04:00", datetime(2026, 12, 27, 4, tzinfo=BERLIN)),
        ("2026-12-27 04:00:30", datetime(2026, 12, 27, 4, 0, 30, tzinfo=BERLIN)),
        ("2026-12-27T04:00:00Z", datetime(2026, 12, 27, 4, tzinfo=timezone.utc)),
        ("2026-12-27T04:00:00-05:00", datetime(2026, 12, 27, 9, tzinfo=timezone.utc)),
    ],
)
def test_a_hold_off_ends_at_local_midnight_or_at_its_time(text: str, expected: datetime | None) -> None:
    assert hold_off_ends(text, BERLIN) == expected


@pytest.fixture
def zone_file(tmp_path: Path) -> Iterator[Path]:
    """Return the file of a time zone in a database of its own."""
    (tmp_path / "Africa").mkdir()
    zoneinfo.reset_tzpath([str(tmp_path)])
    yield tmp_path / "Africa" / "Cairo"
    zoneinfo.reset_tzpath()


def test_a_process_that_runs_for_long_goes_by_the_rules_that_an_update_of_tzdata_brings(zone_file: Path) -> None:
    """Egypt has had summer time again since 2023, by a law of the same spring."""
    half_past_two = datetime(2026, 7, 1, 23, 30, tzinfo=timezone.utc)
    found = []
    for rules in ("GMT-2", "GMT-3"):
        shutil.copy(f"/usr/share/zoneinfo/Etc/{rules}", zone_file.with_suffix(".dpkg-new"))
        os.replace(zone_file.with_suffix(".dpkg-new"), zone_file)
        window = window_of("Thu 02:00-03:00 Africa/Cairo")
        assert window == window_of("Thu 02:00-03:00 Africa/Cairo"), "read once for each version"
        found.append(is_open(window, half_past_two, timezone.utc))

    assert found == [False, True]


def test_a_zone_that_has_gone_from_the_database_is_none(zone_file: Path) -> None:
    shutil.copy("/usr/share/zoneinfo/Etc/GMT-2", zone_file)
    window_of("Thu 02:00-03:00 Africa/Cairo")
    zone_file.unlink()

    with pytest.raises(ValueError, match="Africa/Cairo"):
        window_of("Thu 02:00-03:00 Africa/Cairo")
