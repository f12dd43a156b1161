"""Gate: a package or its CVEs are snoozed until a time (`maestro-agent snooze`)."""

from agent.core.packages.gates.gate import Gate
from agent.core.packages.snoozes import snoozed

GATE = Gate(name="snooze", evaluate=snoozed)
