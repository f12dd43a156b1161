"""How 100,000 agents return after an outage of the endpoint, in simulated time; the suite runs 2,000."""

from benchmarks.figures import Aims
from tests.support.fleet import FULL_FLEET, MINUTE, OUTAGES, simulate


def fleet(aims: Aims) -> None:
    """Simulate each outage with the full fleet."""
    for name, outage in OUTAGES.items():
        found = simulate(outage, FULL_FLEET)
        aims.at_most(f"peak after {name}, as a multiple of the steady rate,", found.peak, 3)
        aims.at_most(f"time until all are back after {name}", found.all_back / MINUTE, 35, " min")
