"""Cost of scanning all processes for those that run replaced files, at each check and after each run."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from agent.core.model.facts import Unseen
from agent.host.reboot.processes import scan_replaced_files
from benchmarks.figures import Aims

COUNT = 1000
ROUNDS = 5
_AIM_MS = 500.0
MANY = f"""
import ctypes, json, os, signal, sqlite3, ssl, sys
ctypes.CDLL(sys.argv[1])
pids = []
for _ in range({COUNT}):
    pid = os.fork()
    if not pid:
        signal.pause()
    pids.append(pid)
print(*pids, flush=True)
sys.stdin.read()
for pid in pids:
    os.kill(pid, signal.SIGKILL)
"""
"""Each process has as many mappings as a medium-sized service."""


def processes(aims: Aims) -> None:
    """Measure with no process that runs a replaced file, and with all of them."""
    aims.where = "processes"
    with tempfile.TemporaryDirectory() as scratch:
        proc, library = Path(scratch, "proc"), Path(scratch, "libz.so.1")
        proc.mkdir()
        library.write_bytes(next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1")).read_bytes())
        command = [sys.executable, "-c", MANY, str(library)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            for pid in parent.stdout.readline().split():
                (proc / pid).symlink_to(f"/proc/{pid}")
            for case in ("none of which runs a replaced file", "all of which do"):
                took_ms = _scan_ms(proc, scratch)
                aims.at_most(f"a scan of {COUNT} processes, {case},", took_ms, _AIM_MS, " ms")
                library.unlink(missing_ok=True)
            parent.communicate()


def _scan_ms(proc: Path, places: str) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = scan_replaced_files(str(proc), (f"{places}/".encode(),))
        seconds.append(time.perf_counter() - began)
        assert not isinstance(found, Unseen), found.reason
    return median(seconds) * 1000
