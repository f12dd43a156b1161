"""Fuzzes every parser of foreign text: `tools/fuzz [--inputs N | --seconds S] [--target NAME] [--seed N]`.

Prints one line for each target. Exit: 0 no fault, 1 a fault, whose traceback and input follow its line.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.fuzz.targets import TARGETS

_TIMEOUT_S = 10
"""One input, with instrumentation; a hundred times what the slowest takes."""
_MEMORY_MB = 700
_SHOWN = 6000
"""How many characters of a fault are printed."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_PEAK = re.compile(r"stat::peak_rss_mb:\s+(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzed:
    """How one target went."""

    name: str
    inputs: int
    peak_mb: int
    fault: str
    """What libFuzzer printed; empty without a fault."""


def main() -> int:
    """Run all targets, as many at once as there are processors."""
    arguments = _arguments()
    names = arguments.target or sorted(TARGETS)
    workers = min(os.cpu_count() or 1, len(names))
    limit = _limit(arguments, len(names), workers)
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(lambda name: _fuzz(name, [*limit, f"-seed={arguments.seed}"]), names))
    print(f"{sum(one.inputs for one in done):,} inputs, {sum(bool(one.fault) for one in done)} faults")
    return int(any(one.fault for one in done))


def _limit(arguments: argparse.Namespace, targets: int, workers: int) -> list[str]:
    if arguments.seconds:
        return [f"-max_total_time={max(1, arguments.seconds * workers // targets)}"]
    return [f"-runs={-(-arguments.inputs // targets)}"]


def _fuzz(name: str, limit: list[str]) -> Fuzzed:
    options = [f"-timeout={_TIMEOUT_S}", f"-rss_limit_mb={_MEMORY_MB}", "-max_len=4096", "-print_final_stats=1"]
    command = [sys.executable, "-m", "tests.fuzz.one", name, *limit, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False)
    runs, peak = _RUNS.search(done.stdout), _PEAK.search(done.stdout)
    fuzzed = Fuzzed(
        name=name,
        inputs=int(runs[1]) if runs else 0,
        peak_mb=int(peak[1]) if peak else 0,
        fault=done.stdout if done.returncode or not runs else "",
    )
    print(
        f"{name:<18} {fuzzed.inputs:>9,} inputs  {fuzzed.peak_mb:>4} MB  {'FAULT' if fuzzed.fault else 'ok'}",
        flush=True,
    )
    if fuzzed.fault:
        lines = [line for line in fuzzed.fault.splitlines() if not line.startswith(("INFO: ", "WARNING: "))]
        print("\n".join(lines)[-_SHOWN:], flush=True)
    return fuzzed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs in all (default: 1,000,000)")
    parser.add_argument("--seconds", type=int, default=0, help="time in all, instead of a number of inputs")
    parser.add_argument("--seed", type=int, default=0, help="0: a random one, which is printed")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
