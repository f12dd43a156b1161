"""Hooks are run once for each change, again after a failure, and never cost the job its result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from agent.core.job_control import JobControl
from agent.core.job_kinds import JobKind
from agent.errors import RecordError
from agent.report.status.needs import Need
from agent.state.store import Store
from agent.worker import notify, runner
from agent.worker.context import JobContext
from agent.worker.notify import notify_person
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import run_in_process
from tests.conftest import CHECKOUT
from tests.support.logged import captured_log

VALID: Callable[[Any], Any] = fastjsonschema.compile(
    json.loads((CHECKOUT / "schemas/maestro.notification-1.json").read_text())
)


class Machine:
    """A record, a directory of hooks, and the needs that the next job finds."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hooks = directory / "notify.d"
        self.hooks.mkdir()
        self.sent = directory / "sent"
        self.sent.mkdir(mode=0o777)
        self.sent.chmod(0o777)
        self.store = Store(str(directory / "state"))
        assert self.store.writable()
        self.needs: list[Need] = []
        monkeypatch.setattr(notify, "DIRECTORY", str(self.hooks))
        monkeypatch.setattr(notify, "needs", lambda _status: self.needs)
        monkeypatch.setattr(notify, "_USERS", ())

    def hook(self, name: str, body: str = "") -> None:
        path = self.hooks / name
        path.write_text(f"#!/bin/sh\ncat >>{self.sent}/{name}\n{body}\n")
        path.chmod(0o755)

    def job(self, *keys: str) -> None:
        self.needs = [Need("reboot", f"{key} is needed", [key]) for key in keys]
        notify_person(self.store, "check", "")

    def received(self, name: str = "mail") -> list[Any]:
        path = self.sent / name
        documents = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        for document in documents:
            VALID(document)
        return documents


@pytest.fixture
def machine(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(root_directory, monkeypatch)


def test_a_hook_is_run_when_a_person_is_needed_and_when_that_ends_and_not_in_between(machine: Machine) -> None:
    machine.hook("mail")

    for keys in ((), ("a",), ("a",), ("a", "b"), ("a",), ("a",), (), ()):
        machine.job(*keys)

    received = machine.received()
    assert [(one["state"], [(need["text"][0], need["new"]) for need in one["needs"]]) for one in received] == [
        ("person-needed", [("a", True)]),
        ("person-needed", [("a", False), ("b", True)]),
        ("resolved", []),
    ]
    assert "b is needed" in received[1]["summary"]
    assert "a is needed" in received[1]["text"]


def test_a_hook_that_failed_is_run_again_and_the_others_are_not(machine: Machine) -> None:
    machine.hook("bad", "exit 1")
    machine.hook("good")

    machine.job("a")
    machine.job("a")
    machine.hook("bad")
    machine.job("a")
    machine.job("a")

    assert (len(machine.received("bad")), len(machine.received("good"))) == (3, 1)


def test_a_hook_that_is_added_later_hears_of_a_need_that_lasts(machine: Machine) -> None:
    machine.job("a")
    machine.hook("mail")
    machine.job("a")

    assert len(machine.received()) == 1


def test_a_failure_is_a_warning_with_the_output(machine: Machine) -> None:
    machine.hook("bad", "echo no route; exit 1")

    with captured_log() as entries:
        machine.job("a")

    (entry,) = entries
    assert (entry.event, entry.priority) == ("notify.failed", 4)
    assert "notify.d/bad" in entry.message
    assert "no route" in entry.message


def test_a_damaged_record_of_notifications_counts_as_none(machine: Machine) -> None:
    machine.hook("mail")
    machine.job("a")
    for content in ("{", "[]", '{"schema": "maestro.notified/1", "hooks": {"mail": 5}}'):
        Path(machine.store.path("notified")).write_text(content)
        machine.job("a")

    assert len(machine.received()) == len(("first", "{", "[]", "5"))


def test_without_hooks_nothing_is_read_or_written(machine: Machine) -> None:
    machine.job("a")

    assert not Path(machine.store.path("notified")).exists()


@pytest.mark.parametrize("place", [(runner, "notify_person"), (Store, "run_ids")])
@pytest.mark.parametrize("error", [OSError(), RecordError("unreadable"), ZeroDivisionError()])
def test_whatever_goes_wrong_there_the_job_keeps_its_result(
    error: Exception, place: tuple[object, str], machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def raising(*_arguments: object) -> None:
        raise error

    def run(_request: JobRequest, _context: JobContext) -> JobAnswer:
        monkeypatch.setattr(*place, raising)
        return JobAnswer(exit_code=10)

    config = tmp_path / "config.toml"
    config.write_text("")
    monkeypatch.setattr(runner, "job_function", lambda _kind: run)
    request = JobRequest(kind=JobKind.UPGRADE, config=config, state_dir=machine.store.directory)

    answer = run_in_process(request, JobControl(progress=lambda _message: None))

    assert answer == JobAnswer(exit_code=10, recorded=True)
