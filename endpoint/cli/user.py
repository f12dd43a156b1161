"""`maestro-endpoint user`: people who may log in, and what each may do."""

import argparse
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.cli.rights import granted_scope, rights_text
from endpoint.config.model import UNIX, Config
from endpoint.config.read import read_config
from endpoint.core.audit import AuditAction
from endpoint.core.people import PersonRole
from endpoint.core.text import table
from endpoint.core.timestamps import format_utc
from endpoint.store.audit import Audit
from endpoint.store.database import Database
from endpoint.store.people.users import LinkPurpose, User, Users
from endpoint.store.session import open_database

_ANY_ADDRESS = {"0.0.0.0", "[::]"}  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One command: its arguments, and what it works on."""

    arguments: argparse.Namespace
    config: Config
    database: Database
    caller: str
    now: datetime

    @property
    def name(self) -> str:
        return str(self.arguments.name)

    @property
    def users(self) -> Users:
        return Users(self.database)

    def note(self, action: AuditAction, detail: str = "") -> None:
        Audit(self.database).note(self.now, self.caller, action, self.name, detail)


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `user` was given."""
    config, caller = read_config(arguments.config), calling_person()
    with open_database(config) as database:
        call = _Call(
            arguments=arguments, config=config, database=database, caller=caller, now=datetime.now(timezone.utc)
        )
        _ACTIONS[arguments.action](call)


def _add(call: _Call) -> None:
    given, scope = call.arguments, granted_scope(call.arguments)
    call.users.add(call.name, PersonRole(given.role), scope, call.now, may_reboot=given.may_reboot)
    call.note(AuditAction.USER_ADDED, rights_text(PersonRole(given.role), scope, may_reboot=given.may_reboot))
    _print_link(call, LinkPurpose.PASSWORD)


def _set(call: _Call) -> None:
    given, scope = call.arguments, granted_scope(call.arguments)
    call.users.change(call.name, PersonRole(given.role), scope, may_reboot=given.may_reboot)
    call.note(AuditAction.USER_CHANGED, rights_text(PersonRole(given.role), scope, may_reboot=given.may_reboot))


def _list(call: _Call) -> None:
    rows = [_row(user) for user in call.users.all()]
    lines = table([("NAME", "RIGHTS", "LOGIN", "LAST LOGIN"), *rows]) if rows else ["nobody may log in yet"]
    print("\n".join(lines))


def _disable(call: _Call) -> None:
    call.users.disable(call.name, call.now)
    call.note(AuditAction.USER_DISABLED)


def _enable(call: _Call) -> None:
    call.users.enable(call.name)
    call.note(AuditAction.USER_ENABLED)


def _link(call: _Call) -> None:
    _print_link(call, LinkPurpose.LOGIN if call.arguments.login else LinkPurpose.PASSWORD)


def _totp(call: _Call) -> None:
    call.users.remove_totp(call.name)
    call.note(AuditAction.TOTP_DISABLED)


_ACTIONS: Mapping[str, Callable[[_Call], None]] = {
    "add": _add,
    "list": _list,
    "set": _set,
    "disable": _disable,
    "enable": _enable,
    "link": _link,
    "totp": _totp,
}


def _print_link(call: _Call, purpose: LinkPurpose) -> None:
    secret = call.users.link(call.name, purpose, call.now)
    call.note(AuditAction.LINK_MADE, f"to set a {purpose.value}" if purpose is LinkPurpose.PASSWORD else "to log in")
    print(f"{_site(call.config)}/login/{secret}")
    print("valid for 24 hours, once", file=sys.stderr)


def _site(config: Config) -> str:
    """Return the address of the pages: as configured, or where the server listens; "" behind a proxy."""
    if config.dashboard.url or config.server.listen.startswith(UNIX):
        return config.dashboard.url
    host, _, port = config.server.listen.rpartition(":")
    name = socket.gethostname() if host in _ANY_ADDRESS else host
    return f"{'https' if config.tls.certificate else 'http'}://{name}:{port}"


def _row(user: User) -> tuple[str, str, str, str]:
    ways = [name for name, has in (("password", user.has_password), ("codes", user.has_totp)) if has]
    login = "disabled" if user.disabled_at is not None else " and ".join(ways) or "no password yet"
    last = format_utc(user.last_login_at) if user.last_login_at is not None else "never"
    return user.name, rights_text(user.role, user.scope, may_reboot=user.may_reboot), login, last
