"""Loading the configuration: one valid file, and one mutation of it for each misconfiguration."""

import os
from collections.abc import Callable
from dataclasses import fields
from datetime import time, timedelta
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import pytest

from agent.config import fragments
from agent.config.fragments import ignored_files
from agent.config.load import load, merge, to_policy
from agent.config.schema import KEYS, Key
from agent.core.model.weave import Vendor
from agent.core.policy.distro import Distro
from agent.core.policy.policy import (
    AgentPolicy,
    Conffiles,
    DockerPolicy,
    EndpointPolicy,
    Policy,
    PrefetchMode,
    RemoveUnused,
    ScriptDigests,
    WeavePolicy,
)
from agent.errors import ConfigError

DEBIAN = Distro(id="debian", codename="bookworm", version="12")
UNKNOWN = Distro(id="plan9", codename="fourth")
GOOD = """\
[agent]
check_interval = "3h"
upgrade = false
upgrade_at = "23:30"
splay = "0s"
upgrade_window = "night" # the daily upgrade
tags = ["web", "eu-1.prod_2"]

[security]
origins = ["origin=Debian,codename=${distro_codename}-security", "origin=Docker"]
blocklist = ["linux-*"]
allowlist = ["openssl", "lib*"]
include_runtime = true
remove_old_kernels = false
conffiles = "hold"
remove_unused = "new"

[apt]
lock_timeout = "90s"
refresh_timeout = "5m"
max_list_age = "2d"
stall_timeout = "2h"
package_timeout = "3h"
run_timeout = "1d"
fetch_ahead = "all"

[docker]
manifest = "/srv/manifest.yml"
environment = "staging"
window = "night" # Docker
live_restore = true

[windows]
night = "2nd Sat 22:00-02:00 Europe/Berlin"

[weave]
vendor = "rajchaudhuri"
source = "https://example.org/v{version}/weave"
sha256 = {"2.9.0" = "ABababababababababababababababababababababababababababababababab"}
window = "night"

[endpoint]
url = "https://endpoint.example.org/maestro"
enrolment_key_file = ""
token_file = "/etc/maestro-agent/token"
ca_file = "/etc/maestro-agent/ca.pem"
client_cert = "/etc/maestro-agent/client.pem"
client_key = "/etc/maestro-agent/client.key"
proxy = "http://proxy.example.org:3128"
interval = "10m"
timeout = "20s"
max_bytes = 5000000
max_age = "60d"
burst = 100
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes the main file and drop-ins by name."""

    def write_files(text: str, **drop_ins: str) -> Path:
        main = tmp_path / "config.toml"
        main.write_text(text)
        (tmp_path / "config.d").mkdir()
        for name, content in drop_ins.items():
            (tmp_path / "config.d" / f"{name}.toml").write_text(content)
        return main

    return write_files


def problems(path: Path, distro: Distro = DEBIAN) -> list[str]:
    """Load, and return the lines of the ConfigError."""
    with pytest.raises(ConfigError) as caught:
        load(path, distro)
    assert caught.value.exit_code == 78
    return str(caught.value).splitlines()


