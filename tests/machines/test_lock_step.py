"""A package that must not change, and another that is installed in exactly its version: both wait, and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.repository import Repository, package
from tests.support.scenario import Scenario, reasons

LIB1, LIB2, Z1, Z2 = (package(name, version) for name in ("lib", "z") for version in "12")
LATER = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%d")
FIRST_SEEN = "/var/lib/maestro-agent/first-seen.json"
Arranged = Callable[[Scenario, Repository], None]


def blocklisted(host: Scenario, _: Repository) -> None:
    host.configuration('[security]\nblocklist = ["dev"]\n')


def snoozed(host: Scenario, _: Repository) -> None:
    host.check()
    assert host.agent(f"snooze dev --until {LATER} --comment 'after the fair'").code == 0


def soaking(host: Scenario, _: Repository) -> None:
    """Have the others first seen a year ago."""
    host.configuration('[soak]\nsecurity = "1d"\n')
    host.check()
    document = json.loads(host.machine.check(f"cat {FIRST_SEEN}"))
    for one in document["versions"]:
        if one["package"] != "dev":
            one["first_seen_at"] = "2025-01-01T00:00:00Z"
    host.machine.check(f"cat > {FIRST_SEEN} <<'END'\n{json.dumps(document)}\nEND")


def not_there(_: Scenario, made: Repository) -> None:
    made.deb("dev").unlink()


def with_a_question(host: Scenario, _: Repository) -> None:
    host.configuration('[security]\nconffiles = "hold"\n')
    host.machine.check("echo edited > /etc/dev.conf")


@pytest.mark.every_release
@pytest.mark.parametrize(
    ("arrange", "why"),
    [
        (blocklisted, "blocklisted"),
        (snoozed, "snoozed"),
        (soaking, "soaking"),
        (not_there, "download-failed"),
        (with_a_question, "conffile"),
    ],
)
def test_an_update_in_lock_step_waits_and_all_others_are_installed(host: Scenario, arrange: Arranged, why: str) -> None:
    old, new = (
        replace(
            package("dev", version, depends=f"lib (= {version})"),
            files=(("etc/dev.conf", f"{version}\n"),),
            conffiles=("/etc/dev.conf",),
        )
        for version in "12"
    )
    host.install(LIB1, old, Z1)
    arrange(host, host.repository("security", LIB2, new, Z2))

    done = host.upgrade()

    assert (done.code, reasons(done.json)) == (10, {"dev": why, "lib": why})
    assert host.versions("lib", "dev", "z") == {"lib": "1", "dev": "1", "z": "2"}


def test_what_the_engine_needs_in_exactly_its_version_waits_for_the_engine(host: Scenario) -> None:
    host.install(LIB1, package("docker.io", "1", depends="lib (= 1)"), Z1)
    host.repository("security", LIB2, package("docker.io", "2", depends="lib (= 2)"), Z2)

    done = host.upgrade()

    assert reasons(done.json) == {"docker.io": "runtime-managed", "lib": "runtime-managed"}
    assert host.versions("lib", "docker.io", "z") == {"lib": "1", "docker.io": "1", "z": "2"}


@pytest.mark.every_release
def test_a_recommended_package_that_is_snoozed_holds_nothing(host: Scenario) -> None:
    host.install(package("a", "1", recommends="b"), package("b", "1"))
    host.repository("security", package("a", "2", recommends="b (>= 2)"), package("b", "2"))
    host.check()
    assert host.agent(f"snooze b --until {LATER} --comment 'after the fair'").code == 0

    done = host.upgrade()

    assert reasons(done.json) == {"b": "snoozed"}
    assert host.versions("a", "b") == {"a": "2", "b": "1"}


@pytest.mark.every_release
def test_another_runtime_is_taken_where_one_is_managed(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2", depends="runc | crun"), package("runc", "2"), package("crun", "2"))

    done = host.upgrade()

    assert (done.code, reasons(done.json)) == (0, {})
    assert host.versions("a", "runc", "crun") == {"a": "2", "runc": None, "crun": "2"}
