"""`explain CVE-…` with real packages and their changelogs: pending, held, fixed, or not known here."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.changelogs import changelog, documented, entry, packed
from tests.support.repository import Package, package
from tests.support.scenario import Answer, Scenario, names


def explain(host: Scenario, subjects: str) -> Answer:
    return host.agent(f"explain --json {subjects}")


def installed(host: Scenario, *packages: Package) -> None:
    host.install(*packages)
    host.repository("security")
    host.check()


@pytest.mark.every_release
def test_a_pending_update_that_fixes_it_is_named(host: Scenario) -> None:
    host.offer("security", documented(package("a", "2"), changelog("Fix CVE-2024-2222.")), package("b", "2"))
    host.check()

    found, shown = explain(host, "cve-2024-2222"), host.agent("explain CVE-2024-2222")

    assert (found.code, shown.code, found.json["conclusion"]) == (10, 10, "pending")
    assert [(fix["package"], fix["candidate"], fix["state"]) for fix in found.json["fixes"]] == [("a", "2", "pending")]
    assert found.json["unread"] == ["b"]
    assert "maestro-agent upgrade" in shown.out


def test_a_held_update_has_its_reason(host: Scenario) -> None:
    host.offer("security", documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))
    host.check()
    host.machine.check("apt-mark hold a")

    found = explain(host, "CVE-2024-2222")

    assert (found.code, found.json["conclusion"]) == (10, "held")
    assert [fix["why"] for fix in found.json["fixes"]] == ["held-by-admin"]


@pytest.mark.every_release
def test_the_installed_version_that_fixed_it_is_named(host: Scenario) -> None:
    text = entry("3", "Correct the fix of CVE-2024-2222") + changelog("CVE-2024-2222, 3333", "CVE-2024-{4444,5555}")
    installed(host, documented(package("a", "3"), text), package("b", "1"))

    for cve in ("2222", "3333"):
        found = explain(host, f"CVE-2024-{cve}")
        assert (found.code, found.json["conclusion"]) == (0, "fixed")
        assert [(fix["source"], fix["installed"], fix["fixed_in"]) for fix in found.json["fixed"]] == [("a", "3", "2")]
    assert explain(host, "CVE-2024-5555").json["fixed"][0]["fixed_in"] == "3"


def test_after_the_upgrade_it_is_fixed(host: Scenario) -> None:
    host.offer("security", documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))
    host.check()

    before = explain(host, "CVE-2024-2222").code
    host.upgrade()

    assert (before, explain(host, "CVE-2024-2222").code) == (10, 0)


def test_an_unmentioned_cve_is_not_known_and_never_called_harmless(host: Scenario) -> None:
    installed(host, documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))

    found, shown = explain(host, "CVE-2024-3333"), host.agent("explain CVE-2024-3333")

    assert (found.code, found.json["conclusion"], found.json["fixed"]) == (3, "unknown", [])
    assert found.json["changelogs_read"] >= 1
    assert "does not mean" in " ".join(shown.out.split())


def test_each_source_is_named_once_with_its_packages(host: Scenario) -> None:
    text = changelog("Fix CVE-2024-2222.")
    installed(host, *[documented(package(name, "2", source="suite"), text) for name in ("a", "b")])

    (fix,) = explain(host, "CVE-2024-2222").json["fixed"]

    assert (fix["source"], fix["packages"]) == ("suite", ["a", "b"])


def test_several_cves_and_packages_are_explained_together(host: Scenario) -> None:
    host.offer("security", documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))
    host.check()

    found = explain(host, "CVE-2024-2222 a CVE-2024-9999 reboot")

    assert [one["subject"] for one in found.json["explanations"]] == ["cve", "package", "cve", "reboot"]
    assert found.code == 3


@pytest.mark.parametrize("subject", ["CVE-2024-123", "CVE-24-1234", "CVE-2024-99999999999999", "cve-1-1"])
def test_what_is_no_cve_is_a_usage_error(host: Scenario, subject: str) -> None:
    host.repository("security")

    assert explain(host, subject).code == 2


def test_an_ordinary_user_may_ask(host: Scenario) -> None:
    installed(host, documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))

    assert host.agent("explain --json CVE-2024-2222", user="65534").code == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00" + b"\xff" * 100, b"\xff\xfe" * 100, packed(" -- x\n" * 10), b"\0" * 4096],
)
def test_a_changelog_that_is_none_is_passed_over(host: Scenario, content: Any) -> None:
    broken = replace(package("broken", "2"), files=(("/usr/share/doc/broken/changelog.gz", content),))
    installed(host, broken, documented(package("a", "2"), changelog("Fix CVE-2024-2222.")))

    assert names([{"package": one["source"]} for one in explain(host, "CVE-2024-2222").json["fixed"]]) == ["a"]


def test_a_pipe_or_a_link_in_place_of_a_changelog_is_not_followed(host: Scenario) -> None:
    installed(host, package("pipe", "2"), package("link", "2"))
    host.machine.check("mkdir -p /usr/share/doc/pipe /usr/share/doc/link && mkfifo /usr/share/doc/pipe/changelog.gz")
    host.machine.check("ln -s /root/secret /usr/share/doc/link/changelog.gz")
    host.machine.write("/root/secret", entry("2", "Fix CVE-2024-2222."))

    assert explain(host, "CVE-2024-2222").code == 3


@pytest.mark.every_release
def test_only_what_fixes_it_is_installed(host: Scenario) -> None:
    fix, other = changelog("Fix CVE-2024-2222."), changelog("Fix CVE-2024-3333.")
    host.offer(
        "security",
        documented(package("a", "2", depends="lib (>= 2)"), fix),
        documented(package("b", "2"), other),
        package("lib", "2"),
    )
    host.configuration('[apt]\nfetch_ahead = "off"\n')  # the check reads no changelog
    host.check()

    planned = host.agent("upgrade --only cve-2024-2222 --dry-run --json")
    done = host.upgrade("--only CVE-2024-2222")
    again = host.upgrade("--only CVE-2024-2222")
    unknown, wrong = host.upgrade("--only CVE-2024-9999"), host.upgrade("--only CVE-2024-99")

    assert (planned.code, done.code) == (10, 0)
    assert names(planned.json["install"]) == names(done.json["upgraded"]) == ["a", "lib"]
    assert done.json["requested"] == ["CVE-2024-2222"]
    assert host.versions("a", "b", "lib") == {"a": "2", "b": "1", "lib": "2"}
    assert (again.code, unknown.code, wrong.code) == (1, 2, 2)
    assert "a 2" in again.err
