"""What the pages of the fleet show, frozen. Times are Unix seconds, unknown is None. All text is the hosts' own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endpoint.core.host_fixes import FixStage
from endpoint.core.host_query import Cursor
from endpoint.core.host_states import HostState


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """One host of a list."""

    host_id: str
    name: str | None
    states: frozenset[HostState]
    tags: tuple[str, ...]
    """Set here."""
    agent_tags: tuple[str, ...]
    """From the host's own configuration."""
    agents: int
    """How many machines report under this id at present."""
    agent_version: str
    architecture: str | None
    release: str | None
    codename: str | None
    release_support: str | None
    release_until: str | None
    last_seen_s: float
    reported_s: float | None
    health: str | None
    """None also if several machines share the id."""
    lists_state: str | None
    lists_good_s: float | None
    """When the lists were verified; 0: the host does not call them fresh."""
    pending: int | None
    held: int | None
    reboot_required: bool | None
    reboot_since: str | None
    reboot_packages: str | None
    kernel_running: str | None
    kernel_outdated: bool | None
    last_result: str | None
    last_run_at: str | None
    docker_version: str | None
    weave_version: str | None
    lock_group: str | None
    automatic: str | None
    patcher: str | None
    takes_requests: bool
    plan_id: str | None
    requests_allow: tuple[str, ...] | None
    """Verbs that the host's configuration allows; None: not reported."""
    requests_signed: bool | None
    """Whether it takes only requests that a person has signed."""
    inactive_fixes: int | None
    exposed_since_s: float | None
    """Since when the oldest fix that is not active was pending; None: no such fix, or unknown."""

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self.name or self.host_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPage:
    """One page of a list of hosts."""

    rows: tuple[HostRow, ...]
    total: int
    as_of_s: float
    """When the total was counted."""
    next: Cursor | None
    previous: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Oldest:
    """The oldest fix that is not active, by host."""

    host_id: str
    name: str | None
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCount:
    """How many hosts run a release; None: not reported."""

    release: str | None
    support: str | None
    hosts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The fleet on one page."""

    as_of_s: float
    hosts: int
    counts: Mapping[HostState, int]
    """Of all states, by the same conditions as the lists'."""
    oldest: Oldest | None
    exposed: int
    """Hosts with an inactive fix."""
    inactive_fixes: int
    releases: tuple[ReleaseCount, ...]
    """The most frequent first."""
    versions: tuple[tuple[str, int], ...]
    """Agent versions, the most frequent first."""
    groups: tuple[tuple[str, int], ...]
    """Groups of the fleet lock, by name."""
    tags: tuple[tuple[str, int], ...]
    """The endpoint's own, by name."""

    @property
    def hosts_by_release(self) -> tuple[tuple[str | None, int], ...]:
        """Return how many hosts run each release, supported or not, as a list of hosts has them; most first."""
        found: Counter[str | None] = Counter()
        for one in self.releases:
            found[one.release] += one.hosts
        return tuple(found.most_common())


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLine:
    """A package of a host's plan."""

    package: str
    architecture: str
    stage: str
    why: str | None
    until: str | None
    installed: str | None
    candidate: str | None
    security: bool | None
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FixLine:
    """A CVE that a package of a host fixes."""

    cve: str
    package: str
    stage: FixStage
    pending_since_s: float
    installed_s: float | None
    active_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """An event of a host."""

    stream: int
    sequence: int
    type: str
    created_at: str
    received_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDetail:
    """All that is known of one host."""

    row: HostRow
    agent_names: tuple[str, ...]
    """Of the machines that share its id."""
    first_seen_s: float
    state: Mapping[str, Any] | None
    """The latest `maestro.report/1`."""
    packages: tuple[PackageLine, ...]
    fixes: tuple[FixLine, ...]
    """Not active ones first, the oldest first."""
    events: tuple[EventLine, ...]
    """The latest first; runs are those of type `outcome`."""
    missing_events: int
    lost_events: int
    refused_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveDay:
    """The exposure on one day; None: not recorded."""

    day: str
    hosts: int | None = None
    exposed: int | None = None
    oldest_age_s: float | None = None
    fixes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixSummary:
    """A CVE and how far its fix has come; the counts are of packages on hosts."""

    cve: str
    first_seen_s: float
    pending: int
    held: int
    installed: int
    active: int
    package: str | None = None
    """One of the packages that fix it."""

    @property
    def inactive(self) -> int:
        """Return how many are not active."""
        return self.pending + self.held + self.installed


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPage:
    """One page of fixes."""

    rows: tuple[FixSummary, ...]
    total: int
    as_of_s: float
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FixHost:
    """A host and the stage of a fix there."""

    host: HostRow
    packages: tuple[FixLine, ...]

    @property
    def stage(self) -> FixStage:
        """Return how far it has come: as its last package."""
        order = list(FixStage)
        return min((line.stage for line in self.packages), key=order.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixDetail:
    """A CVE, and the hosts that its fix concerns."""

    cve: str
    summary: FixSummary
    packages: tuple[str, ...]
    hosts_by_stage: Mapping[FixStage, int]
    hosts: tuple[FixHost, ...]
    """One page, by name."""
    next: Cursor | None
    previous: Cursor | None
