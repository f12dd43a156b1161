"""Runs inside a machine: times commands alternately, round by round. JSON in and out; standard library only."""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Read `[commands, rounds]`; print wall and CPU seconds and memory in KiB for each round of each command."""
    commands, rounds = json.load(sys.stdin)
    taken: dict[str, list[tuple[float, float, int]]] = {command: [] for command in commands}
    for number in range(rounds + 1):
        for command, rows in taken.items():
            started = time.perf_counter()
            child = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = 0
            if number:  # the first round only warms the caches
                wall_s = time.perf_counter() - started
                rows.append((wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
    print(json.dumps([[command, *zip(*rows, strict=True)] for command, rows in taken.items()]))


if __name__ == "__main__":
    main()
