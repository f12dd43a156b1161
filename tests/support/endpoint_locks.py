"""maestro-endpoint as a backend of `tests.support.lock_servers`: its WSGI application, its database, no gunicorn."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from endpoint.store.database import Database
from endpoint.store.tables import LOCK_HOLDERS, LOCK_WAITERS
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.lock_servers import Reply

_SENT_ANYWAY = {"content-length", "content-type"}


@dataclass(kw_only=True)
class EndpointBackend:
    """An endpoint; its clients are those of one token for any host."""

    client: LocalClient
    database: Database

    def answer(self, path: str, body: Mapping[str, object]) -> Reply:
        found = self.client.send(
            "POST", path, json.dumps(body).encode(), fleet_lock_protocol="true", Content_Encoding="identity"
        )
        kept = tuple((name, value) for name, value in found.headers.items() if name.lower() not in _SENT_ANYWAY)
        return Reply(
            status=found.status,
            body=found.body,
            content_type=found.headers.get("Content-Type", "text/plain"),
            headers=kept,
        )

    def holders(self) -> set[tuple[str, str]]:
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(LOCK_HOLDERS.c.group_name, LOCK_HOLDERS.c.client_id)).all()
        return {(row.group_name, row.client_id) for row in rows}

    def clear(self) -> None:
        """Give every slot back, and forget who waits."""
        with self.database.writing() as connection:
            for table in (LOCK_HOLDERS, LOCK_WAITERS):
                connection.execute(sa.delete(table))


@contextmanager
def endpoint_backend(directory: Path, groups: Mapping[str, int]) -> Iterator[EndpointBackend]:
    """Run an endpoint on SQLite in this process until the block ends."""
    directory.mkdir(parents=True)
    url = f"sqlite:///{directory / 'fleet.sqlite'}"
    many = {"requests_per_minute": 1_000_000, "burst": 1_000_000}
    made = LocalEndpoint(
        directory=directory, database=url, settings={"locks": {"groups": dict(groups)}, "limits": many}
    )
    made.configure()
    made.start()
    database = Database(url)
    try:
        yield EndpointBackend(client=made.client(made.any_host_token), database=database)
    finally:
        database.close()
        made.end()
