"""Runs dpkg without libapt, but as libapt runs it: its hooks, options, directory and search path (apt.conf(5), DPkg).

For what libapt cannot do: configure only some of the unfinished packages, or any while its own lists are damaged;
install archives that no repository offers any more.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import apt_pkg

from agent.core.model.package import PackageId
from agent.core.packages.verify import has_files
from agent.host.apt.transaction_report import FATAL, HOOK
from agent.host.dpkg import database as dpkg_database
from agent.host.dpkg.child import ChildChannel
from agent.host.dpkg.output import FATAL_CODE


def configure_packages(channel: ChildChannel, packages: Sequence[PackageId] | None) -> None:
    """Have dpkg configure these packages, or all pending ones (None). The caller holds the frontend lock."""
    if packages is None:
        with _between_hooks(channel) as ready:
            if ready:
                _dpkg(channel, "--configure", "--pending")
        return
    _merge_journal(channel)
    arguments = dpkg_database.as_arguments(packages)
    if arguments:
        with _between_hooks(channel) as ready:
            if ready:
                _dpkg(channel, "--configure", *arguments)
                _dpkg(channel, "--triggers-only", "--pending")


def install_archives(channel: ChildChannel, files: Sequence[Path], remove: Sequence[str], *, unpack: bool) -> None:
    """Have dpkg remove packages, then install archives, older versions included. The caller holds the frontend lock.

    With `unpack` only the files are replaced, and the packages are left to be configured.

    With --auto-deconfigure, because a client that moved to its own package breaks the engine's package of before. A
    package that others of now depend on is removed last: dpkg refuses it until their archives of before are installed.
    """
    _merge_journal(channel)
    with _between_hooks(channel) as ready:
        if not ready:
            return
        _remove(channel, remove)
        if files:
            action = "--unpack" if unpack else "--install"
            _dpkg(channel, "--auto-deconfigure", action, *map(str, files))
            _remove(channel, _present(remove))


def hold_packages(channel: ChildChannel, packages: Sequence[str]) -> None:
    """Put packages on hold. The caller holds the frontend lock."""
    with TemporaryFile("w+") as selections:
        selections.writelines(f"{name} hold\n" for name in packages)
        selections.seek(0)
        _dpkg(channel, "--set-selections", stdin=selections.fileno())


def _remove(channel: ChildChannel, packages: Sequence[str]) -> None:
    """Remove packages, also one that a power cut left half-installed: --force-remove-reinstreq."""
    if packages:
        _dpkg(channel, "--force-remove-reinstreq", "--remove", *packages)


def _present(names: Sequence[str]) -> list[str]:
    """Return those of these packages of the native architecture that have files."""
    if not names:
        return []
    native, states = apt_pkg.config.find("APT::Architecture"), dpkg_database.states()
    there = {one.name for one, state in states.items() if one.architecture == native and has_files(state)}
    return [name for name in names if name in there]


def _merge_journal(channel: ChildChannel) -> None:
    """Have dpkg merge the journal that an interrupted run left behind. The caller holds the frontend lock."""
    _dpkg(channel, "--set-selections")  # no selections


@contextmanager
def _between_hooks(channel: ChildChannel) -> Iterator[bool]:
    """Run DPkg::Pre-Invoke before the block and DPkg::Post-Invoke after it; yields whether the former succeeded."""
    ready = _run_hooks(channel, "DPkg::Pre-Invoke")
    try:
        yield ready
    finally:
        _run_hooks(channel, "DPkg::Post-Invoke")


def _run_hooks(channel: ChildChannel, name: str) -> bool:
    """Run the commands of a hook up to the first that fails, as libapt's RunScripts does."""
    for command in apt_pkg.config.value_list(name):
        done = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, cwd="/tmp", check=False)  # noqa: S108 - libapt's choice
        if done.returncode:
            channel.values[HOOK] = f"Problem executing scripts {name} '{command}'"
            print(channel.values[HOOK], flush=True)
            return False
    return True


def _dpkg(channel: ChildChannel, *arguments: str, stdin: int = subprocess.DEVNULL) -> None:
    config = apt_pkg.config
    program = config.find_file("Dir::Bin::dpkg", "dpkg")
    options = config.value_list("DPkg::Options")
    command = [program, *options, "--status-fd", str(channel.descriptor), *arguments]
    environment = {**os.environ, "DPKG_FRONTEND_LOCKED": "true"}
    path = config.find("DPkg::Path", "/usr/sbin:/usr/bin:/sbin:/bin")
    if path:
        environment["PATH"] = path
    done = subprocess.run(
        command, stdin=stdin, env=environment, cwd=config.find_dir("DPkg::Run-Directory", "/"),
        pass_fds=[channel.descriptor], check=False,
    )  # fmt: skip
    if done.returncode == FATAL_CODE:
        channel.values[FATAL] = True
