"""Which updates are installed and which are held: real apt, dpkg and signed repositories."""

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario, names, reasons


@pytest.mark.every_release
def test_a_security_update_is_installed(host: Scenario) -> None:
    host.offer("security", package("a", "2"))

    assert names(host.check()["install"]) == ["a"]
    done = host.upgrade()

    assert done.code == 0
    assert done.json["result"] == "updated"
    assert [(one["package"], one["from"], one["to"]) for one in done.json["upgraded"]] == [("a", "1", "2")]
    assert host.versions("a") == {"a": "2"}


@pytest.mark.every_release
def test_an_update_from_another_origin_is_counted_and_not_installed(host: Scenario) -> None:
    host.repository("security")
    host.offer("updates", package("a", "2"))

    plan = host.check()

    assert plan["install"] == plan["held"] == []
    assert plan["other_updates"] == 1
    assert host.upgrade().json["result"] == "up-to-date"
    assert host.versions("a") == {"a": "1"}


def test_the_security_version_is_installed_if_updates_offers_a_higher_one(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.repository("updates", package("a", "3"))

    assert host.upgrade().code == 0
    assert host.versions("a") == {"a": "2"}


def test_a_higher_installed_version_covers_the_security_update(host: Scenario) -> None:
    host.install(package("a", "3"))
    host.repository("security", package("a", "2"))

    assert host.upgrade().json["result"] == "up-to-date"
    assert host.versions("a") == {"a": "3"}


def test_the_same_version_in_both_pockets_is_a_security_update(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.repository("updates", package("a", "2"))

    assert names(host.check()["install"]) == ["a"]


def test_a_newer_version_in_a_ppa_does_not_hide_the_security_update(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.repository("ppa", package("a", "9"))

    host.upgrade()

    assert host.versions("a") == {"a": "2"}


def test_ubuntu_takes_security_and_esm(host: Scenario) -> None:
    host.be_ubuntu()
    host.offer("security", package("a", "2"))
    host.offer("esm-apps", package("b", "2"))
    host.offer("esm-infra", package("c", "2"))
    host.offer("updates", package("d", "2"))

    plan = host.check()

    assert names(plan["install"]) == ["a", "b", "c"]
    assert [one["archive"] for one in plan["install"]] == [
        "noble-security",
        "noble-apps-security",
        "noble-infra-security",
    ]


def test_ubuntu_takes_the_legacy_archives_of_pro(host: Scenario) -> None:
    host.be_ubuntu()
    host.offer("esm-apps-legacy", package("b", "2"))
    host.offer("esm-infra-legacy", package("c", "2"))

    assert names(host.check()["install"]) == ["b", "c"]


def test_a_phase_of_the_release_counts_once_its_archive_is_a_source_that_apt_uses(host: Scenario) -> None:
    def covered() -> list[str]:
        host.check()
        release = host.agent("status --json").json["release"]
        assert (release["distribution"], release["codename"], release["support"]) == ("ubuntu", "noble", "supported")
        return [phase["name"] for phase in release["phases"] if phase["covered"]]

    host.be_ubuntu()
    host.offer("security", package("a", "2"))
    assert covered() == ["standard"]

    host.offer("esm-infra", package("c", "2"))
    assert covered() == ["standard", "esm"]

    host.machine.write(
        "/etc/apt/preferences.d/ubuntu-esm-infra", "Package: *\nPin: release o=UbuntuESM\nPin-Priority: -32768\n"
    )
    assert covered() == ["standard"]


PRO = "/var/lib/ubuntu-advantage/apt-esm"


def fetch_as_the_pro_client_does(host: Scenario) -> None:
    """Move the sources of ESM to the client's own root directory, and have apt fetch their lists there."""
    host.machine.check(
        f"mkdir -p {PRO}/etc/apt/sources.list.d {PRO}/var/lib/apt/lists/partial {PRO}/var/cache/apt/archives/partial\n"
        f"mv /etc/apt/sources.list.d/esm-*.list {PRO}/etc/apt/sources.list.d/\n"
        f"apt-get -o Dir={PRO} -o Dir::State::status=/var/lib/dpkg/status update"
    )


@pytest.mark.every_release
def test_a_fix_that_only_pro_has_is_shown_as_such_and_neither_pending_nor_held(host: Scenario) -> None:
    host.be_ubuntu()
    host.offer("security", package("a", "2"), package("d", "3"))
    host.offer("esm-apps", package("b", "2~esm1"), package("d", "2~esm1"))
    host.offer("esm-infra", package("c", "2~esm1"))
    host.repository("esm-infra-legacy", package("c", "1~legacy"), package("not-installed", "9"))
    fetch_as_the_pro_client_does(host)
    host.upgrade()

    answer = host.agent("check --json")

    assert answer.code == 0
    assert (answer.json["install"], answer.json["held"]) == ([], [])
    assert {one["package"]: (one["installed"], one["candidate"], one["why"]) for one in answer.json["esm_only"]} == {
        "b": ("1", "2~esm1", "esm-only"),
        "c": ("1", "2~esm1", "esm-only"),
    }
    explained = host.agent("explain b --json")
    assert (explained.code, explained.json["conclusion"]) == (0, "esm-only")
    gate = next(gate for gate in explained.json["gates"] if gate["gate"] == "ubuntu-pro")
    assert gate["verdict"] == "shut"
    status = host.agent("status --json").json
    assert (status["health"], len(status["plan"]["esm_only"])) == ("healthy", 2)
    report = host.agent("report --show").json
    assert (report["updates"]["security_pending"], report["updates"]["esm_only"]) == (0, 2)


def test_once_attached_the_same_fix_is_a_pending_security_update(host: Scenario) -> None:
    host.be_ubuntu()
    host.offer("security", package("a", "2"))
    host.offer("esm-apps", package("b", "2~esm1"))
    fetch_as_the_pro_client_does(host)
    assert names(host.check()["esm_only"]) == ["b"]

    host.machine.check(f"cp {PRO}/etc/apt/sources.list.d/esm-apps.list /etc/apt/sources.list.d/")
    plan = host.check()

    assert (names(plan["install"]), plan["esm_only"]) == (["a", "b"], [])


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("rm {lists}/*InRelease", id="no-release-file"),
        pytest.param("for one in {lists}/*Packages*; do echo 'Package: b\n\n\nVersion' >$one; done", id="no-stanzas"),
        pytest.param("for one in {lists}/*Packages*; do head -c 65536 /dev/urandom >$one; done", id="noise"),
        pytest.param("for one in {lists}/*Packages*; do rm $one; mkdir $one; done", id="a-directory"),
    ],
)
def test_lists_of_the_pro_client_that_are_damaged_cost_no_check(host: Scenario, damage: str) -> None:
    host.be_ubuntu()
    host.offer("security", package("a", "2"))
    host.offer("esm-apps", package("b", "2~esm1"))
    fetch_as_the_pro_client_does(host)
    host.machine.check(damage.format(lists=f"{PRO}/var/lib/apt/lists"))

    plan = host.check()

    assert (names(plan["install"]), plan["esm_only"]) == (["a"], [])


@pytest.mark.every_release
def test_a_new_dependency_from_security_is_installed_and_marked_automatic(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="n"))
    host.repository("main", package("x", "1"))
    security = host.machine.path("/srv/security")
    assert security.exists()
    host.machine.check("rm -rf /srv/security")
    host.repository("security", package("a", "2", depends="n"), package("n", "2"))

    done = host.upgrade()

    assert names(done.json["new"]) == ["n"]
    assert host.versions("a", "n") == {"a": "2", "n": "2"}
    assert "n" in host.machine.check("apt-mark showauto").split()
    assert "a" in host.machine.check("apt-mark showmanual").split()


