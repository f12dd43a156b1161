"""The cohort of a machine in the staged rollout of a fleet, from its machine id: stable, and uniform over machines.

The id is confidential (machine-id(5)): a keyed digest for this purpose alone says nothing about it. Pure.
"""

import hashlib
import hmac

from agent.core.packages.soak import COHORTS
from agent.core.policy.policy import SoakPolicy

_PURPOSE = b"maestro-agent: cohort of a staged rollout"


def cohort_of(soak: SoakPolicy, machine: str) -> int:
    """Return the configured cohort, or that of the machine id; from 0 to 99."""
    if soak.cohort.isdigit():
        return int(soak.cohort)
    digest = hmac.new(machine.encode(), _PURPOSE, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") % COHORTS
