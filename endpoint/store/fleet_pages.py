"""All that the pages of the fleet read, by one scope and one time; no page parses states row by row."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from endpoint.core.fix_query import FixQuery
from endpoint.core.fleet_model import CurveDay, FixDetail, FixPage, HostDetail, HostPage, HostRow, Overview
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import FleetSettings
from endpoint.core.people import Scope
from endpoint.store.database import Database
from endpoint.store.fix_pages import exploited_of, fix_of, fixes_of, reach_of
from endpoint.store.fleet_overview import exposure_days, hosts_by_tag, overview_of
from endpoint.store.host_detail import detail_of, host_curve
from endpoint.store.host_list import View, count_of, ids_of, page_and_ids_of, rows_of, selection_of
from endpoint.store.timed_cache import TimedCache

Answer = TypeVar("Answer")
CURVE_DAYS = 90
HOSTS_AT_ONCE = 1000
"""Rows of hosts in one transaction, where all hosts of a query are read."""


class FleetPages:
    """All queries. Make one for each process: it keeps counts that take long, for at most 5 s; see `as_of_s`.

    Every method may raise `StoreError`: the database does not answer.
    """

    def __init__(self, database: Database, settings: FleetSettings) -> None:
        self._database = database
        self._settings = settings
        self._kept: TimedCache[Any] = TimedCache()

    def overview(self, scope: Scope, now: datetime) -> Overview:
        """Return the counts of a scope."""
        return self._cached(("overview", scope), overview_of, self._view(scope, now))

    def tags(self, scope: Scope, now: datetime) -> tuple[tuple[str, int], ...]:
        """Return the endpoint's own tags in a scope, with the number of hosts that a list by each has."""
        return self._cached(("tags", scope), hosts_by_tag, self._view(scope, now))

    def hosts(self, query: HostQuery, scope: Scope, now: datetime) -> HostPage:
        """Return one page of hosts.

        Raises:
            RefusedError: 400, the cursor belongs to another order.
        """
        view, every = self._view(scope, now), replace(query, cursor=None)

        def work(connection: Connection) -> HostPage:
            selection = selection_of(connection, query, view)
            page, _ = page_and_ids_of(connection, query, view, selection)
            if page.next is None and query.cursor is None:
                return page
            # In the same transaction, with the same conditions: to choose them takes as long as the page.
            total, as_of_s = self._kept.get(
                ("hosts", every, scope), view.now_s, lambda: count_of(connection, every, view, selection)
            )
            return replace(page, total=total, as_of_s=as_of_s)

        return self._database.read(work)

    def each_host(self, query: HostQuery, scope: Scope, now: datetime) -> Iterator[HostRow]:
        """Yield all hosts that a query finds now, whatever its page, in its order: each as it is when it is read.

        Which hosts these are is read at once: reports and heartbeats move a host in most orders, past a page that is
        still to come. Their rows follow, 1000 in a transaction of their own, so that none lasts as long as a download.
        """
        view = self._view(scope, now)
        ids = self._database.read(lambda connection: ids_of(connection, query, view))
        parts = (ids[first : first + HOSTS_AT_ONCE] for first in range(0, len(ids), HOSTS_AT_ONCE))
        return chain.from_iterable(self._rows(part, view) for part in parts)

    def host(self, host_id: str, scope: Scope, now: datetime) -> HostDetail | None:
        """Return one host; None: it is unknown, or not in the scope."""
        view = self._view(scope, now)
        return self._database.read(lambda connection: detail_of(connection, host_id, view))

    def fixes(self, query: FixQuery, scope: Scope, now: datetime) -> FixPage:
        """Return one page of fixes."""
        return self._cached(
            ("fixes", query, scope), lambda connection, view: fixes_of(connection, query, view), self._view(scope, now)
        )

    def exploited(self, scope: Scope, now: datetime) -> int:
        """Return how many CVEs that are known to be exploited are not fixed on every host."""
        return self._cached(("exploited", scope), exploited_of, self._view(scope, now))

    def fix(self, cve: str, scope: Scope, now: datetime, query: HostQuery | None = None) -> FixDetail | None:
        """Return a fix with a page of the hosts that lack it; None: no host of the scope has or had it."""
        view = self._view(scope, now)

        def work(connection: Connection) -> FixDetail | None:
            found = fix_of(connection, cve, query or HostQuery(), view)
            if found is None:
                return None
            # In the same transaction: each round trip counts where the processors are busy.
            reach, _ = self._kept.get(("fix", cve, scope), view.now_s, lambda: reach_of(connection, cve, view))
            return replace(found, packages=reach.packages, hosts_by_stage=reach.hosts_by_stage)

        return self._database.read(work)

    def exposure_curve(self, scope: Scope, now: datetime, days: int = CURVE_DAYS) -> tuple[CurveDay, ...]:
        """Return the exposure of each day, the oldest first; the last one is today."""
        view, overview = self._view(scope, now), self.overview(scope, now)
        return self._cached(
            ("curve", scope, days), lambda connection, view: exposure_days(connection, view, days, overview), view
        )

    def host_exposure_curve(
        self, host_id: str, scope: Scope, now: datetime, days: int = CURVE_DAYS
    ) -> tuple[CurveDay, ...] | None:
        """Return the exposure of one host by day; None: it is unknown, or not in the scope."""
        view = self._view(scope, now)
        return self._database.read(lambda connection: host_curve(connection, host_id, view, days))

    def _rows(self, ids: Sequence[int], view: View) -> list[HostRow]:
        return self._database.read(lambda connection: rows_of(connection, ids, view))

    def _view(self, scope: Scope, now: datetime) -> View:
        return View(scope=scope, now_s=now.timestamp(), settings=self._settings)

    def _cached(self, key: Any, query: Callable[[Connection, View], Answer], view: View) -> Answer:
        def make() -> Answer:
            return self._database.read(lambda connection: query(connection, view))

        answer: Answer = self._kept.get(key, view.now_s, make)[0]
        return answer
