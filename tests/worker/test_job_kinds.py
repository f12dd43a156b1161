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


def test_the_traits_of_the_jobs() -> None:
    assert SCHEDULED_JOBS == RECORDED_JOBS == (JobKind.CHECK, JobKind.UPGRADE)
    assert [kind for kind in JobKind if kind.over_socket] == [JobKind.CHECK, JobKind.UPGRADE]
    assert [kind for kind in JobKind if kind.in_history] == [JobKind.UPGRADE]
    assert [kind for kind in JobKind if kind.needs_root(refresh=False)] == [JobKind.UPGRADE]
