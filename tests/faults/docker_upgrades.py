"""Faults of `docker upgrade`: 40 runs, each on a booted machine of its own; `make faults PARTS=docker`
(`python3 -m tests.faults.docker_upgrades`, root).

Prints one line for each run, and the number of those that ended well: the engine runs at the old or the new version,
every container is accounted for, apt is usable, the record is true. Exits 0 if all did.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import docker_faults, docker_trial
from tests.support.docker_trial import Verdict
from tests.support.repository import Signer

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Run the faults."""
    arguments = _arguments()
    chosen = [one for one in docker_faults.faults() if not arguments.only or one.name in arguments.only]
    began = time.monotonic()
    built = subprocess.run([str(CHECKOUT / "tools/build-deb")], capture_output=True, text=True, check=True)
    deb = Path(built.stdout.splitlines()[-1])
    with tempfile.TemporaryDirectory(prefix="maestro-docker-faults-") as directory:
        signer = Signer(Path(directory) / "key" / "gnupg")
        try:
            with docker_trial.ground(deb, signer, Path(directory)) as made:
                print(f"{len(chosen)} faults of an upgrade of Docker, seed {arguments.seed}", flush=True)
                with ThreadPoolExecutor(arguments.jobs) as pool:
                    verdicts = list(pool.map(lambda one: _run(made, one, arguments.seed), chosen))
        finally:
            signer.close()
    good = sum(not verdict.problems for verdict in verdicts)
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{good} of {len(verdicts)} ended well")
    return 0 if good == len(verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m tests.faults.docker_upgrades", description=__doc__)
    parser.add_argument("--seed", type=int, default=14, help="seed of the random moments (default 14)")
    parser.add_argument("--jobs", type=int, default=2, help="machines at a time (default 2)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these faults, by name")
    return parser.parse_args()


def _run(made: docker_trial.Ground, fault: docker_faults.DockerFault, seed: int) -> Verdict:
    verdict = docker_faults.run_fault(made, fault, seed)
    moment = f"{verdict.struck}; " if verdict.struck else ""
    result = "; ".join(verdict.problems) or "passed"
    recorded = f"recorded {', '.join(verdict.ending.recorded)}; " if verdict.ending else ""
    results = ", then ".join(verdict.results)
    print(f"{verdict.name} ({moment}{results}; {recorded}{verdict.seconds:.0f} s): {result}", flush=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
