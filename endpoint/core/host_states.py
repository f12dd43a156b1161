"""The states that a host can be in, by which the overview counts and the list of hosts filters. Pure.

A host can be in several. `patched` excludes all others: whatever is unknown is not patched. `store.host_conditions` has
the same rules as SQL.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class HostState(Enum):
    """A state; the values are those of `state=` in addresses."""

    # That of Enum is written in Python, and a page of hosts asks each of them for each state.
    __hash__ = object.__hash__

    PATCHED = "patched"
    """Heard of lately, fresh lists, nothing pending, held, unfinished or inactive, and a supported release.

    A fix that only Ubuntu Pro brings is none of these: the agent calls a host without it healthy.
    """
    ATTENTION = "attention"
    """The host asks for a person, has an inactive fix or one that it does not install, was ill after a reboot, or
    several machines share its id."""
    PENDING = "pending"
    """Fixes are to be installed."""
    HELD = "held"
    REBOOT_REQUIRED = "reboot-required"
    RESTART_PENDING = "restart-pending"
    """Another version of an engine runs than the one that is installed."""
    SILENT = "silent"
    STALE_LISTS = "stale-lists"
    ENDED = "ended"
    """The release gets no security updates any more."""
    UNFINISHED = "unfinished"
    """dpkg or the last run was interrupted, or a package failed."""
    UNKNOWN = "unknown"
    """Something that `PATCHED` needs was not reported, or the host itself does not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """What the configuration says of the fleet."""

    silent_after: timedelta = timedelta(seconds=900)
    stale_lists_after: timedelta = timedelta(days=2)
    """The age of package lists from which on a host is not up to date, whatever it called them."""
    forget_after: timedelta | None = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFlags:
    """What a state alone decides: the columns `is_…` of `hosts`."""

    attention: bool
    pending: bool
    held: bool
    reboot: bool
    restart: bool
    unfinished: bool
    unknown: bool

    @property
    def green(self) -> bool:
        """Return whether only time can keep the host from being patched."""
        ill = self.attention or self.pending or self.held or self.reboot or self.restart
        return not (ill or self.unfinished or self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What decides a host's states; times are Unix seconds."""

    flags: HostFlags
    last_seen_s: float
    other_seen_s: float | None
    """The last contact of another machine under the same id."""
    lists_good_s: float | None
    ended_s: float | None


def host_states(facts: HostFacts, now_s: float, settings: FleetSettings) -> frozenset[HostState]:
    """Return all states of a host at this time."""
    heard_since, heard_until = (now_s + sign * settings.silent_after.total_seconds() for sign in (-1, 1))
    flags, is_shared = facts.flags, facts.other_seen_s is not None and facts.other_seen_s > heard_since
    is_stale = (
        facts.lists_good_s is not None and facts.lists_good_s < now_s - settings.stale_lists_after.total_seconds()
    )
    found = (
        (HostState.ATTENTION, flags.attention or is_shared),
        (HostState.PENDING, flags.pending),
        (HostState.HELD, flags.held),
        (HostState.REBOOT_REQUIRED, flags.reboot),
        (HostState.RESTART_PENDING, flags.restart),
        # A contact far in the future was at the time of a wrong clock of the endpoint: nobody knows when.
        (HostState.SILENT, not heard_since <= facts.last_seen_s <= heard_until),
        (HostState.STALE_LISTS, is_stale),
        (HostState.ENDED, facts.ended_s is not None and facts.ended_s <= now_s),
        (HostState.UNFINISHED, flags.unfinished),
        (HostState.UNKNOWN, flags.unknown or is_shared),
    )
    states = frozenset([state for state, holds in found if holds])
    return states or frozenset({HostState.PATCHED})