def test_a_valid_file_sets_every_field(write: Write) -> None:
    path = write(GOOD)

    policy, inputs = load(path, DEBIAN)

    assert [pattern.text for pattern in policy.security.origins] == [
        "origin=Debian,codename=bookworm-security",
        "origin=Docker",
    ]
    assert policy.security.blocklist == ("linux-*",)
    assert policy.security.allowlist == ("openssl", "lib*")
    assert policy.security.include_runtime is True
    assert policy.security.remove_old_kernels is False
    assert policy.security.conffiles is Conffiles.HOLD
    assert policy.security.remove_unused is RemoveUnused.NEW
    assert policy.agent == AgentPolicy(
        check_interval=timedelta(hours=3),
        upgrade=False,
        upgrade_at=time(23, 30),
        splay=timedelta(0),
        upgrade_window="2nd Sat 22:00-02:00 Europe/Berlin",
        tags=("web", "eu-1.prod_2"),
    )
    assert policy.apt.lock_timeout == timedelta(seconds=90)
    assert policy.apt.refresh_timeout == timedelta(minutes=5)
    assert policy.apt.max_list_age == timedelta(days=2)
    assert policy.apt.stall_timeout == timedelta(hours=2)
    assert policy.apt.package_timeout == timedelta(hours=3)
    assert policy.apt.run_timeout == timedelta(days=1)
    assert policy.apt.fetch_ahead is PrefetchMode.ALL
    assert policy.docker == DockerPolicy(
        manifest="/srv/manifest.yml",
        environment="staging",
        window="2nd Sat 22:00-02:00 Europe/Berlin",
        live_restore=True,
    )
    assert policy.weave == WeavePolicy(
        vendor="rajchaudhuri",
        source="https://example.org/v{version}/weave",
        sha256=ScriptDigests(by_version=(("2.9.0", "ab" * 32),)),
        window="2nd Sat 22:00-02:00 Europe/Berlin",
    )
    assert policy.endpoint == EndpointPolicy(
        enrolment_key_file="",
        url="https://endpoint.example.org/maestro",
        token_file="/etc/maestro-agent/token",  # noqa: S106 - a path
        ca_file="/etc/maestro-agent/ca.pem",
        client_cert="/etc/maestro-agent/client.pem",
        client_key="/etc/maestro-agent/client.key",
        proxy="http://proxy.example.org:3128",
        interval=timedelta(minutes=10),
        timeout=timedelta(seconds=20),
        max_bytes=5_000_000,
        max_age=timedelta(days=60),
        burst=100,
    )
    # in the other files of this folder
    elsewhere = {"metrics", "otlp", "provision", "reboot", "requests", "services", "soak", "unattended_upgrades"}
    assert {entry.source for entry in inputs.values() if entry.key.section not in elsewhere} == {str(path)}


@pytest.mark.parametrize(
    "vendor", [vendor for vendor in Vendor if vendor is not Vendor.OTHER], ids=lambda one: one.value
)
def test_every_known_vendor_of_weave_can_be_wanted(vendor: Vendor, write: Write) -> None:
    policy, _ = load(write(f'[weave]\nvendor = "{vendor.value}"\n'), DEBIAN)

    assert Vendor(policy.weave.vendor) is vendor


def test_an_empty_file_keeps_the_defaults(write: Write) -> None:
    policy, inputs = load(write(""), DEBIAN)

    assert policy == to_policy(merge((), DEBIAN), DEBIAN)
    assert {entry.source for entry in inputs.values()} == {"default"}


def type_of_field(key: Key) -> Any:
    """Return the declared type of the policy field that a key sets."""
    return get_type_hints(get_type_hints(Policy)[key.section])[key.name]


def test_every_key_is_a_field_of_the_policy_and_every_field_has_a_key() -> None:
    parts = get_type_hints(Policy).items()

    assert {key.path for key in KEYS} == {f"{name}.{field.name}" for name, part in parts for field in fields(part)}


# security.origins is parsed into patterns later, with the distribution's variables
@pytest.mark.parametrize("key", [key for key in KEYS if key.path != "security.origins"], ids=lambda key: str(key.path))
def test_every_parser_and_default_has_the_type_of_its_field(key: Key) -> None:
    assert get_type_hints(key.parse)["return"] == type_of_field(key)
    assert isinstance(key.default, get_origin(type_of_field(key)) or type_of_field(key))


