"""Rules that name a CVE, with real archives: every scope reads the changelogs first, and what is shown is done."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.changelogs import fixed
from tests.support.repository import Package, package
from tests.support.scenario import Scenario, names, reasons
from tests.support.server import Archive, serving
from tests.support.terminal import at_terminal

CVE = "CVE-2024-2222"
LATER = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%d")


@pytest.fixture
def archive(host: Scenario) -> Iterator[Archive]:
    """Serve the machine's /srv over HTTP."""
    with serving(host.machine.path("/srv")) as running:
        yield running


def offer(host: Scenario, archive: Archive, kind: str, *packages: Package) -> None:
    """Install version 1 of each package, without a changelog, and offer these over HTTP."""
    host.install(*(package(one.name, "1") for one in packages))
    host.repository(kind, *packages, at=f"{archive.url}/{kind}")


def snooze(host: Scenario) -> None:
    assert host.agent(f"snooze {CVE} --until {LATER} --comment 'the module is not loaded'").code == 0


def recorded(host: Scenario) -> dict[str, bytes]:
    found = host.machine.path("/var/lib/maestro-agent").rglob("*")
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}


@pytest.mark.every_release
def test_an_upgrade_of_all_holds_what_it_shows_as_snoozed(host: Scenario, archive: Archive) -> None:
    host.repository("security")
    offer(host, archive, "updates", fixed(package("a", "2"), CVE), fixed(package("b", "2"), CVE, "CVE-2024-3333"))
    host.check()
    snooze(host)

    shown = host.agent("upgrade --all --dry-run --json").json
    done = host.upgrade(f"--all --plan {shown['id']}")

    assert (names(shown["install"]), reasons(shown)) == (["b"], {"a": "snoozed"})
    assert (names(done.json["upgraded"]), reasons(done.json)) == (["b"], {"a": "snoozed"})
    assert names(done.json["overridden"]) == ["b"]


def test_a_dry_run_reads_archives_and_leaves_no_file(host: Scenario, archive: Archive) -> None:
    host.repository("security")
    host.check()
    offer(host, archive, "updates", fixed(package("a", "2"), CVE), package("b", "2"))
    host.machine.check("apt-get update")
    snooze(host)
    before = recorded(host)

    shown = host.agent("upgrade --all --dry-run --json").json

    assert (names(shown["install"]), reasons(shown)) == (["b"], {"a": "snoozed"})
    assert recorded(host) == before


def test_an_emergency_override_by_cve_counts_for_other_updates_too(host: Scenario, archive: Archive) -> None:
    host.configuration(f'[soak]\nother = "7d"\noverride = ["{CVE}"]\n')
    host.repository("security")
    offer(host, archive, "updates", fixed(package("a", "2"), CVE), package("b", "2"))

    done = host.upgrade("--all")

    assert (names(done.json["upgraded"]), reasons(done.json)) == (["a"], {"b": "soaking"})


def test_a_cve_that_only_an_update_that_soaks_fixes_is_found(host: Scenario, archive: Archive) -> None:
    host.configuration('[soak]\nother = "7d"\n')
    host.repository("security")
    offer(host, archive, "updates", fixed(package("a", "2"), CVE))

    assert names(host.upgrade(f"--all --only {CVE}").json["upgraded"]) == ["a"]


def test_a_person_agrees_to_the_plan_that_is_carried_out(host: Scenario, archive: Archive) -> None:
    snooze(host)
    offer(host, archive, "security", fixed(package("a", "2"), CVE), package("b", "2"))

    done = at_terminal(host.machine, "maestro-agent upgrade", ("[y/N] ", "y\n", ""))

    assert (done.code, "Install 1 package? [y/N]" in done.text) == (10, True)
    assert host.versions("a", "b") == {"a": "1", "b": "2"}


def test_an_explanation_says_what_holds_an_update_in_a_run_of_all_updates(host: Scenario, archive: Archive) -> None:
    host.configuration('[apt]\nfetch_ahead = "all"\n')
    host.repository("security")
    offer(host, archive, "updates", fixed(package("a", "2"), CVE), fixed(package("b", "2"), CVE))
    host.machine.check("apt-mark hold b")
    host.check()
    snooze(host)

    found, shown = host.agent(f"explain --json {CVE}"), host.agent(f"explain {CVE}")

    assert (found.code, found.json["conclusion"], found.json["patcher"]) == (10, "available", "agent")
    assert {one["package"]: one["why"] for one in found.json["fixes"]} == {"a": "snoozed", "b": "held-by-admin"}
    assert all(one["detail"] for one in found.json["fixes"])
    assert "upgrade --all" not in shown.out


def test_changelogs_that_were_not_read_are_named(host: Scenario, archive: Archive) -> None:
    host.repository("security")
    offer(host, archive, "updates", fixed(package("a", "2"), CVE))
    host.check()

    explained, named = host.agent(f"explain --json {CVE}"), host.agent(f"upgrade --only {CVE} --json")

    assert (explained.json["conclusion"], explained.json["unread"]) == ("unknown", ["a"])
    assert (named.code, named.json["error"].endswith("not read: a")) == (2, True)
    assert names(host.upgrade(f"--all --only {CVE}").json["upgraded"]) == ["a"]


def test_an_explanation_says_what_only_a_new_server_has(host: Scenario) -> None:
    host.install(package("a", "1"), package("b", "1"), package("c", "1", depends="a"))
    host.repository("security")
    host.repository("updates", package("a", "2", breaks="b"), package("c", "2", depends="a (>= 2)"))
    host.check()

    gates = {
        name: {one["gate"]: one for one in host.agent(f"explain --json {name}").json["gates"]} for name in ("a", "c")
    }
    held = {one["package"]: one for one in host.agent("upgrade --all --dry-run --json").json["held"]}

    for name in ("a", "c"):
        assert gates[name]["dependencies"]["verdict"] == "shut"
        assert held[name]["detail"] in gates[name]["dependencies"]["reason"]
