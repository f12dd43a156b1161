"""Metrics for Prometheus: with a token that may see the whole fleet, or from configured addresses."""

import ipaddress
from datetime import datetime, timezone

from flask import Response, request

from endpoint.config.model import Config
from endpoint.core.fleet_metrics import fleet_metrics
from endpoint.core.lock_metrics import lock_metrics
from endpoint.core.people import Right, Scope
from endpoint.core.request_metrics import request_metrics
from endpoint.errors import RefusedError
from endpoint.http.admission import Admission
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.lock_queries import LockQueries
from endpoint.store.metric_figures import MetricFigures
from endpoint.store.request_queries import RequestQueries

METRICS_PATHS = ("/metrics", "/v1/metrics")
"""Prometheus' default path, and that of the API."""


class MetricsApi:
    """The handler of both routes."""

    def __init__(self, config: Config, database: Database, admission: Admission) -> None:
        self._settings = config.locks.settings
        self._allowed = [ipaddress.ip_network(text) for text in config.metrics.allow]
        self._admission = admission
        self._pages = FleetPages(database, config.fleet.settings)
        self._locks = LockQueries(database)
        self._requests = RequestQueries(database)
        self._figures = MetricFigures(database)

    def metrics(self) -> Response:
        """Return the metrics of the fleet and of the endpoint as Prometheus' text."""
        self._admit()
        now = datetime.now(timezone.utc)
        page = fleet_metrics(self._pages.overview(Scope(tags=None), now), self._figures.figures(now.timestamp()))
        page += lock_metrics(self._locks.locks(now), now, self._settings)
        page += request_metrics(*self._requests.open_counts(now))
        return Response(page, content_type="text/plain; version=0.0.4; charset=utf-8")

    def _admit(self) -> None:
        if not request.headers.get("Authorization") and self._is_allowed(request.remote_addr):
            return
        person = self._admission.caller().person
        if person is None or not person.may(Right.VIEW) or not person.scope.is_whole:
            raise RefusedError(403, "this needs a token that may see the whole fleet")

    def _is_allowed(self, address: str | None) -> bool:
        try:
            found = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        # Of a socket that takes both kinds, an IPv4 client has an address like ::ffff:127.0.0.1.
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain in network for network in self._allowed)
