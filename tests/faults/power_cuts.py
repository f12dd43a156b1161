"""The full fault run: `python3 -m tests.faults.power_cuts` (root), more than 100 points; `make faults`.

Each point kills every process in the middle of an upgrade of 45 packages, and one more `upgrade` has to recover
everything. Prints one line for each point that failed and the number of recovered ones; exits 0 if all recovered.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import faults
from tests.support.repository import Signer

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Run the points of one release."""
    arguments = _arguments()
    points = [*faults.timed_points(arguments.points), *faults.aimed_points()]
    if arguments.only:
        points = [point for point in points if point.name in arguments.only]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maestro-faults-") as directory:
        scratch = Path(directory)
        scratch.chmod(0o755)
        layer = scratch / "agent"
        subprocess.run(["make", "-s", "-C", str(CHECKOUT), "install", f"DESTDIR={layer}"], check=True)
        signer = Signer(scratch / "key" / "gnupg")
        try:
            with faults.ground(arguments.release, layer, signer, scratch, arguments.jobs) as made:
                _print_header(arguments, made, len(points))
                with ThreadPoolExecutor(arguments.jobs) as pool:
                    verdicts = list(pool.map(lambda point: _run(made, point, arguments), points))
        finally:
            signer.close()
    good = sum(not verdict.problems for verdict in verdicts)
    print(f"took {time.monotonic() - started:.0f} s; {_spread(verdicts)}")
    print(f"{good} of {len(verdicts)} points recovered")
    return 0 if good == len(verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.faults.power_cuts", description=__doc__)
    parser.add_argument(
        "--points", type=int, default=100, help="points in time, in addition to the aimed ones (default 100)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="machines at a time (default 2)")
    parser.add_argument("--release", default="bookworm", help="release to run on (default bookworm)")
    parser.add_argument("--only", nargs="+", metavar="POINT", help="only these points, by name")
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="keep logs and records of failed points there")
    parser.add_argument("--verbose", action="store_true", help="a line for every point")
    return parser.parse_args()


def _print_header(arguments: argparse.Namespace, made: faults.Ground, points: int) -> None:
    files, http = made.durations[False], made.durations[True]
    print(
        f"{made.codename}: {points} points of an upgrade that takes {files:.1f} s from files, {http:.1f} s over HTTP; "
        f"reproduce one with --points {arguments.points} --only POINT",
        flush=True,
    )


def _run(made: faults.Ground, point: faults.Point, arguments: argparse.Namespace) -> faults.Verdict:
    verdict = faults.run_point(made, point, arguments.evidence)
    if verdict.problems or arguments.verbose:
        where = f"after {verdict.after_s:.2f} s" if point.fraction is not None else f"{point.directory} {point.pattern}"
        notes = [f"{verdict.unreported} upgraded packages in neither outcome"] if verdict.unreported else []
        notes += [f"dpkg has the old checksum of {name}" for name in verdict.forgotten]
        result = "; ".join(verdict.problems[:8]) or ", ".join(["recovered", *notes])
        more = f" (and {len(verdict.problems) - 8} more)" if len(verdict.problems) > 8 else ""
        print(f"{point.name} ({where}; {verdict.phase}; {verdict.seconds:.1f} s): {result}{more}", flush=True)
    return verdict


def _spread(verdicts: list[faults.Verdict]) -> str:
    """Describe in which phases the kills happened; points that are all in one phase prove little."""
    before = sum(not verdict.recorded for verdict in verdicts)
    unfinished = sum(verdict.unfinished > 0 for verdict in verdicts)
    partly = sum(0 < verdict.arrived < 45 for verdict in verdicts)
    forgotten = sum(bool(verdict.forgotten) for verdict in verdicts)
    unreported = sum(verdict.unreported > 0 for verdict in verdicts)
    return (
        f"{before} kills were before the run was recorded, {unfinished} left packages unfinished, {partly} were "
        f"between installed and pending packages; after {unreported} the two outcomes miss an upgraded package, "
        f"after {forgotten} dpkg has the old checksum of a conffile"
    )


if __name__ == "__main__":
    sys.exit(main())
