"""Which kernels count as newer than the running one: the forms of releases that distributions and vendors use."""

import pytest

from agent.core.kernel_release import compare_kernels, flavour, image_release
from tests.core.kernel_names import IMAGES


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.1.0-18-amd64", "amd64"),
        ("6.1.0-18-cloud-amd64", "cloud-amd64"),
        ("6.1.0-18-686", "686"),
        ("6.1.0-18-686-pae", "686-pae"),
        ("6.12.57+deb13-686-pae", "686-pae"),
        ("6.12.57+deb13-rt-amd64", "rt-amd64"),
        ("6.1.0-0.deb11.21-amd64", "amd64"),
        ("6.12.9+bpo-amd64", "amd64"),
        ("6.13-rc6-amd64", "amd64"),
        ("6.13~rc6-amd64", "amd64"),
        ("6.8.0-31-generic", "generic"),
        ("6.8.0-31-generic-64k", "generic-64k"),
        ("6.8.0-1008-nvidia-64k", "nvidia-64k"),
        ("6.8.0-1008-aws", "aws"),
        ("6.6.62+rpt-rpi-v8", "rpi-v8"),
        ("6.6.62+rpt-rpi-2712", "rpi-2712"),
        ("6.1.21-v7l+", "v7l+"),
        ("6.6.62-current-rockchip64", "current-rockchip64"),
        ("6.9.3-76060903-generic", "generic"),
        ("6.8.12-5-pve", "pve"),
        ("6.14.0-2-bpo12-pve", "pve"),
        ("6.12.8-1-liquorix-amd64", "liquorix-amd64"),
        ("6.12.9-x64v3-xanmod1", "x64v3-xanmod"),
        ("6.12.9-xanmod12", "xanmod"),
        ("6.12.7-surface-1", "surface"),
        ("6.12.9-zen1-1-zen", "zen-zen"),
        ("6.6.15-rt22", "rt"),
        ("6.18.44-fc-v595", "fc-v"),
        ("6.12.9-zabbly+", "zabbly+"),
        ("6.12.9-custom", "custom"),
        ("6.12.9", ""),
        ("6.8.0-31", ""),
        ("6.12.9+", ""),
        ("odd", None),
        ("", None),
    ],
)
def test_a_flavour_has_no_number_of_a_build(release: str, expected: str | None) -> None:
    assert flavour(release) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6.6.62+rpt-rpi-v7", "6.6.62+rpt-rpi-v8"),
        ("6.12.9-x64v2-xanmod1", "6.12.9-x64v3-xanmod1"),
        ("6.1.0-18-686", "6.1.0-18-686-pae"),
        ("6.1.0-18-amd64", "6.1.0-18-rt-amd64"),
        ("5.10.0-8-loongson-3", "5.10.0-8-octeon"),
        ("6.6.62-bcm2711", "6.6.62-bcm2712"),
    ],
)
def test_another_flavour_is_another_choice(one: str, other: str) -> None:
    assert flavour(one) != flavour(other)


@pytest.mark.parametrize(
    ("running", "build", "images", "newer"),
    [
        pytest.param("6.12.9-xanmod1", "",
                     [("6.12.9-xanmod1", "6.12.9-xanmod1-0"), ("6.12.10-xanmod2", "6.12.10-xanmod2-0")],
                     ["6.12.10-xanmod2"], id="build number in the flavour"),
        pytest.param("6.1.0-9-amd64", "", [("6.1.0-10-amd64", "6.1.27-1"), ("6.1.0-9-amd64", "6.1.20-1")],
                     ["6.1.0-10-amd64"], id="by version, not by name"),
        pytest.param("6.1.0-18-amd64", "Debian 6.1.76-1 (2024-02-01)", [("6.1.0-18-amd64", "6.1.76-2")],
                     ["6.1.0-18-amd64"], id="a newer build of the running release"),
        pytest.param("6.1.0-18-amd64", "Debian 6.1.76-2 (2024-02-01)", [("6.1.0-18-amd64", "6.1.76-1")],
                     [], id="an older build after a downgrade"),
        pytest.param("6.12.9+bpo-amd64", "Debian 6.12.9-1~bpo12+1 (2025-01-19)",
                     [("6.12.9+bpo-amd64", "6.12.9-1~bpo12+1"), ("6.1.0-41-amd64", "6.1.158-1")],
                     [], id="a backport beside the release's own"),
        pytest.param("6.1.0-18-amd64", "",
                     [("6.1.0-18-amd64", "6.1.76-1"), ("6.1.0-20-amd64", "6.1.85-1"), ("6.1.0-21-amd64", "6.1.90-1")],
                     ["6.1.0-20-amd64", "6.1.0-21-amd64"], id="two of them"),
        pytest.param("6.1.0-18-amd64", "", [("6.1.0-20-amd64", "6.1.85-1")],
                     ["6.1.0-20-amd64"], id="the running one's package is removed"),
        pytest.param("6.12.9", "", [("6.12.9", "6.12.9-2"), ("6.12.10", "6.12.10-3")],
                     ["6.12.10"], id="built by hand, without a flavour"),
    ],
)  # fmt: skip
def test_newer_kernels_are_found(running: str, build: str, images: list[tuple[str, str]], newer: list[str]) -> None:
    found = compare_kernels(running, build, images)

    assert [release for release, _ in found.newer] == newer
    assert found.outdated is bool(newer)


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
    found = compare_kernels(running, "", [(release, f"{number}-1") for number, release in enumerate(installed)])

    assert (found.newest, found.outdated) == (newest, running != newest)


@pytest.mark.parametrize(
    ("running", "installed"),
    [
        ("6.8.0-31-generic", []),  # a container
        ("6.18.44-fc-v595", ["6.1.0-18-amd64"]),  # the hypervisor's kernel
        ("6.18.44", ["6.1.0-18-amd64"]),
        ("6.6.87.2-microsoft-standard-WSL2", ["6.1.0-18-amd64"]),
        ("odd", ["6.1.0-18-amd64", "odd"]),
        ("", []),
        ("6.12.48+deb13-amd64", ["6.1.0-18-amd64"]),  # a container on a newer host of the same flavour
        ("6.1.0-20-amd64", ["6.1.0-9-amd64", "6.1.0-18-amd64"]),  # its own package is removed, and it is newer
    ],
)
def test_the_newest_kernel_is_unknown_if_the_running_one_is_not_installed(running: str, installed: list[str]) -> None:
    found = compare_kernels(running, "", [(release, f"{number}-1") for number, release in enumerate(installed)])

    assert (found.running, found.newest, found.outdated) == (running or None, None, None)


@pytest.mark.parametrize(
    ("package", "release"),
    [
        *IMAGES.items(),
        ("proxmox-kernel-6.8", None),
        ("proxmox-kernel-helper", None),
        ("linux-image-amd64", None),
        ("linux-image-generic-hwe-22.04", None),
        ("linux-image-6.1.0-18-amd64-dbg", None),
        ("linux-image-unsigned-6.8.0-31-generic-dbgsym", None),
        ("linux-headers-6.1.0-18-amd64", None),
    ],
)
def test_the_release_of_an_image_is_in_its_name(package: str, release: str | None) -> None:
    assert image_release(package) == release
