"""`restart-services` on a simulated machine: one pass, each unit alone, each verified, all of it on record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.policy.policy import ServicesPolicy
from agent.core.restart.model import SystemdUnit
from agent.errors import BusyError, ExitCode, HostError
from agent.report.event_text import event_sentence
from agent.report.events import Event, Snapshot, initial_cursor, new_events
from agent.state.restart_view import failed_restarts, needed_restarts
from agent.state.store import STATE
from agent.worker.jobs.restart_services import run
from agent.worker.protocol import JobAnswer, JobRequest
from tests.support.logged import captured_log
from tests.support.simulated import Killed
from tests.worker.jobs.simulator import Agent


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """Return an agent on a machine on which cron and ssh run replaced files, and D-Bus does."""
    made = Agent(tmp_path / "state")
    made.check()
    made.machine.stale_units = {"cron.service", "ssh.service", "dbus.service"}
    return made


def restart(agent: Agent, *options: JobOption) -> JobAnswer:
    context = agent.context
    context = replace(context, run_id=context.record.new_run_id(agent.machine.now()))
    request = JobRequest(
        kind=JobKind.RESTART_SERVICES,
        options=frozenset(options),
        requested_by="alice",
        state_dir=agent.store.directory,
    )
    return run(request, context)


def document(answer: JobAnswer) -> dict[str, Any]:
    assert answer.document is not None
    return answer.document


def brief(found: dict[str, Any]) -> dict[str, str]:
    """Return each unit with its result, or why it was left."""
    return {unit["unit"]: unit["why"] or unit["result"] for unit in found["units"]}


def unit(name: str, **changes: Any) -> SystemdUnit:
    return replace(SystemdUnit(name=name, service_type="simple", main_pid=7, invocation_id="first"), **changes)


def test_services_are_restarted_one_by_one_and_the_others_are_named(agent: Agent) -> None:
    answer = restart(agent)

    done = document(answer)
    assert agent.services.calls == ["cron.service", "ssh.service"]
    assert brief(done) == {"cron.service": "restarted", "ssh.service": "restarted", "dbus.service": "needs-reboot"}
    assert (done["result"], done["remaining"], done["requested_by"]) == ("restarted", ["dbus.service"], "alice")
    assert [one["active_state"] for one in done["units"]] == ["active", "active", None]
    assert answer.exit_code is ExitCode.ATTENTION


def test_without_anything_left_it_succeeds(agent: Agent) -> None:
    agent.machine.stale_units = {"cron.service"}

    assert restart(agent).exit_code is ExitCode.OK


def test_without_replaced_files_nothing_is_restarted(agent: Agent) -> None:
    agent.machine.stale_units = set()

    answer = restart(agent)

    assert (document(answer)["result"], answer.exit_code, agent.services.calls) == ("unchanged", ExitCode.OK, [])


@pytest.mark.parametrize(
    "units", [{"maestro-agent.service"}, {"job.service"}], ids=["our-daemon-restarts-itself", "a-job-ends-by-itself"]
)
def test_what_needs_nobody_is_no_attention(agent: Agent, units: set[str]) -> None:
    agent.machine.stale_units = units
    agent.services.known["job.service"] = unit("job.service", triggered_by=("job.timer",))

    assert restart(agent).exit_code is ExitCode.OK


def test_a_dry_run_changes_and_records_nothing(agent: Agent) -> None:
    answer = restart(agent, JobOption.DRY_RUN)

    plan = document(answer)
    assert (plan["result"], plan["id"]) == ("planned", None)
    assert brief(plan) == {"cron.service": "planned", "ssh.service": "planned", "dbus.service": "needs-reboot"}
    assert answer.exit_code is ExitCode.ATTENTION
    assert (agent.services.calls, agent.store.run_ids()) == ([], [])


def test_the_run_is_in_the_history(agent: Agent) -> None:
    answer = restart(agent)

    assert agent.last_run().raw == document(answer)


def test_the_record_shows_what_still_runs_replaced_files(agent: Agent) -> None:
    restart(agent)

    state = agent.store.read(STATE, "maestro.state/1")
    assert state is not None
    assert state.child("services").texts("deleted_files") == ["dbus.service"]


def test_a_configured_pattern_is_obeyed(agent: Agent) -> None:
    agent.policy = replace(agent.policy, services=ServicesPolicy(never_restart=("ss*",)))

    assert brief(document(restart(agent)))["ssh.service"] == "configured"
    assert agent.services.calls == ["cron.service"]


def test_a_unit_that_dies_at_once_fails_the_run(agent: Agent) -> None:
    agent.services.dies = {"cron.service"}

    with captured_log() as entries:
        answer = restart(agent)

    done = document(answer)
    assert brief(done)["cron.service"] == "failed"
    assert (done["result"], answer.exit_code) == ("degraded", ExitCode.FAILED)
    assert done["units"][0]["unit_result"] == "exit-code"
    assert [entry.event for entry in entries if entry.event.startswith("services.")] == ["services.failed"]


def failed_on_record(agent: Agent) -> list[str]:
    state = agent.store.read(STATE, "maestro.state/1")
    return [one.unit for one in failed_restarts(state)] if state else []


def test_a_failed_service_stays_on_record_until_a_check_sees_it_well(agent: Agent) -> None:
    agent.services.dies = {"cron.service"}
    restart(agent)
    agent.machine.stale_units = {"ssh.service"}
    restart(agent)
    after_another_run = failed_on_record(agent)
    agent.check()
    after_a_check = failed_on_record(agent)
    agent.services.silent = True
    agent.check()
    without_an_answer = failed_on_record(agent)
    agent.services.silent = False
    agent.services.known["cron.service"] = unit("cron.service")
    agent.check()

    assert after_another_run == after_a_check == without_an_answer == ["cron.service"]
    assert failed_on_record(agent) == []


def test_a_check_records_what_helps_each_unit(agent: Agent) -> None:
    agent.services.known["ssh.service"] = unit("ssh.service", transient=True)

    agent.check()

    assert helped(agent) == {"cron.service": "", "dbus.service": "reboot", "ssh.service": "restart what started it"}


def test_without_an_answer_of_systemd_only_names_show_what_helps(agent: Agent) -> None:
    agent.services.silent = True

    agent.check()

    assert helped(agent) == {"dbus.service": "reboot"}


def helped(agent: Agent) -> dict[str, str]:
    state = agent.store.read(STATE, "maestro.state/1")
    found = needed_restarts(state.child("services") if state else None)
    return {one.unit: one.remedy for one in found.values()}


def test_an_error_of_systemctl_fails_the_unit(agent: Agent) -> None:
    agent.services.errors = {"ssh.service": "Failed to try-restart ssh.service: Unit is masked."}

    done = document(restart(agent))

    assert brief(done)["ssh.service"] == "failed"
    assert done["units"][1]["detail"] == "Failed to try-restart ssh.service: Unit is masked."


def test_after_two_failures_no_further_service_is_risked(agent: Agent) -> None:
    agent.machine.stale_units = {"a.service", "b.service", "c.service", "init.scope"}
    agent.services.dies = {"a.service", "b.service"}

    done = document(restart(agent))

    assert agent.services.calls == ["a.service", "b.service"]
    assert brief(done) == {
        "a.service": "failed",
        "b.service": "failed",
        "c.service": "after-failures",
        "init.scope": "after-failures",
    }
    assert done["result"] == "failed"


def test_a_stop_leaves_the_rest(agent: Agent) -> None:
    agent.services.when_restarted = lambda _unit: setattr(agent, "stop", lambda: "on request")

    answer = restart(agent)

    assert brief(document(answer))["ssh.service"] == "stopped"
    assert (document(answer)["result"], answer.exit_code) == ("interrupted", ExitCode.FAILED)


def test_a_start_limit_is_waited_for(agent: Agent) -> None:
    agent.machine.stale_units = {"cron.service"}
    agent.services.known["cron.service"] = unit("cron.service", start_limit_s=10.0, started_at_s=997.0)
    waited: list[float] = []
    agent.services.when_restarted = lambda _unit: waited.append(agent.services.clock_s)

    restart(agent)

    assert waited == [1007.0]


def test_a_long_start_limit_is_not_waited_for(agent: Agent) -> None:
    agent.machine.stale_units = {"cron.service"}
    agent.services.known["cron.service"] = unit("cron.service", start_limit_s=600.0, started_at_s=900.0)

    done = document(restart(agent))

    assert brief(done) == {"cron.service": "start-limit"}
    assert (done["units"][0]["values"], agent.services.calls) == (["500"], [])


def test_a_unit_that_was_restarted_with_another_is_not_restarted_again(agent: Agent) -> None:
    agent.machine.stale_units = {"base.service", "part.service"}
    agent.services.known["base.service"] = unit("base.service", restarts_with=("part.service",))
    agent.services.known["part.service"] = unit("part.service", after=("base.service",))

    done = document(restart(agent))

    assert agent.services.calls == ["base.service"]
    assert brief(done) == {"base.service": "restarted", "part.service": "restarted"}
    assert done["units"][0]["restarts_with"] == ["part.service"]


def test_a_dependent_that_stops_fails_the_restart(agent: Agent) -> None:
    agent.machine.stale_units = {"base.service"}
    agent.services.known["base.service"] = unit("base.service", restarts_with=("part.service",))
    agent.services.dies = {"part.service"}

    done = document(restart(agent))

    assert brief(done) == {"base.service": "failed"}
    assert "part.service" in done["units"][0]["detail"]


def test_a_unit_that_stopped_meanwhile_is_left(agent: Agent) -> None:
    def stop_ssh(_unit: str) -> None:
        agent.services.known["ssh.service"] = unit("ssh.service", active_state="inactive")

    agent.services.known["ssh.service"] = unit("ssh.service")
    agent.services.when_restarted = stop_ssh

    assert brief(document(restart(agent)))["ssh.service"] == "not-active"


def test_systemd_is_executed_again_after_all_services(agent: Agent) -> None:
    agent.machine.stale_units.add("init.scope")

    done = document(restart(agent))

    assert agent.services.calls == ["cron.service", "ssh.service", "init.scope"]
    assert next(one for one in done["units"] if one["unit"] == "init.scope")["action"] == "daemon-reexec"


def test_systemd_that_still_runs_old_files_is_a_failure(agent: Agent) -> None:
    agent.machine.stale_units = {"init.scope"}
    agent.services.keeps_files = {"init.scope"}

    assert brief(document(restart(agent))) == {"init.scope": "failed"}


def test_processes_that_survive_a_restart_are_named(agent: Agent) -> None:
    agent.machine.stale_units = {"cron.service"}
    agent.services.keeps_files = {"cron.service"}

    done = document(restart(agent))

    assert (brief(done), done["remaining"]) == ({"cron.service": "restarted"}, ["cron.service"])


def test_unreadable_processes_restart_nothing(agent: Agent) -> None:
    agent.machine.unseen_processes = "hidepid"

    with pytest.raises(HostError, match="hidepid"):
        restart(agent)

    assert (agent.services.calls, agent.store.run_ids()) == ([], [])


def test_without_an_answer_of_systemd_nothing_is_restarted(agent: Agent) -> None:
    agent.services.silent = True

    with pytest.raises(HostError):
        restart(agent)

    assert agent.services.calls == []


def test_while_packages_are_installed_nothing_is_restarted(agent: Agent) -> None:
    agent.machine.dpkg_busy = True

    with pytest.raises(BusyError):
        restart(agent)

    assert agent.services.calls == []


def killed(_unit: str) -> None:
    raise Killed


def test_a_kill_leaves_which_unit_was_being_restarted(agent: Agent) -> None:
    agent.services.when_restarted = killed

    with pytest.raises(Killed):
        restart(agent)

    left = agent.last_run().raw
    assert brief(left)["cron.service"] == "restarting"  # type: ignore[arg-type]
    assert (left["result"], left["finished_at"]) == ("interrupted", None)


@pytest.fixture
def interrupted(agent: Agent) -> Agent:
    """Return an agent whose last run was killed."""
    agent.services.when_restarted = killed
    with pytest.raises(Killed):
        restart(agent)
    agent.services.when_restarted = lambda _unit: None
    return agent


@pytest.mark.parametrize("job", ["check", "upgrade", "restart"])
def test_the_next_job_ends_the_record_of_an_interrupted_run(interrupted: Agent, job: str) -> None:
    run_id = interrupted.store.run_ids()[0]

    jobs: dict[str, Callable[[], object]] = {
        "check": interrupted.check,
        "upgrade": interrupted.upgrade,
        "restart": lambda: restart(interrupted),
    }
    jobs[job]()

    ended = interrupted.store.read_run(run_id)
    assert ended is not None
    assert (ended.text("result"), ended.optional_text("finished_at") is None) == ("interrupted", False)


@pytest.mark.parametrize("active_state", ["active", "failed", "inactive"])
def test_a_check_after_a_kill_sees_whether_the_service_survived(interrupted: Agent, active_state: str) -> None:
    interrupted.services.known["cron.service"] = unit("cron.service", active_state=active_state)

    interrupted.check()

    assert failed_on_record(interrupted) == ([] if active_state == "active" else ["cron.service"])


def events(agent: Agent) -> list[Event]:
    runs = agent.store.run_ids()
    documents = {run_id: agent.store.read_run(run_id) for run_id in runs}
    seen = Snapshot(
        now=agent.machine.now(),
        runs=runs,
        read_run=lambda run_id: found.raw if (found := documents[run_id]) else None,
        jobs={},
        reboot=None,
        reboot_known=True,
        boot_id="boot-1",
        booted_at=agent.machine.now(),
        kernel="6.1",
        daemon=None,
    )
    return new_events(initial_cursor(replace(seen, runs=()), None), seen)[0]


def test_a_run_is_an_event(agent: Agent) -> None:
    restart(agent)

    found = events(agent)
    assert [(event.kind, event.document["schema"]) for event in found] == [
        ("restart-outcome", "maestro.restart-outcome/1")
    ]
    sentence = event_sentence("restart-outcome", found[0].document)
    assert sentence == "restart of services: restarted, 2 restarted, 0 failed, 1 left"


def test_an_interrupted_run_is_an_event_once_it_has_ended(interrupted: Agent) -> None:
    before = events(interrupted)

    interrupted.check()

    assert (before, [event.kind for event in events(interrupted)]) == ([], ["restart-outcome"])
