"""A large fleet in a database, as agents would have left it: a small one is derived, then copied by the database."""

import json
import os
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.store.backfill import backfill
from endpoint.store.database import Database
from endpoint.store.tables import STATES, seen_slot
from tests.support.host_reports import held, moment, patched, pending, update
from tests.support.messages import Outbox, Raw

PENDING = 25
EVERYWHERE = "CVE-2026-9999"
"""Pending on each host."""
RARE = "CVE-2026-90001"
"""Pending on one host in a thousand."""
_PACKAGES = 400
_CHUNK = 1000
_DISTINCT = 2000
"""Hosts that differ in more than their name; a multiple of the thousand of `RARE`."""
_NUMBERS = {"streams": "id", "states": "stream", "hosts": "id", "host_packages": "host", "host_fixes": "host"}
"""The column of each table that is the number of the host."""
_NUMBERED = {**{table: (column,) for table, column in _NUMBERS.items()}, "hosts": ("id", "stream")}
_TEXTS = {
    "streams": ("host_id", "instance_id", "latest_key"),
    "states": ("body",),
    "hosts": ("host_id", "name", "sort_name"),
    "host_packages": (),
    "host_fixes": (),
}
"""Columns in which the start of the host's id, or the end of its name, is replaced."""
_SQLITE = {"id": "printf('00000000-%04x-%04x-0000-', {n} >> 16, {n} & 65535)", "name": "printf('-%06d', {n})"}
_POSTGRESQL = {
    "id": "'00000000-' || lpad(to_hex({n} >> 16), 4, '0') || '-' || lpad(to_hex({n} & 65535), 4, '0') || '-0000-'",
    "name": "'-' || lpad(({n})::text, 6, '0')",
}
_RELEASES = (("debian", "12", "bookworm"), ("debian", "13", "trixie"), ("ubuntu", "22.04", "jammy"),
             ("ubuntu", "24.04", "noble"))  # fmt: skip


def package(number: int) -> str:
    """Return the name of one of the packages; the first ones are pending on more hosts."""
    return f"package-{number:03}"


def number_of(box: Outbox) -> int:
    """Return the number of a host."""
    return uuid.UUID(box.host).int >> 64


def state(box: Outbox, at_s: float, turn: int = 0) -> Raw:
    """Return the state message of a host with 25 pending updates; one in some is ill in each way.

    The packages stay the same from turn to turn; whether a reboot is required, and since when it is exposed, change.
    """
    number = number_of(box)
    chance = random.Random(number % _DISTINCT)  # noqa: S311 - a benchmark
    chosen = chance.sample(range(_PACKAGES), PENDING - 1)
    updates = [update(package(one), f"CVE-2026-{2000 + one}", f"CVE-2026-{3000 + one}") for one in chosen]
    updates.append(update("linux-image-amd64", EVERYWHERE))
    if number % 1000 == 0:
        updates.append(update("rare-package", RARE))
    kept = [held("docker-ce", "held-by-admin", "CVE-2026-1500")] if chance.random() < 0.05 else []  # noqa: PLR2004
    system = dict(zip(("id", "version", "codename"), chance.choice(_RELEASES), strict=True))
    changes: dict[str, Any] = {
        "updates": {**pending(*updates), "held": len(kept), "held_items": kept},
        "host": {"os": system},
        "exposure": {
            "pending": PENDING,
            "installed": 0,
            "oldest_since": _day(at_s, chance.randrange(40) + turn),
            "fixes": [],
        },
        "lists": {"updated_at": _day(at_s, 3 if chance.random() < 0.02 else 0)},  # noqa: PLR2004
        "reboot": {"required": (chance.random() < 0.05) != bool(turn % 2), "packages": [], "since": None},  # noqa: PLR2004
        "fleet_lock": {
            **dict.fromkeys(("url", "id", "since", "run_id", "kept", "refusal")),
            "phase": "free",
            "group": chance.choice(["web", "db", "default"]),
        },
    }
    return patched(box, name=f"{chance.choice(['web', 'db', 'cache', 'mail'])}-{number:06}", **changes)


def _outbox(number: int) -> Outbox:
    host, instance = (str(uuid.UUID(int=(number << 64) + part)) for part in (1, 2))
    return Outbox(host=host, instance=instance)


