"""People: what each may do, and for which hosts. Pure.

A person's scope is a set of tags of hosts. Only tags that were set at the endpoint count: a host must not be able to
tag itself into somebody's scope.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_TAG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")


class PersonRole(Enum):
    """A role; each one includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(Enum):
    """What a page or a route of the API needs."""

    VIEW = "view"
    """Read what is in the scope."""
    DEPLOY = "deploy"
    """Request work of hosts, cancel it, resume it."""
    REBOOT = "reboot"
    """Let hosts reboot, and release their reboot slots."""
    ADMIN = "admin"
    """What concerns the whole fleet, or changes who may do what: tags of hosts, enrolments, people, tokens."""


class PersonVia(Enum):
    """How a person was authenticated."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - not a secret
    PROXY = "proxy"
    LOCAL = "local"
    """A command on the endpoint's machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The hosts that a person sees: those with any of the tags."""

    tags: frozenset[str] | None
    """None: the whole fleet. Empty: no host."""

    @property
    def is_whole(self) -> bool:
        """Return whether it is the whole fleet."""
        return self.tags is None

    def includes(self, tags: Iterable[str]) -> bool:
        """Return whether a host with these tags of the endpoint is in it."""
        return self.tags is None or not self.tags.isdisjoint(tags)


WHOLE_FLEET = Scope(tags=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who makes a request, or runs a command."""

    name: str
    role: PersonRole
    may_reboot: bool
    """As granted; an administrator may without it."""
    scope: Scope
    via: PersonVia

    def may(self, right: Right) -> bool:
        """Return whether the person has a right, within the scope."""
        if right is Right.ADMIN:
            return self._is_admin
        if right is Right.REBOOT:
            return self._is_admin or (self.may_reboot and self.role is not PersonRole.VIEWER)
        return right is Right.VIEW or self.role is not PersonRole.VIEWER

    @property
    def _is_admin(self) -> bool:
        # Rights over the whole fleet would let a limited administrator widen the own scope.
        return self.role is PersonRole.ADMIN and self.scope.is_whole


def local_person(name: str) -> Person:
    """Return who runs a command on the endpoint's machine: whoever can write to the database may do everything."""
    return Person(name=name, role=PersonRole.ADMIN, may_reboot=True, scope=WHOLE_FLEET, via=PersonVia.LOCAL)


def person_name(text: str) -> str | None:
    """Return a person's name in the one form in which it is stored; None: it is none."""
    name = text.strip().lower()
    return name if _NAME.fullmatch(name) else None


def is_tag(text: str) -> bool:
    """Return whether a text is a tag: letters, digits, dots, _ and -, at most 64."""
    return _TAG.fullmatch(text) is not None


def local_path(text: str) -> str:
    """Return where to go after the login: a path of this site, else the overview.

    Browsers read two slashes, or a slash and a backslash, as an address of another site, and skip tabs and line ends.
    """
    fits = text.startswith("/") and text.isascii() and text.isprintable() and "\\" not in text
    return text if fits and not text.startswith(("//", "/log")) else "/"
