"""The settings of the pages and of who may log in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from endpoint.core.group_rights import GroupRights
from endpoint.core.people import PersonRole, Scope, is_tag
from endpoint.core.timestamps import parse_duration
from endpoint.errors import ConfigError

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OURS = {"authorization", "connection", "content-length", "content-type", "cookie", "host", "origin", "referer"}
_LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleConfig:
    """Sessions, and single sign-on by a proxy's header."""

    session: str = "12h"
    """How long a login lasts."""
    idle: str = "1h"
    """Without a request it ends earlier."""
    header: str = ""
    """The header in which the proxy names the person; empty: none is trusted. On a unix socket only."""
    groups_header: str = ""
    """The header with the person's groups, separated by commas."""
    groups: Mapping[str, GroupRights] = field(default_factory=dict)

    @property
    def session_time(self) -> timedelta:
        """Return how long a login lasts."""
        return parse_duration(self.session)

    @property
    def idle_time(self) -> timedelta:
        """Return how long a session lasts without a request."""
        return parse_duration(self.idle)


def read_group_rights(raw: object, place: str) -> dict[str, GroupRights]:
    """Read `{ group = { role = "operator", tags = ["web"], reboot = true } }`.

    Raises:
        ConfigError: it has another shape.
    """
    if not isinstance(raw, dict):
        raise ConfigError(f'{place}: must be a table, as {{ web-team = {{ role = "operator", tags = ["web"] }} }}')
    return {name: _rights(one, f"{place}.{name}") for name, one in raw.items()}


def _rights(raw: object, place: str) -> GroupRights:
    if not isinstance(raw, dict) or not raw.keys() <= {"role", "tags", "reboot"}:
        raise ConfigError(f"{place}: must be a table with role, tags, reboot")
    roles = [role.value for role in PersonRole]
    role, tags, reboot = raw.get("role"), raw.get("tags"), raw.get("reboot", False)
    if role not in roles:
        raise ConfigError(f"{place}.role: must be one of {', '.join(roles)}")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) and is_tag(tag) for tag in tags)):
        raise ConfigError(f"{place}.tags: must be a list of tags; leave it out for the whole fleet")
    if not isinstance(reboot, bool):
        raise ConfigError(f"{place}.reboot: must be true or false")
    if tags is not None and role == PersonRole.ADMIN.value:
        raise ConfigError(f"{place}.tags: an administrator has the whole fleet")
    scope = Scope(tags=frozenset(tags) if tags is not None else None)
    return GroupRights(role=PersonRole(role), may_reboot=reboot, scope=scope)


def check_people(people: PeopleConfig, *, behind_proxy: bool) -> None:
    """Check the settings.

    Raises:
        ConfigError: one is invalid, or a header would be trusted that anybody can send.
    """
    _check_time("session", people.session)
    _check_time("idle", people.idle)
    for name, header in (("header", people.header), ("groups_header", people.groups_header)):
        if header and (not _HEADER.fullmatch(header) or header.lower() in _OURS):
            raise ConfigError(f"people.{name}: must be the name of a header of the proxy's own, as X-Remote-User")
        if header and not behind_proxy:
            raise ConfigError(f"people.{name}: needs server.listen = unix:PATH; over TCP anybody could send the header")
    if (people.groups_header or people.groups) and not people.header:
        raise ConfigError("people.groups_header, people.groups: need people.header")
    if bool(people.groups_header) != bool(people.groups):
        raise ConfigError("people: groups_header and groups must be set together")


def _check_time(name: str, text: str) -> None:
    try:
        fits = timedelta(minutes=1) <= parse_duration(text) <= _LONGEST
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(f'people.{name}: must be a duration from 1m to {_LONGEST.days}d, as "12h"')