def fill(url: str, hosts: int) -> list[Outbox]:
    """Fill a database of any version whose tables exist; return the outboxes of the hosts.

    `hosts` up to 2,000, or a multiple of that.
    """
    boxes, now = [_outbox(number) for number in range(1, hosts + 1)], time.time()
    for box in boxes:
        box.others = 0
    engine = sa.create_engine(url, future=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _hurry)
    with engine.begin() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        _insert(connection, found.tables, boxes[:_DISTINCT], now)
    if "hosts" in found.tables:
        _derive(url)
    for copy in range(1, hosts // _DISTINCT):
        with engine.begin() as connection:
            _copy(connection, found.tables, copy * _DISTINCT)
    if "fix_counts" in found.tables:
        with engine.begin() as connection:
            _count(connection, max(1, hosts // _DISTINCT))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _settle(connection, found.tables)
    engine.dispose()
    for box in boxes:
        box.others = 1
    return boxes


def _hurry(connection: Any, _record: object) -> None:
    """Nothing of a database that is still being made has to survive a power cut."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -131072")


def _insert(connection: Connection, tables: Mapping[str, sa.Table], boxes: list[Outbox], now: float) -> None:
    rows = _rows(boxes, now, {column.name for column in tables["streams"].columns})
    while chunk := list(islice(rows, _CHUNK)):
        connection.execute(tables["streams"].insert(), [stream for stream, _ in chunk])
        connection.execute(STATES.insert(), [body for _, body in chunk])


def _derive(url: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        backfill(connection)
    database.close()


def _copy(connection: Connection, tables: Mapping[str, sa.Table], by: int) -> None:
    """Copy the first hosts; the copies have their numbers plus `by`, and the ids and names that follow from them."""
    start, name = (_SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL).values()
    for table, number in _NUMBERS.items():
        if table not in tables:
            continue
        old, new = number, f"({number} + {by})"
        replaced = "{column}"
        for text in (start, name):
            replaced = f"replace({replaced}, {text.format(n=old)}, {text.format(n=new)})"
        changed = {
            **dict.fromkeys(_TEXTS[table], replaced),
            **dict.fromkeys(_NUMBERED[table], f"{{column}} + {by}"),
        }
        names = [column.name for column in tables[table].columns]
        values = [changed.get(one, "{column}").format(column=one) for one in names]
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}"  # noqa: S608 - own names
            f" WHERE {number} <= {_DISTINCT}"
        )


def _count(connection: Connection, times: int) -> None:
    sums = ", ".join(f"{stage} = {stage} * {times}" for stage in ("pending", "held", "installed", "active"))
    connection.exec_driver_sql(f"UPDATE fix_counts SET {sums}")  # noqa: S608 - own names


def _settle(connection: Connection, tables: Mapping[str, sa.Table]) -> None:
    """Leave the database as one that has been served for a while: with statistics, and nothing waiting for the disk."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        os.sync()
        return
    for table in {"streams", "hosts"} & set(tables):
        connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")  # noqa: S608
    connection.exec_driver_sql("VACUUM ANALYZE")
    connection.exec_driver_sql("CHECKPOINT")
    os.sync()


def _rows(boxes: list[Outbox], now: float, names: set[str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for number, box in enumerate(boxes, 1):
        message = state(box, now)
        seen = now - (7200 if number % 100 == 0 else number % 300)
        stream = {
            "id": number, "host_id": box.host, "instance_id": box.instance, "agent_version": f"0.{number % 3}.0",
            "first_seen_at": now - 9e6, "last_seen_at": seen, "latest_sequence": 1, "latest_key": message["key"],
            "latest_digest": "0" * 64, "state_hash": message["body"]["hash"], "events": 0, "highest_event": 0,
            "refused": 0, "pruned_upto": 0, "takes_requests": True, "last_seen_slot": seen_slot(seen),
        }  # fmt: skip
        body = json.dumps(message["body"], sort_keys=True, separators=(",", ":"))
        yield (
            {name: value for name, value in stream.items() if name in names},
            {"stream": number, "received_at": seen, "body": body},
        )


def _day(at_s: float, ago: int) -> str:
    return moment(datetime.fromtimestamp(at_s - 86400 * ago - 60, timezone.utc))
