"""Soak, cohorts and snoozes with real apt and dpkg: what waits, what waits with it, and what a person can do."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from agent.core.packages.cohort import cohort_of
from agent.core.policy.policy import SoakPolicy
from tests.support.repository import package
from tests.support.scenario import Scenario, names, reasons

WEEK = '[soak]\nsecurity = "7d"\n'
LATER = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%d")
FIRST_SEEN = "/var/lib/maestro-agent/first-seen.json"


def pending(host: Scenario) -> None:
    """Publish a fix of a server that needs a new library and a newer version of an installed one, and another fix."""
    host.install(package("server", "1", depends="lib"), package("lib", "1"), package("x", "1"))
    host.repository(
        "security", package("server", "2", depends="lib (>= 2), fresh"), package("lib", "2"), package("fresh", "2"),
        package("x", "2"),
    )  # fmt: skip


def age(host: Scenario, days: float, *packages: str) -> None:
    """Have these packages, or all, first seen so many days earlier than on record."""
    document = json.loads(host.machine.check(f"cat {FIRST_SEEN}"))
    for one in document["versions"]:
        if one["package"] in packages or not packages:
            earlier = datetime.fromisoformat(one["first_seen_at"].replace("Z", "+00:00")) - timedelta(days=days)
            one["first_seen_at"] = earlier.strftime("%Y-%m-%dT%H:%M:%SZ")
    host.machine.check(f"cat > {FIRST_SEEN} <<'END'\n{json.dumps(document)}\nEND")


def gate(document: Any, name: str) -> Any:
    return next(one for one in document["gates"] if one["gate"] == name)


@pytest.mark.every_release
def test_fixes_soak_and_are_installed_when_they_are_due(host: Scenario) -> None:
    host.configuration(WEEK)
    pending(host)

    early, plan = host.upgrade(), host.check()
    explained = host.agent("explain server --json").json
    age(host, 7)
    late = host.upgrade()

    assert (early.code, early.json["result"]) == (10, "degraded")
    assert reasons(plan) == {"server": "soaking", "lib": "soaking", "x": "soaking"}
    assert gate(explained, "soak")["until"] == plan["held"][0]["until"]
    assert (late.code, sorted(names(late.json["upgraded"]))) == (0, ["lib", "server", "x"])
    assert names(late.json["new"]) == ["fresh"]


def test_a_due_fix_does_not_pull_an_installed_package_that_soaks(host: Scenario) -> None:
    host.configuration(WEEK)
    pending(host)
    host.check()
    age(host, 7, "server", "x")

    plan = host.check()

    assert names(plan["install"]) == ["x"]
    assert reasons(plan) == {"server": "soaking", "lib": "soaking"}


def test_a_person_does_not_wait_and_what_the_fix_needs_comes_along(host: Scenario) -> None:
    host.configuration(WEEK)
    pending(host)
    host.check()

    shown = host.agent("upgrade server --dry-run --json").json
    done = host.upgrade("server")

    assert names(shown["overridden"]) == names(done.json["overridden"]) == ["lib", "server"]
    assert (done.code, host.versions("server", "lib", "fresh", "x")) == (
        0,
        {"server": "2", "lib": "2", "fresh": "2", "x": "1"},
    )
    status = host.agent("status --json").json
    assert [one["package"] for one in status["plan"]["held"]] == ["x"]
    assert status["soak"]["security_s"] == 7 * 86400
    machine = host.machine.check("grep -s . /etc/machine-id || uname -n").strip()
    assert status["soak"]["cohort"] == cohort_of(SoakPolicy(), machine)


def test_an_emergency_override_in_the_configuration_does_not_wait(host: Scenario) -> None:
    host.configuration('[soak]\nsecurity = "7d"\nrollout = "10d"\noverride = ["x*"]\n')
    pending(host)

    assert names(host.upgrade().json["upgraded"]) == ["x"]


def test_a_snoozed_package_stays_as_if_it_were_on_hold(host: Scenario) -> None:
    pending(host)
    assert host.agent(f"snooze lib --until {LATER} --comment 'after the fair'").code == 0

    done = host.upgrade()
    named = host.agent("upgrade lib --json")

    assert names(done.json["upgraded"]) == ["x"]
    assert {one["package"]: one["why"] for one in done.json["held"]} == {"server": "snoozed", "lib": "snoozed"}
    assert "after the fair" in named.json["error"]
    assert host.agent("snooze --end lib").code == 0
    assert sorted(names(host.upgrade().json["upgraded"])) == ["lib", "server"]


def test_a_snoozed_package_is_not_installed_for_another_one(host: Scenario) -> None:
    pending(host)
    host.agent(f"snooze fresh --until {LATER} --comment 'not here'")

    plan = host.check()

    assert sorted(names(plan["install"])) == ["lib", "x"]
    assert reasons(plan) == {"server": "snoozed"}


def test_an_ordinary_user_sees_what_is_snoozed_and_changes_nothing(host: Scenario) -> None:
    host.check()
    host.agent(f"snooze x --until {LATER} --comment 'not now'")

    assert "not now" in host.agent("snooze --list", user="nobody").out
    assert "not now" in host.agent("status", user="nobody").out
    assert host.agent("snooze --end x", user="nobody").code == 4
