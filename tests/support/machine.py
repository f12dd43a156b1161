"""Throwaway machines: an overlay of a cached base in separate mount and process namespaces.

A machine costs some 50 ms. Its first process sleeps; ending it ends every process and mount inside, whatever
a test left behind. Commands enter through nsenter(1) and see a root of their own, with the host's network.
"""

import contextlib
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_INIT = r"""
set -e
# In a plain chroot the root is no mount point and cannot be made private; then our own corner is.
mount --make-rprivate / 2>/dev/null || { mount --bind "$1" "$1"; mount --make-private "$1"; }
if [ -n "$3" ]; then mount -o loop "$3" "$1"; else mount -t tmpfs -o mode=755 machine "$1"; fi
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755 dev dev
for node in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    set -- $node
    mknod -m 666 "dev/$1" c 1 "$2"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 run run
mkdir run/lock
touch run/machine-ready
exec chroot . /bin/sleep 3600
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


class Machine:
    """One running throwaway root."""

    def __init__(self, leader: int) -> None:
        self.leader = leader

    @property
    def root(self) -> Path:
        """The machine's file system as seen from outside; absolute links inside lead outside."""
        return Path(f"/proc/{self.leader}/root")

    @property
    def changes(self) -> Path:
        """The layer that holds what was changed on this machine, as seen from outside."""
        status = Path(f"/proc/{self.leader}/status").read_text()
        outer = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        mounts = Path(f"/proc/{self.leader}/mounts").read_text().splitlines()
        options = next(fields[3] for fields in map(str.split, mounts) if fields[1:3] == ["/", "overlay"])
        upper = next(option for option in options.split(",") if option.startswith("upperdir="))
        return Path(f"/proc/{outer}/root") / upper.partition("=")[2].lstrip("/")

    def path(self, name: str) -> Path:
        """Return a path inside the machine, as seen from outside."""
        return self.root / name.lstrip("/")

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside, making its directory."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def start(self, command: str, *, user: str | None = None, **environment: str) -> "subprocess.Popen[str]":
        """Start a shell command inside, as a terminal would: tests that run in the background ignore its signals."""
        return subprocess.Popen(
            ["env", "--default-signal=HUP,INT", *self._enter(command, user)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, **environment},
        )

    def run(
        self, command: str, *, user: str | None = None, timeout: float = 300, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a shell command inside to its end; never raises for its exit code."""
        return subprocess.run(
            self._enter(command, user),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=timeout,
            env={**ENVIRONMENT, **environment},
        )

    def check(self, command: str, *, timeout: float = 300) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(command, timeout=timeout)
        if done.returncode:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self._log()}")
        return done.stdout

    def processes(self, words: str) -> list[int]:
        """Return the pids inside of processes whose command line holds these words, oldest first."""
        found = []
        for entry in self.path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if words in line and not line.startswith(("sh -c", "nsenter", "/bin/sleep")):
                        found.append(int(entry.name))
        return sorted(found)

    def wait_for(self, words: str, *, gone: bool = False, seconds: float = 120) -> None:
        """Wait until a process with these words in its command line is there, or gone."""
        deadline = time.monotonic() + seconds
        while bool(self.processes(words)) is gone:
            if time.monotonic() > deadline:
                raise AssertionError(f"{words}: not {'gone' if gone else 'there'} after {seconds} s")
            time.sleep(0.02)

    def kill(self, signal: str, words: str) -> None:
        """Send a signal to the oldest process with these words in its command line."""
        self.check(f"kill -{signal} {self.processes(words)[0]}")

    def version(self, package: str) -> str | None:
        """Return the installed version of a package; None where it is not fully installed."""
        shown = self.run(f"dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {shlex.quote(package)}").stdout.split()
        return shown[1] if len(shown) == 2 and shown[0] == "installed" else None

    def _log(self) -> str:
        """Return what this kind of machine has logged lately, for the message of a command that failed."""
        return ""

    def _enter(self, command: str, user: str | None) -> list[str]:
        entry = ["nsenter", "-t", str(self.leader), "-m", "-p", "-r", "-w"]
        if user is not None:
            return [*entry, "setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", "sh", "-c", command]
        return [*entry, "sh", "-c", command]


@contextlib.contextmanager
def machine(*layers: Path, disk: Path | None = None) -> Iterator[Machine]:
    """Run a machine on the given layers, uppermost first; everything in it ends with the block.

    It writes to memory, or to `disk`: the image of an empty file system, so that fsync(2) costs what it costs.
    """
    with tempfile.TemporaryDirectory(prefix="maestro-machine-") as mountpoint:
        lower = ":".join(map(str, layers))
        script = ["sh", "-c", _INIT, "machine", mountpoint, lower, str(disk or "")]
        outer = subprocess.Popen(
            ["unshare", "--mount", "--propagation=unchanged", "--pid", "--fork", "--kill-child", *script],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield Machine(_leader(outer))
        finally:
            outer.kill()
            outer.communicate()
            if os.path.ismount(mountpoint):  # a chroot below a shared mount: the corner itself came out to us
                subprocess.run(["umount", "--lazy", mountpoint], check=False)


def _leader(outer: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if outer.poll() is not None:
            assert outer.stderr is not None
            raise RuntimeError(f"the machine did not start: {outer.stderr.read().decode()}")
        for pid in children.read_text().split():
            if os.path.exists(f"/proc/{pid}/root/run/machine-ready"):
                return int(pid)
        time.sleep(0.005)
    raise RuntimeError("the machine did not start in time")