@pytest.mark.every_release
def test_a_new_dependency_from_another_origin_holds_that_update_alone(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="n (>= 2)"), package("z", "2"))
    host.repository("updates", package("n", "2"))

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (10, "degraded")
    assert reasons(done.json) == {"a": "needs-other-origin"}
    assert done.json["held"][0]["detail"] == "needs n (>= 2), offered only by stable-updates (Debian)"
    assert host.versions("a", "z", "n") == {"a": "1", "z": "2", "n": None}


def test_a_newer_library_from_another_origin_holds_the_update(host: Scenario) -> None:
    host.install(package("lib", "1"))
    host.offer("security", package("a", "2", depends="lib (>= 2)"))
    host.repository("updates", package("lib", "2"))

    plan = host.check()

    assert reasons(plan) == {"a": "needs-other-origin"}
    assert host.upgrade().code == 10
    assert host.versions("a", "lib") == {"a": "1", "lib": "1"}


def test_a_breaks_that_security_resolves_installs_both(host: Scenario) -> None:
    host.offer("security", package("a", "2", breaks="b (<< 2)"), package("b", "2"))

    assert host.upgrade().json["result"] == "updated"
    assert host.versions("a", "b") == {"a": "2", "b": "2"}


def test_a_breaks_that_another_origin_resolves_holds_the_update(host: Scenario) -> None:
    host.install(package("b", "1"))
    host.offer("security", package("a", "2", breaks="b (<< 2)"))
    host.repository("updates", package("b", "2"))

    assert reasons(host.check()) == {"a": "needs-other-origin"}


