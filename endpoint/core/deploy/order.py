"""What a person orders of a selection of hosts: which work, when, how many at once. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TypeVar

from endpoint.core.request_arguments import MAX_LIFETIME, Verb, Work, fix_name
from endpoint.errors import RefusedError

MAX_FIXES = 50
_MAX_COMMENT = 200
_MAX_COUNT = 100_000
_COUNT = re.compile(r"[1-9][0-9]{0,5}")
_SHARE = re.compile(r"([1-9][0-9]?|100) ?%")
_LIFETIME = re.compile(r"([1-9][0-9]{0,4}) ?(min|[mhdw])")
_UNITS = {"min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WHOLE = 100
_FLAG = {"no": False, "yes": True}
LIFETIMES = ("1h", "6h", "24h", "3d", "7d", "30d")
"""What a form offers."""
Pairs = Iterable[tuple[str, str]]
Chosen = TypeVar("Chosen")


class Upgrade(Enum):
    """Which packages are upgraded."""

    SECURITY = "security"
    FIXES = "fixes"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOrder:
    """Everything but the hosts; the defaults are those of a new form."""

    upgrade: Upgrade = Upgrade.SECURITY
    fixes: tuple[str, ...] = ()
    """Packages or CVE ids, of `Upgrade.FIXES`."""
    reboot: bool = False
    """After the upgrade, or by itself without one, if one is required."""
    docker: bool = False
    weave: bool = False
    in_window: bool = False
    """In each host's own maintenance window; else at once."""
    at_once: str = "10"
    """A number of hosts, or a share as `10%`."""
    stop_after: int = 1
    lifetime: str = "24h"
    comment: str = ""
    exact: bool = False
    """A host whose plan is another one by then does nothing, nor one that has reported no plan."""
    sign: bool = False
    """Wait for signatures, also where the host does not ask for any."""

    @property
    def expires_in(self) -> timedelta:
        """Return after what time no host begins any more."""
        return _lifetime(self.lifetime)

    def at_once_of(self, hosts: int) -> int:
        """Return how many of so many hosts may be at work."""
        share = _SHARE.fullmatch(self.at_once)
        return max(1, hosts * int(share[1]) // _WHOLE) if share else int(self.at_once)

    @property
    def works(self) -> tuple[Work, ...]:
        """Return what each host does, in this order: packages, then engines, which run on the kernel after a reboot."""
        when = "window" if self.in_window else None
        reboot = "if-required" if self.reboot else None
        found = []
        if self.upgrade is Upgrade.SECURITY:
            found.append(Work(verb=Verb.UPGRADE_SECURITY, when=when, reboot=reboot))
        elif self.upgrade is Upgrade.FIXES:
            found.append(Work(verb=Verb.UPGRADE_FIXES, fixes=self.fixes, when=when, reboot=reboot))
        elif self.reboot:
            found.append(Work(verb=Verb.REBOOT, when=when))
        engines = ((self.docker, Verb.DOCKER), (self.weave, Verb.WEAVE))
        return (*found, *(Work(verb=verb, when=when) for wanted, verb in engines if wanted))

    def pairs(self) -> list[tuple[str, str]]:
        """Return the fields of a form that `parse` reads as this order."""
        flags = {"docker": self.docker, "weave": self.weave, "exact": self.exact, "sign": self.sign}
        return [
            ("upgrade", self.upgrade.value),
            ("fixes", " ".join(self.fixes)),
            ("reboot", "if-required" if self.reboot else "no"),
            ("when", "window" if self.in_window else "now"),
            ("at_once", self.at_once),
            ("stop_after", str(self.stop_after)),
            ("expires", self.lifetime),
            ("comment", self.comment),
            *((name, "yes") for name, chosen in flags.items() if chosen),
        ]

    @classmethod
    def parse(cls, pairs: Pairs) -> "DeployOrder":
        """Read the fields of a form; the default of one that is missing.

        Raises:
            RefusedError: 400, a field has a value that it cannot have, or nothing is to be done.
        """
        found: dict[str, str] = {}
        for name, text in pairs:
            found[name] = f"{found[name]} {text}" if name == "fixes" and name in found else text.strip()
        order = cls(
            upgrade=_choice("upgrade", found, {one.value: one for one in Upgrade}),
            fixes=_fixes(found.get("fixes", "")),
            reboot=_choice("reboot", found, {"no": False, "if-required": True}),
            in_window=_choice("when", found, {"now": False, "window": True}),
            at_once=_matching("at_once", found, "10", (_COUNT, _SHARE), "a number of hosts, or a share as 10%"),
            stop_after=int(_matching("stop_after", found, "1", (_COUNT,), f"a number from 1 to {_MAX_COUNT}")),
            lifetime=_matching("expires", found, "24h", (_LIFETIME,), "a time as 45min, 24h or 7d"),
            comment=_comment(found.get("comment", "")),
            docker=_choice("docker", found, _FLAG),
            weave=_choice("weave", found, _FLAG),
            exact=_choice("exact", found, _FLAG),
            sign=_choice("sign", found, _FLAG),
        )
        _check(order)
        return order


NAMES = frozenset(name for name, _ in DeployOrder(docker=True, weave=True, exact=True, sign=True).pairs())
"""Of the fields."""


def order_pairs(document: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the fields of JSON as those of a form: booleans become yes and no, lists several fields.

    Raises:
        RefusedError: 400, a value has another type.
    """
    pairs = []
    for name in sorted(NAMES & document.keys()):
        value = document[name]
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int):
                raise RefusedError(400, f"{name}: must be a text, a number, true or false")
            pairs.append((name, {True: "yes", False: "no"}[one] if isinstance(one, bool) else str(one)))
    return pairs


def _check(order: DeployOrder) -> None:
    if order.upgrade is Upgrade.FIXES and not order.fixes:
        raise RefusedError(400, "fixes: name at least one package or CVE id")
    if order.upgrade is not Upgrade.FIXES and order.fixes:
        raise RefusedError(400, "fixes: belong to the upgrade of named fixes")
    if order.upgrade is Upgrade.FIXES and order.exact:
        raise RefusedError(400, "exact: the plan of named fixes is made on the host, and cannot be previewed")
    if not order.works:
        raise RefusedError(400, "upgrade: choose something to do")
    if not timedelta(minutes=1) <= order.expires_in <= MAX_LIFETIME:
        raise RefusedError(400, f"expires: must be from 1 minute to {MAX_LIFETIME.days} days")


def _choice(name: str, found: Mapping[str, str], values: Mapping[str, Chosen]) -> Chosen:
    text = found.get(name) or next(iter(values))
    if text not in values:
        raise RefusedError(400, f"{name}: must be one of {', '.join(values)}")
    return values[text]


def _matching(
    name: str, found: Mapping[str, str], default: str, patterns: Sequence["re.Pattern[str]"], accepted: str
) -> str:
    text = found.get(name) or default
    if not any(pattern.fullmatch(text) for pattern in patterns):
        raise RefusedError(400, f"{name}: must be {accepted}")
    return text


def _fixes(text: str) -> tuple[str, ...]:
    names = []
    for one in re.split(r"[\s,;]+", text.strip()) if text.strip() else ():
        name = fix_name(one)
        if name is None:
            raise RefusedError(400, f"fixes: {one[:64]!a} is no package and no CVE id")
        names.append(name)
    found = tuple(dict.fromkeys(names))
    if len(found) > MAX_FIXES:
        raise RefusedError(400, f"fixes: more than {MAX_FIXES}")
    return found


def _comment(text: str) -> str:
    if len(text) > _MAX_COMMENT or not text.isprintable():
        raise RefusedError(400, f"comment: up to {_MAX_COMMENT} printable characters, without a line end")
    return text


def _lifetime(text: str) -> timedelta:
    found = _LIFETIME.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
