"""How Docker was installed, from package names and files."""

from pathlib import Path

import pytest

from agent.core.model.docker import Flavour, RuntimePackage
from agent.host.docker.flavour import find_flavours, has_rootless_unit


@pytest.mark.parametrize(
    ("names", "flavours"),
    [
        (("docker-ce", "docker-ce-cli", "containerd.io"), (Flavour.DOCKER_CE,)),
        (("docker.io", "docker-cli", "containerd", "runc"), (Flavour.DOCKER_IO,)),
        (("moby-engine",), (Flavour.OTHER_PACKAGE,)),
        (("podman-docker",), (Flavour.PODMAN,)),
        (("containerd", "runc"), ()),
        (("docker-ce-cli",), ()),
    ],
    ids=["ce", "debian", "moby", "podman", "runtime only", "client only"],
)
def test_packages_name_the_flavour(tmp_path: Path, names: tuple[str, ...], flavours: tuple[Flavour, ...]) -> None:
    packages = [RuntimePackage(package=name, version="1") for name in names]
    assert find_flavours(packages, root=f"{tmp_path}/") == flavours


def test_a_snap_beside_a_package_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "snap/bin").mkdir(parents=True)
    (tmp_path / "snap/bin/docker").symlink_to("/usr/bin/snap")  # dangles where snapd is not
    packages = [RuntimePackage(package="docker-ce", version="1")]
    assert find_flavours(packages, root=f"{tmp_path}/") == (Flavour.DOCKER_CE, Flavour.SNAP)


@pytest.mark.parametrize("path", ["usr/local/bin/dockerd", "opt/docker/dockerd"])
def test_an_engine_of_no_package_is_static(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("")
    assert find_flavours((), (f"/{path}", "-H", "fd://"), root=f"{tmp_path}/") == (Flavour.STATIC,)


def test_a_users_own_unit_is_found_by_the_home_directories(tmp_path: Path) -> None:
    users = tmp_path / "passwd"
    users.write_text(f"root:x:0:0::/root:/bin/sh\nbroken\nmia:x:1000:1000::{tmp_path}/mia:/bin/sh\n")
    assert not has_rootless_unit(str(users))
    (tmp_path / "mia/.config/systemd/user").mkdir(parents=True)
    (tmp_path / "mia/.config/systemd/user/docker.service").write_text("")
    assert has_rootless_unit(str(users))
