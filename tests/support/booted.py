"""Booted machines: systemd as PID 1 in a container, on an overlay of a cached base, in seconds.

Found by experiment: systemd-nspawn(1) with --keep-unit and --register=no needs no systemd outside. With --keep-unit a
reboot inside ends nspawn with exit status 133, and starting it again completes the reboot.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.support.cgroup import control_group
from tests.support.machine import Machine

_START = r"""
set -e
at=$1 lower=$2 name=$3 keep=$4 group=$5 boots=$6
shift 6
echo $$ >"$group/cgroup.procs"
mount --make-rprivate / 2>/dev/null || { mount --bind "$at" "$at"; mount --make-private "$at"; }
mount -t tmpfs -o mode=755 machine "$at"
mkdir "$at/upper" "$at/work" "$at/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$at/upper,workdir=$at/work" overlay "$at/root"
rm -f "$at/root/etc/machine-id"
tr -d - </proc/sys/kernel/random/uuid >"$at/root/etc/machine-id"
ln -sf /dev/null "$at/root/etc/systemd/system/systemd-modules-load.service"
export UNIFIED_CGROUP_HIERARCHY=1
set +e
while :; do
    echo boot >>"$boots"
    systemd-nspawn -q -D "$at/root" -b --keep-unit --register=no --private-network --console=pipe \
        --link-journal=no --machine="$name" "$@" </dev/null
    [ $? -eq 133 ] || break
done
[ -z "$keep" ] || cp -a "$at/upper" "$keep"
"""
BOOT_S = 180


class Booted(Machine):
    """One machine that has booted; its leader changes with every reboot."""

    def __init__(self, outer: "subprocess.Popen[bytes]", console: IO[bytes], boots: Path) -> None:
        self._outer = outer
        self._console = console
        self._boots = boots
        self._asked = 0
        """Reboots that the test asked for."""
        self._soft_asked = 0
        self._off_asked = False
        super().__init__(self._find_leader(0))

    def wait_until_up(self, limit_s: float = BOOT_S) -> str:
        """Return once the machine has finished booting; return its state as systemd names it."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                state = self.run("systemctl is-system-running", timeout=30).stdout.strip()
                if state in {"running", "degraded"}:
                    return state
            time.sleep(0.1)
        raise AssertionError(f"not up after {limit_s} s: {self.run('systemctl list-jobs; systemctl --failed').stdout}")

    def reboot(self, *, orderly: bool = True, limit_s: float = BOOT_S) -> None:
        """Reboot, and wait until it is up again. Without `orderly` every process ends at once, as if reset."""
        before = self.leader
        self.run("systemctl reboot" if orderly else "systemctl reboot --force --force", timeout=120)
        self.follow_reboot(before, limit_s)

    def follow_reboot(self, before: int, limit_s: float = BOOT_S) -> None:
        """Wait until a machine that reboots by itself is up again; `before` is its leader before."""
        self._asked += 1
        self.leader = self._find_leader(before, limit_s)
        self.wait_until_up(limit_s)

    @contextlib.contextmanager
    def almost_full(self, left_kib: int) -> Iterator[None]:
        """Leave so much of its disk free during the block. What is mounted on it has a disk of its own."""
        disk = self._disk()
        before_kib, _ = self._size(disk)
        for more_kib in range(0, 100_000, 2_000):  # what is written meanwhile has to fit, too
            _, used_kib = self._size(disk)
            if self._resized(disk, used_kib + left_kib + more_kib):
                break
        try:
            yield
        finally:
            assert self._resized(disk, before_kib)

    def _size(self, disk: str) -> tuple[int, int]:
        """Return size and used space in KiB."""
        found = os.statvfs(f"/proc/{_parent(self.leader)}/root{disk}")
        return found.f_blocks * found.f_frsize // 1024, (found.f_blocks - found.f_bfree) * found.f_frsize // 1024

    def _resized(self, disk: str, kib: int) -> bool:
        remount = ["nsenter", "-t", str(_parent(self.leader)), "-m", "mount", "-o", f"remount,size={kib}k", disk]
        return subprocess.run(remount, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def _disk(self) -> str:
        """Return the mount point of the file system that holds what the machine writes, as seen from outside of it."""
        mounts = Path(f"/proc/{_parent(self.leader)}/mounts").read_text().splitlines()
        return next(fields[1] for fields in map(str.split, mounts) if fields[0] == "machine" and fields[2] == "tmpfs")

    def soft_reboot(self) -> None:
        """Have systemd start everything but the kernel again; returns at once."""
        self._soft_asked += 1
        self.run("systemctl soft-reboot")

    def unasked(self) -> str:
        """Return what no test asked for: reboots, soft-reboots, an end of the machine; empty if there is none."""
        boots, expected = len(self._boots.read_text().splitlines()), 1 + self._asked
        if boots != expected:
            return f"it was booted {boots} times, and the test asked for {expected}"
        if self._off_asked:
            return ""
        return "it was powered off" if self._outer.poll() is not None else self._going_or_softly_rebooted()

    def _going_or_softly_rebooted(self) -> str:
        try:
            state = self.run("systemctl is-system-running", timeout=60).stdout.strip()
            soft = self.run("systemctl show -P SoftRebootsCount", timeout=60).stdout.strip()
        except subprocess.TimeoutExpired:  # a command that enters a machine at its end may hang
            return "it does not answer"
        if state == "stopping":
            return "it is going down"
        # The kernel's boot is a new one for every machine and reboot here; systemd counts within it.
        if soft.isdecimal() and not self._asked and int(soft) != self._soft_asked:
            return f"it was soft-rebooted {soft} times, and the test asked for {self._soft_asked}"
        return ""

    def power_off(self) -> None:
        """End the machine in an orderly way (systemd(1), SIGRTMIN+4), and wait until it has ended."""
        self._off_asked = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.leader, signal.SIGRTMIN + 4)
        self._outer.wait(BOOT_S)

    def journal(self, unit: str) -> str:
        """Return what a unit's journal holds."""
        return self.check(f"journalctl --sync && journalctl --no-pager -o cat -u '{unit}'")

    def log_entries(self, *matches: str) -> list[dict[str, str]]:
        """Return the journal fields of the agent's own entries that match, oldest first.

        By identifier and not by unit: journald may find no unit for a process that has exited meanwhile.
        """
        chosen = " ".join(f"'{match}'" for match in matches)
        found = self.check(
            f"journalctl --sync && journalctl --no-pager -o json SYSLOG_IDENTIFIER=maestro-agent {chosen}"
        )
        return [json.loads(line) for line in found.splitlines()]

    def _log(self) -> str:
        """Return the units that failed, and the end of the journal: systemctl(1) itself gives no cause."""
        return self.run(
            "systemctl --failed --no-legend; journalctl --sync; journalctl --no-pager -n 60 -o short-precise"
        ).stdout

    def _enter(self, command: str, user: str | None) -> list[str]:
        entry = ["nsenter", "-t", str(self.leader), "-m", "-p", "-r", "-w", "-i", "-u", "-n", "-C"]
        if user is not None:
            return [*entry, "setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", "sh", "-c", command]
        return [*entry, "sh", "-c", command]

    def _find_leader(self, before: int, limit_s: float = BOOT_S) -> int:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for nspawn in _children(self._outer.pid):
                for child in _children(nspawn):
                    if child != before and Path(f"/proc/{child}/root/usr").exists() and _is_init(child):
                        return child
            if self._outer.poll() is not None:
                break
            time.sleep(0.02)
        self._console.seek(0)
        raise AssertionError(f"the machine did not start:\n{self._console.read()[-3000:].decode(errors='replace')}")