def test_packages_with_equal_version_dependencies_are_upgraded_together(host: Scenario) -> None:
    host.install(package("lib", "1"), package("lib-dev", "1", depends="lib (= 1)"))
    host.repository("security", package("lib", "2"), package("lib-dev", "2", depends="lib (= 2)"))
    host.repository("updates", package("lib", "3"), package("lib-dev", "3", depends="lib (= 3)"))

    assert host.upgrade().code == 0
    assert host.versions("lib", "lib-dev") == {"lib": "2", "lib-dev": "2"}


@pytest.mark.every_release
def test_nothing_is_ever_removed(host: Scenario) -> None:
    host.install(package("b", "1"))
    host.offer("security", package("a", "2", conflicts="b"), package("z", "2"))

    done = host.upgrade()

    assert reasons(done.json) == {"a": "would-remove"}
    assert "conflicts with the installed b 1" in done.json["held"][0]["detail"]
    assert host.versions("a", "b", "z") == {"a": "1", "b": "1", "z": "2"}


def test_an_installed_package_that_needs_the_old_version_holds_the_update(host: Scenario) -> None:
    host.install(package("lib", "1"), package("app", "1", depends="lib (= 1)"))
    host.repository("security", package("lib", "2"))

    plan = host.check()

    assert reasons(plan) == {"lib": "would-remove"}
    assert "app 1 needs lib (= 1)" in plan["held"][0]["detail"]


@pytest.mark.every_release
def test_an_allowed_alternative_is_installed(host: Scenario) -> None:
    host.install(package("a", "1"))
    host.repository("security", package("a", "2", depends="x | y"), package("y", "1"))
    host.repository("updates", package("x", "1"))

    assert host.upgrade().code == 0
    assert host.versions("a", "x", "y") == {"a": "2", "x": None, "y": "1"}


def test_a_renamed_package_installs_its_successor(host: Scenario) -> None:
    host.install(package("old", "1"))
    host.repository(
        "security",
        package("old", "2", depends="new"),
        package("new", "2", breaks="old (<< 2)", replaces="old (<< 2)"),
    )

    assert host.upgrade().code == 0
    assert host.versions("old", "new") == {"old": "2", "new": "2"}


@pytest.mark.every_release
def test_a_hold_is_never_touched(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.machine.check("apt-mark hold a")

    done = host.upgrade()

    assert (done.code, reasons(done.json)) == (10, {"a": "held-by-admin"})
    assert host.versions("a") == {"a": "1"}
    assert host.machine.check("apt-mark showhold").split() == ["a"]


def test_a_hold_on_a_dependency_holds_its_dependants(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="lib (>= 2)"), package("lib", "2"))
    host.machine.check("apt-mark hold lib")

    plan = host.check()

    assert reasons(plan) == {"a": "held-by-admin", "lib": "held-by-admin"}
    assert "lib is on hold" in plan["held"][0]["detail"]


@pytest.mark.parametrize(("pattern", "held"), [("lib*", True), ("li", False), ("libx", True), ("*x", True)])
def test_the_blocklist_matches_shell_patterns_against_whole_names(host: Scenario, pattern: str, held: bool) -> None:  # noqa: FBT001
    host.offer("security", package("libx", "2"))
    host.configuration(f'[security]\nblocklist = ["{pattern}"]\n')

    plan = host.check()

    assert reasons(plan) == ({"libx": "blocklisted"} if held else {})


def test_the_blocklist_holds_updates_that_need_a_blocked_package(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="lib (>= 2)"), package("lib", "2"))
    host.configuration('[security]\nblocklist = ["lib"]\n')

    assert reasons(host.check()) == {"a": "blocklisted", "lib": "blocklisted"}


def test_the_allowlist_admits_listed_packages_and_their_dependencies(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="lib (>= 2)"), package("lib", "2"), package("z", "2"))
    host.configuration('[security]\nallowlist = ["a"]\n')

    plan = host.check()

    assert names(plan["install"]) == ["a", "lib"]
    assert reasons(plan) == {"z": "not-allowlisted"}


