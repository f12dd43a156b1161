"""`docker upgrade` through a kill of the job, of the engine, and a power cut; `make faults PARTS=docker` runs 40."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.machines.conftest import Layers
from tests.support import docker_faults
from tests.support.docker_trial import Ground
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("engines-3")
SEED = 14
CHOSEN = ("job-killed-5", "engine-killed-3", "rebooted-3")


@pytest.fixture
def ground(installed_beside_engine: Layers, signer: Signer) -> Ground:
    return Ground(layers=installed_beside_engine, signer=signer)


def test_there_are_forty_faults_of_different_names() -> None:
    assert len({one.name for one in docker_faults.faults()}) == 40


def test_each_fault_ends_with_an_engine_its_containers_and_a_true_record(ground: Ground) -> None:
    chosen = [one for one in docker_faults.faults() if one.name in CHOSEN]

    with ThreadPoolExecutor(len(CHOSEN)) as pool:
        verdicts = list(pool.map(lambda one: docker_faults.run_fault(ground, one, SEED), chosen))

    assert len(verdicts) == len(CHOSEN)
    assert {verdict.name: verdict.problems for verdict in verdicts if verdict.problems} == {}
