"""The administrator's hooks before and after a change, as a port. Pure."""

from collections.abc import Mapping
from typing import Protocol

from agent.core.frozen import frozen

PRE_UPGRADE, POST_UPGRADE = "pre-upgrade.d", "post-upgrade.d"
"""The directories of an upgrade of packages."""


@frozen
class HookVerdict:
    """How the hooks of one directory ended: of a `pre-` directory up to the first one that failed."""

    ran: int = 0
    """How many were started."""
    problem: str = ""
    """Names of the hooks that failed, and why; empty if none did."""
    deferred: bool = False
    """Whether a hook asks to try again later (exit code 75, EX_TEMPFAIL of sysexits.h)."""


class HookRunner(Protocol):
    """Runs the hooks of this machine."""

    def has_hooks(self, name: str) -> bool:
        """Return whether a directory such as "pre-upgrade.d" has a hook."""

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        """Run the hooks of a directory, with a document on standard input."""
