"""Benchmarks the agent against its peers and a baseline in one run, as ratios: `make bench` (root; tens of minutes).

Everything runs on throwaway machines with the distribution's own sources, some 60,000 packages; the machine of `idle`
is booted and has very few. Commands are timed alternately, round by round, so that other load affects all of them
equally; figures are medians. `python3 -m benchmarks planning upgrade` measures those parts only.
"""

import argparse
import signal
import sys
import time

from benchmarks import (
    answers,
    before,
    dashboard,
    day,
    docker,
    fleet,
    idle,
    locks,
    peaks,
    plans,
    processes,
    queue,
    reports,
    upgrades,
    wire,
)
from benchmarks.figures import Aims
from benchmarks.roots import session
from tests.support import bases

PARTS = {
    "status": answers.status,
    "check": answers.check,
    "planning": plans.planning,
    "upgrade": upgrades.upgrade,
    "memory": peaks.memory,
    "idle": idle.idle,
    "day": day.day,
    "before": before.before,
    "docker": docker.docker,
}
ALONE = {
    "wire": wire.wire,
    "endpoint": reports.endpoint,
    "locks": locks.locks,
    "requests": queue.requests,
    "processes": processes.processes,
    "fleet": fleet.fleet,
    "dashboard": dashboard.dashboard,
}
"""Parts that need no machine."""


def main() -> int:
    """Run the given parts, or all, on every release; print all targets again at the end."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="*", help=f"what to measure: {', '.join([*PARTS, *ALONE])}; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of upgrades (default: 5)")
    parser.add_argument(
        "--no-peer", action="store_true", help="skip unattended-upgrade's own upgrade and those with network: minutes"
    )
    parser.add_argument(
        "--idle-minutes", type=float, default=10, help="how long the idle daemon is measured (default: 10)"
    )
    arguments = parser.parse_args()
    parts = arguments.part or [*ALONE, *PARTS]
    if unknown := set(parts) - {*PARTS, *ALONE}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no machine is left running
    aims = Aims()
    started = time.monotonic()
    try:
        for part in [part for part in parts if part in ALONE]:
            print(f"\n== {part}", flush=True)
            ALONE[part](aims)
        if on_machines := [part for part in parts if part in PARTS]:
            _measure(on_machines, arguments, aims)
    except KeyboardInterrupt:
        print("\nstopped")
        return 1
    finally:
        print(f"\n== all targets, after {(time.monotonic() - started) / 60:.0f} minutes")
        print("\n".join(aims.lines))
    return 0


def _measure(parts: list[str], arguments: argparse.Namespace, aims: Aims) -> None:
    with session(rounds=arguments.rounds, peer=not arguments.no_peer, idle_minutes=arguments.idle_minutes) as shared:
        for codename in bases.codenames():
            aims.where = codename
            for part in parts:
                print(f"\n== {codename}: {part}", flush=True)
                PARTS[part](codename, shared, aims)


if __name__ == "__main__":
    sys.exit(main())
