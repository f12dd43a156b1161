"""How far package lists are trusted: each failure of a source has a code, and bad lists never mean "up to date"."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.state.timestamps import parse_utc
from tests.support.repository import Signer, package
from tests.support.scenario import Scenario
from tests.support.server import Archive, serving

UNDATED = {"Date": "Wed, 01 Jan 2020 00:00:00 UTC", "Valid-Until": "Tue, 01 Jan 2199 00:00:00 UTC"}
"""Fields of a Release file whose date proves nothing about the lists' age."""
KEY = "signed-by=/etc/apt/keyrings/test.asc"


@pytest.fixture
def archive(host: Scenario) -> Iterator[Archive]:
    """Serve the machine's /srv over HTTP."""
    with serving(host.machine.path("/srv")) as running:
        yield running


def faults(lists: dict[str, list[dict[str, str]]]) -> list[str]:
    return [error["fault"] for error in lists["errors"]]


@pytest.mark.every_release
def test_fetched_and_authenticated_lists_are_fresh(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")

    answer = host.agent("check --json")

    assert answer.code == 0
    assert answer.json["lists"]["state"] == "fresh"
    updated, seen = map(parse_utc, (answer.json["lists"]["updated_at"], answer.json["seen_at"]))
    assert timedelta() <= seen - updated < timedelta(minutes=5)


def test_without_a_security_source_the_state_is_unknown(host: Scenario) -> None:
    host.repository("main", package("a", "2"))

    answer = host.agent("check --json")

    assert (answer.code, answer.json["lists"]["state"]) == (3, "never")
    assert faults(answer.json["lists"]) == ["not-configured"]
    assert host.upgrade().json["result"] == "stale"


def test_lists_that_were_never_fetched_count_as_missing(host: Scenario) -> None:
    host.repository("security", package("a", "2"))

    answer = host.agent("check --no-refresh --json")

    assert (answer.code, answer.json["lists"]["state"]) == (3, "never")
    assert faults(answer.json["lists"]) == ["never-fetched"]
    assert host.upgrade("--no-refresh").code == 3


def test_deleted_lists_count_as_missing(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    assert host.agent("check").code == 0

    host.machine.check("rm -rf /var/lib/apt/lists/*")

    assert host.agent("check --no-refresh").code == 3


@pytest.mark.every_release
def test_an_unreachable_network_is_reported_as_such(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    host.check()
    host.configure("security", "http://127.0.0.1:9/security", f"{host.codename}-security")

    answer = host.agent("check --json")

    assert answer.code == 3
    assert faults(answer.json["lists"]) == ["unreachable"]


def test_a_network_failure_after_a_successful_refresh_leaves_the_lists_as_old_as_they_are(
    host: Scenario, archive: Archive
) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    verified = host.check()["lists"]["updated_at"]
    archive.refused["InRelease"] = 503

    answer = host.agent("check --json")

    assert (answer.code, answer.json["lists"]["state"]) == (3, "partial")
    assert answer.json["lists"]["updated_at"] == verified
    assert faults(answer.json["lists"]) == ["unreachable"]
    assert answer.json["lists"]["errors"][0]["security"] is True
    assert host.upgrade().json["result"] == "degraded"


def test_known_updates_are_installed_while_another_source_is_down(host: Scenario, archive: Archive) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2"))
    host.check()
    host.configure("other", f"{archive.url}/nowhere", "other-security")

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert host.versions("a") == {"a": "2"}


def test_a_missing_repository_is_reported_as_such(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    host.check()
    archive.refused["security"] = 404

    answer = host.agent("check --json")

    assert answer.code == 3
    assert faults(answer.json["lists"]) in (["not-found"], ["unsigned"])


@pytest.mark.every_release
def test_a_bad_signature_is_reported_as_such(host: Scenario, tmp_path: Path) -> None:
    host.install(package("a", "1"))
    stranger = Signer(tmp_path / "stranger")
    made = host.repository("security", package("a", "1"))
    made.signer = stranger
    made.add(package("a", "2"))
    stranger.close()

    answer = host.agent("check --json")

    assert answer.code == 3
    assert faults(answer.json["lists"]) == ["bad-signature"]
    assert host.upgrade().code == 3
    assert host.versions("a") == {"a": "1"}


@pytest.mark.every_release
def test_an_unsigned_repository_is_never_used(host: Scenario) -> None:
    host.install(package("a", "1"))
    made = host.repository("security", package("a", "2"))
    made.signer = None
    made.publish()

    answer = host.agent("check --json")

    assert answer.code == 3
    assert "unsigned" in faults(answer.json["lists"])
    assert host.upgrade().code == 3
    assert host.versions("a") == {"a": "1"}


def test_updates_of_a_trusted_unsigned_repository_are_held_as_untrusted(host: Scenario) -> None:
    host.install(package("a", "1"))
    made = host.repository("security", package("a", "2"))
    made.signer = None
    made.publish()
    host.configure("security", "file:/srv/security", made.codename, "allow-insecure=yes")

    done = host.upgrade()

    assert done.json["held"][0]["why"] == "untrusted"
    assert done.code == 10
    assert host.versions("a") == {"a": "1"}


@pytest.mark.every_release
def test_an_expired_repository_is_reported_as_such(host: Scenario) -> None:
    host.repository("security", package("a", "2"), valid_for=timedelta(seconds=-5))

    answer = host.agent("check --json")

    assert answer.code == 3
    assert faults(answer.json["lists"]) == ["expired"]


def test_lists_that_expired_after_the_refresh_are_stale_unless_apt_accepts_them(host: Scenario) -> None:
    host.repository("security", package("a", "2"), release_fields=UNDATED)
    assert host.agent("check").code == 0
    host.machine.path("/var/lib/maestro-agent/refresh.json").unlink()
    host.machine.check("touch -d 2020-01-02 /var/lib/apt/lists/partial")  # when the lists were verified
    host.machine.check(
        "sed -i 's/^Valid-Until: .*/Valid-Until: Fri, 03 Jan 2020 00:00:00 UTC/' /var/lib/apt/lists/*Release"
    )

    expired = host.check("--no-refresh")["lists"]
    host.machine.check("touch /var/lib/apt/lists/partial")  # an update that fails on them does that, too
    tried = host.check("--no-refresh")["lists"]
    host.machine.write("/etc/apt/apt.conf.d/80valid", 'Acquire::Check-Valid-Until "false";\n')
    accepted = host.check("--no-refresh")["lists"]

    assert (expired["state"], faults(expired)) == ("stale", ["expired"])
    assert (tried["state"], "expired" in faults(tried)) == ("stale", True)
    assert (accepted["state"], "expired" in faults(accepted)) == ("fresh", False)


@pytest.mark.every_release
def test_a_damaged_list_is_reported_as_such(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    archive.spoiled.add("Packages")

    answer = host.agent("check --json")

    assert answer.code == 3
    assert "corrupt" in faults(answer.json["lists"])


def test_a_damaged_list_on_disk_is_replaced_by_the_next_refresh(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.check()
    host.machine.check(
        "for f in /var/lib/apt/lists/*Packages*; do echo 'Package' > $f; done; rm -f /var/cache/apt/*.bin"
    )

    assert host.agent("check --no-refresh").code in (1, 3)
    assert host.agent("check").code == 0


def test_a_failing_other_source_is_reported_and_does_not_stop_security(host: Scenario, archive: Archive) -> None:
    host.offer("security", package("a", "2"))
    host.repository("ppa", package("x", "1"), at=f"{archive.url}/ppa")
    host.check()
    archive.refused["ppa"] = 500

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert done.json["lists"]["state"] == "partial"
    assert [error["security"] for error in done.json["lists"]["errors"]] == [False]
    assert host.versions("a") == {"a": "2"}


@pytest.mark.every_release
def test_a_silent_server_times_out_as_configured(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    host.check()
    host.configuration('[apt]\nrefresh_timeout = "1s"\n')
    archive.silent.set()

    answer = host.agent("check --json")

    assert answer.code == 3
    assert "apt.refresh_timeout" in answer.json["lists"]["errors"][0]["detail"]


def test_lists_verified_too_long_ago_are_stale(host: Scenario) -> None:
    host.repository("security", package("a", "2"), release_fields=UNDATED)
    host.check()
    host.machine.path("/var/lib/maestro-agent/refresh.json").unlink()
    host.machine.check("touch -d 2020-01-02 /var/lib/apt/lists/partial")

    answer = host.agent("check --no-refresh --json")

    assert (answer.code, answer.json["lists"]["state"]) == (3, "stale")


def test_an_empty_security_suite_counts_as_a_security_source(host: Scenario) -> None:
    host.repository("security")

    answer = host.agent("check --json")

    assert (answer.code, answer.json["lists"]["state"]) == (0, "fresh")


@pytest.mark.every_release
def test_lists_that_apt_itself_has_confirmed_count_as_verified_then(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security", release_fields=UNDATED)
    host.machine.check("apt-get update && touch -d 2020-01-02 /var/lib/apt/lists/partial")
    before = host.check("--no-refresh")["lists"]

    host.machine.check("apt-get update")  # nothing but Hit

    after = host.check("--no-refresh")
    assert (before["state"], after["lists"]["state"]) == ("stale", "fresh")
    assert parse_utc(after["seen_at"]) - parse_utc(after["lists"]["updated_at"]) < timedelta(minutes=1)


@pytest.mark.every_release
def test_an_update_that_failed_confirms_nothing(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security", release_fields=UNDATED)
    host.repository("updates", package("b", "2"), at=f"{archive.url}/updates")
    host.machine.check("apt-get update")
    archive.refused["security"] = 503
    time.sleep(1)  # times are in whole seconds
    again = datetime.now(timezone.utc).replace(microsecond=0)

    host.machine.check("apt-get update")

    assert parse_utc(host.check("--no-refresh")["lists"]["updated_at"]) < again


def test_an_error_that_another_update_has_overcome_is_over(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    archive.refused["security"] = 503
    host.check()
    archive.refused.clear()
    time.sleep(2.1)  # the record has full seconds

    host.machine.check("apt-get update")

    lists = host.check("--no-refresh")["lists"]
    assert (lists["state"], lists["errors"]) == ("fresh", [])


@pytest.mark.every_release
@pytest.mark.parametrize("fault", ["bad-signature", "expired"])
def test_an_update_that_fails_on_a_confirmed_release_file_proves_nothing(
    host: Scenario, archive: Archive, fault: str
) -> None:
    valid_for = timedelta(seconds=66) if fault == "expired" else None  # from the date, a minute ago
    host.repository("security", package("a", "2"), at=f"{archive.url}/security", valid_for=valid_for)
    verified = host.check()["lists"]["updated_at"]
    if fault == "expired":
        time.sleep(7)
    else:
        host.machine.check("rm /etc/apt/keyrings/test.asc")
    assert faults(host.check()["lists"]) == [fault]
    time.sleep(2.1)  # the record has full seconds

    host.machine.run("apt-get update")  # gets "304 Not Modified", and renews the file's change time

    lists = host.check("--no-refresh")["lists"]
    assert (faults(lists), lists["updated_at"]) == ([fault], verified)


def test_lists_that_expired_are_not_confirmed_by_updates_that_fail(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), at=f"{archive.url}/security", valid_for=timedelta(seconds=66))
    host.check()
    time.sleep(7)

    host.machine.run("apt-get update")

    lists = host.check("--no-refresh")["lists"]
    assert (lists["state"], faults(lists)) == ("stale", ["expired"])


def test_lists_that_replaced_damaged_ones_are_good(host: Scenario, archive: Archive) -> None:
    repository = host.repository("security", package("a", "2"), at=f"{archive.url}/security")
    published = host.machine.path("/srv/security/dists") / repository.codename / "InRelease"
    whole = published.read_bytes()
    published.write_bytes(whole[:-60])
    assert faults(host.check()["lists"]) == ["corrupt"]
    published.write_bytes(whole)
    time.sleep(2.1)  # the record has full seconds

    host.machine.check("apt-get update")

    lists = host.check("--no-refresh")["lists"]
    assert (lists["state"], lists["errors"]) == ("fresh", [])


def test_hooks_of_apt_print_beside_the_document(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    hook = 'APT::Update::Post-Invoke {"echo printed";};\n'
    host.machine.write("/etc/apt/apt.conf.d/80hook", hook)

    answer = host.agent("check --json")

    assert answer.json["lists"]["state"] == "fresh"
    assert "printed" in answer.err


def test_a_source_that_was_removed_leaves_no_error(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"))
    host.repository("ppa", package("b", "1"), at=f"{archive.url}/ppa")
    archive.refused["ppa"] = 400
    failed = host.check()["lists"]

    host.machine.check("rm /etc/apt/sources.list.d/ppa.list")

    assert [error["detail"][:3] for error in failed["errors"]] == ["400"]
    assert host.check("--no-refresh")["lists"]["state"] == "fresh"


def test_every_source_has_its_verification_time(host: Scenario, archive: Archive) -> None:
    host.repository("security", package("a", "2"), release_fields=UNDATED)
    host.repository("ppa", package("b", "1"), at=f"{archive.url}/ppa")
    archive.refused["ppa"] = 503

    lists = host.check()["lists"]

    by_name = {one["source"]: one for one in lists["sources"]}
    good, bad = (by_name[name] for name in sorted(by_name))
    assert (good["security"], good["verified_at"]) == (True, lists["updated_at"])
    assert (good["released_at"], bad["verified_at"]) == ("2020-01-01T00:00:00Z", None)


@pytest.mark.every_release
@pytest.mark.parametrize("hook", ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"])
def test_a_failing_hook_of_apt_is_a_problem_beside_fresh_lists(host: Scenario, hook: str) -> None:
    host.repository("security", package("a", "2"))
    host.machine.write("/etc/apt/apt.conf.d/80hook", f'APT::Update::{hook} {{"exit 3";}};\n')

    answer = host.agent("check --json")

    lists = answer.json["lists"]
    assert (answer.code, lists["state"]) == (0, "fresh")
    assert [(error["source"], error["fault"], error["security"]) for error in lists["errors"]] == [
        ("apt", "hook-failed", None)
    ]
    assert host.agent("status").code == 10


def test_old_security_lists_ask_for_attention(host: Scenario) -> None:
    host.repository("security", package("a", "2"), release_fields={"Date": "Sat, 10 May 2025 00:00:00 UTC"})

    answer = host.agent("check --json")

    assert (answer.code, answer.json["lists"]["state"], faults(answer.json["lists"])) == (0, "fresh", ["outdated"])
    assert "2025-05-10" in host.agent("status").out
    assert host.agent("status").code == 10


def test_old_security_lists_that_are_still_valid_are_good(host: Scenario) -> None:
    host.repository("security", package("a", "2"), release_fields=UNDATED)

    assert host.check()["lists"]["errors"] == []


def test_a_quiet_third_origin_of_security_updates_may_be_old(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.repository("ppa", package("b", "1"), release_fields={"Date": "Sat, 10 May 2025 00:00:00 UTC"})
    host.configuration('[security]\norigins = ["o=Debian", "o=LP-PPA-somebody"]\n')

    lists = host.check()["lists"]

    assert ([one["security"] for one in lists["sources"]], lists["errors"]) == ([True, True], [])


@pytest.mark.every_release
def test_malformed_preferences_are_named_and_do_not_stop_the_refresh(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.machine.write("/etc/apt/preferences.d/broken", "nonsense\n")

    answer = host.agent("check")

    assert (answer.code, "preferences.d/broken" in answer.err, "sources" in answer.err) == (1, True, False)
    assert host.machine.check("ls /var/lib/apt/lists/*InRelease")


DEFAULT_RELEASE = 'APT::Default-Release "no-such-release";\n'


@pytest.mark.every_release
@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"/etc/apt/apt.conf.d/99release": DEFAULT_RELEASE}, "/etc/apt/apt.conf.d/99release"),
        ({"/etc/apt/apt.conf": DEFAULT_RELEASE}, "/etc/apt/apt.conf"),
        (
            {"/etc/apt/apt.conf.d/10first": 'APT::Default-Release "gone";\n', "/etc/apt/apt.conf": DEFAULT_RELEASE},
            "/etc/apt/apt.conf",
        ),
        (
            {"/etc/apt/apt.conf.d/99nested.conf": 'APT { Default-Release "gone"; };\n'},
            "/etc/apt/apt.conf.d/99nested.conf",
        ),
    ],
)
def test_a_default_release_that_no_source_has_is_an_error_that_names_the_setting_and_its_file(
    host: Scenario, files: dict[str, str], place: str
) -> None:
    host.repository("security", package("a", "2"))
    for path, text in files.items():
        host.machine.write(path, text)

    answers = [host.agent(command) for command in ("check", "upgrade", "explain a", "check --json")]
    of_apt = host.machine.run("apt-get -s upgrade")

    assert of_apt.returncode == 100
    assert [answer.code for answer in answers] == [1, 1, 1, 1]
    for answer in answers:
        assert "APT::Default-Release" in answer.out + answer.err
        assert f"{place} sets it" in answer.out + answer.err
        assert "Traceback" not in answer.out + answer.err
    assert host.machine.check("ls /var/lib/apt/lists/*InRelease")


def test_packages_of_a_removed_architecture_ask_for_attention(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.machine.check("dpkg --add-architecture i386")
    host.install(package("lib", "1", architecture="i386"))
    assert host.check()["lists"]["errors"] == []

    host.machine.check("sed -i /i386/d /var/lib/dpkg/arch")

    assert faults(host.check()["lists"]) == ["foreign-packages"]


def test_a_repository_without_names_is_shown_by_its_host(host: Scenario, archive: Archive) -> None:
    host.install(package("a", "1"))
    host.repository("security")
    nameless = {"Origin": "", "Suite": "", "Codename": "", "Label": ""}
    host.repository("ppa", package("a", "2"), at=f"{archive.url}/ppa", release_fields=nameless)

    assert host.check()["other_updates"] == 1
    steps = host.agent("upgrade --all --dry-run --json")

    assert [step["origin"] for step in steps.json["install"]] == ["127.0.0.1"]
