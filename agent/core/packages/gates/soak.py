"""Gate: an update waits until this machine has known of it for long enough, and until its cohort's turn (`[soak]`)."""

from agent.core.packages.gates.gate import Gate, judges_version
from agent.core.packages.soak import waiting

GATE = Gate(name="soak", evaluate=waiting, unknown=judges_version)
