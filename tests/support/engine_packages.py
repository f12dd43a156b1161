"""Packages made from Debian's real engines: Docker CE's shape, and packages that go wrong.

Docker's own packages cannot be had here. What counts of them: their names and versions, a postinst that restarts the
engine and ends well whatever comes of it, dockerd in /usr/bin, containerd.io in place of containerd and runc
(docker-weave.md, 2.1 to 2.4).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.support.engine_archive import ARCHIVE, NEWER, OLDER, AsBuilt, as_built, cached_layer, engine_layers
from tests.support.machine import Machine
from tests.support.repository import Repository, Signer

CE_ARCHIVE = "/srv/docker-ce"
CE_SUFFIX = "-1~debian.12~bookworm"
CONTAINERD_IO = {OLDER: "1.6.20-1", NEWER: "1.7.24-1"}
"""The containerd.io that was current with each engine."""
_FLOOR = {OLDER: "1.4.1", NEWER: "1.6.24"}
_KEYRING = "/etc/apt/keyrings/docker.asc"
_POSTINST = """#!/bin/sh
set -e
[ "$1" != configure ] || getent group docker >/dev/null || addgroup --quiet --system docker
deb-systemd-helper unmask {first} >/dev/null || true
if deb-systemd-helper --quiet was-enabled {first}; then
    deb-systemd-helper enable {units} >/dev/null || true
else
    deb-systemd-helper update-state {units} >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then action=restart; else action=start; fi
    deb-systemd-invoke $action {units} >/dev/null || true
