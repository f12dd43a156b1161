"""Whether a reboot fits into the maintenance window of the policy now, and when it does next. Pure."""

from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import frozen
from agent.core.policy.policy import RebootMode, RebootPolicy
from agent.core.reboot.hold_off import hold_off_ends
from agent.core.windows import Standing, Window, WindowState, standing


@frozen
class RebootRules:
    """The part of the configuration that decides about reboots."""

    policy: RebootPolicy
    window: Window | None = None
    """The window of `RebootPolicy.window`; None: there is none, or it cannot be read."""
    window_problem: str = ""
    """Why the window cannot be read, as when its time zone has gone from the machine's database; empty: it can."""

    @property
    def needed(self) -> timedelta:
        """How much of a window a reboot needs: from the warning to the end of the boot."""
        return self.policy.warning + self.policy.expected

    @property
    def allows_windows(self) -> bool:
        """Whether the daemon may reboot the machine by itself, in the window."""
        return self.policy.policy is RebootMode.WINDOW and self.window is not None


def reboot_standing(rules: RebootRules, window: Window, now: datetime, local: tzinfo) -> Standing:
    """Return whether a reboot may start now, and the present or next opening; after the hold-off if there is one.

    During the hold-off the opening is the first one that has room after it; its start may lie before the hold-off ends.
    """
    ends = hold_off_ends(rules.policy.not_before, local)
    if ends is None or ends <= now:
        return standing(window, now, needed=rules.needed, local=local)
    found = standing(window, ends, needed=rules.needed, local=local)
    closed = WindowState.CLOSED if found.state is WindowState.OPEN else found.state
    return Standing(state=closed, opening=found.opening)


def opens_at(rules: RebootRules, found: Standing, local: tzinfo) -> datetime | None:
    """Return when a reboot may start in an opening of `reboot_standing`; None: in none, for all are too short."""
    if found.state is WindowState.TOO_SHORT:
        return None
    ends = hold_off_ends(rules.policy.not_before, local)
    return max(found.opening.start, ends) if ends else found.opening.start
