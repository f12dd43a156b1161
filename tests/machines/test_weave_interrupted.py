"""`weave upgrade` that is killed or reset in the middle, or while another process takes the router's port.

The double of Weave is on a real engine (test_weave_double.py).
"""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.machines.conftest import Layers
from tests.support import bases
from tests.support.held import staying_in
from tests.support.recorded import RECORD, Kept
from tests.support.repository import Signer
from tests.support.weave_double import WeaveDouble, script_text
from tests.support.weave_machine import (
    NEW,
    OLD,
    SNAPSHOT,
    begin,
    launch,
    nothing_kept,
    script,
    seen,
    weave_machine,
)

pytestmark = pytest.mark.xdist_group("weave-4")


@pytest.fixture(scope="module")
def machine(installed_beside_engine: Layers) -> Iterator[WeaveDouble]:
    with weave_machine(installed_beside_engine) as double:
        yield double


@pytest.fixture
def weave(machine: WeaveDouble) -> WeaveDouble:
    """Return the old Weave with one peer, launched."""
    machine.machine.run("systemctl stop maestro-agent.service")
    begin(machine)
    launch(machine)
    return machine


@pytest.fixture
def kept(weave: WeaveDouble, signer: Signer) -> Kept:
    return Kept(weave.machine, signer, "bookworm")


def kill_in(phase: str, weave: WeaveDouble) -> None:
    """Start an upgrade, and kill its job as soon as a phase is on record."""
    with nullcontext() if phase == "launching" else staying_in(weave.machine, phase):  # that one takes seconds
        weave.machine.check(
            "maestro-agent weave upgrade --yes >/dev/null 2>&1 & "
            f'while ! grep -q \'"phase": "{phase}"\' {SNAPSHOT}; do sleep 0.02; done; '
            f"kill -KILL $(cut -d ' ' -f 1 {RECORD}/running); wait"
        )
    assert weave.machine.path(SNAPSHOT).exists()


@pytest.mark.parametrize("phase", ["stopping", "launching", "restoring"])
def test_a_killed_run_is_finished_by_the_next_check(kept: Kept, weave: WeaveDouble, phase: str) -> None:
    weave.run_on_network("on-network")
    before, addresses = seen(weave), weave.addresses()

    kill_in(phase, weave)
    kept.agent("check")

    outcome = kept.agent("history last --json").json
    assert outcome["result"] in {"upgraded", "interrupted"}, outcome
    assert (seen(weave), weave.addresses()) == (before, addresses)
    assert script(weave) == script_text(OLD if outcome["result"] == "interrupted" else NEW)
    assert nothing_kept(weave)


@pytest.mark.parametrize("phase", ["launching", "stopping"][: 2 if bases.thorough() else 1])
def test_a_machine_that_is_reset_in_the_middle_ends_with_one_version_peers_and_containers(
    kept: Kept, weave: WeaveDouble, phase: str
) -> None:
    weave.run_on_network("on-network", "no")
    weave.run_proxied("proxied")
    before, states, addresses = seen(weave), weave.engine.states(), weave.addresses()

    kill_in(phase, weave)
    weave.machine.reboot(orderly=False, limit_s=150)  # 15 s per container of the network (2.2)
    kept.agent("check --wait", timeout=200)

    outcome = kept.agent("history last --json").json
    result, version = outcome["result"], weave.report()["Version"]
    assert (result, version) in {("interrupted", OLD), ("upgraded", NEW)}, outcome
    assert script(weave) == script_text(version)
    assert seen(weave) == before
    assert {**states, **dict.fromkeys(weave.engine.states().keys() - states.keys(), "created")} == weave.engine.states()
    after = weave.addresses()
    assert after["proxied"] == addresses["proxied"]
    assert len(after["on-network"]) == 1
    assert nothing_kept(weave)


def test_w23_another_process_takes_the_port_while_the_router_is_stopped(kept: Kept, weave: WeaveDouble) -> None:
    before = seen(weave)

    with weave.port_taken(404):
        failed = kept.agent("weave upgrade --yes --json", timeout=200)
        again = kept.agent("weave upgrade --yes --json")

    assert (failed.code, failed.json["result"]) == (1, "failed-needs-attention"), failed.json
    assert "Address already in use" in failed.json["rollback"]["reason"]
    assert failed.json["rollback"]["done"] is False
    assert script(weave) == script_text(OLD)
    assert (again.code, [one["why"] for one in again.json["blocked"]]) == (10, ["failed-before"])
    weave.wait_until_ready()
    assert (seen(weave), weave.report()["Version"]) == (before, OLD)
    last = kept.agent("weave upgrade --yes --after-failure --json")
    assert (last.code, last.json["result"], seen(weave)) == (0, "upgraded", before), last.json
    assert nothing_kept(weave)
