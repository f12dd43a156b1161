"""A large fleet in a database, as agents would have left it: streams and states; the migration derives the rest."""

import json
import random
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import sqlalchemy as sa

from endpoint.store.tables import STATES
from tests.support.host_reports import held, moment, patched, pending, update
from tests.support.messages import Outbox, Raw

PENDING = 25
EVERYWHERE = "CVE-2026-9999"
"""Pending on each host."""
RARE = "CVE-2026-90001"
"""Pending on one host in a thousand."""
_PACKAGES = 400
_CHUNK = 1000
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
    chance = random.Random(number)  # noqa: S311 - a benchmark
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
        "fleet_lock": {"group": chance.choice(["web", "db", "default"])},
    }
    return patched(box, name=f"{chance.choice(['web', 'db', 'cache', 'mail'])}-{number:06}", **changes)


def _outbox(number: int) -> Outbox:
    host, instance = (str(uuid.UUID(int=(number << 64) + part)) for part in (1, 2))
    return Outbox(host=host, instance=instance)


def fill(url: str, hosts: int) -> list[Outbox]:
    """Insert streams and states into a database of any version; return the outboxes of the hosts."""
    now, boxes = time.time(), [_outbox(number) for number in range(1, hosts + 1)]
    engine = sa.create_engine(url, future=True)
    with engine.begin() as connection:
        found = sa.MetaData()
        found.reflect(connection, only=["streams"])
        names = {column.name for column in found.tables["streams"].columns}
        rows = _rows(boxes, now, names)
        while chunk := list(islice(rows, _CHUNK)):
            connection.execute(found.tables["streams"].insert(), [stream for stream, _ in chunk])
            connection.execute(STATES.insert(), [body for _, body in chunk])
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('streams_id_seq', (SELECT max(id) FROM streams))")
    engine.dispose()
    return boxes


def _rows(boxes: list[Outbox], now: float, names: set[str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for number, box in enumerate(boxes, 1):
        message = state(box, now)
        seen = now - (7200 if number % 100 == 0 else number % 300)
        stream = {
            "id": number, "host_id": box.host, "instance_id": box.instance, "agent_version": f"0.{number % 3}.0",
            "first_seen_at": now - 9e6, "last_seen_at": seen, "latest_sequence": 1, "latest_key": message["key"],
            "latest_digest": "0" * 64, "state_hash": message["body"]["hash"], "events": 0, "highest_event": 0,
            "refused": 0, "pruned_upto": 0, "takes_requests": True,
        }  # fmt: skip
        body = json.dumps(message["body"], sort_keys=True, separators=(",", ":"))
        yield (
            {name: value for name, value in stream.items() if name in names},
            {"stream": number, "received_at": seen, "body": body},
        )


def _day(at_s: float, ago: int) -> str:
    return moment(datetime.fromtimestamp(at_s - 86400 * ago - 60, timezone.utc))
