"""Terminals of login sessions, found by their processes, and a message to them."""

import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

import pytest

from agent.host import terminals
from agent.host.terminals import session_terminals, write_to_terminals

PTS_3 = (136 << 8) | 3
PTS_300 = (137 << 8) | 44
SSH = "0::/user.slice/user-1000.slice/session-4.scope\n"


def process(proc: Path, pid: int, tty: int, cgroup: str, name: str = "bash") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S 1 1 1 {tty} 1 0 0\n")
    (proc / str(pid) / "cgroup").write_text(cgroup)


def test_only_terminals_of_login_sessions_are_found(tmp_path: Path) -> None:
    process(tmp_path, 1, 0, "0::/init.scope\n")
    process(tmp_path, 2, PTS_3, SSH)
    process(tmp_path, 3, PTS_3, SSH)
    process(tmp_path, 4, 0, SSH)
    process(tmp_path, 5, PTS_300, SSH, name="a) b (")
    process(tmp_path, 6, (136 << 8) | 9, "0::/system.slice/job.service\n")
    process(tmp_path, 7, (136 << 8) | 10, "0::/system.slice/docker-abc.scope\n")
    (tmp_path / "8").mkdir()
    (tmp_path / "self").mkdir()

    assert session_terminals(str(tmp_path)) == ("/dev/pts/3", "/dev/pts/300")


def test_a_machine_without_proc_has_none(tmp_path: Path) -> None:
    assert session_terminals(str(tmp_path / "none")) == ()


def fill(terminal: int) -> None:
    """Write until nothing more fits for a while: the kernel moves on in the background what was written.

    Then stop it, as ^S does: nothing fits, though the kernel may be late to move something on.
    """
    os.set_blocking(terminal, False)
    refused = 0
    while refused < 10:
        try:
            os.write(terminal, b"x" * 4096)
            refused = 0
        except BlockingIOError:
            refused += 1
            time.sleep(0.01)
    termios.tcflow(terminal, termios.TCOOFF)


def read_up_to(terminal: int, end: bytes) -> bytes:
    """Return what was written up to these bytes, which may come in parts; less if no more comes."""
    found = b""
    while end not in found and select.select([terminal], [], [], 60)[0]:
        found += os.read(terminal, 4096)
    return found


def test_a_message_is_written_and_a_terminal_that_is_full_or_gone_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader, terminal = pty.openpty()
    full_reader, full = pty.openpty()
    fill(full)
    no_terminal = tmp_path / "file"
    no_terminal.write_text("kept")
    names = (os.ttyname(terminal), os.ttyname(full), "/dev/pts/no-such", str(no_terminal))
    monkeypatch.setattr(terminals, "session_terminals", lambda: names)

    count = write_to_terminals("this machine reboots\x1b]0;title\x07")
    seen = read_up_to(reader, b"title?\r")
    for descriptor in (reader, terminal, full_reader, full):
        os.close(descriptor)

    assert count == 1
    assert b"this machine reboots?]0;title?\r" in seen
    assert no_terminal.read_text() == "kept"


def test_this_processs_own_terminal_number_is_read_as_the_kernel_writes_it() -> None:
    reader, terminal = pty.openpty()
    name = os.ttyname(terminal)
    program = (
        "import os; from agent.host import terminals as t; t.unit_of = lambda _cgroups: 'session-1.scope'; "
        "print(list(t._terminal('/proc/self')))"
    )
    done = subprocess.run(
        ["setsid", "-c", "/usr/bin/python3", "-c", program],
        stdin=terminal,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    os.close(reader)
    os.close(terminal)

    assert done.stdout.strip() == f"['{name}']"
