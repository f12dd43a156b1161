"""A command at a terminal inside a machine: a driver in the machine types, as a person does."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from tests.support.machine import Machine

_DRIVER = r"""
import fcntl, json, os, pty, select, struct, sys, termios, time

steps, command, columns = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))  # before the command can ask for it
    os.environ["TERM"] = "xterm"
    os.execv("/bin/sh", ["sh", "-c", f"exec {command}"])
shown, seen, deadline = b"", 0, time.monotonic() + 240
while time.monotonic() < deadline:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data  # may end within a character
    if steps and (at := shown.find(steps[0][0].encode(), seen)) >= 0:
        awaited, typed, ran = steps.pop(0)
        seen = at + len(awaited.encode())  # what the next step awaits may have come with it
        if ran:
            os.system(ran)
        if typed is None:
            os.close(terminal)
            break
        os.write(terminal, typed.encode("latin-1"))
_, status = os.waitpid(pid, 0)
text = shown.decode(errors="replace")
print(json.dumps({"shown": text, "code": os.waitstatus_to_exitcode(status), "left": len(steps)}))
"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a terminal showed, with the exit code of its command."""

    text: str
    code: int


def at_terminal(machine: Machine, command: str, *steps: tuple[str, str | None, str], columns: int = 100) -> Shown:
    """Run a command at a terminal; each step awaits a text, runs a shell command, and types (None: hangs up).

    Every step must have come.
    """
    machine.write("/root/terminal.py", _DRIVER)
    plan = json.dumps([[[awaited, typed, ran] for awaited, typed, ran in steps], command, columns])
    done = machine.run(f"python3 /root/terminal.py {shlex.quote(plan)}")
    found: Any = json.loads(done.stdout)
    assert found["left"] == 0, found["shown"]
    assert "Traceback" not in found["shown"], found["shown"]
    return Shown(text=found["shown"].replace("\r\n", "\n"), code=found["code"])
