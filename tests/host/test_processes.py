"""Which real processes run replaced files: libraries are mapped, and then replaced as dpkg does it."""

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
Started = Callable[..., "subprocess.Popen[str]"]


class Few:
    """A /proc that shows the processes that were put there and no others."""

    def __init__(self, directory: Path) -> None:
        self.proc = directory / "proc"
        self.proc.mkdir()
        self.packages = directory / "packages"
        self.packages.mkdir()
        self.library = self.packages / "libz.so.1"
        shutil.copy(SOURCE, self.library)

    def show(self, pid: int) -> None:
        """Have a process seen."""
        (self.proc / str(pid)).symlink_to(f"/proc/{pid}")

    def replace(self) -> None:
        """Put another file in the library's place (as dpkg: renamed over it)."""
        new = self.packages / "libz.so.1.dpkg-new"
        shutil.copy(SOURCE, new)
        new.rename(self.library)

    def found(self) -> object:
        """Look."""
        return scan_replaced_files(str(self.proc), (os.fsencode(f"{self.packages}/"),))


@pytest.fixture
def few(tmp_path: Path) -> Few:
    """Return a machine of no processes."""
    return Few(tmp_path)


@pytest.fixture
def start(few: Few) -> Iterator[Started]:
    """Return what starts a process that maps the library, within the given command, and shows it."""
    with ExitStack() as stack:

        def begin(*within: str) -> "subprocess.Popen[str]":
            command = [*within, sys.executable, "-c", MAPPING, str(few.library)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            few.show(process.pid)
            return process

        yield begin


def test_a_process_is_seen_once_the_library_it_maps_is_replaced(few: Few, start: Started) -> None:
    process = start()
    before = few.found()

    few.replace()

    assert before == ()
    assert few.found() == (program(process.pid),)
    assert scan_replaced_files(str(few.proc)) == (), "it lies in no place of packages"


def test_a_process_that_was_started_again_is_seen_no_more(few: Few, start: Started) -> None:
    first = start()
    few.replace()
    first.kill()
    first.wait()

    start()

    assert few.found() == ()


def test_a_removed_library_counts_as_a_replaced_one_does(few: Few, start: Started) -> None:
    process = start()

    few.library.unlink()

    assert few.found() == (program(process.pid),)


def test_a_process_with_mounts_of_its_own_runs_this_machines_files(few: Few, start: Started) -> None:
    process = start("unshare", "--mount")
    few.replace()

    assert os.readlink(f"/proc/{process.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    assert few.found() == (program(process.pid),)


LOCKED_UP = """
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
def test_a_daemon_that_locked_itself_up_counts_and_a_container_does_not(few: Few, kind: str, *, counts: bool) -> None:
    jail = few.packages / "jail"
    jail.mkdir()
    command = [sys.executable, "-c", LOCKED_UP, str(few.library), kind, str(jail)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            few.show(process.pid)
            few.show(os.getpid())
            few.replace()

            assert few.found() == ((program(process.pid),) if counts else ())
        finally:
            process.kill()


def test_a_process_that_ends_meanwhile_is_no_error(few: Few) -> None:
    (few.proc / "4000001").symlink_to("/proc/4000001")
    (few.proc / "4000002").mkdir()

    assert few.found() == ()


def test_a_process_that_may_not_be_looked_at_makes_the_whole_unknown() -> None:
    read = (
        "import os; from agent.host.reboot.processes import scan_replaced_files; os.setgid(65534); os.setuid(65534); "
        "print(scan_replaced_files())"
    )

    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert done.stdout.startswith("Unseen(")
    assert "/exe: Permission denied" in done.stdout


def test_a_root_that_cannot_be_looked_at_is_another_and_hides_nothing(few: Few, start: Started) -> None:
    """A container's on a file system of its user's alone (FUSE): even root is denied it. Here it is a loop."""
    process = start()
    few.replace()
    contained = few.proc / "4000001"
    contained.mkdir()
    (contained / "exe").symlink_to(f"{few.packages}/program (deleted)")
    (contained / "maps").touch()
    (contained / "root").symlink_to("root")
    (contained / "ns").mkdir()
    (contained / "ns/mnt").symlink_to("mnt:[1]")

    assert few.found() == (program(process.pid),)


DEEP = """
import os, shutil, sys
os.chdir(sys.argv[1])
for _ in range(17):
    os.mkdir(250 * "d")
    os.chdir(250 * "d")
shutil.copy("/usr/bin/sleep", "deep")
os.execv("./deep", ["deep", "600"])
"""


def test_a_program_whose_path_is_too_long_for_the_kernel_hides_no_other(few: Few, start: Started) -> None:
    process = start()
    few.replace()

    with subprocess.Popen([sys.executable, "-c", DEEP, few.packages]) as deep:
        try:
            until = time.monotonic() + 10
            while program(deep.pid) != "deep" and time.monotonic() < until:
                time.sleep(0.01)
            few.show(deep.pid)

            assert few.found() == (program(process.pid),)
        finally:
            deep.kill()


def test_no_processes_at_all_is_unknown(tmp_path: Path) -> None:
    found = scan_replaced_files(str(tmp_path / "nothing"))

    assert isinstance(found, Unseen)
    assert "No such file" in found.reason


def test_a_look_that_gets_stuck_is_given_up(few: Few) -> None:
    """A pipe that nobody writes to holds the reader up as a process does whose mappings are being changed."""
    stuck = few.proc / "4000001"
    stuck.mkdir()
    (stuck / "exe").symlink_to("/usr/bin/true")
    os.mkfifo(stuck / "maps")
    began = time.monotonic()

    found = scan_replaced_files(str(few.proc), patience_s=0.1)

    assert found == Unseen(reason="it took too long to look at all processes")
    assert time.monotonic() - began < 5


def test_a_look_ends_at_its_time(few: Few, start: Started) -> None:
    start()

    assert scan_replaced_files(str(few.proc), patience_s=-1) == Unseen(
        reason="it took too long to look at all processes"
    )


def program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
