"""`maestro-endpoint token`: add, list and revoke tokens."""

import argparse
from datetime import datetime, timezone

from endpoint.config.read import read_config
from endpoint.core.host_id import parse_host_id
from endpoint.core.timestamps import format_utc
from endpoint.errors import UsageError
from endpoint.store.session import open_database
from endpoint.store.tokens import Role, Tokens


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `token` was given."""
    actions = {"add": _add, "list": _list, "revoke": _revoke}
    actions[arguments.action](arguments)


def _add(arguments: argparse.Namespace) -> None:
    host = parse_host_id(arguments.host) if arguments.host else None
    if arguments.host and host is None:
        raise UsageError(f"--host: {arguments.host!r} is not a UUID")
    with open_database(read_config(arguments.config)) as database:
        role = Role.ADMIN if arguments.admin else Role.AGENT
        print(Tokens(database).add(role=role, name=arguments.name, host_id=host, now=datetime.now(timezone.utc)))


def _list(arguments: argparse.Namespace) -> None:
    with open_database(read_config(arguments.config)) as database:
        for token in Tokens(database).all():
            state = f"revoked {format_utc(token.revoked_at)}" if token.revoked_at else "valid"
            host = token.host_id or "any host"
            created = format_utc(token.created_at)
            print(f"{token.id}  {token.role.value:5}  {state}  {host}  {created}  {token.name}".rstrip())


def _revoke(arguments: argparse.Namespace) -> None:
    with open_database(read_config(arguments.config)) as database:
        Tokens(database).revoke(arguments.id, datetime.now(timezone.utc))
