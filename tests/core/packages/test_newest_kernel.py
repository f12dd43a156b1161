"""Whether the newest kernel runs: the newest installed one of the same flavour, by dpkg's order."""

from dataclasses import replace

import pytest

from agent.core.model.kernels import NO_KERNEL_FACTS, UNKNOWN_KERNEL, KernelFacts, KernelImage, RunningKernel
from agent.core.model.plan import Resolution
from agent.core.model.scope import Scope
from agent.core.packages.admission import admit
from agent.core.packages.decide import build_plan
from agent.core.packages.kernels import compare_running
from tests.core import given


def machine(running: str, *releases: str, build: str = "") -> KernelFacts:
    """Return a machine on which these kernels are installed, oldest first."""
    images = tuple(KernelImage(release=release, version=f"{number}-1") for number, release in enumerate(releases))
    return replace(NO_KERNEL_FACTS, running=running, build=build, images=images)


@pytest.mark.parametrize(
    ("running", "installed", "newest"),
    [
        ("6.1.0-18-amd64", ["6.1.0-17-amd64", "6.1.0-18-amd64", "6.1.0-20-amd64"], "6.1.0-20-amd64"),
        ("6.1.0-20-amd64", ["6.1.0-18-amd64", "6.1.0-20-amd64"], "6.1.0-20-amd64"),
        ("6.1.0-18-amd64", ["6.1.0-20-amd64"], "6.1.0-20-amd64"),  # its own package is removed
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-10-amd64"], "6.1.0-10-amd64"),
        ("6.1.0-18-amd64", ["6.1.0-18-amd64", "6.12.48+deb13-amd64"], "6.12.48+deb13-amd64"),
        ("6.12.41+deb13-amd64", ["6.12.41+deb13-amd64", "6.12.48+deb13-amd64"], "6.12.48+deb13-amd64"),
        ("6.1.0-0.deb11.21-amd64", ["5.10.0-28-amd64", "6.1.0-0.deb11.22-amd64"], "6.1.0-0.deb11.22-amd64"),
        ("6.1.0-18-cloud-amd64", ["6.1.0-18-cloud-amd64", "6.1.0-20-amd64"], "6.1.0-18-cloud-amd64"),
        ("6.1.0-18-amd64", ["6.1.0-18-amd64", "6.1.0-20-rt-amd64"], "6.1.0-18-amd64"),
        ("6.1.0-18-686", ["6.1.0-18-686", "6.1.0-20-686-pae"], "6.1.0-18-686"),
        ("6.1.0-18-686-pae", ["6.1.0-18-686", "6.1.0-20-686-pae"], "6.1.0-20-686-pae"),
        ("6.8.0-31-generic", ["6.8.0-31-generic", "6.8.0-40-generic"], "6.8.0-40-generic"),
        ("5.15.0-118-generic", ["5.15.0-118-generic", "6.8.0-40-generic"], "6.8.0-40-generic"),  # hwe
        ("6.8.0-1008-aws", ["6.8.0-31-generic", "6.8.0-1008-aws", "6.8.0-40-generic"], "6.8.0-1008-aws"),
        ("6.8.0-31-generic-64k", ["6.8.0-31-generic-64k", "6.8.0-40-generic"], "6.8.0-31-generic-64k"),
    ],
)
def test_the_newest_kernel_has_the_flavour_of_the_running_one(running: str, installed: list[str], newest: str) -> None:
    assert compare_running(machine(running, *installed)) == RunningKernel(
        running=running, newest=newest, outdated=running != newest
    )


@pytest.mark.parametrize(
    ("running", "installed"),
    [
        ("6.8.0-31-generic", []),  # a container
        ("6.18.44-fc-v595", ["6.1.0-18-amd64"]),  # the hypervisor's kernel
        ("6.18.44", ["6.1.0-18-amd64"]),
        ("6.6.87.2-microsoft-standard-WSL2", ["6.1.0-18-amd64"]),
        ("odd", ["6.1.0-18-amd64", "odd"]),
        ("6.12.48+deb13-amd64", ["6.1.0-18-amd64"]),  # a container on a newer host of the same flavour
        ("6.1.0-20-amd64", ["6.1.0-9-amd64", "6.1.0-18-amd64"]),  # its own package is removed, and it is newer
    ],
)
def test_the_newest_kernel_is_unknown_if_the_running_one_is_not_installed(running: str, installed: list[str]) -> None:
    assert compare_running(machine(running, *installed)) == RunningKernel(running=running, newest=None, outdated=None)


def test_without_kernel_facts_nothing_is_known() -> None:
    assert compare_running(NO_KERNEL_FACTS) == UNKNOWN_KERNEL


@pytest.mark.parametrize(
    ("build", "outdated"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 1-1 (2024-02-01)", False),
        ("#1 SMP PREEMPT_DYNAMIC Debian 0-9 (2024-01-01)", True),
        ("#31-Ubuntu SMP PREEMPT_DYNAMIC Sat Apr 20 00:40:06 UTC 2024", False),
        ("", False),
    ],
)
def test_an_update_with_the_same_release_is_recognised_by_the_build(build: str, *, outdated: bool) -> None:
    found = compare_running(machine("6.1.0-18-amd64", "6.1.0-17-amd64", "6.1.0-18-amd64", build=build))

    assert found == RunningKernel(running="6.1.0-18-amd64", newest="6.1.0-18-amd64", outdated=outdated)


def test_the_plan_contains_the_kernel_comparison() -> None:
    facts = given.facts(kernels=machine("6.1.0-18-amd64", "6.1.0-18-amd64", "6.1.0-20-amd64"))
    admission = admit(given.policy(), facts, Scope.SECURITY)

    plan = build_plan(facts, Scope.SECURITY, admission, Resolution(steps=(), refused=()))

    assert plan.kernel == RunningKernel(running="6.1.0-18-amd64", newest="6.1.0-20-amd64", outdated=True)
