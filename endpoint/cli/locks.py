"""`maestro-endpoint locks`: who holds a reboot slot and who waits; release one of a host that cannot."""

import argparse
import json
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.core.audit import AuditAction
from endpoint.core.lock_report import Hosts, client_hosts, locks_document
from endpoint.core.lock_text import lock_lines
from endpoint.core.lock_view import client_host
from endpoint.core.locks import Holder
from endpoint.core.timestamps import format_age
from endpoint.errors import UsageError
from endpoint.store.audit import Audit
from endpoint.store.database import Database
from endpoint.store.lock_queries import ByPerson, LockQueries
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `locks` was given; without one, list."""
    config, now = read_config(arguments.config), datetime.now(timezone.utc)
    name = calling_person()
    with open_database(config) as database:
        if arguments.action == "release":
            _release(arguments, database, ByPerson(name=name, why=arguments.why, at=now))
        else:
            _list(arguments, config, database, now)


def _list(arguments: argparse.Namespace, config: Config, database: Database, now: datetime) -> None:
    locks = LockQueries(database).locks(now)
    streams = FleetQueries(database).streams(now, config.fleet.expire_after, host_ids=client_hosts(locks))
    document = locks_document(locks, streams, now, config.locks.settings)
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(lock_lines(document, now)))


def _release(arguments: argparse.Namespace, database: Database, person: ByPerson) -> None:
    queries = LockQueries(database)
    locks = queries.locks(person.at)
    hosts = Hosts(FleetQueries(database).streams(person.at, host_ids=client_hosts(locks)))
    found = [
        holder
        for group in locks.groups
        for holder in group.holders
        if arguments.group in {None, group.name} and arguments.host in _names(holder, hosts)
    ]
    if not found:
        raise UsageError(f"{arguments.host!a} holds no slot; `maestro-endpoint locks` lists the holders")
    if len(found) > 1:
        listed = ", ".join(f"{holder.client_id} ({holder.group})" for holder in found)
        raise UsageError(f"{arguments.host!a} may be any of {listed}: give the id, and --group")
    holder = found[0]

    def release() -> None:
        queries.release(holder, person)
        Audit(database).note(
            person.at, person.name, AuditAction.SLOT_RELEASED, holder.client_id, f"group {holder.group}: {person.why}",
            host_id=client_host(holder.client_id, holder.host_id),
        )  # fmt: skip

    database.together(release)
    held = format_age(datetime.fromtimestamp(holder.since_s, timezone.utc), person.at)
    print(f"released: {holder.client_id}, group {holder.group}, held for {held}; recorded for {person.name}")


def _names(holder: Holder, hosts: Hosts) -> set[str]:
    """Return what a person may call a holder."""
    host = hosts.find(holder.client_id, holder.host_id)
    name = ((host.state or {}).get("host") or {}).get("name") if host is not None else None
    return {str(text) for text in (holder.client_id, holder.host_id, host.host_id if host else None, name) if text}
