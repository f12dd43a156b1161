"""`/` and `/v1/overview`: the fleet in numbers, each of them a filter of /hosts, and the exposure clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlencode

from flask import Response

from endpoint.core.charts import Curve, curve
from endpoint.core.fleet_model import CurveDay, Overview
from endpoint.core.host_document import overview_document
from endpoint.core.host_states import HostState
from endpoint.http.exchange import json_answer
from endpoint.http.pages.looks import HOST_LOOKS, Look
from endpoint.http.pages.site import PageContext, PageRoute

_DAY_S = 86400.0
_MOST_BARS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A state with its number of hosts, and the address that lists them."""

    look: Look
    hosts: int
    address: str


class OverviewPages:
    """The page and its document."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/", endpoint="overview", handler=self.page),
            PageRoute(path="/v1/overview", endpoint="overview-document", handler=self.document),
        )

    def page(self) -> Response:
        """Return the page."""
        context, now = self._context, datetime.now(timezone.utc)
        scope = context.gate.person().scope
        overview = context.fleet.overview(scope, now)
        return context.site.render(
            "overview.html",
            now=now,
            overview=overview,
            exploited=context.fleet.exploited(scope, now),
            cards=cards(overview),
            releases=_bars(overview.hosts_by_release, "release"),
            versions=_bars(overview.versions, "version"),
            chart=_chart(context.fleet.exposure_curve(scope, now)),
        )

    def document(self) -> Response:
        """Return `maestro.overview/1`."""
        context, now = self._context, datetime.now(timezone.utc)
        scope = context.gate.person().scope
        curve_days = context.fleet.exposure_curve(scope, now)
        return json_answer(overview_document(context.fleet.overview(scope, now), curve_days))


def cards(overview: Overview) -> list[Card]:
    """Return a card for each state; that of unknown hosts only if there are any."""
    return [
        Card(
            look=look,
            hosts=overview.counts.get(HostState(state), 0),
            address=f"/hosts?{urlencode({'state': state})}",
        )
        for state, look in HOST_LOOKS.items()
        if state != HostState.UNKNOWN.value or overview.counts.get(HostState.UNKNOWN)
    ]


def _bars(counts: Sequence[tuple[str | None, int]], parameter: str) -> list[tuple[str | None, str | None, int]]:
    """Return rows for the macro `bars`; those of seldom values are one row."""
    rows: list[tuple[str | None, str | None, int]] = [
        (text, None if text is None else f"/hosts?{urlencode({parameter: text})}", hosts)
        for text, hosts in counts[:_MOST_BARS]
    ]
    more = counts[_MOST_BARS:]
    return [*rows, (f"{len(more)} others", None, sum(hosts for _, hosts in more))] if more else rows


def _chart(days: Sequence[CurveDay]) -> Curve:
    """Return the age of the oldest fix in days; a day without an exposed host is zero, an unrecorded one a gap."""
    return curve([(one.day, _age_days(one)) for one in days], decimals=1)


def _age_days(one: CurveDay) -> float | None:
    if one.exposed is None:
        return None
    return 0.0 if one.oldest_age_s is None else one.oldest_age_s / _DAY_S
