"""Scans of real processes that map libraries, which are then replaced as dpkg does it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.core.model.facts import Unseen
from agent.host.reboot.processes import scan_replaced_files
from tests.conftest import CHECKOUT

SOURCE = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1")).resolve()
MAPPING = "import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); time.sleep(600)"
Start = Callable[..., "subprocess.Popen[str]"]


class FakeProc:
    """A /proc that shows selected processes only."""

    def __init__(self, directory: Path) -> None:
        self.proc = directory / "proc"
        self.proc.mkdir()
        self.packages = directory / "packages"
        self.packages.mkdir()
        self.library = self.packages / "libz.so.1"
        shutil.copy(SOURCE, self.library)

    def show(self, pid: int) -> None:
        """Add a process."""
        (self.proc / str(pid)).symlink_to(f"/proc/{pid}")

    def replace(self) -> None:
        """Replace the library as dpkg does it: rename another file over it."""
        new = self.packages / "libz.so.1.dpkg-new"
        shutil.copy(SOURCE, new)
        new.rename(self.library)

    def scan(self) -> object:
        """Scan these processes."""
        return scan_replaced_files(str(self.proc), (os.fsencode(f"{self.packages}/"),))


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    """Return a /proc without processes."""
    return FakeProc(tmp_path)


@pytest.fixture
def start(fake: FakeProc) -> Iterator[Start]:
    """Return a function that starts a process which maps the library, wrapped in the given command, and shows it."""
    with ExitStack() as stack:

        def start_process(*within: str) -> "subprocess.Popen[str]":
            command = [*within, sys.executable, "-c", MAPPING, str(fake.library)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            fake.show(process.pid)
            return process

        yield start_process


def test_a_process_is_found_once_a_library_it_maps_is_replaced(fake: FakeProc, start: Start) -> None:
    process = start()
    before = fake.scan()

    fake.replace()

    assert before == ()
    assert fake.scan() == (program(process.pid),)
    assert scan_replaced_files(str(fake.proc)) == (), "not a directory of packages"


def test_a_restarted_process_is_not_found(fake: FakeProc, start: Start) -> None:
    first = start()
    fake.replace()
    first.kill()
    first.wait()

    start()

    assert fake.scan() == ()


def test_a_deleted_library_counts_as_replaced(fake: FakeProc, start: Start) -> None:
    process = start()

    fake.library.unlink()

    assert fake.scan() == (program(process.pid),)


def test_a_process_in_its_own_mount_namespace_is_found(fake: FakeProc, start: Start) -> None:
    process = start("unshare", "--mount")
    fake.replace()

    assert os.readlink(f"/proc/{process.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    assert fake.scan() == (program(process.pid),)


CHROOTED = """
import ctypes, os, sys, time
ctypes.CDLL(sys.argv[1])
if sys.argv[2] == "container":
    os.chdir(sys.argv[3])
    libc = ctypes.CDLL(None)
    assert libc.unshare(0x00020000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
os.chroot(sys.argv[3])
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("kind", "counts"), [("daemon", True), ("container", False)])
def test_a_chrooted_daemon_counts_and_a_container_does_not(fake: FakeProc, kind: str, *, counts: bool) -> None:
    jail = fake.packages / "jail"
    jail.mkdir()
    command = [sys.executable, "-c", CHROOTED, str(fake.library), kind, str(jail)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            fake.show(process.pid)
            fake.show(os.getpid())
            fake.replace()

            assert fake.scan() == ((program(process.pid),) if counts else ())
        finally:
            process.kill()


def test_a_process_that_exits_during_the_scan_is_skipped(fake: FakeProc) -> None:
    (fake.proc / "4000001").symlink_to("/proc/4000001")
    (fake.proc / "4000002").mkdir()

    assert fake.scan() == ()


def test_a_process_that_may_not_be_read_makes_the_result_unknown() -> None:
    read = (
        "import os; from agent.host.reboot.processes import scan_replaced_files; os.setgid(65534); os.setuid(65534); "
        "print(scan_replaced_files())"
    )

    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert done.stdout.startswith("Unseen(")
    assert "/exe: Permission denied" in done.stdout


def test_an_unreadable_root_counts_as_a_container_and_hides_no_other_process(fake: FakeProc, start: Start) -> None:
    """As in a rootless container on FUSE, where even root is denied. Here: a symlink loop."""
    process = start()
    fake.replace()
    contained = fake.proc / "4000001"
    contained.mkdir()
    (contained / "exe").symlink_to(f"{fake.packages}/program (deleted)")
    (contained / "maps").touch()
    (contained / "root").symlink_to("root")
    (contained / "ns").mkdir()
    (contained / "ns/mnt").symlink_to("mnt:[1]")

    assert fake.scan() == (program(process.pid),)


DEEP = """
import os, shutil, sys
os.chdir(sys.argv[1])
for _ in range(17):
    os.mkdir(250 * "d")
    os.chdir(250 * "d")
shutil.copy("/usr/bin/sleep", "deep")
os.execv("./deep", ["deep", "600"])
"""


def test_a_program_whose_path_exceeds_the_kernels_limit_hides_no_other_process(fake: FakeProc, start: Start) -> None:
    process = start()
    fake.replace()

    with subprocess.Popen([sys.executable, "-c", DEEP, fake.packages]) as deep:
        try:
            until = time.monotonic() + 60
            while program(deep.pid) != "deep" and time.monotonic() < until:
                time.sleep(0.01)
            fake.show(deep.pid)

            assert fake.scan() == (program(process.pid),)
        finally:
            deep.kill()


def test_a_missing_proc_is_unknown(tmp_path: Path) -> None:
    found = scan_replaced_files(str(tmp_path / "nothing"))

    assert isinstance(found, Unseen)
    assert "No such file" in found.reason


def test_a_blocked_scan_is_abandoned(fake: FakeProc) -> None:
    """A pipe without a writer blocks the reader, as a process does while its mappings change."""
    stuck = fake.proc / "4000001"
    stuck.mkdir()
    (stuck / "exe").symlink_to("/usr/bin/true")
    os.mkfifo(stuck / "maps")

    found = scan_replaced_files(str(fake.proc), timeout_s=0.1)

    assert found == Unseen(reason="the scan of all processes timed out")


def test_a_scan_ends_at_its_timeout(fake: FakeProc, start: Start) -> None:
    start()

    assert scan_replaced_files(str(fake.proc), timeout_s=-1) == Unseen(reason="the scan of all processes timed out")


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
