"""Which obsolete kernels are removed: apt's garbage without the running, the newest and other protected ones."""

from dataclasses import replace
from typing import Any

import pytest

from agent.core.model.kernels import AutoRemovable, Dependency, KernelFacts, KernelImage, ObsoleteKernels
from agent.core.model.package import PackageId
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.decide import plan_kernel_removal
from agent.core.packages.gates.veto import veto
from agent.core.packages.kernels import is_part_of, obsolete_kernels, release_of
from tests.core import given
from tests.core.kernel_names import IMAGES

PATTERNS = ("linux-.*", "kfreebsd-.*", "gnumach-.*", ".*-modules", ".*-kernel")
"""The configuration of Debian and Ubuntu."""


def unneeded(package: str, **changes: Any) -> AutoRemovable:
    return replace(AutoRemovable(package=package, architecture="amd64", version="1"), **changes)


def debian(release: str) -> tuple[str, ...]:
    shared = "-".join(release.split("-")[:2])
    return f"linux-headers-{release}", f"linux-headers-{shared}-common", f"linux-image-{release}"


def ubuntu(release: str) -> tuple[str, ...]:
    shared = release.rpartition("-")[0]
    kinds = ("headers", "image", "modules", "modules-extra", "tools")
    return (f"linux-headers-{shared}", *(f"linux-{kind}-{release}" for kind in kinds), f"linux-tools-{shared}")


def machine(*garbage: str | AutoRemovable, running: str = "6.1.0-2-amd64", **changes: Any) -> KernelFacts:
    """Return a machine with kernels 6.1.0-1 to 6.1.0-5, running the second, with these packages as garbage."""
    images = tuple(KernelImage(release=f"6.1.0-{number}-amd64", version=f"6.1.{number}-1") for number in range(1, 6))
    found = tuple(unneeded(one) if isinstance(one, str) else one for one in garbage)
    facts = KernelFacts(running=running, patterns=PATTERNS, images=images, unneeded=found, needs=())
    return replace(facts, **changes)


def decided(kernels: KernelFacts, *planned: str) -> ObsoleteKernels:
    return obsolete_kernels(kernels, planned, lambda _: None)


def removed(found: ObsoleteKernels) -> list[str]:
    return [one.package for one in found.remove]


def kept(found: ObsoleteKernels) -> dict[str, Reason]:
    return {one.package: one.cause for one in found.kept}


def because(code: ReasonCode, *values: str) -> Reason:
    return Reason(code=code, values=values)


def test_obsolete_kernels_are_removed_except_the_running_and_the_newest() -> None:
    everything = [name for number in range(1, 6) for name in debian(f"6.1.0-{number}-amd64")]

    found = decided(machine(*everything))

    assert removed(found) == sorted(name for number in (1, 3, 4) for name in debian(f"6.1.0-{number}-amd64"))
    assert kept(found) == {
        **dict.fromkeys(debian("6.1.0-2-amd64"), because(ReasonCode.RUNNING_KERNEL)),
        **dict.fromkeys(debian("6.1.0-5-amd64"), because(ReasonCode.NEWEST_KERNEL)),
    }


def test_a_removal_names_the_newer_kernel() -> None:
    (removal,) = decided(machine("linux-image-6.1.0-1-amd64")).remove

    assert (str(removal.id), removal.version) == ("linux-image-6.1.0-1-amd64:amd64", "1")
    assert removal.cause == because(ReasonCode.SUPERSEDED, "6.1.0-5-amd64")


def test_the_newest_kernel_has_the_highest_version_not_the_last_name() -> None:
    images = (
        KernelImage(release="6.1.0-9-amd64", version="6.1.9-1"),
        KernelImage(release="6.1.0-10-amd64", version="6.1.10-1"),
    )

    found = decided(
        machine(*debian("6.1.0-9-amd64"), *debian("6.1.0-10-amd64"), images=images, running="6.1.0-9-amd64")
    )

    assert removed(found) == []
    assert set(kept(found).values()) == {because(ReasonCode.RUNNING_KERNEL), because(ReasonCode.NEWEST_KERNEL)}


def test_every_flavour_of_the_newest_version_is_kept() -> None:
    images = (
        KernelImage(release="6.1.0-2-amd64", version="6.1.2-1"),
        KernelImage(release="6.1.0-5-amd64", version="6.1.5-1"),
        KernelImage(release="6.1.0-5-cloud-amd64", version="6.1.5-1"),
    )

    found = decided(machine("linux-image-6.1.0-5-amd64", "linux-image-6.1.0-5-cloud-amd64", images=images))

    assert removed(found) == []


@pytest.mark.parametrize("running", ["6.8.0-31-generic", "6.8.0-40-generic"])
def test_all_packages_of_a_kernel_are_kept_with_it(running: str) -> None:
    images = (
        KernelImage(release="6.8.0-31-generic", version="6.8.0-31.31"),
        KernelImage(release=running, version="6.8.0-40.40"),
    )

    found = decided(machine(*ubuntu(running), *ubuntu("6.8.0-3-generic"), images=images, running=running))

    assert set(kept(found)) == set(ubuntu(running))
    assert set(removed(found)) == set(ubuntu("6.8.0-3-generic"))


