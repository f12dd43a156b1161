"""Cached debootstrap roots: a small server of each supported Debian release, made once per machine."""

import contextlib
import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import apt_pkg

CACHE = Path(os.environ.get("MAESTRO_TEST_CACHE", "/var/cache/maestro-agent-tests"))
PACKAGES = (
    # what the agent's package depends on
    "python3-apt",
    "python3-psutil",
    "python3-structlog",
    # the peer, and what an archive over TLS needs
    "unattended-upgrades",
    "ca-certificates",
    "gpgv",
    # a server's usual packages, so that real security updates are pending
    "bind9-dnsutils",
    "curl",
    "git",
    "libxml2-utils",
    "nginx-light",
    "openssh-server",
    "php-cli",
    "rsync",
    "vim",
    "wget",
)


BOOTED = (
    # an init, and what the agent's package depends on
    "systemd",
    "systemd-sysv",
    "dbus",
    "iproute2",
    "adduser",
    "python3-apscheduler",
    "python3-apt",
    "python3-psutil",
    "python3-requests",
    "python3-systemd",
    "python3-yaml",
    "procps",
)


def own_codename() -> str:
    """Return this machine's release, "bookworm"."""
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields["VERSION_CODENAME"].strip('"')


def codenames() -> tuple[str, ...]:
    """Return the releases to test on: Debian 12 and 13, or those that MAESTRO_TEST_RELEASES names.

    "forky", which is Debian testing, is known as well, for the full run.
    """
    return tuple(os.environ.get("MAESTRO_TEST_RELEASES", "bookworm trixie").split())


def table_codenames() -> tuple[str, ...]:
    """Return the releases for tables of a hundred cases and more: the first alone, but all in a thorough run."""
    return codenames() if thorough() else codenames()[:1]


def thorough() -> bool:
    """Whether this is the full run, `make test-all`."""
    return "MAESTRO_TEST_THOROUGH" in os.environ


def mirror() -> str:
    """Return the Debian archive that this very machine is configured to use."""
    if "MAESTRO_TEST_MIRROR" in os.environ:
        return os.environ["MAESTRO_TEST_MIRROR"]
    apt_pkg.init_config()
    apt_pkg.init_system()
    sources = apt_pkg.SourceList()
    sources.read_main_list()
    return next(meta.uri.rstrip("/") for meta in sources.list if meta.dist == own_codename())


def security_mirror() -> str:
    """Return the archive of Debian's security updates beside `mirror()`."""
    return os.environ.get("MAESTRO_TEST_SECURITY_MIRROR", f"{mirror()}-security")


def base(codename: str, packages: tuple[str, ...] = PACKAGES) -> Path:
    """Return the root of a release, built if this machine has none yet: by debootstrap, in about a minute.

    More packages than `BOOTED` are installed on a copy of its root, in a quarter of that.
    """
    return _built(codename, packages, fcntl.LOCK_EX)  # several runs may want it at once; one builds, the others wait


def build_missing() -> None:
    """Build the roots of all releases that no other process is building, so that two processes build two at a time."""
    for codename in codenames():
        with contextlib.suppress(BlockingIOError):
            _built(codename, PACKAGES, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _built(codename: str, packages: tuple[str, ...], locking: int) -> Path:
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    root = CACHE / f"{codename}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, locking)
        if not root.exists():
            _build(codename, root, packages)
    return root


def _build(codename: str, root: Path, packages: tuple[str, ...]) -> None:
    building = CACHE / f"{root.name}.building-{os.getpid()}"
    more = [name for name in packages if name not in BOOTED]
    if more and set(packages) > set(BOOTED):
        _extend(base(codename, BOOTED), building, more)
    else:
        _debootstrap(codename, building, packages)
    for archive in building.glob("var/cache/apt/archives/*.deb"):
        archive.unlink()
    building.rename(root)


_EXTEND = r"""
set -e
cp -a "$1" "$2"
cp /etc/resolv.conf "$2/etc/resolv.conf"
mount -t proc proc "$2/proc"
root=$2
shift 2
DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 exec chroot "$root" sh -ec '
printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /srv/lists/partial
apt-get -q -o Dir::State::lists=/srv/lists -o Acquire::Check-Valid-Until=false update
apt-get -q -y -o Dir::State::lists=/srv/lists --no-install-recommends install "$@"
rm -rf /srv/lists /usr/sbin/policy-rc.d /var/lib/apt/extended_states /var/cache/apt/*.bin' sh "$@"
"""


def _extend(smaller: Path, building: Path, packages: list[str]) -> None:
    """Copy a root and install more packages, marked as debootstrap leaves them: a third of debootstrap's time."""
    command = ["unshare", "--mount", "sh", "-c", _EXTEND, "extend", str(smaller), str(building), *packages]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{building.name}: {' '.join(packages)} cannot be installed:\n{done.stdout[-2000:]}")


def _debootstrap(codename: str, building: Path, packages: tuple[str, ...]) -> None:
    log = building.with_suffix(".log")
    include = ",".join(packages)
    # debootstrap knows a release by a script of its name; one that is newer than this machine's goes by sid's
    scripts = Path("/usr/share/debootstrap/scripts")
    script = [] if (scripts / codename).exists() else [str(scripts / "sid")]
    command = ["debootstrap", "--variant=minbase", f"--include={include}", codename, str(building), mirror(), *script]
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"debootstrap {codename} failed:\n{log.read_text()[-2000:]}")
