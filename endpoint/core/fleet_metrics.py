"""The fleet as metrics: counts by state, the exposure, and how the endpoint itself is. Pure; times in Unix seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from endpoint.core.exposition import Gauge, exposition, label_text
from endpoint.core.fleet_model import Overview

_PREFIX = "maestro_endpoint"
_MOST_LABELS = 30
_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """What the overview does not have; None: unknown."""

    version: str
    database: str
    """`sqlite` or `postgresql`."""
    database_bytes: int | None
    last_contact: float | None
    """Of any host."""
    exploited_pending: int
    """CVEs of the KEV catalogue with a pending fix."""
    advisories_loaded: Mapping[str, float]
    """When each kind of advisories was loaded."""
    active_deployments: int
    notifications_waiting: int
    notifications_given_up: int


def fleet_metrics(overview: Overview, figures: EndpointFigures) -> str:
    """Return the page. Labels of hosts' own texts have at most 30 values, then `other`."""
    return exposition([*_fleet(overview), *_exposure(overview, figures), *_endpoint(figures)])


def _fleet(overview: Overview) -> Iterable[Gauge]:
    yield _gauge("fleet_hosts", "Hosts that have reported and are not forgotten.", overview.hosts)
    yield _labelled(
        "fleet_hosts_by_state",
        "Hosts by state; a host can be in several.",
        ("state",),
        [((state.value,), overview.counts.get(state, 0)) for state in overview.counts],
    )
    releases = [((one.release or "unknown", one.support or "unknown"), one.hosts) for one in overview.releases]
    yield _labelled(
        "fleet_hosts_by_release",
        "Hosts by release, and whether it gets security updates.",
        ("release", "support"),
        releases,
    )
    versions = [((version,), hosts) for version, hosts in overview.versions]
    yield _labelled("fleet_hosts_by_agent_version", "Hosts by the version of the agent.", ("version",), versions)


def _exposure(overview: Overview, figures: EndpointFigures) -> Iterable[Gauge]:
    oldest = overview.oldest
    yield _gauge("fleet_exposed_hosts", "Hosts with a security fix that is not active.", overview.exposed)
    yield _gauge("fleet_inactive_fixes", "Security fixes that are not active, of all hosts.", overview.inactive_fixes)
    yield _gauge(
        "fleet_oldest_exposure_timestamp_seconds",
        "Since when the oldest fix that is not active has been pending.",
        oldest.since_s if oldest is not None else None,
    )
    yield _gauge(
        "known_exploited_pending", "CVEs of the KEV catalogue with a fix that is pending.", figures.exploited_pending
    )


def _endpoint(figures: EndpointFigures) -> Iterable[Gauge]:
    yield _labelled("build_info", "The version.", ("version", "database"), [((figures.version, figures.database), 1)])
    yield _gauge("last_contact_timestamp_seconds", "The latest message of any host.", figures.last_contact)
    yield _gauge("database_size_bytes", "Size of the database.", figures.database_bytes)
    yield _labelled(
        "advisories_loaded_timestamp_seconds",
        "When advisories were loaded.",
        ("source",),
        [((source,), when) for source, when in sorted(figures.advisories_loaded.items())],
    )
    yield _gauge("deployments_active", "Deployments whose requests are being delivered.", figures.active_deployments)
    yield _gauge("notifications_waiting", "Notifications that were not sent yet.", figures.notifications_waiting)
    yield _gauge(
        "notifications_given_up",
        "Notifications of the last 30 days that could not be sent.",
        figures.notifications_given_up,
    )


def _gauge(name: str, text: str, value: float | None) -> Gauge:
    return Gauge(name=f"{_PREFIX}_{name}", help=text, samples={(): value})


def _labelled(name: str, text: str, labels: tuple[str, ...], samples: Sequence[tuple[tuple[str, ...], float]]) -> Gauge:
    """Keep the first labels as they are, and add up the others: their number must not depend on what hosts report."""
    found: Counter[tuple[str, ...]] = Counter()
    for number, (values, value) in enumerate(samples):
        shown = tuple(map(label_text, values)) if number < _MOST_LABELS else (_OTHER,) * len(labels)
        found[shown] += value  # type: ignore[assignment] # a float is one, too
    return Gauge(name=f"{_PREFIX}_{name}", help=text, labels=labels, samples=dict(found))
