"""Roots with a real engine and an archive of Debian's real engines inside; made once per machine."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import bases
from tests.support.machine import Machine, machine
from tests.support.repository import Ready, Repository, Signer

OLDER = "20.10.24"
"""Debian 12's engine."""
NEWER = "26.1.5"
"""Debian 13's engine, which installs on Debian 12; its client is in docker-cli."""
NEWEST = "28.5.2"
"""Debian testing's engine."""
ARCHIVE = "/srv/engines"
IMAGE_TREE = "/srv/image"
_FORMAT = 2
_OFFERED = {
    "bookworm": ("docker.io", "containerd", "runc"),
    "trixie": ("docker.io", "docker-cli", "containerd"),
}
_OFFERED_ON_TESTING = {
    "forky": ("docker.io", "docker-cli", "tini-static"),
    "trixie": ("docker.io", "docker-cli"),
}
_PIN = "Package: *\nPin: release n=trixie\nPin-Priority: 100\n"
_POLICY = "/usr/sbin/policy-rc.d"
_KEYRING = "/etc/apt/keyrings/engines.asc"


@dataclass(frozen=True, kw_only=True)
class AsBuilt(Ready):
    """A package as its distribution built it, but for its compression."""

    def build(self) -> bytes:
        """Return the package as the file has it."""
        return self.deb.read_bytes()


def engine_layers(version: str = OLDER) -> tuple[Path, ...]:
    """Return the layers of a Debian 12 with an engine installed and enabled, uppermost first.

    apt's only source on it is the archive in /srv/engines: suite bookworm, and trixie pinned to 100. Nothing of it
    needs a network. The first call on a machine downloads 150 MB.
    """
    base = bases.base("bookworm", bases.BOOTED)
    layers = (cached_layer(OLDER, (base,), _install_older), base)
    return layers if version == OLDER else (cached_layer(NEWER, layers, _install_newer), *layers)


def layers_of_testing() -> tuple[Path, ...]:
    """Return the layers of a Debian testing with Debian 13's engine; its own is offered by the archive in it.

    Raises:
        AssertionError, RuntimeError: testing's archive cannot be had, or has another engine by now.
    """
    base = bases.base("forky", bases.BOOTED)
    return cached_layer(f"{NEWER}-{NEWEST}", (base,), _install_on_testing), base


def exact_version(on: Machine, package: str, version: str) -> str:
    """Return the package version that has an upstream version, among those that the archive offers."""
    rows = [row.split("|") for row in on.check(f"apt-cache madison {package}").splitlines()]
    return next(found.strip() for _, found, _ in rows if found.strip().rpartition(":")[2].startswith(f"{version}+"))


def engine_packages(on: Machine, version: str) -> list[str]:
    """Return what to name to apt for an engine and its client: "docker.io=26.1.5+dfsg1-9+deb13u1+b1"."""
    names = ("docker.io",) if version == OLDER else ("docker.io", "docker-cli")
    return [f"{name}={exact_version(on, name, version)}" for name in names]


