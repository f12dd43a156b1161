"""Each scenario of the table on two machines: the agent on one, unattended-upgrades on the other.

Either both have the same result, or the world records the peer's result and why the agent's is right. A difference
that is missing in the table fails, and so does one that no longer exists. docs/differences.md is generated from them.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scenarios.table import THEMES
from tests.support import bases, peer
from tests.support.invariants import broken_invariants
from tests.support.machine import machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario, reasons
from tests.support.world import State, World, changes_between, origins_of, prepare, state_of


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Result of one program in one world."""

    before: State
    after: State
    code: int
    output: str
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two identical machines."""

    ours: Scenario
    theirs: Scenario


@pytest.fixture
def pair(codename: str, agent_layer: Path, signer: Signer) -> Iterator[Pair]:
    """Return a machine for the agent and one for its peer, both without any package source."""
    base = bases.base(codename)
    with machine(agent_layer, base) as one, machine(base) as other:
        yield Pair(*(Scenario.without_sources(each, signer, codename) for each in (one, other)))


def run_agent(world: World, scenario: Scenario) -> Ran:
    origins = ", ".join(f'"{origin}"' for origin in world.origins)
    given = f"origins = [{origins}]\n" if origins else ""
    with prepare(world, scenario):
        scenario.configuration(f"[security]\n{given}{world.config}")
        before = state_of(scenario.machine, world.watch)
        answer = scenario.upgrade("" if world.refresh else "--no-refresh")
        after = state_of(scenario.machine, world.watch)
    output = answer.out + answer.err
    return Ran(before=before, after=after, code=answer.code, output=output, reasons=reasons(answer.json))


def run_peer(world: World, scenario: Scenario) -> Ran:
    with prepare(world, scenario):
        peer.configure(scenario.machine, world.peer_origins or origins_of(world, scenario.codename), world.peer_config)
        before = state_of(scenario.machine, world.watch)
        answer = peer.run(scenario.machine, refresh=world.refresh)
        after = state_of(scenario.machine, world.watch)
    return Ran(before=before, after=after, code=answer.code, output=answer.log)


def cases() -> Iterator[tuple[str, World]]:
    """Return all worlds on Debian 12 and the first of each theme on Debian 13; in a thorough run all on each."""
    for codename in bases.codenames():
        for worlds in THEMES.values():
            yield from ((codename, world) for world in worlds[: None if codename in bases.table_codenames() else 1])


@pytest.mark.parametrize(("codename", "world"), cases(), ids=lambda value: getattr(value, "slug", value))
def test_the_agent_and_its_peer_differ_only_as_the_table_records(pair: Pair, world: World) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run_agent, world, pair.ours), pool.submit(run_peer, world, pair.theirs)
        ours, theirs = (each.result() for each in running)

    assert ours.before == theirs.before, "the two machines differ"
    assert changes_between(ours.before, ours.after) == world.changes, ours.output
    assert broken_invariants(world, ours.before, ours.after) == [], ours.output
    assert (ours.code, ours.reasons) == (world.code, world.held), ours.output
    expected = world.changes if world.differs is None else world.differs.peer
    assert changes_between(theirs.before, theirs.after) == expected, theirs.output
    assert theirs.code == world.peer_code, theirs.output
