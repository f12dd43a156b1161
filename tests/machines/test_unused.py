"""`security.remove_unused = "new"` with real apt: its autoremove names what may go, and only what is new goes."""

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario, names

NEW = '[security]\nremove_unused = "new"\n'


def autoremovable(host: Scenario) -> set[str]:
    """Return what `apt-get autoremove` would remove."""
    shown = host.machine.check("apt-get -s autoremove")
    return {line.split()[1] for line in shown.splitlines() if line.startswith("Remv ")}


def machine_with_libraries(host: Scenario, *more: str) -> None:
    """Have an application whose next version needs another library, and one that nothing needed before."""
    libraries = [package("libapp1", "1", depends="libapp-data, libapp-common"), package("libapp-data", "1")]
    others = [package("libapp-common", "1"), package("forgotten", "1", depends="libapp-common")]
    host.install(*libraries, *others, package("app", "1", depends="libapp1"), *(package(one, "1") for one in more))
    host.machine.check("apt-mark auto libapp1 libapp-data libapp-common forgotten")
    host.repository("security", package("app", "2", depends="libapp2"), package("libapp2", "2"))


@pytest.mark.every_release
def test_what_the_run_makes_unneeded_is_removed_and_nothing_else(host: Scenario) -> None:
    host.configuration(NEW)
    machine_with_libraries(host)
    before = autoremovable(host)

    plan, done = host.check(), host.upgrade()

    assert before == {"forgotten"}
    assert names(plan["unused"]) == names(done.json["unused"]) == ["libapp-data", "libapp1"]
    assert (done.code, done.json["result"]) == (0, "updated")
    assert done.json["removed"] == ["libapp-data:amd64", "libapp1:amd64"]
    assert host.versions("app", "libapp2", "libapp1", "forgotten", "libapp-common") == {
        "app": "2",
        "libapp2": "2",
        "libapp1": None,
        "forgotten": "1",
        "libapp-common": "1",
    }
    assert autoremovable(host) == {"forgotten", "libapp-common"}
    assert "libapp2" in host.machine.check("apt-mark showauto").split()
    assert host.upgrade().json["result"] == "up-to-date"
    assert done.json["undo"]["command"] is None  # no source offers the old versions


def test_a_package_on_hold_keeps_what_it_needs(host: Scenario) -> None:
    host.configuration(NEW)
    machine_with_libraries(host)
    host.machine.check("apt-mark hold libapp1")

    done = host.upgrade()

    assert done.json["result"] == "updated"
    assert "unused" not in done.json
    assert host.versions("libapp1", "libapp-data") == {"libapp1": "1", "libapp-data": "1"}


def test_the_plan_that_was_shown_is_carried_out(host: Scenario) -> None:
    host.configuration(NEW)
    machine_with_libraries(host)
    plan = host.check()

    done = host.upgrade(f"--plan {plan['id']}")

    assert (done.code, names(done.json["unused"])) == (0, ["libapp-data", "libapp1"])


def test_a_library_that_cannot_be_removed_degrades_the_run(host: Scenario) -> None:
    host.configuration(NEW)
    host.install(package("libapp1", "1", prerm="exit 1"), package("app", "1", depends="libapp1"))
    host.machine.check("apt-mark auto libapp1")
    host.repository("security", package("app", "2"))

    done = host.upgrade()

    assert (done.code, done.json["result"], done.json["failed"]) == (10, "degraded", [])
    assert "libapp1" in done.json["message"]
    assert host.machine.version("app") == "2"
    assert host.upgrade().json["result"] == "up-to-date"
