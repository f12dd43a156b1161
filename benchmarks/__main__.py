"""Measures the agent against its peers and a floor in one run, as ratios: `make bench` (root; tens of minutes).

Everything runs on throwaway machines, whose sources are the distribution's own, some 60,000 packages; the machine of
`idle` is booted and has hardly any. Commands are timed in turn, round by round, so that whatever else the computer does
hits all of them alike; figures are medians. `python3 -m benchmarks planning upgrade` measures just those parts.
"""

import argparse
import signal
import sys
import time

from benchmarks import answers, before, fleet, idle, plans, processes, reports, upgrades, wire
from benchmarks.figures import Aims
from benchmarks.roots import session
from tests.support import bases

PARTS = {
    "status": answers.status,
    "check": answers.check,
    "planning": plans.planning,
    "upgrade": upgrades.upgrade,
    "memory": upgrades.memory,
    "idle": idle.idle,
    "before": before.before,
}
ALONE = {"wire": wire.wire, "endpoint": reports.endpoint, "processes": processes.processes, "fleet": fleet.fleet}
"""What needs no machine."""


def main() -> int:
    """Run the parts that were named, or all, on every release; tell all aims once more at the end."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="*", help=f"what to measure: {', '.join([*PARTS, *ALONE])}; all if none is named")
    parser.add_argument("--rounds", type=int, default=3, help="how often ours and apt-get upgrade (default: 3)")
    parser.add_argument(
        "--no-peer", action="store_true", help="upgrade without unattended-upgrade, which takes minutes"
    )
    parser.add_argument(
        "--idle-minutes", type=float, default=10, help="how long the idle daemon is watched (default: 10)"
    )
    arguments = parser.parse_args()
    parts = arguments.part or [*ALONE, *PARTS]
    if unknown := set(parts) - {*PARTS, *ALONE}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no machine behind
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
        print(f"\n== all aims, after {(time.monotonic() - started) / 60:.0f} minutes")
        print("\n".join(aims.told))
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
