"""Daemon faults: 20 upgrades of the agent by itself, 50 kills; `make daemon-faults`
(`python3 -m tests.faults.daemon_kills`, root).

On one booted machine. Prints one line for each case and the number of passed cases at the end; exits 0 if all passed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support import bases
from tests.support.booted import booted
from tests.support.daemon_faults import Trial, Verdict
from tests.support.recorded import Kept, installed_layer
from tests.support.repository import Signer

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Run the cases on one release."""
    arguments = _arguments()
    began = time.monotonic()
    built = subprocess.run([str(CHECKOUT / "tools/build-deb")], capture_output=True, text=True, check=True)
    deb = Path(built.stdout.splitlines()[-1])
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="maestro-daemon-") as directory:
        signer = Signer(Path(directory) / "key" / "gnupg")
        try:
            with (
                installed_layer(arguments.release, deb, signer, Path(directory)) as layers,
                booted(*layers) as running,
            ):
                trial = Trial(Kept(running, signer, arguments.release), deb, arguments.seed)
                trial.prepare()
                print(f"{arguments.release}: seed {arguments.seed}", flush=True)
                for verdict in _cases(trial, arguments):
                    verdicts.append(verdict)
                    result = "; ".join(verdict.problems) or "passed"
                    print(f"{verdict.name} ({verdict.what}; {verdict.seconds:.1f} s): {result}", flush=True)
                    if time.monotonic() - began > arguments.minutes * 60:
                        print(f"out of time after {arguments.minutes} minutes: the other cases did not run")
                        return 1
        finally:
            signer.close()
    good = sum(not verdict.problems for verdict in verdicts)
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{good} of {len(verdicts)} cases passed")
    return 0 if good == len(verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.faults.daemon_kills", description=__doc__)
    parser.add_argument("--upgrades", type=int, default=20, help="upgrades of the agent by itself (default 20)")
    parser.add_argument("--kills", type=int, default=50, help="jobs during which the daemon is killed (default 50)")
    parser.add_argument("--workers", type=int, default=5, help="jobs that are killed (default 5)")
    parser.add_argument("--freezes", type=int, default=1, help="times that the daemon is frozen (default 1)")
    parser.add_argument("--seed", type=int, default=4, help="seed of the random moments (default 4)")
    parser.add_argument("--release", default=bases.codenames()[0], help="release to run on (default bookworm)")
    parser.add_argument("--minutes", type=float, default=30, help="time limit for all cases (default 30)")
    return parser.parse_args()


def _cases(trial: Trial, arguments: argparse.Namespace) -> Iterator[Verdict]:
    for number in range(arguments.upgrades):
        yield trial.upgrade_itself(scheduled=number % 2 == 0)
    for number in range(arguments.kills):
        yield trial.kill_the_daemon(number)
    for number in range(arguments.workers):
        yield trial.kill_the_worker(number)
    for _ in range(arguments.freezes):
        yield trial.freeze_the_daemon()
    yield trial.settle()


if __name__ == "__main__":
    sys.exit(main())