_DURATION = 'accepted: a number above 0 and a unit s, m, h or d in quotes, such as "10m"'
_WORDS = 'accepted: a list of non-empty strings, such as ["one", "two"]'
_FLAG = "accepted: true or false"
_PREFETCH = 'accepted: "off", "security" or "all"'
_DURATIONS = ["lock_timeout", "refresh_timeout", "max_list_age", "stall_timeout", "package_timeout", "run_timeout"]
_BAD_DURATIONS = [
    *('"10"', '"m"', '"10 m"', '"0m"', '"-5m"', '"1.5h"', '"10M"', '"1h30m"', '"ten m"', '""', '"1w"', '"9999999s"'),
    *("600", "0", "true", "1.5", '["10m"]', "2026-11-23"),
]
_MUTATIONS: list[tuple[str, str, str]] = [
    ("[apt]", "[aptt]", "unknown section 'aptt'; did you mean 'apt'?"),
    ('"23:30"', '"24:00"', "agent.upgrade_at = '24:00': accepted: a time of day"),
    ('"23:30"', '"4:00"', "agent.upgrade_at = '4:00': accepted: a time of day"),
    ('"23:30"', "2330", "agent.upgrade_at = 2330: accepted: a time of day"),
    (
        'check_interval = "3h"',
        'check_interval = "1m"',
        """agent.check_interval = '1m': accepted: a duration from "10m" to "7d\"""",
    ),
    ('"0s"', '"13h"', """agent.splay = '13h': accepted: a duration from "0s" to "12h\""""),
    ('["web", "eu-1.prod_2"]', '["web", "web"]', "agent.tags = ['web', 'web']: accepted: a list of at most 32 tags"),
    ('["web", "eu-1.prod_2"]', '["-web"]', "agent.tags = ['-web']: accepted: a list of at most 32 tags"),
    ('["web", "eu-1.prod_2"]', '["a b"]', "agent.tags = ['a b']: accepted: a list of at most 32 tags"),
    ('["web", "eu-1.prod_2"]', '"web"', "agent.tags = 'web': accepted: a list of at most 32 tags"),
    ('"60d"', '"9999d"', """endpoint.max_age = '9999d': accepted: a duration from "1s" to "3650d\""""),
    ('"/srv/manifest.yml"', '"manifest.yml"', "docker.manifest = 'manifest.yml': accepted: an absolute path"),
    ('"staging"', '"a b"', "docker.environment = 'a b': accepted: the name of an environment"),
    ('"staging"', '""', "docker.environment = '': accepted: the name of an environment"),
    ('"staging"', '"docker"', "docker.environment = 'docker': accepted: the name of an environment"),
    ('"staging"', "5", "docker.environment = 5: accepted: the name of an environment"),
    ('"rajchaudhuri"', '"reweave"', 'weave.vendor = \'reweave\': accepted: "weaveworks" or "rajchaudhuri"'),
    (
        '"night" # Docker',
        '"nigth"',
        "docker.window = 'nigth': accepted: the name of a window in [windows], or \"\" for none; known: night",
    ),
    (
        '"night" # the daily upgrade',
        '"nite"',
        "agent.upgrade_window = 'nite': accepted: the name of a window in [windows], or \"\" for none; known: night",
    ),
    ('"night" # Docker', "5", "docker.window = 5: accepted: the name of a window in [windows]"),
    ("2nd Sat", "2nd", "windows.night = '2nd 22:00-02:00 Europe/Berlin': accepted:"),
    ('"2nd Sat 22:00-02:00 Europe/Berlin"', '["Sat"]', "windows.night = ['Sat']: accepted: a window"),
    ("Europe/Berlin", "Europe/Berlni", "'Europe/Berlni' is not a time zone of this machine's database"),
    ("Europe/Berlin", "../../etc/passwd", "windows.night = '2nd Sat 22:00-02:00 ../../etc/passwd': accepted:"),
    ("[windows]", '[windows]\n"Night shift" = "Sat 02:00-04:00"', "windows.Night shift = 'Sat 02:00-04:00': accepted"),
    ('"rajchaudhuri"', "[]", 'weave.vendor = []: accepted: "weaveworks" or "rajchaudhuri"'),
    ('"https://example.org/v{version}/weave"', "5", "weave.source = 5: accepted: a URL such as"),
    ('"https://example.org/v{version}/weave"', '"srv"', "weave.source = 'srv': accepted: a URL such as"),
    ("https://example.org/v{version}", "http://example.org/v{version}", "accepted: a URL such as"),
    ("/v{version}/weave", "/weave", "weave.source = 'https://example.org/weave': accepted: a URL such as"),
    ('{"2.9.0" = ', '{"latest" = ', "accepted: a table of versions with the SHA-256 of each script"),
    ("ABab", "ab", "accepted: a table of versions with the SHA-256 of each script"),
    ("burst = 100", f"burst = 0x{'f' * 5000}", "endpoint.burst = a number: accepted: a whole number from 10"),
    (
        "[apt]",
        "[zzzz]",
        "unknown section 'zzzz'; known: agent, apt, docker, endpoint, metrics, otlp, provision, reboot, requests, "
        "security, services, soak, unattended_upgrades, weave, windows",
    ),
    ("[agent]", "interval = 1\n[agent]", "unknown key 'interval'"),
    ("blocklist", "blacklist", "unknown key 'security.blacklist'; did you mean 'security.blocklist'?"),
    ("max_list_age", "lists_age", "unknown key 'apt.lists_age'; did you mean 'apt.max_list_age'?"),
    ("stall_timeout", "Stall_timeout", "did you mean 'apt.stall_timeout'?"),
    ('["linux-*"]', '"linux-*"', f"security.blocklist = 'linux-*': {_WORDS}"),
    ('["linux-*"]', '["linux-*", 5]', f"security.blocklist = ['linux-*', 5]: {_WORDS}"),
    ('["linux-*"]', '["linux-*", ""]', f"security.blocklist = ['linux-*', '']: {_WORDS}"),
    ('["linux-*"]', '[" "]', f"security.blocklist = [' ']: {_WORDS}"),
    ('["openssl", "lib*"]', "true", f"security.allowlist = True: {_WORDS}"),
    ('["openssl", "lib*"]', '[["openssl"]]', f"security.allowlist = [['openssl']]: {_WORDS}"),
    ("include_runtime = true", "include_runtime = 1", f"security.include_runtime = 1: {_FLAG}"),
    ("include_runtime = true", 'include_runtime = "true"', f"security.include_runtime = 'true': {_FLAG}"),
    ("include_runtime = true", "include_runtime = []", f"security.include_runtime = []: {_FLAG}"),
    ("remove_old_kernels = false", "remove_old_kernels = 0", f"security.remove_old_kernels = 0: {_FLAG}"),
    ('"hold"', '"ask"', """security.conffiles = 'ask': accepted: "keep" or "hold\""""),
    ('"hold"', "true", """security.conffiles = True: accepted: "keep" or "hold\""""),
    ('"hold"', '["hold"]', """security.conffiles = ['hold']: accepted: "keep" or "hold\""""),
    ('"new"', '"all"', """security.remove_unused = 'all': accepted: "never" or "new\""""),
    ('"new"', "true", """security.remove_unused = True: accepted: "never" or "new\""""),
    ('"all"', '"none"', f"apt.fetch_ahead = 'none': {_PREFETCH}"),
    ('"all"', "true", f"apt.fetch_ahead = True: {_PREFETCH}"),
    ('"all"', '["all"]', f"apt.fetch_ahead = ['all']: {_PREFETCH}"),
    (', "origin=Docker"]', ", 7]", "accepted: a list of non-empty strings"),
    (', "origin=Docker"]', ', "orgin=Docker"]', "unknown key 'orgin'; did you mean 'origin'?"),
    (', "origin=Docker"]', ', "Docker"]', "security.origins = 'Docker': 'Docker' is not of the form key=value"),
    ("${distro_codename}", "${codename}", "unknown variable ${codename}; known here: ${distro_codename}"),
    ("blocklist =", "blocklist", "is not valid TOML"),
]