fi
"""
_PRERM = """#!/bin/sh
set -e
[ "$1" != remove ] || [ ! -d /run/systemd/system ] || deb-systemd-invoke stop {units} >/dev/null || true
"""
_DEAD = """#!/bin/sh
case " $* " in *" --validate "* | *" --version "*) exec {program}.real "$@" ;; esac
echo "dockerd: this build does not start" >&2
exit 1
"""
_FLAPS = """#!/bin/sh
case " $* " in *" --validate "* | *" --version "*) exec {program}.real "$@" ;; esac
(sleep 4; kill -9 $$) &
exec {program}.real "$@"
"""


class Fault(Enum):
    """How a package of the newer engine goes wrong.

    An option that the newer engine no longer has needs no package: `{"oom-score-adjust": -500}` in daemon.json.
    """

    POSTINST_FAILS = "postinst-fails"
    POSTINST_HANGS = "postinst-hangs"
    ENGINE_DEAD = "engine-dead"
    """The package installs well; its dockerd validates the configuration and exits with 1 at each start."""
    ENGINE_FLAPS = "engine-flaps"
    """Its dockerd starts, answers, and dies after 4 s."""


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """One package of Docker CE."""

    name: str
    version: str
    control: str
    """Further fields."""
    units: str = ""
    keep: Callable[[Path], None]
    """Leaves in the tree what belongs to the package, where it belongs."""


def ce_version(version: str) -> str:
    """Return the package version of docker-ce and docker-ce-cli for an upstream version."""
    return f"5:{version}{CE_SUFFIX}"


def ce_layers() -> tuple[Path, ...]:
    """Return the layers of a Debian 12 on which docker-ce 20.10.24 is installed; its source offers 26.1.5 as well.

    26.1.5 asks for a newer containerd.io. Debian's own engines are still offered beside them.
    """
    below = engine_layers(OLDER)
    return cached_layer(f"ce-{OLDER}", below, _install_ce), *below


def offer_faulty(on: Machine, signer: Signer, fault: Fault) -> str:
    """Offer docker.io 26.1.5 with a fault, newer than the sound one, at the priority of any source.

    Return its version.
    """
    sound = next(on.path(f"{ARCHIVE}/trixie/pool").glob("docker.io_*.deb"))
    on.path("/srv/faulty").mkdir()
    on.write("/etc/apt/keyrings/faulty.asc", signer.public_key.decode())
    with _scratch() as scratch:
        made = _faulty(sound, fault, Path(scratch))
        Repository(
            directory=on.path("/srv/faulty"), signer=signer, label="Debian", suite="faulty", codename="faulty"
        ).add(made)
    line = "deb [signed-by=/etc/apt/keyrings/faulty.asc arch=amd64] file:/srv/faulty faulty main\n"
    on.write("/etc/apt/sources.list.d/faulty.list", line)
    on.check("apt-get -q update")
    return made.version


def _faulty(sound: Path, fault: Fault, scratch: Path) -> AsBuilt:
    tree = scratch / "tree"
    subprocess.run(["dpkg-deb", "-R", str(sound), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    version = f"{as_built(sound).version}+{fault.value.replace('-', '.')}"
    control.write_text(control.read_text().replace(f"Version: {as_built(sound).version}", f"Version: {version}"))
    if fault in {Fault.POSTINST_FAILS, Fault.POSTINST_HANGS}:
        line = "exit 1" if fault is Fault.POSTINST_FAILS else "exec sleep 86400"
        postinst = tree / "DEBIAN/postinst"
        postinst.write_text(postinst.read_text().replace("set -e\n", f'set -e\n[ "$1" != configure ] || {line}\n', 1))
    else:
        program = tree / "usr/sbin/dockerd"
        program.rename(program.with_name("dockerd.real"))
        text = _DEAD if fault is Fault.ENGINE_DEAD else _FLAPS
        program.write_text(text.format(program="/usr/sbin/dockerd"))
        program.chmod(0o755)
    return _packed(tree, scratch / "faulty.deb")


def _install_ce(on: Machine) -> None:
    on.path(CE_ARCHIVE).mkdir()
    with _scratch() as scratch:
        signer = Signer(Path(scratch, "gnupg"))
        try:
            on.write(_KEYRING, signer.public_key.decode())
            packages = [_made(on, recipe, Path(scratch)) for version in (OLDER, NEWER) for recipe in _recipes(version)]
            archive = Repository(
                directory=on.path(CE_ARCHIVE),
                signer=signer,
                origin="Docker",
                label="Docker CE",
                suite="bookworm",
                codename="bookworm",
            )
            archive.add(*packages)
        finally:
            signer.close()
    on.write("/etc/apt/sources.list.d/docker.list", f"deb [signed-by={_KEYRING}] file:{CE_ARCHIVE} bookworm main\n")
    on.check("apt-get -q update && apt-get -q -y purge docker.io containerd runc")
    wanted = f"docker-ce={ce_version(OLDER)} docker-ce-cli={ce_version(OLDER)} containerd.io={CONTAINERD_IO[OLDER]}"
    on.check(f"apt-get -q -y install {wanted}")


def _recipes(version: str) -> tuple[_Recipe, ...]:
    needs = "docker-ce-cli, iptables, libc6, libdevmapper1.02.1, libsystemd0, tini, init-system-helpers, adduser"
    return (
        _Recipe(
            name="docker-ce",
            version=ce_version(version),
            control=f"Depends: containerd.io (>= {_FLOOR[version]}), {needs}\nConflicts: docker.io\n"
            "Replaces: docker-engine\n",
            units="docker.service docker.socket",
            keep=_keep_engine,
        ),
        _Recipe(
            name="docker-ce-cli",
            version=ce_version(version),
            control="Depends: libc6\nConflicts: docker.io, docker-cli\n",
            keep=_keep_client,
        ),
        _Recipe(
            name="containerd.io",
            version=CONTAINERD_IO[version],
            control="Depends: libc6, libseccomp2\nProvides: containerd, runc\nConflicts: containerd, runc\n"
            "Replaces: containerd, runc\n",
            units="containerd.service",
            keep=lambda _: None,
        ),
    )


def _made(on: Machine, recipe: _Recipe, scratch: Path) -> AsBuilt:
    tree = scratch / f"{recipe.name}-{recipe.version}"
    for deb in _parts(on, recipe):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(tree)], check=True)
    shutil.rmtree(tree / "usr/share")
    recipe.keep(tree)
    debian = tree / "DEBIAN"
    debian.mkdir()
    (debian / "control").write_text(
        f"Package: {recipe.name}\nVersion: {recipe.version}\nArchitecture: amd64\nSection: admin\nPriority: optional\n"
        f"Maintainer: Maestro Tests <tests@example.org>\n{recipe.control}Description: test package {recipe.name}\n"
    )
    conffiles = [file.relative_to(tree) for file in sorted(tree.glob("etc/**/*")) if file.is_file()]
    (debian / "conffiles").write_text("".join(f"/{file}\n" for file in conffiles))
    if recipe.units:
        for name, text in (("postinst", _POSTINST), ("prerm", _PRERM)):
            (debian / name).write_text(text.format(units=recipe.units, first=recipe.units.split()[0]))
            (debian / name).chmod(0o755)
    return _packed(tree, scratch / f"{recipe.name}_{recipe.version.replace(':', '%3a')}.deb")


def _parts(on: Machine, recipe: _Recipe) -> list[Path]:
    """Return Debian's packages that hold what a package of Docker CE holds."""
    newer = NEWER in recipe.version or recipe.version == CONTAINERD_IO[NEWER]
    suite = "trixie" if newer else "bookworm"
    client = "docker-cli" if newer else "docker.io"
    places = {
        "docker-ce": [f"{suite}/pool/docker.io_*"],
        "docker-ce-cli": [f"{suite}/pool/{client}_*"],
        "containerd.io": [f"{suite}/pool/containerd_*", "bookworm/pool/runc_*"],
    }
    return [next(on.path(ARCHIVE).glob(place)) for place in places[recipe.name]]


def _keep_engine(tree: Path) -> None:
    for name in ("dockerd", "docker-proxy"):
        (tree / "usr/sbin" / name).rename(tree / "usr/bin" / name)
    shutil.rmtree(tree / "usr/sbin")
    for other in ("docker", "dnet"):
        (tree / "usr/bin" / other).unlink(missing_ok=True)
    unit = next(tree.glob("**/system/docker.service"))
    unit.write_text(unit.read_text().replace("/usr/sbin/dockerd", "/usr/bin/dockerd"))


def _keep_client(tree: Path) -> None:
    program = (tree / "usr/bin/docker").read_bytes()
    shutil.rmtree(tree)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/docker").write_bytes(program)
    (tree / "usr/bin/docker").chmod(0o755)


def _packed(tree: Path, deb: Path) -> AsBuilt:
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(deb)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(tree)
    return as_built(deb)


def _scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory on a disk: /tmp may be a tmpfs, /var/tmp is not."""
    return tempfile.TemporaryDirectory(prefix="maestro-engines-", dir="/var/tmp")