def test_a_release_with_two_versions_in_it_is_matched_as_a_whole() -> None:
    images = (KernelImage(release="6.9.3-1.2.3-lab", version="1"), KernelImage(release="6.9.9", version="2"))

    found = decided(machine("linux-modules-6.9.3-1.2.3-lab", images=images, running="6.9.3-1.2.3-lab"))

    assert kept(found) == {"linux-modules-6.9.3-1.2.3-lab": because(ReasonCode.RUNNING_KERNEL)}


@pytest.mark.parametrize(("image", "release"), IMAGES.items())
def test_no_image_of_a_protected_kernel_is_removed_whatever_form_its_name_has(image: str, release: str) -> None:
    old, new = (KernelImage(release=one, version=one) for one in ("4.0.0-1-lab", "7.0.0-1-lab"))
    own = KernelImage(release=release, version="5")

    running = decided(machine(image, images=(own, new), running=release))
    newest = decided(machine(image, images=(old, own), running=old.release))
    coming = decided(machine(image, images=(old, new), running=old.release), f"linux-image-{release}")

    assert [removed(found) for found in (running, newest, coming)] == [[], [], []]


@pytest.mark.parametrize("running", ["6.6.87.2-lab", "6.1.0-2-cloud-amd64", "6.1.0", ""])
def test_no_kernel_is_removed_if_the_running_one_is_from_no_package(running: str) -> None:
    found = decided(machine(*debian("6.1.0-1-amd64"), running=running))

    assert removed(found) == []
    (reason,) = set(kept(found).values())
    assert reason == because(ReasonCode.RUNNING_KERNEL_UNKNOWN, running)


def test_no_kernel_is_removed_if_no_image_is_installed() -> None:
    assert removed(decided(machine("linux-headers-6.1.0-1-amd64", images=()))) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"on_hold": True}, ReasonCode.ON_HOLD),
        ({"automatic": False}, ReasonCode.MARKED_MANUAL),
    ],
)
def test_a_package_that_an_administrator_marked_is_kept(changes: dict[str, bool], code: ReasonCode) -> None:
    found = decided(machine(unneeded("linux-image-6.1.0-1-amd64", **changes)))

    assert (removed(found), kept(found)) == ([], {"linux-image-6.1.0-1-amd64": because(code)})


def test_a_package_that_the_plan_upgrades_is_kept() -> None:
    found = decided(machine("linux-image-6.1.0-1-amd64"), "linux-image-6.1.0-1-amd64")

    assert kept(found) == {"linux-image-6.1.0-1-amd64": because(ReasonCode.UPGRADED_BY_PLAN)}


def test_a_package_of_a_kernel_that_the_plan_installs_is_kept() -> None:
    garbage = [*debian("6.1.0-6-amd64")[:2], "linux-image-6.1.0-5-amd64", "linux-image-6.1.0-4-amd64"]

    found = decided(machine(*garbage), "linux-image-6.1.0-6-amd64", "openssl")

    assert removed(found) == ["linux-image-6.1.0-4-amd64"]
    assert kept(found) == {
        **dict.fromkeys(garbage[:2], because(ReasonCode.PLANNED_KERNEL)),
        "linux-image-6.1.0-5-amd64": because(ReasonCode.NEWEST_KERNEL),
    }


@pytest.mark.parametrize(
    "package",
    [
        "libunneeded1",
        "linux-image-amd64",
        "linux-image-generic",
        "linux-headers-generic-hwe-22.04",
        "linux-libc-dev",
        "linux-kbuild-6.1",
        "linux-compiler-gcc-12-x86",
        "linux-base",
    ],
)
def test_packages_other_than_versioned_kernel_packages_are_ignored(package: str) -> None:
    assert decided(machine(package)) == ObsoleteKernels()


@pytest.mark.parametrize("patterns", [(), ("kfreebsd-.*",), ("(broken",)])
def test_packages_outside_of_apts_patterns_are_no_kernel_packages(patterns: tuple[str, ...]) -> None:
    assert decided(machine(*debian("6.1.0-1-amd64"), patterns=patterns)) == ObsoleteKernels()


@pytest.mark.parametrize(
    "pattern", ["(broken", "x{99999999999999999999}", "(" * 3000 + ")" * 3000], ids=["invalid", "too-many", "too-deep"]
)
def test_an_invalid_pattern_does_not_affect_the_others(pattern: str) -> None:
    assert removed(decided(machine("linux-image-6.1.0-1-amd64", patterns=(pattern, "linux-.*")))) == [
        "linux-image-6.1.0-1-amd64"
    ]


# dependencies on kernel packages


of = PackageId.parse


def need(package: str, *any_of: str) -> Dependency:
    return Dependency(package=of(f"{package}:amd64"), any_of=tuple(of(f"{one}:amd64") for one in any_of))


IMAGE, MODULES = "linux-image-6.1.0-1-amd64", "linux-modules-6.1.0-1-amd64"


