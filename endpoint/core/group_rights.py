"""What single sign-on's groups grant. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from endpoint.core.people import PersonRole, Scope

_LEVELS = tuple(PersonRole)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRights:
    """What one group grants, or all groups of a person do."""

    role: PersonRole
    may_reboot: bool
    scope: Scope


def rights_of(groups: Iterable[str], granted: Mapping[str, GroupRights]) -> GroupRights | None:
    """Return the rights of a member of these groups; None: none of them grants any.

    The highest role counts, and of groups with the same role those with the right to reboot; the scopes of exactly
    those are joined. So nobody gets a right for a host that no single group grants there.
    """
    found = [granted[group] for group in groups if group in granted]
    if not found:
        return None
    role, may_reboot = max((_LEVELS.index(one.role), one.may_reboot) for one in found)
    tags: set[str] = set()
    for one in found:
        if (_LEVELS.index(one.role), one.may_reboot) == (role, may_reboot):
            if one.scope.tags is None:
                return one
            tags |= one.scope.tags
    return GroupRights(role=_LEVELS[role], may_reboot=may_reboot, scope=Scope(tags=frozenset(tags)))
