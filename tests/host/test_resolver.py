"""Plans by real libapt: what a rule forbids holds what needs it, and nothing else."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.islands import make_island
from tests.support.private_apt import PrivateApt
from tests.support.repository import Signer, package

ISLANDS = 150

_PLAN = """
import json, sys
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import text_reason
from agent.core.model.scope import Scope
from agent.core.packages.decide import decide
from agent.core.packages.dropped import NOTHING_DROPPED
from agent.core.policy.origins import parse_pattern
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import scan
from agent.host.apt.configuration import configure
from agent.host.apt.resolve import StepOrigins, resolve
from tests.core import given

asked = json.loads(sys.argv[1])
configure()
patterns = (parse_pattern("origin=Security", {}),)
facts = given.facts(*scan(PackageCache(), patterns).updates)
policy = given.policy(blocklist=tuple(asked["blocked"]))
times = {}

def ask(admitted, veto):
    def late(package):
        '''Veto as asked, and these packages only once they were permitted so often.'''
        times[package.name] = times.get(package.name, 0) + 1
        if times[package.name] > asked["late"].get(package.name, 1_000_000):
            return Refusal(why=Why.BLOCKLISTED, reason=text_reason("late"))
        return veto(package)
    cache = PackageCache()
    security = cache.allowed(patterns)
    return resolve(cache, admitted, StepOrigins(allowed=security, security=security), late)

plan = decide(policy, facts, Scope.SECURITY, NOTHING_DROPPED, ask)
print(json.dumps({
    "install": {one.package: one.candidate for one in plan.install},
    "held": {one.package: one.why.value for one in plan.held},
    "asked": times,
}))
"""


@pytest.fixture
def apt(tmp_path: Path, signer: Signer) -> PrivateApt:
    return PrivateApt(tmp_path, signer)


def plan(apt: PrivateApt, *blocked: str, late: dict[str, int] | None = None) -> Any:
    return apt.run(_PLAN, {"blocked": blocked, "late": late or {}})


def test_random_worlds_get_every_update_that_the_rules_allow(apt: PrivateApt) -> None:
    chance = Random(27)  # noqa: S311 - repeatable, not secret
    islands = [make_island(f"i{number}", chance) for number in range(ISLANDS)]
    apt.install(
        *(one.package(name, "1") for one in islands for name in one.installed),
        hold=tuple(name for one in islands for name in one.on_hold),
    )
    new = [(one, name) for one in islands for name in one.names]
    apt.repository("Security", *(one.package(name, "2") for one, name in new if name not in one.elsewhere))
    apt.repository("Debian", *(one.package(name, "2") for one, name in new if name in one.elsewhere))

    found = plan(apt, *(name for one in islands for name in one.blocked))

    for one in islands:
        state = {name: "2" for name in one.names if name in found["install"]}
        state = {**dict.fromkeys(one.installed, "1"), **state}
        assert state in list(one.ends()), one
        better = [end for end in one.ends() if one.upgraded(end) > one.upgraded(state)]
        assert better == [], one
        waiting = set(one.installed) - one.upgraded(state) - one.elsewhere
        assert waiting == {name for name in one.names if name in found["held"]}, one


def test_what_the_check_of_the_whole_set_refuses_is_given_up_alone(apt: PrivateApt) -> None:
    """No known marks of libapt get there; a veto that comes in the middle does."""
    names = ("a", "b", "c", "z")
    apt.install(*(package(name, "1") for name in names))
    apt.repository(
        "Security",
        package("a", "2"),
        package("b", "2", depends="a (>= 2)"),
        package("c", "2", depends="nowhere | blocked"),
        package("blocked", "2"),
        package("z", "2"),
    )
    times = plan(apt, "blocked")["asked"]["a"]

    found = plan(apt, "blocked", late={"a": times - 1})

    assert found["install"] == {"z": "2"}
    assert found["held"].keys() == {"a", "b", "c"}
