"""A check, or an upgrade, that finds everything as it was records what one that opens libapt's cache records."""

import json
import re
from typing import Any

from tests.support.repository import package
from tests.support.scenario import Scenario
from tests.support.server import serving

STATE = "/var/lib/maestro-agent"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def recorded(host: Scenario, name: str) -> Any:
    """Return a document of the record without its times."""
    return json.loads(_TIME.sub("TIME", host.machine.path(f"{STATE}/{name}.json").read_text()))


def remembered_at(host: Scenario) -> int:
    """Return when what is remembered was written: each look at libapt's cache writes it."""
    return host.machine.path(f"{STATE}/packages.json").stat().st_mtime_ns


def test_a_check_that_finds_nothing_new_records_the_same_as_one_without_memory(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("needs", "2", depends="nowhere"))
    host.agent("check")
    written = remembered_at(host)

    for command in ("check", "check --no-refresh"):
        short = host.agent(f"{command} --json")
        by_memory = {name: recorded(host, name) for name in ("state", "plans", "refresh", "exposure", "first-seen")}
        assert remembered_at(host) == written, "libapt's cache was opened"
        host.machine.path(f"{STATE}/packages.json").unlink()
        full = host.agent(f"{command} --json")
        written = remembered_at(host)

        assert _TIME.sub("TIME", short.out) == _TIME.sub("TIME", full.out)
        assert (short.code, short.err) == (full.code, full.err)
        assert by_memory == {name: recorded(host, name) for name in by_memory}


def test_changelogs_that_nobody_has_are_looked_for_once(host: Scenario) -> None:
    """Those of other updates are read from archives on this machine only."""
    host.install(package("other", "1"))
    with serving(host.machine.path("/srv")) as archive:
        other = host.repository("ppa", package("other", "2"), at=f"{archive.url}/ppa")
        host.repository("security", package("unrelated", "1"), at=f"{archive.url}/security")
        host.agent("check")
        host.agent("check")
        written = remembered_at(host)
        assert host.check()["other_updates"] == 1
        assert remembered_at(host) == written, "libapt's cache was opened"

        archives = host.machine.path("/var/cache/apt/archives")
        (archives / "other_2_all.deb").write_bytes(other.deb("other").read_bytes())
        host.agent("check")

    found = json.loads(host.machine.path(f"{STATE}/cves.json").read_text())["readings"]
    assert [one["package"] for one in found] == ["other"]


def test_an_upgrade_with_nothing_pending_opens_nothing_and_one_with_an_update_installs_it(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    assert host.upgrade().json["result"] == "updated"
    host.agent("check")
    written = remembered_at(host)

    idle = host.upgrade()
    assert (idle.code, idle.json["result"]) == (0, "up-to-date")
    assert remembered_at(host) == written, "libapt's cache was opened"

    host.install(package("a", "1"))
    host.agent("check")
    by_memory = host.upgrade("--no-refresh")
    assert (by_memory.code, by_memory.json["result"]) == (0, "updated")
    assert host.versions("a") == {"a": "2"}
    assert host.check("--no-refresh")["install"] == []
