"""A phased update waits only where apt itself defers it for its rollout, whatever else is wrong on the machine."""

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario, names, reasons

NO_ROLLOUT_IS_HERE = 'APT::Get::Never-Include-Phased-Updates "true";\n'
EVERY_ROLLOUT_IS_HERE = 'APT::Get::Always-Include-Phased-Updates "true";\n'
_UPDATES_ARE_SECURITY = (
    '[security]\norigins = ["origin=Ubuntu,archive=noble-security", "origin=Ubuntu,archive=noble-updates"]\n'
)


def configure_phasing(host: Scenario, setting: str) -> None:
    """Make the machine an Ubuntu, on which a setting decides about rollouts and not the machine's ID."""
    host.be_ubuntu()
    host.machine.write("/etc/apt/apt.conf.d/99phase", setting)


@pytest.mark.every_release
def test_phased_updates_are_deferred_only_outside_of_security(host: Scenario) -> None:
    configure_phasing(host, NO_ROLLOUT_IS_HERE)
    host.configuration(_UPDATES_ARE_SECURITY)
    host.offer("security", package("a", "2", phased_update_percentage="0"))
    host.offer("updates", package("b", "2", phased_update_percentage="0"))

    plan = host.check()

    assert names(plan["install"]) == ["a"]
    assert [(one["package"], one["why"]) for one in plan["held"]] == [("b", "phased")]


@pytest.mark.every_release
def test_phased_updates_are_deferred_in_a_full_upgrade(host: Scenario) -> None:
    configure_phasing(host, NO_ROLLOUT_IS_HERE)
    host.repository("security")
    host.offer("updates", package("b", "2", phased_update_percentage="0"), package("c", "2"))

    done = host.upgrade("--all")

    assert reasons(done.json) == {"b": "phased"}
    assert host.versions("b", "c") == {"b": "1", "c": "2"}


@pytest.mark.every_release
@pytest.mark.parametrize("scope", ["security", "all"])
def test_an_update_whose_rollout_is_over_or_here_may_need_a_new_package(host: Scenario, scope: str) -> None:
    configure_phasing(host, NO_ROLLOUT_IS_HERE)
    if scope == "security":
        host.configuration(_UPDATES_ARE_SECURITY)
    host.install(package("everywhere", "1"), package("on-its-way", "1"))
    host.repository("security")
    host.repository(
        "updates",
        package("everywhere", "2", depends="new", phased_update_percentage="100"),
        package("on-its-way", "2", depends="new", phased_update_percentage="10"),
        package("new", "1"),
    )

    first = host.upgrade("--all" if scope == "all" else "")

    assert reasons(first.json) == {"on-its-way": "phased"}
    assert host.versions("everywhere", "on-its-way", "new") == {"everywhere": "2", "on-its-way": "1", "new": "1"}

    host.machine.write("/etc/apt/apt.conf.d/99phase", EVERY_ROLLOUT_IS_HERE)
    host.machine.check("dpkg --remove --force-depends new")

    second = host.upgrade("--all" if scope == "all" else "")

    assert reasons(second.json) == {}
    assert host.versions("on-its-way") == {"on-its-way": "2"}


@pytest.mark.every_release
def test_an_update_that_something_else_holds_is_not_said_to_be_phased(host: Scenario) -> None:
    configure_phasing(host, EVERY_ROLLOUT_IS_HERE)
    host.install(*(package(name, "1") for name in ("needs-held", "kept", "removes", "old")))
    host.machine.check("apt-mark hold kept")
    host.repository("security")
    host.repository(
        "updates",
        package("kept", "2"),
        package("needs-held", "2", depends="kept (>= 2)", phased_update_percentage="50"),
        package("removes", "2", breaks="old", phased_update_percentage="50"),
    )

    done = host.upgrade("--all")

    assert reasons(done.json) == {"kept": "held-by-admin", "needs-held": "held-by-admin", "removes": "would-remove"}


@pytest.mark.every_release
@pytest.mark.parametrize("selection", ["install", "hold"])
@pytest.mark.parametrize("scope", ["security", "all"])
def test_an_unmet_dependency_elsewhere_changes_nothing_of_it(host: Scenario, scope: str, selection: str) -> None:
    """From 3.0 on, apt's `upgrade` fails where a package is broken that it may neither mend nor remove."""
    configure_phasing(host, NO_ROLLOUT_IS_HERE)
    if scope == "security":
        host.configuration(_UPDATES_ARE_SECURITY)
    host.machine.path("/srv/x.deb").write_bytes(package("x", "1", depends="missing").build())
    host.machine.run("dpkg -i --force-depends /srv/x.deb")
    host.machine.check(f"echo x {selection} | dpkg --set-selections")
    host.offer("security", package("s", "2"))
    host.offer("updates", package("a", "2"), package("b", "2", phased_update_percentage="10"))

    looked = host.agent("check")
    explained = host.agent("explain b")
    done = host.upgrade("--all" if scope == "all" else "")

    assert {looked.code, explained.code} <= {0, 10}
    assert reasons(done.json) == {"b": "phased"}
    assert host.versions("s", "a", "b") == {"s": "2", "a": "2", "b": "1"}