def test_a_package_that_another_needs_is_kept() -> None:
    found = decided(machine(IMAGE, needs=(need("probes", IMAGE),)))

    assert (removed(found), kept(found)) == ([], {IMAGE: because(ReasonCode.NEEDED_BY, "probes")})


def test_dependencies_of_a_kept_kernel_package_are_kept_recursively() -> None:
    firmware = "linux-firmware-6.1.0-1-amd64"
    needs = (need(MODULES, firmware), need(IMAGE, MODULES))

    found = decided(machine(unneeded(IMAGE, on_hold=True), MODULES, firmware, needs=needs))

    assert removed(found) == []
    assert kept(found)[MODULES] == because(ReasonCode.NEEDED_BY, IMAGE)
    assert kept(found)[firmware] == because(ReasonCode.NEEDED_BY, MODULES)


def test_a_dependency_of_a_removed_package_keeps_nothing() -> None:
    found = decided(machine(IMAGE, MODULES, needs=(need(IMAGE, MODULES),)))

    assert removed(found) == [IMAGE, MODULES]


def test_a_dependency_with_another_provider_keeps_nothing() -> None:
    other = "linux-image-6.1.0-3-amd64"

    found = decided(machine(IMAGE, needs=(need("probes", IMAGE, other),)))

    assert removed(found) == [IMAGE]


def test_a_dependency_that_only_removals_satisfy_keeps_all_of_them() -> None:
    other = "linux-image-6.1.0-3-amd64"

    found = decided(machine(IMAGE, other, needs=(need("probes", IMAGE, other),)))

    assert (removed(found), set(kept(found))) == ([], {IMAGE, other})


def test_architectures_are_decided_independently() -> None:
    foreign = unneeded(IMAGE, architecture="i386")

    found = decided(machine(IMAGE, foreign, needs=(need("probes", IMAGE),)))

    assert [str(one.id) for one in found.remove] == [f"{IMAGE}:i386"]


# names


@pytest.mark.parametrize(
    ("package", "release"),
    [
        ("linux-modules-extra-6.8.0-31-generic", "6.8.0-31-generic"),
        ("linux-headers-6.8.0-31", "6.8.0-31"),
        ("linux-headers-6.1.0-1-common-rt", "6.1.0-1-common-rt"),
        ("linux-modules-nvidia-535-6.8.0-31-generic", "6.8.0-31-generic"),
        ("zfs-modules-6.1.0-1-amd64", "6.1.0-1-amd64"),
        ("zfs-modules-2.1", None),
        ("linux-image-amd64", None),
    ],
)
def test_a_kernel_package_is_recognised_by_apts_patterns(package: str, release: str | None) -> None:
    assert release_of(package, PATTERNS) == release


@pytest.mark.parametrize(
    ("own", "release", "expected"),
    [
        ("6.1.0-1-amd64", "6.1.0-1-amd64", True),
        ("6.1.0-1-common", "6.1.0-1-amd64", True),
        ("6.1.0-1-common-rt", "6.1.0-1-rt-amd64", True),
        ("6.12.12+deb13-common", "6.12.12+deb13-amd64", True),
        ("6.1.0-1-amd64-dbg", "6.1.0-1-amd64", True),
        ("6.1.0-1-amd64-unsigned", "6.1.0-1-amd64", True),
        ("6.8.12-5-pve-signed", "6.8.12-5-pve", True),
        ("6.8.12-5-pve-signed-dbgsym", "6.8.12-5-pve", True),
        ("6.8.12-5-pve-signed", "6.8.12-4-pve", False),
        ("6.8.0-31", "6.8.0-31-generic", True),
        ("6.8.0-3", "6.8.0-31-generic", False),
        ("6.8.0-31-lowlatency", "6.8.0-31-generic", False),
        ("6.1.0-10-common", "6.1.0-1-amd64", False),
        ("6.1.0-1-common", "6.1.0-10-amd64", False),
    ],
)
def test_a_package_belongs_to_one_kernel_or_to_all_its_flavours(own: str, release: str, *, expected: bool) -> None:
    assert is_part_of(own, release) is expected


# the policy


def planned(policy: Any) -> ObsoleteKernels:
    return plan_kernel_removal(
        policy, given.facts(kernels=machine(IMAGE)), [], lambda package: veto(policy, package.name)
    )


def test_the_policy_can_keep_kernels() -> None:
    assert removed(planned(given.policy())) == [IMAGE]
    assert removed(planned(given.policy(allowlist=("linux-*",)))) == [IMAGE]
    assert kept(planned(given.policy(blocklist=("linux-image-*",)))) == {
        IMAGE: because(ReasonCode.BLOCKLISTED, "linux-image-*")
    }
    assert kept(planned(given.policy(allowlist=("openssl",)))) == {
        IMAGE: because(ReasonCode.NOT_ALLOWLISTED, "openssl")
    }


def test_no_kernel_is_removed_or_listed_if_disabled() -> None:
    assert planned(given.policy(remove_old_kernels=False)) == ObsoleteKernels()
