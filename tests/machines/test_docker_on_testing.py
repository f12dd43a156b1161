"""`docker upgrade` on Debian testing with its engine; in the full run, where testing's archive can be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.engine_archive import NEWER, NEWEST, layers_of_testing
from tests.support.engines import EngineMachine, engine_machine, engine_options
from tests.support.recorded import Kept, installed_layer
from tests.support.repository import Signer

pytestmark = [
    pytest.mark.xdist_group("engines-4"),
    pytest.mark.skipif("forky" not in bases.codenames(), reason="MAESTRO_TEST_RELEASES does not name forky"),
]
MANIFEST = "/etc/maestro-agent/manifest.yml"
REFUSES_NEWEST = f"[Service]\nExecStartPre=/bin/sh -c '! dockerd --version | grep -qF {NEWEST}'\n"


@pytest.fixture(scope="module")
def installed_on_testing(
    deb: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ...]]:
    """Return the layers of a Debian testing with Debian 13's engine and the agent."""
    try:
        on = layers_of_testing()
    except (AssertionError, RuntimeError) as error:
        pytest.skip(f"testing's engine cannot be had: {str(error)[-300:]}")
    directory = tmp_path_factory.mktemp("on-testing")
    with (
        engine_options() as options,
        installed_layer("forky", deb, signer, directory, on=on, options=options) as layers,
    ):
        yield layers


@pytest.fixture
def machine(installed_on_testing: tuple[Path, ...], signer: Signer) -> Iterator[tuple[Kept, EngineMachine]]:
    """Return a machine for one test with two containers that handle the stop signal, and one that does not."""
    with engine_machine(layers=installed_on_testing) as engine:
        for policy in ("always", "unless-stopped"):
            engine.run_container(policy, policy=policy)
        engine.run_container("slow", policy="always", handles_stop=False, stop_timeout=4)
        yield Kept(engine.machine, signer, "forky"), engine


def test_an_engine_that_apt_upgraded_is_only_restarted(machine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = machine
    engine.install_engine(NEWEST)
    before = engine.states()
    kept.agent("check")

    plan = kept.agent("docker plan --json")
    done = kept.agent("docker upgrade --json", timeout=200)

    assert (plan.code, plan.json["restart_pending"], plan.json["packages"]) == (10, True, [])
    assert (done.code, done.json["result"]) == (0, "restarted")
    assert (done.json["from"], done.json["running"]) == (NEWER, NEWEST)
    assert engine.states() == before


def test_an_engine_that_does_not_start_goes_and_its_new_dependency_with_it(
    machine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = machine
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWEST}\n")
    engine.machine.write("/etc/systemd/system/docker.service.d/refuses.conf", REFUSES_NEWEST)
    engine.machine.check("systemctl daemon-reload")
    before, packages = engine.states(), engine.machine.check("dpkg-query -W")

    plan = kept.agent("docker plan --json").json
    done = kept.agent("docker upgrade --json", timeout=200)

    assert ("tini-static", None) in {(one["package"], one["from"]) for one in plan["packages"]}
    assert (done.code, done.json["result"], done.json["running"]) == (1, "rolled-back", NEWER)
    assert (done.json["rollback"]["done"], done.json["packages"]) == (True, [])
    assert engine.machine.check("dpkg-query -W") == packages
    assert engine.states() == before
