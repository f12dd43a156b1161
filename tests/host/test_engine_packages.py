"""Versions and simulations by real libapt on a private dpkg database and signed repositories."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.private_apt import PrivateApt
from tests.support.repository import Package, Signer, package

OLD, MIDDLE, NEW = "5:24.0.9-1~debian.12~bookworm", "5:27.3.1-1~debian.12~bookworm", "5:28.0.0-1~debian.12~bookworm"


def engine(version: str, *, containerd: str = "1.4") -> Package:
    return package("docker-ce", version, depends=f"containerd.io (>= {containerd}), docker-ce-cli")


def client(version: str) -> Package:
    return package("docker-ce-cli", version)


@pytest.fixture
def apt(tmp_path: Path, signer: Signer) -> PrivateApt:
    return PrivateApt(tmp_path, signer)


def changes(simulation: Any) -> dict[str, tuple[str | None, str | None]]:
    assert simulation["problem"] == ""
    return {one["package"]: (one["before"], one["after"]) for one in simulation["changes"]}


def test_offers_are_the_authenticated_versions_and_the_installed_one(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(MIDDLE), engine(NEW), client(NEW))
    apt.repository("Unsigned", engine("5:99.0.0-1"), signed=False)
    found = apt.ask("docker-ce", "docker-engine")["offers"]
    assert found == {"docker-ce": [[NEW, "Docker stable"], [MIDDLE, "Docker stable"], [OLD, ""]], "docker-engine": []}


def test_exact_versions_are_simulated_with_what_they_need(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository(
        "Docker",
        engine(MIDDLE, containerd="1.7"),
        engine(NEW),
        client(MIDDLE),
        client(NEW),
        package("containerd.io", "1.7"),
    )
    simulation = apt.simulate(docker_ce=MIDDLE, docker_ce_cli=MIDDLE)
    assert changes(simulation) == {
        "containerd.io": ("1.6", "1.7"),
        "docker-ce": (OLD, MIDDLE),
        "docker-ce-cli": (OLD, MIDDLE),
    }
    assert simulation["download_bytes"] > 0


def test_a_downgrade_is_simulated_with_the_removal_that_it_needs(apt: PrivateApt) -> None:
    """As Debian's docker.io, whose older version breaks the client's own package (docker-behaviour.md, D4)."""
    old = package("docker.io", "20.10.24", breaks="docker-cli", conflicts="docker-cli")
    apt.install(package("docker.io", "26.1.5"), package("docker-cli", "26.1.5"))
    apt.repository("Debian", old)
    assert changes(apt.simulate(docker_io="20.10.24")) == {
        "docker.io": ("26.1.5", "20.10.24"),
        "docker-cli": ("26.1.5", None),
    }


def test_what_is_there_already_changes_nothing(apt: PrivateApt) -> None:
    apt.install(engine(NEW), client(NEW), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(NEW))
    assert changes(apt.simulate(docker_ce=NEW, docker_ce_cli=NEW)) == {}


@pytest.mark.parametrize("held", ["docker-ce", "containerd.io"])
def test_holds_stay_in_force(apt: PrivateApt, held: str) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"), hold=(held,))
    apt.repository("Docker", engine(NEW, containerd="1.7"), client(NEW), package("containerd.io", "1.7"))
    assert apt.simulate(docker_ce=NEW, docker_ce_cli=NEW)["problem"]


def test_a_hold_on_what_is_named_may_be_passed_over_and_no_other(apt: PrivateApt) -> None:
    packages = engine(OLD), client(OLD), package("containerd.io", "1.6")
    apt.install(*packages, hold=("docker-ce", "docker-ce-cli"))
    apt.repository("Docker", engine(NEW, containerd="1.7"), client(NEW), package("containerd.io", "1.7"))
    targets = {"docker-ce": NEW, "docker-ce-cli": NEW}

    found = apt.ask(simulate=(targets,), held=list(targets))["simulations"][0]

    assert changes(found) == {"containerd.io": ("1.6", "1.7"), "docker-ce": (OLD, NEW), "docker-ce-cli": (OLD, NEW)}
    apt.install(*packages, hold=("docker-ce", "containerd.io"))
    assert apt.ask(simulate=(targets,), held=list(targets))["simulations"][0]["problem"]


@pytest.mark.parametrize("version", [NEW, "5:99.0.0-1"], ids=["unknown", "unauthenticated"])
def test_a_version_of_no_authenticated_source_is_refused(apt: PrivateApt, version: str) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(MIDDLE))
    apt.repository("Unsigned", engine("5:99.0.0-1"), signed=False)
    assert apt.simulate(docker_ce=version)["problem"]


def test_dependencies_that_nothing_meets_are_a_problem(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(NEW, containerd="9"))
    assert apt.simulate(docker_ce=NEW)["problem"]


@pytest.mark.parametrize("lent", [False, True])
def test_offers_have_the_priorities_of_apts_preferences_whatever_a_lent_cache_is_restricted_to(
    apt: PrivateApt, *, lent: bool
) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(MIDDLE))
    apt.repository("Other", engine(NEW))
    apt.prefer("Package: *\nPin: release o=Other\nPin-Priority: -1")
    assert apt.ask("docker-ce", lent=lent)["priorities"] == {NEW: -1, MIDDLE: 500, OLD: 100}


def test_a_pin_on_the_package_outranks_its_sources(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(MIDDLE), engine(NEW))
    apt.prefer("Package: docker-ce\nPin: version 5:27.*\nPin-Priority: 990")
    assert apt.ask("docker-ce")["priorities"] == {NEW: 500, MIDDLE: 990, OLD: 100}


def test_a_version_that_the_preferences_exclude_is_not_installed(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository("Docker", engine(NEW), client(NEW))
    apt.prefer("Package: docker-ce-cli\nPin: version *\nPin-Priority: -1")
    assert apt.simulate(docker_ce=NEW, docker_ce_cli=NEW)["problem"]
    assert changes(apt.simulate(docker_ce=NEW, docker_ce_cli=OLD)) == {"docker-ce": (OLD, NEW)}


def test_a_lent_cache_gives_the_same_answers_whatever_its_marks_and_restriction(apt: PrivateApt) -> None:
    apt.install(engine(OLD), client(OLD), package("containerd.io", "1.6"))
    apt.repository(
        "Docker", engine(MIDDLE, containerd="1.7"), engine(NEW), client(MIDDLE), package("containerd.io", "1.7")
    )
    asked = {"docker-ce": MIDDLE, "docker-ce-cli": MIDDLE}
    again = {"docker-ce": NEW}

    own = apt.ask("docker-ce", simulate=(asked, again))
    lent = apt.ask("docker-ce", simulate=(asked, again), lent=True)

    assert (own["marks_left"], lent["marks_left"]) == (None, True)
    assert lent["offers"] == own["offers"]
    assert lent["simulations"] == own["simulations"]
    assert len(changes(own["simulations"][0])) == 3
