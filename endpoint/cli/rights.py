"""The rights that options grant."""

import argparse

from endpoint.core.people import WHOLE_FLEET, PersonRole, Scope
from endpoint.errors import UsageError


def granted_scope(arguments: argparse.Namespace) -> Scope:
    """Return the scope of `--tag`.

    Raises:
        UsageError: rights that no role can have.
    """
    role = PersonRole(arguments.role)
    if arguments.tag and role is PersonRole.ADMIN:
        raise UsageError("--tag: an administrator has the whole fleet")
    if arguments.may_reboot and role is PersonRole.VIEWER:
        raise UsageError("--may-reboot: a viewer requests nothing")
    return Scope(tags=frozenset(arguments.tag)) if arguments.tag else WHOLE_FLEET


def rights_text(role: PersonRole, scope: Scope, *, may_reboot: bool) -> str:
    """Return rights for a list or the record: "operator of web, may reboot"."""
    hosts = "" if scope.tags is None else f" of {' '.join(sorted(scope.tags)) or 'no host'}"
    return f"{role.value}{hosts}{', may reboot' if may_reboot or role is PersonRole.ADMIN else ''}"