@pytest.mark.parametrize(("good", "bad", "message"), _MUTATIONS, ids=[bad for _, bad, _ in _MUTATIONS])
def test_one_mistake_is_one_problem_that_names_file_and_accepted_values(
    write: Write, good: str, bad: str, message: str
) -> None:
    assert GOOD.count(good) == 1
    path = write(GOOD.replace(good, bad))

    (problem,) = problems(path)

    assert problem.startswith(f"{path}: ")
    assert message in problem


@pytest.mark.parametrize("name", _DURATIONS)
@pytest.mark.parametrize("bad", _BAD_DURATIONS)
def test_a_malformed_duration_is_rejected(write: Write, name: str, bad: str) -> None:
    path = write(f"[apt]\n{name} = {bad}\n")

    (problem,) = problems(path)

    assert problem.startswith(f"{path}: apt.{name} = ")
    assert problem.endswith(_DURATION)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("1s", timedelta(seconds=1)),
        ("10m", timedelta(minutes=10)),
        ("36h", timedelta(hours=36)),
        ("7d", timedelta(days=7)),
        ("007m", timedelta(minutes=7)),
        ("999999s", timedelta(seconds=999999)),
    ],
)
def test_a_duration_may_have_any_unit(write: Write, text: str, duration: timedelta) -> None:
    policy, _ = load(write(f'[apt]\nmax_list_age = "{text}"\n'), DEBIAN)

    assert policy.apt.max_list_age == duration


def test_a_value_in_place_of_a_section_is_rejected(write: Write) -> None:
    path = write("apt = 5\n")

    assert problems(path) == [f"{path}: apt = 5: accepted: a section, written [apt]"]


def test_an_empty_list_of_origins_is_rejected(write: Write) -> None:
    (problem,) = problems(write("[security]\norigins = []\n"))

    assert "security.origins = []: accepted: at least one pattern" in problem


