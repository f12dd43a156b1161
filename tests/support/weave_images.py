"""Images of the double of Weave as `docker load` takes them: one root file system with Python, stamped per version."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO

from tests.conftest import CHECKOUT
from tests.support.machine import Machine

_PROGRAMS = CHECKOUT / "tests/support/weave_programs"
_BASE = "/srv/weave/base.tar"
_COMMANDS = ("/usr/bin/python3.11", "/sbin/ip", "/usr/bin/nsenter")
_MAKE_BASE = """
set -e
mkdir -p /srv/weave/root/bin /srv/weave/root/usr/bin /srv/weave/root/usr/sbin /srv/weave/root/tmp
cd /srv/weave/root
cp /bin/busybox bin && chroot . /bin/busybox --install -s /bin
rm bin/ip bin/nsenter
for command in {commands}; do
    cp -L --parents $command $(ldd $command | grep -o '/[^ ]*') .
done
ln -s python3.11 usr/bin/python3
mkdir -p usr/lib && cp -a /usr/lib/python3.11 usr/lib
tar --sort=name -cf {base} .
rm -r /srv/weave/root
"""
_WRAPPER = '#!/bin/sh\nPYTHONPATH=/home/weave exec python3 -B -m tests.support.weave_programs.{program} "$@"\n'
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/home/weave"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What is published of one version."""

    version: str
    reports: str = ""
    """What the router says of itself, if it is not the version: "git-0123456789ab" (M1)."""
    script: str = ""
    """The stamp of the script's copy in the image, if it is not the version: "unreleased" (M1)."""

    @property
    def user(self) -> str:
        """Who publishes it."""
        return "weaveworks" if _numbers(self.version) < (2, 8, 2) else "rajchaudhuri"

    @property
    def stamp(self) -> bytes:
        """The file by which the programs in its images know it."""
        reports, script = self.reports or self.version, self.script or self.version
        known = {"version": self.version, "user": self.user, "reports": reports, "script": script}
        return json.dumps(known).encode()


def load_images(on: Machine, releases: Iterable[Release]) -> None:
    """Make the three images of each release known to the engine."""
    name = "/srv/weave/images.tar"
    write_images(on, name, releases)
    on.check(f"docker load -q -i {name} && rm {name}", timeout=300)


def write_images(on: Machine, name: str, releases: Iterable[Release]) -> None:
    """Write the images of releases into a file on the machine for `docker load`."""
    if not on.path(_BASE).exists():
        on.check(_MAKE_BASE.format(base=_BASE, commands=" ".join(_COMMANDS)))
    on.path(name).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(on.path(name), "w") as archive:
        base = _add_layer(archive, on.path(_BASE).open("rb"))
        manifest = [one for release in releases for one in _release(archive, release, base)]
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _release(archive: tarfile.TarFile, release: Release, base: str) -> Iterable[dict[str, object]]:
    for image, program, tag in (
        ("weave", "router", release.version),
        ("weaveexec", "executor", release.version),
        ("weavedb", "", "latest"),
    ):
        layers = [base, _add_layer(archive, _files(release, program))] if program else [base]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [_PATH], "Entrypoint": ["/home/weave/weaver"], "Labels": {"of": f"{release.user} {tag}"}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in layers]},
        }
        text = json.dumps(config).encode()
        file = f"{hashlib.sha256(text).hexdigest()}.json"
        _add(archive, file, text)
        tags = [f"{release.user}/{image}:{tag}"]
        yield {"Config": file, "RepoTags": tags, "Layers": [f"{one}/layer.tar" for one in layers]}


def _files(release: Release, program: str) -> IO[bytes]:
    buffer = io.BytesIO()
    inside = "home/weave/tests/support/weave_programs"
    files: Mapping[str, bytes] = {
        "home/weave/stamp.json": release.stamp,
        "home/weave/weaver": _WRAPPER.format(program=program).encode(),
        "w/w": (_PROGRAMS / "wait_for_network.sh").read_bytes(),
        **{f"{inside}/{one.name}": one.read_bytes() for one in sorted(_PROGRAMS.glob("*.py"))},
    }
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for name, content in files.items():
            _add(layer, name, content, mode=0o755)
    buffer.seek(0)
    return buffer


def _add_layer(archive: tarfile.TarFile, content: IO[bytes]) -> str:
    """Add a layer and return its digest; an equal one is added once more, which does no harm."""
    with content:
        digest = _digest(content)
        size = content.seek(0, io.SEEK_END)
        content.seek(0)
        entry = tarfile.TarInfo(f"{digest}/layer.tar")
        entry.size = size
        archive.addfile(entry, content)
    return digest


def _digest(content: IO[bytes]) -> str:
    found = hashlib.sha256()
    while chunk := content.read(1 << 20):
        found.update(chunk)
    return found.hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split("."))