@pytest.mark.every_release
@pytest.mark.parametrize(
    "pin",
    [
        "Package: a\nPin: release n=*-security\nPin-Priority: -1\n",
        "Package: a\nPin: version 1\nPin-Priority: 1001\n",
        "Package: a\nPin: version 1\nPin-Priority: 600\n",
        "Package: *\nPin: release o=LP-PPA-somebody\nPin-Priority: 1001\n",
    ],
)
def test_a_pin_is_respected_and_reported(host: Scenario, pin: str) -> None:
    host.offer("security", package("a", "2"))
    host.repository("ppa", package("a", "1.5"))
    host.machine.write("/etc/apt/preferences.d/test", pin)

    done = host.upgrade()

    assert reasons(done.json) == {"a": "pinned"}
    assert host.versions("a") == {"a": "1"}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/etc/apt/apt.conf.d/99default", 'APT::Default-Release "stable";\n'),
        ("/etc/apt/preferences.d/test", "Package: *\nPin: release a=stable-updates\nPin-Priority: 990\n"),
    ],
)
def test_a_preferred_release_does_not_hide_security_updates(host: Scenario, file: str, text: str) -> None:
    host.offer("security", package("a", "2"))
    host.repository("main", package("a", "1"))
    host.repository("updates", package("a", "1.5"))
    host.machine.write(file, text)

    assert host.upgrade().code == 0
    assert host.versions("a") == {"a": "2"}


def test_the_container_runtime_is_not_upgraded_by_default(host: Scenario) -> None:
    host.offer("security", package("docker.io", "2"), package("a", "2"))

    done = host.upgrade()

    assert reasons(done.json) == {"docker.io": "runtime-managed"}
    assert host.versions("docker.io", "a") == {"docker.io": "1", "a": "2"}


def test_the_container_runtime_is_upgraded_if_configured(host: Scenario) -> None:
    host.offer("security", package("docker.io", "2"))
    host.configuration("[security]\ninclude_runtime = true\n")

    assert host.upgrade().code == 0
    assert host.versions("docker.io") == {"docker.io": "2"}


@pytest.mark.every_release
def test_all_upgrades_every_package_to_its_newest_version(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.offer("updates", package("b", "2"))
    host.machine.check("rm -rf /srv/updates")
    host.repository("updates", package("b", "2"), package("a", "3"))

    done = host.upgrade("--all")

    assert done.json["result"] == "updated"
    assert host.versions("a", "b") == {"a": "3", "b": "2"}


def test_all_respects_holds_and_removes_nothing(host: Scenario) -> None:
    host.install(package("c", "1"))
    host.offer("updates", package("a", "2"), package("b", "2", conflicts="c"), package("z", "2"))
    host.repository("security")
    host.machine.check("apt-mark hold a")

    done = host.upgrade("--all")

    assert reasons(done.json) == {"a": "held-by-admin", "b": "would-remove"}
    assert host.versions("a", "b", "c", "z") == {"a": "1", "b": "1", "c": "1", "z": "2"}


@pytest.mark.every_release
def test_versions_compare_as_in_dpkg(host: Scenario) -> None:
    host.install(package("epoch", "1:1"), package("tilde", "2~rc1"), package("local", "2+local1"))
    host.repository("security", package("epoch", "2"), package("tilde", "2"), package("local", "2"))

    assert names(host.check()["install"]) == ["tilde"]


def test_a_package_in_state_config_files_is_not_upgraded(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.install(package("a", "1", postrm="exit 0"))
    host.machine.check("dpkg --remove a")

    plan = host.check()

    assert plan["install"] == plan["repair"] == []


def test_the_container_runtime_is_upgraded_as_a_whole_or_not_at_all(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("containerd", "2"), package("docker.io", "2"))
    host.configuration("[security]\ninclude_runtime = true\n")
    host.machine.check("apt-mark hold containerd")

    done = host.upgrade()

    assert reasons(done.json) == {"containerd": "held-by-admin", "docker.io": "runtime-managed"}
    assert "goes together with containerd" in done.json["held"][1]["detail"]
    assert host.versions("a", "containerd", "docker.io") == {"a": "2", "containerd": "1", "docker.io": "1"}


@pytest.mark.every_release
def test_the_container_runtime_is_held_if_the_resolver_rejects_a_part(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("containerd", "2", depends="n"), package("docker.io", "2"))
    host.repository("updates", package("n", "1"))
    host.configuration("[security]\ninclude_runtime = true\n")

    done = host.upgrade()

    assert reasons(done.json) == {"containerd": "needs-other-origin", "docker.io": "runtime-managed"}
    assert host.versions("a", "containerd", "docker.io") == {"a": "2", "containerd": "1", "docker.io": "1"}
