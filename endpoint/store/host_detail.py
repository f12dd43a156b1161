"""One host: the one state that a page parses, its packages, fixes and events."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.exposure_curve import curve_of_fixes
from endpoint.core.fleet_model import CurveDay, EventLine, FixLine, HostDetail, PackageLine
from endpoint.core.gaps import total
from endpoint.core.host_fixes import FixStage
from endpoint.store.fix_pages import fix_line
from endpoint.store.host_list import View, ids_in_scope, rows_of
from endpoint.store.host_tables import HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.queries import stream_gaps
from endpoint.store.tables import EVENTS, STATES, STREAMS

_EVENTS = 200


def detail_of(connection: Connection, host_id: str, view: View) -> HostDetail | None:
    """Return a host; None: it is unknown, or not in the scope."""
    ids = ids_in_scope(connection, HOSTS.c.host_id == host_id, view)
    if not ids:
        return None
    (row,) = rows_of(connection, ids, view)
    streams = connection.execute(sa.select(STREAMS).where(STREAMS.c.host_id == host_id).order_by(STREAMS.c.id)).all()
    gaps = [stream_gaps(connection, stream) for stream in streams]
    heard_since = view.now_s - view.settings.silent_after.total_seconds()
    return HostDetail(
        row=row,
        agent_names=_names(connection, [one.id for one in streams if one.last_seen_at > heard_since]),
        first_seen_s=min(stream.first_seen_at for stream in streams),
        state=_state(connection, ids[0]),
        packages=_packages(connection, ids[0]),
        fixes=_fixes(connection, ids[0]),
        events=_events(connection, [stream.id for stream in streams]),
        missing_events=sum(total(found.missing) for found in gaps),
        lost_events=sum(total(found.lost) for found in gaps),
        refused_messages=sum(stream.refused for stream in streams),
    )


def host_curve(connection: Connection, host_id: str, view: View, days: int) -> tuple[CurveDay, ...] | None:
    """Return the host's exposure at the end of each of the last days, by its fixes with a CVE; None: no such host."""
    ids = ids_in_scope(connection, HOSTS.c.host_id == host_id, view)
    if not ids:
        return None
    return curve_of_fixes(_fixes(connection, ids[0]), view.now_s, days)


def _state(connection: Connection, host: int) -> Any:
    wanted = sa.select(STATES.c.body).join(HOSTS, HOSTS.c.stream == STATES.c.stream).where(HOSTS.c.id == host)
    body = connection.execute(wanted).scalar()
    return json.loads(body) if body is not None else None


def _names(connection: Connection, streams: list[int]) -> tuple[str, ...]:
    """Return the names in the states of machines that share an id; one machine needs no second reading."""
    if len(streams) <= 1:
        return ()
    bodies = connection.execute(sa.select(STATES.c.body).where(STATES.c.stream.in_(streams[:64]))).scalars()
    names = {(json.loads(body).get("host") or {}).get("name") for body in bodies}
    return tuple(sorted(name for name in names if name))


def _packages(connection: Connection, host: int) -> tuple[PackageLine, ...]:
    wanted = sa.select(HOST_PACKAGES).where(HOST_PACKAGES.c.host == host)
    names = ("package", "architecture", "stage", "why", "until", "installed", "candidate", "security")
    return tuple(
        PackageLine(since_s=row.since, **{name: getattr(row, name) for name in names})
        for row in connection.execute(wanted.order_by(HOST_PACKAGES.c.package, HOST_PACKAGES.c.architecture))
    )


def _fixes(connection: Connection, host: int) -> tuple[FixLine, ...]:
    rows = connection.execute(sa.select(HOST_FIXES).where(HOST_FIXES.c.host == host))
    lines = map(fix_line, rows)
    order = lambda line: (line.stage is FixStage.ACTIVE, line.pending_since_s, line.cve)  # noqa: E731
    return tuple(sorted(lines, key=order))


def _events(connection: Connection, streams: list[int]) -> tuple[EventLine, ...]:
    wanted = sa.select(EVENTS).where(EVENTS.c.stream.in_(streams))
    rows = connection.execute(wanted.order_by(EVENTS.c.received_at.desc(), EVENTS.c.sequence.desc()).limit(_EVENTS))
    return tuple(
        EventLine(
            stream=row.stream,
            sequence=row.sequence,
            type=row.type,
            created_at=row.created_at,
            received_s=row.received_at,
            body=json.loads(row.body),
        )
        for row in rows
    )
