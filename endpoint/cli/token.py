"""`maestro-endpoint token`: add, list and revoke tokens."""

import argparse
from datetime import datetime, timezone

from endpoint.cli.enrolment_keys import add_key, check_key_options, key_lines
from endpoint.cli.person import calling_person
from endpoint.cli.rights import granted_scope, rights_text
from endpoint.config.read import read_config
from endpoint.core.audit import AuditAction
from endpoint.core.host_id import parse_host_id
from endpoint.core.people import WHOLE_FLEET
from endpoint.core.text import clean
from endpoint.core.timestamps import format_utc
from endpoint.errors import UsageError
from endpoint.store.audit import Audit
from endpoint.store.enrolment_keys import EnrolmentKeys
from endpoint.store.session import open_database
from endpoint.store.tokens import Role, Token, Tokens


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `token` was given."""
    actions = {"add": _add, "list": _list, "revoke": _revoke}
    if arguments.action == "add":
        check_key_options(arguments)
        actions["add"] = _add_key if arguments.enrol else _add
    actions[arguments.action](arguments)


def _add_key(arguments: argparse.Namespace) -> None:
    now, caller = datetime.now(timezone.utc), calling_person()
    detail = f"enrolment key {arguments.name}".strip()
    with open_database(read_config(arguments.config)) as database:

        def add() -> str:
            text = add_key(arguments, database, now)
            Audit(database).note(now, caller, AuditAction.TOKEN_ADDED, text.split("_")[1], detail)
            return text

        print(database.together(add))


def _add(arguments: argparse.Namespace) -> None:
    host = parse_host_id(arguments.host) if arguments.host else None
    if arguments.host and host is None:
        raise UsageError(f"--host: {arguments.host!r} is not a UUID")
    arguments.role = arguments.role or ("admin" if arguments.admin else None)
    if arguments.role is None and (arguments.tag or arguments.may_reboot):
        raise UsageError("--tag and --may-reboot need --role")
    role = Role(arguments.role or Role.AGENT.value)
    if role is not Role.AGENT and host is not None:
        raise UsageError("--host: a token that is valid for one host is an agent's, without --role")
    scope = granted_scope(arguments) if role is not Role.AGENT else WHOLE_FLEET
    now, caller = datetime.now(timezone.utc), calling_person()
    detail = f"{role.value} {arguments.name}".strip()
    with open_database(read_config(arguments.config)) as database:

        def add() -> str:
            text = Tokens(database).add(
                role=role, name=arguments.name, host_id=host, now=now, scope=scope, may_reboot=arguments.may_reboot
            )
            Audit(database).note(now, caller, AuditAction.TOKEN_ADDED, text.split("_")[1], detail)
            return text

        print(database.together(add))


def _list(arguments: argparse.Namespace) -> None:
    with open_database(read_config(arguments.config)) as database:
        for token in Tokens(database).all():
            state = f"revoked {format_utc(token.revoked_at)}" if token.revoked_at else "valid"
            host = token.host_id or "any host"
            created = format_utc(token.created_at)
            print(f"{token.id}  {_rights(token):5}  {state}  {host}  {created}  {clean(token.name)}".rstrip())
        for line in key_lines(database, datetime.now(timezone.utc)):
            print(line)


def _rights(token: Token) -> str:
    person = token.person
    if person is None or person.scope.is_whole:
        return token.role.value + (", may reboot" if token.may_reboot else "")
    return rights_text(person.role, person.scope, may_reboot=person.may_reboot)


def _revoke(arguments: argparse.Namespace) -> None:
    now, caller = datetime.now(timezone.utc), calling_person()
    with open_database(read_config(arguments.config)) as database:

        def revoke() -> None:
            if not EnrolmentKeys(database).revoke(arguments.id, now):
                Tokens(database).revoke(arguments.id, now)
            Audit(database).note(now, caller, AuditAction.TOKEN_REVOKED, arguments.id)

        database.together(revoke)