@pytest.mark.parametrize(
    ("text", "place"),
    [("[security\n", "line 1"), ("[apt]\n\nlock_timeout = 10m\n", "line 3"), ("a=1\na=2\n", "line 2")],
)
def test_invalid_toml_is_reported_with_its_line(write: Write, text: str, place: str) -> None:
    path = write(text)

    (problem,) = problems(path)

    assert problem.startswith(f"{path}: is not valid TOML: ")
    assert place in problem


def test_invalid_utf_8_is_reported_with_its_byte(write: Write) -> None:
    path = write("")
    path.write_bytes(b"# caf\xe9\n")

    assert problems(path) == [f"{path}: is not UTF-8 text (byte 5)"]


def test_a_directory_in_place_of_the_file_is_rejected(tmp_path: Path) -> None:
    assert problems(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_an_explicit_file_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "missing.toml"

    assert problems(path) == [f"{path}: cannot be read: No such file or directory"]


def test_an_unknown_distribution_requires_origins(write: Write) -> None:
    (problem,) = problems(write(""), UNKNOWN)

    assert "security.origins: no default is known for the distribution 'plan9'" in problem
    assert "origins = [" in problem


def test_an_unknown_distribution_uses_the_configured_origins(write: Write) -> None:
    policy, _ = load(write('[security]\norigins = ["origin=Plan9,codename=${distro_codename}"]\n'), UNKNOWN)

    assert [pattern.text for pattern in policy.security.origins] == ["origin=Plan9,codename=fourth"]


def test_a_distribution_without_a_codename_requires_origins(write: Write) -> None:
    (problem,) = problems(write(""), Distro(id="debian", codename=""))

    assert "unknown variable ${distro_codename}" in problem


def test_later_drop_ins_win_in_name_order_and_are_the_source(write: Write) -> None:
    path = write(
        '[apt]\nlock_timeout = "1m"\nstall_timeout = "1m"\nmax_list_age = "1d"\n',
        **{
            "20-late": '[apt]\nlock_timeout = "3m"\n',
            "10-early": '[apt]\nlock_timeout = "2m"\nstall_timeout = "2m"\n',
        },
    )

    policy, inputs = load(path, DEBIAN)

    assert policy.apt.lock_timeout == timedelta(minutes=3)
    assert policy.apt.stall_timeout == timedelta(minutes=2)
    assert policy.apt.max_list_age == timedelta(days=1)
    assert [Path(inputs[f"apt.{name}"].source).name for name in _DURATIONS] == [
        "20-late.toml",
        "default",
        "config.toml",
        "10-early.toml",
        "default",
        "default",
    ]


def test_a_drop_in_replaces_a_list_and_does_not_add_to_it(write: Write) -> None:
    path = write('[security]\nblocklist = ["a"]\n', **{"10-mine": '[security]\nblocklist = ["b"]\n'})

    policy, _ = load(path, DEBIAN)

    assert policy.security.blocklist == ("b",)


LEFTOVERS = (
    *(".90-mine.toml", ".90-mine.toml.swp", ".#90-mine.toml", "#90-mine.toml#", "90-mine.toml~", "90-mine.toml.bak"),
    *("90-mine.toml.swp", "90-mine.toml.dpkg-old", "90-mine.toml.dpkg-dist", "90-mine.toml.dpkg-new"),
    *("90-mine.toml.dpkg-tmp", "90-mine.toml.ucf-old", "90-mine.toml.ucf-dist", "90-mine.toml.ucf-new"),
    *("90-mine.toml.rpmsave", "90-mine.toml.rpmnew", "90-mine.toml.orig", "90-mine.toml.save", "90-mine.TOML"),
    *("90-mine.conf", "90-mine.cfg"),
)


@pytest.mark.parametrize("name", LEFTOVERS)
def test_leftovers_of_editors_are_passed_over_and_named(name: str, write: Write) -> None:
    path = write("")
    leftover = path.parent / "config.d" / name
    leftover.write_text("no TOML at all")

    policy, _ = load(path, DEBIAN)

    assert policy == to_policy(merge((), DEBIAN), DEBIAN)
    assert [message.split(": ")[0] for message in ignored_files(path)] == [str(leftover)]


@pytest.mark.parametrize(
    "leave",
    [
        lambda place: place.mkdir(),
        lambda place: place.symlink_to("nowhere"),
        lambda place: place.symlink_to("/dev/null"),
        lambda place: place.symlink_to("/"),
        os.mkfifo,
    ],
)
def test_a_drop_in_that_is_no_file_is_passed_over_and_named(leave: Callable[[Path], None], write: Write) -> None:
    path = write("")
    place = path.parent / "config.d" / "90-odd.toml"
    leave(place)

    policy, _ = load(path, DEBIAN)

    assert policy == to_policy(merge((), DEBIAN), DEBIAN)
    assert [message.split(": ")[0] for message in ignored_files(path)] == [str(place)]


def test_a_drop_in_may_be_a_link(write: Write) -> None:
    path = write("", **{"10-mine": '[security]\nblocklist = ["b"]\n'})
    mine = path.parent / "config.d" / "10-mine.toml"
    mine.rename(path.parent / "elsewhere")
    mine.symlink_to("../elsewhere")

    assert load(path, DEBIAN)[0].security.blocklist == ("b",)
    assert list(ignored_files(path)) == []


@pytest.mark.parametrize("leave", [lambda place: place.symlink_to("nowhere"), lambda place: place.write_text("")])
def test_drop_ins_that_cannot_be_listed_are_an_error(leave: Callable[[Path], None], tmp_path: Path) -> None:
    """They might hold a blocklist."""
    (tmp_path / "config.toml").write_text("")
    leave(tmp_path / "config.d")

    assert len(problems(tmp_path / "config.toml")) == 1


def test_a_main_file_that_links_to_nothing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").symlink_to("nowhere")
    monkeypatch.setattr(fragments, "DEFAULT_PATH", tmp_path / "config.toml")

    with pytest.raises(ConfigError):
        load(None, DEBIAN)


def test_an_invalid_value_is_reported_even_if_a_later_drop_in_overrides_it(write: Write) -> None:
    path = write("[apt]\nlock_timeout = 5\n", **{"10-mine": '[apt]\nlock_timeout = "5m"\n'})

    (problem,) = problems(path)

    assert problem.startswith(f"{path}: apt.lock_timeout = 5: ")


def test_several_problems_are_reported_together_each_with_its_file(write: Write) -> None:
    path = write("[apt]\nlock_timeout = 5\nnonsense = 1\n", **{"10-mine": "[dockers]\n[security]\nallowlist = 1\n"})
    drop_in = path.parent / "config.d" / "10-mine.toml"

    found = problems(path)

    assert [problem.split(": ")[0] for problem in found] == [str(path), str(path), str(drop_in), str(drop_in)]
    assert ["lock_timeout" in found[0], "nonsense" in found[1], "docker" in found[2], "allowlist" in found[3]] == [
        True
    ] * 4


def test_several_invalid_patterns_are_reported_together(write: Write) -> None:
    found = problems(write('[security]\norigins = ["Docker", "orgin=Debian"]\n'))

    assert len(found) == 2


def test_an_invalid_pattern_is_reported_together_with_other_problems(write: Write) -> None:
    found = problems(write('[security]\norigins = ["Docker"]\n[apt]\nlock_timeout = 5\n'))

    assert len(found) == 2


@pytest.mark.parametrize(
    "line",
    [
        'url = "http://endpoint.example.org"',
        'url = "https://user:secret@endpoint.example.org"',
        'url = "https://endpoint.example.org/?token=1"',
        'url = "endpoint.example.org"',
        'url = "ftp://endpoint.example.org"',
        "url = 1",
        'token_file = "token"',
        'client_key = "/etc/key.pem"',
        'client_cert = "/etc/cert.pem"',
        'token_file = "/etc/token"',
        'proxy = "http://user:secret@proxy:3128"',
        'interval = "30s"',
        'timeout = "0s"',
        "max_bytes = 10",
        "max_bytes = true",
        "burst = 1.5",
        'tokenfile = "/etc/token"',
    ],
)
def test_an_invalid_endpoint_setting_is_rejected(line: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[endpoint]\n{line}\n")

    with pytest.raises(ConfigError, match=r"config\.toml: .*endpoint\."):
        load(path, DEBIAN)


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ("https://endpoint.example.org/maestro/", "https://endpoint.example.org/maestro"),
        ("https://10.0.0.1:8443", "https://10.0.0.1:8443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_a_valid_endpoint_url_is_accepted(written: str, parsed: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[endpoint]\nurl = "{written}"\n')

    assert load(path, DEBIAN)[0].endpoint.url == parsed
