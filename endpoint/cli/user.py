"""`maestro-endpoint user`: people who may log in, and what each may do."""

import argparse
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

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
class _Done:
    """What an action has to say once all of it is stored."""

    text: str = ""
    remark: str = ""
    """Not for a script."""


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
    """Run the action that `user` was given: what it changes and its entry in the audit are one transaction."""
    config, caller = read_config(arguments.config), calling_person()
    with open_database(config) as database:
        call = _Call(
            arguments=arguments, config=config, database=database, caller=caller, now=datetime.now(timezone.utc)
        )
        act = partial(_ACTIONS[arguments.action], call)
        done = act() if arguments.action == "list" else database.together(act)  # a list waits for no writer
    if done.text:
        print(done.text)
    if done.remark:
        print(done.remark, file=sys.stderr)


def _add(call: _Call) -> _Done:
    given, scope = call.arguments, granted_scope(call.arguments)
    call.users.add(call.name, PersonRole(given.role), scope, call.now, may_reboot=given.may_reboot)
    call.note(AuditAction.USER_ADDED, rights_text(PersonRole(given.role), scope, may_reboot=given.may_reboot))
    return _new_link(call, LinkPurpose.PASSWORD)


def _set(call: _Call) -> _Done:
    given, scope = call.arguments, granted_scope(call.arguments)
    call.users.change(call.name, PersonRole(given.role), scope, may_reboot=given.may_reboot)
    call.note(AuditAction.USER_CHANGED, rights_text(PersonRole(given.role), scope, may_reboot=given.may_reboot))
    return _Done()


def _list(call: _Call) -> _Done:
    rows = [_row(user) for user in call.users.all()]
    lines = table([("NAME", "RIGHTS", "LOGIN", "LAST LOGIN"), *rows]) if rows else ["nobody may log in yet"]
    return _Done(text="\n".join(lines))


def _disable(call: _Call) -> _Done:
    call.users.disable(call.name, call.now)
    call.note(AuditAction.USER_DISABLED)
    return _Done()


def _enable(call: _Call) -> _Done:
    call.users.enable(call.name)
    call.note(AuditAction.USER_ENABLED)
    return _Done()


def _link(call: _Call) -> _Done:
    return _new_link(call, LinkPurpose.LOGIN if call.arguments.login else LinkPurpose.PASSWORD)


def _totp(call: _Call) -> _Done:
    call.users.remove_totp(call.name)
    call.note(AuditAction.TOTP_DISABLED)
    return _Done()


_ACTIONS: Mapping[str, Callable[[_Call], _Done]] = {
    "add": _add,
    "list": _list,
    "set": _set,
    "disable": _disable,
    "enable": _enable,
    "link": _link,
    "totp": _totp,
}


def _new_link(call: _Call, purpose: LinkPurpose) -> _Done:
    secret = call.users.link(call.name, purpose, call.now)
    call.note(AuditAction.LINK_MADE, f"to set a {purpose.value}" if purpose is LinkPurpose.PASSWORD else "to log in")
    return _Done(text=f"{_site(call.config)}/login/{secret}", remark="valid for 24 hours, once")


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
