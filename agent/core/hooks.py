"""The administrator's hooks before and after a change, as a port. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

PRE_UPGRADE, POST_UPGRADE = "pre-upgrade.d", "post-upgrade.d"
"""The directories of an upgrade of packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
