"""Each world of the table on two machines: the agent on one, the distribution's unattended-upgrade on the other.

Either the same came of both, or the world says what the peer did instead and why ours is right. A difference that
is not in the table fails, and so does one in the table that has gone. docs/differences.md is made of them.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scenarios.table import WORLDS
from tests.support import bases, peer
from tests.support.invariants import broken_laws
from tests.support.machine import machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario, reasons
from tests.support.world import State, World, came_of, furnish, origins_of, state_of


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of one program in one world."""

    before: State
    after: State
    code: int
    words: str
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two like machines."""

    ours: Scenario
    theirs: Scenario


@pytest.fixture(params=bases.table_codenames())
def codename(request: pytest.FixtureRequest) -> str:
    """Return each release in turn."""
    return str(request.param)


@pytest.fixture
def pair(codename: str, agent_layer: Path, signer: Signer) -> Iterator[Pair]:
    """Return a machine for the agent and one for its peer, both without any package source."""
    base = bases.base(codename)
    with machine(agent_layer, base) as one, machine(base) as other:
        yield Pair(*(Scenario.without_sources(each, signer, codename) for each in (one, other)))


def run_agent(world: World, scenario: Scenario) -> Ran:
    origins = ", ".join(f'"{origin}"' for origin in world.origins)
    given = f"origins = [{origins}]\n" if origins else ""
    with furnish(world, scenario):
        scenario.configuration(f"[security]\n{given}{world.config}")
        before = state_of(scenario.machine, world.watch)
        answer = scenario.upgrade("" if world.refresh else "--no-refresh")
        after = state_of(scenario.machine, world.watch)
    words = answer.out + answer.err
    return Ran(before=before, after=after, code=answer.code, words=words, reasons=reasons(answer.json))


def run_peer(world: World, scenario: Scenario) -> Ran:
    with furnish(world, scenario):
        peer.configure(scenario.machine, world.peer_origins or origins_of(world, scenario.codename), world.peer_config)
        before = state_of(scenario.machine, world.watch)
        answer = peer.run(scenario.machine, refresh=world.refresh)
        after = state_of(scenario.machine, world.watch)
    return Ran(before=before, after=after, code=answer.code, words=answer.log)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.slug)
def test_the_agent_and_its_peer_part_only_where_the_table_says_so(pair: Pair, world: World) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run_agent, world, pair.ours), pool.submit(run_peer, world, pair.theirs)
        ours, theirs = (each.result() for each in running)

    assert ours.before == theirs.before, "the two machines were not alike"
    assert came_of(ours.before, ours.after) == world.came, ours.words
    assert broken_laws(world, ours.before, ours.after) == [], ours.words
    assert (ours.code, ours.reasons) == (world.code, world.held), ours.words
    expected = world.came if world.differs is None else world.differs.peer
    assert came_of(theirs.before, theirs.after) == expected, theirs.words
    assert theirs.code == world.peer_code, theirs.words