@contextlib.contextmanager
def booted(*layers: Path, keep: Path | None = None, options: tuple[str, ...] = ()) -> Iterator[Booted]:
    """Boot a machine on the given layers, uppermost first; it is ended with the block, whatever runs in it.

    No machine is rebooted or ends without the test's request: else AssertionError is raised at the end of the block.

    What was changed on a machine that is powered off within the block is kept as a layer for others, if asked for.
    `options` are further ones of systemd-nspawn(1).
    """
    prefix = "maestro-booted-"
    name = f"m{os.getpid()}x{time.monotonic_ns() % 1_000_000}"
    with (
        tempfile.TemporaryDirectory(prefix=prefix) as mountpoint,
        tempfile.TemporaryFile() as console,
        tempfile.NamedTemporaryFile(prefix=prefix) as boots,
        control_group(f"maestro-{name}") as group,
    ):
        lower = ":".join(map(str, layers))
        values = [mountpoint, lower, name, str(keep or ""), str(group), boots.name, *options]
        script = ["sh", "-c", _START, "booted", *values]
        outer = subprocess.Popen(
            ["unshare", "--mount", "--propagation=unchanged", *script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
        try:
            running = Booted(outer, console, Path(boots.name))
            running.wait_until_up()
            yield running
            assert not (unasked := running.unasked()), unasked
        finally:
            _end(outer)


def _end(outer: "subprocess.Popen[bytes]") -> None:
    """Kill the loop first, then nspawn and with it all that runs inside."""
    below = _children(outer.pid)
    outer.kill()
    for nspawn in below:
        leaders = _children(nspawn)
        for process in (*leaders, nspawn):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    outer.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))


def _is_init(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"
    except OSError:
        return False
