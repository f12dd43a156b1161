"""Adding a job is one line in `JobKind` and one file in agent/worker/jobs."""

import inspect

import pytest

from agent.core.job_kinds import RECORDED_JOBS, SCHEDULED_JOBS, JobKind
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import job_function


@pytest.mark.parametrize("kind", JobKind)
def test_every_job_has_its_module_with_a_run_function(kind: JobKind) -> None:
    signature = inspect.signature(job_function(kind))

    assert [parameter.annotation for parameter in signature.parameters.values()] == [JobRequest, JobContext]
    assert signature.return_annotation is JobAnswer


@pytest.mark.parametrize("kind", JobKind)
def test_a_job_is_found_by_its_name_and_names_its_document(kind: JobKind) -> None:
    assert JobKind(kind.value) is kind
    assert kind.document.startswith("maestro.")


@pytest.mark.parametrize(
    ("kind", "traits"),
    [
        (JobKind.CHECK, {"scheduled", "over_socket", "root_to_refresh"}),
        (JobKind.UPGRADE, {"scheduled", "over_socket", "in_history", "root", "root_to_refresh"}),
        (JobKind.EXPLAIN, set()),
        (JobKind.DOCKER_PLAN, set()),
        (JobKind.DOCKER_UPGRADE, {"over_socket", "in_history", "root", "root_to_refresh"}),
        (JobKind.WEAVE_UPGRADE, {"over_socket", "in_history", "root", "root_to_refresh"}),
        (JobKind.REBOOT, {"over_socket", "in_history", "root", "root_to_refresh"}),
        (JobKind.VERIFY_REBOOT, {"over_socket", "root", "root_to_refresh"}),
        (JobKind.RESTART_SERVICES, {"over_socket", "in_history", "root", "root_to_refresh"}),
        (JobKind.RELEASE_LOCK, {"over_socket", "root", "root_to_refresh"}),
        (JobKind.REQUEST, {"over_socket"}),
        (JobKind.RUN_REQUEST, {"over_socket", "root", "root_to_refresh"}),
    ],
)
def test_the_traits_of_a_job(kind: JobKind, traits: set[str]) -> None:
    found = {
        "scheduled": kind in SCHEDULED_JOBS,
        "over_socket": kind.over_socket,
        "in_history": kind.in_history,
        "root": kind.needs_root(refresh=False),
        "root_to_refresh": kind.needs_root(refresh=True),
    }

    assert {name for name, holds in found.items() if holds} == traits
    assert (kind in RECORDED_JOBS) is kind.needs_root(refresh=True)


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (JobKind.UPGRADE, "upgrade"),
        (JobKind.DOCKER_UPGRADE, "docker upgrade"),
        (JobKind.RELEASE_LOCK, "lock release"),
        (JobKind.RESTART_SERVICES, "restart-services"),
    ],
)
def test_a_job_names_its_command(kind: JobKind, command: str) -> None:
    assert kind.command == command