def cached_layer(name: str, below: tuple[Path, ...], make: Callable[[Machine], None]) -> Path:
    """Return a layer above others, made in a machine on which no service starts, once per machine."""
    layer = bases.CACHE / f"engine-{_FORMAT}-{name}-on-{below[-1].name}"
    with (bases.CACHE / f"{layer.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process builds, the others wait
        if not layer.exists():
            building = layer.with_name(f"{layer.name}.building")
            shutil.rmtree(building, ignore_errors=True)
            with machine(*below) as making:
                making.write(_POLICY, "#!/bin/sh\nexit 101\n", 0o755)
                make(making)
                making.path(_POLICY).unlink()
                making.check("rm -rf /var/cache/apt/*.bin /var/cache/apt/archives/*.deb")
                subprocess.run(["cp", "-a", str(making.changes), str(building)], check=True)
            building.rename(layer)
    return layer


def _install_older(on: Machine) -> None:
    mirror, security = bases.mirror(), bases.security_mirror()
    sources = f"{mirror} bookworm", f"{mirror} bookworm-updates", f"{security} bookworm-security", f"{mirror} trixie"
    on.write("/etc/apt/sources.list", "".join(f"deb {source} main\n" for source in sources))
    on.write("/etc/apt/preferences.d/trixie", _PIN)
    on.check("apt-get -q update", timeout=300)
    on.check("apt-get -q -y install --no-install-recommends docker.io busybox-static", timeout=300)
    _make_image(on)
    _publish(on, _OFFERED)


def _install_on_testing(on: Machine) -> None:
    on.write("/etc/apt/sources.list", "".join(f"deb {bases.mirror()} {suite} main\n" for suite in ("forky", "trixie")))
    on.write("/etc/apt/preferences.d/trixie", _PIN)
    on.write("/etc/apt/apt.conf.d/90old", 'Acquire::Check-Valid-Until "false";\n')  # testing's lists may be old
    on.check("apt-get -q update", timeout=300)
    on.check(f"apt-cache madison docker.io | grep -F ' {NEWEST}+'")
    packages = " ".join(engine_packages(on, NEWER))
    on.check(f"apt-get -q -y install --no-install-recommends {packages} busybox-static", timeout=300)
    _make_image(on)
    _publish(on, _OFFERED_ON_TESTING)


def _make_image(on: Machine) -> None:
    on.check(f"mkdir -p {IMAGE_TREE} && cp -a /bin/busybox {IMAGE_TREE}")
    on.check(f"cd {IMAGE_TREE} && mkdir bin && mv busybox bin && chroot . /bin/busybox --install -s /bin")


def _install_newer(on: Machine) -> None:
    on.check(f"apt-get -q -y install --no-install-recommends {' '.join(engine_packages(on, NEWER))}", timeout=300)


def _publish(on: Machine, offered: Mapping[str, tuple[str, ...]]) -> None:
    """Make an archive of these packages on the machine, by suite, and apt's only source of it."""
    with tempfile.TemporaryDirectory() as scratch:
        signer = Signer(Path(scratch, "gnupg"))
        try:
            on.write(_KEYRING, signer.public_key.decode())
            for suite, names in offered.items():
                _publish_suite(on, signer, suite, names)
        finally:
            signer.close()
    on.path("/etc/apt/sources.list").unlink()
    on.check("rm -rf /var/lib/apt/lists/* && apt-get -q update")


def _publish_suite(on: Machine, signer: Signer, suite: str, names: tuple[str, ...]) -> None:
    asked = " ".join(f"{name}/{suite}" for name in names)
    downloaded = f"/srv/downloaded-{suite}"
    on.check(f"mkdir -p {ARCHIVE}/{suite} {downloaded}")
    on.check(f"cd {downloaded} && apt-get -q download {asked}", timeout=300)
    packages = [as_built(deb) for deb in sorted(on.path(downloaded).glob("*.deb"))]
    for package in packages:
        _decompress(package.deb)
    directory = on.path(f"{ARCHIVE}/{suite}")
    Repository(directory=directory, signer=signer, label="Debian", suite=suite, codename=suite).add(*packages)
    on.check(f"rm -r {downloaded}")
    line = f"deb [signed-by={_KEYRING} arch=amd64] file:{ARCHIVE}/{suite} {suite} main\n"
    on.write(f"/etc/apt/sources.list.d/engines-{suite}.list", line)


def _decompress(deb: Path) -> None:
    """Replace the files of a package by the same without compression: xz takes seconds of each upgrade (deb(5))."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["ar", "x", str(deb)], cwd=scratch, check=True)
        with Path(scratch, "data.tar").open("wb") as data:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=data, check=True)
        deb.unlink()
        control = next(Path(scratch).glob("control.tar*")).name
        subprocess.run(["ar", "rc", str(deb), "debian-binary", control, "data.tar"], cwd=scratch, check=True)


def as_built(deb: Path) -> AsBuilt:
    """Return a package file as a package of a repository."""
    shown = subprocess.run(
        ["dpkg-deb", "-W", "--showformat", "${Package} ${Version} ${Architecture}", str(deb)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    name, version, architecture = shown.stdout.split()
    return AsBuilt(name=name, version=version, architecture=architecture, deb=deb)
