"""Random small worlds of packages, many beside each other on one machine, and every end that the rules allow for each.

No package of one island has a relation to one of another, so that whatever a resolver gives up on one of them must not
show on the next.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.support.repository import Package

INSTALLED = 3
"""Of the five packages of an island."""
_LOCKED, _OLD_LOCKED, _ALTERNATIVE = 0.4, 0.25, 0.3
"""Shares of relations: to exactly the same version in the new and the old packages, and with a second choice."""


@dataclass(frozen=True, kw_only=True)
class Listed(Package):
    """A package that is in an index, and never fetched."""

    def build(self) -> bytes:
        return b"not fetched"


Clause = tuple[tuple[str, str], ...]
"""Alternatives: a name, and the version that it must have: "1", "2" or "" for any."""


@dataclass(frozen=True, kw_only=True)
class Island:
    """One world: each package has versions 1 and 2, those that are not installed only 2."""

    names: tuple[str, ...]
    depends: Mapping[tuple[str, str], tuple[Clause, ...]]
    """By package and version."""
    recommends: Mapping[str, tuple[Clause, ...]]
    """Of the new versions."""
    elsewhere: frozenset[str]
    """Packages whose new version another origin offers."""
    blocked: frozenset[str]
    on_hold: frozenset[str]

    @property
    def installed(self) -> tuple[str, ...]:
        """The packages that are installed."""
        return self.names[:INSTALLED]

    @property
    def fixed(self) -> frozenset[str]:
        """The packages that no step may touch."""
        return self.elsewhere | self.blocked | self.on_hold

    def package(self, name: str, version: str) -> Package:
        """Return one version of a package as an archive lists it."""
        relations = {
            "Depends": self.depends.get((name, version), ()),
            "Recommends": self.recommends.get(name, ()) if version == "2" else (),
        }
        fields = {kind: ", ".join(map(_format, clauses)) for kind, clauses in relations.items() if clauses}
        return Listed(name=name, version=version, fields=tuple(fields.items()))

    def is_whole(self, state: Mapping[str, str]) -> bool:
        """Whether every package of a state (versions by name) has what it depends on."""
        return all(
            any(name in state and version in ("", state[name]) for name, version in clause)
            for package in state.items()
            for clause in self.depends.get(package, ())
        )

    def ends(self) -> Iterator[dict[str, str]]:
        """Yield every state that breaks nothing and touches only what may be touched."""
        before = dict.fromkeys(self.installed, "1")
        free = [name for name in self.names if name not in self.fixed]
        for number in range(len(free) + 1):
            for changed in itertools.combinations(free, number):
                state = {**before, **dict.fromkeys(changed, "2")}
                if self.is_whole(state):
                    yield state

    def upgraded(self, state: Mapping[str, str]) -> frozenset[str]:
        """Return the installed packages that have their new version in a state."""
        return frozenset(name for name in self.installed if state[name] == "2")


def make_island(prefix: str, random: Random) -> Island:
    """Return a random island whose packages' names begin with a prefix."""
    names = tuple(f"{prefix}-{letter}" for letter in "abcde")
    installed = names[:INSTALLED]
    depends = {(name, "2"): _clauses(name, names, random, most=2) for name in names}
    for name in installed:
        if random.random() < _OLD_LOCKED:
            depends[name, "1"] = (((random.choice([one for one in installed if one != name]), "1"),),)
    blocked, elsewhere, on_hold = (
        frozenset(name for name in some if random.random() < share)
        for some, share in ((names, 0.2), (names, 0.1), (installed, 0.1))
    )
    return Island(
        names=names,
        depends=depends,
        recommends={name: _clauses(name, names, random, most=1) for name in names},
        elsewhere=elsewhere,
        blocked=blocked,
        on_hold=on_hold,
    )


def _clauses(name: str, names: Sequence[str], random: Random, *, most: int) -> tuple[Clause, ...]:
    others = [one for one in names if one != name]
    chosen = [random.sample(others, 2 if random.random() < _ALTERNATIVE else 1) for _ in range(random.randint(0, most))]
    return tuple(tuple((one, "2" if random.random() < _LOCKED else "") for one in clause) for clause in chosen)


def _format(clause: Clause) -> str:
    return " | ".join(f"{name} (= {version})" if version else name for name, version in clause)
