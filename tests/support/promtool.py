"""Prometheus' own checker, from its package in the cache of the tests; the service in there is never installed."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.support.bases import CACHE


def promtool(*arguments: str, content: str = "") -> tuple[int, str]:
    """Run it; return its exit status and all that it said."""
    done = subprocess.run([_program(), *arguments], input=content.encode(), capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@cache
def _program() -> str:
    """Return where it is: from the distribution's package, which is not installed, for it would start a server here."""
    installed = shutil.which("promtool")
    if installed:
        return installed
    unpacked = CACHE / "promtool"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "promtool.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _fetch(unpacked)
    return str(unpacked)


def _fetch(unpacked: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        # As root, for "_apt" may not write here; the archive is verified all the same, by its index.
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", _package()]
        subprocess.run(command, cwd=place, check=True, capture_output=True)
        (archive,) = Path(place).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, f"{place}/tree"], check=True)
        os.replace(f"{place}/tree/usr/bin/promtool", unpacked)


def _package() -> str:
    """Return the package that has it: one of its own since Debian 13."""
    own = subprocess.run(["apt-cache", "show", "--no-all-versions", "promtool"], check=False, capture_output=True)
    return "promtool" if own.returncode == 0 else "prometheus"
