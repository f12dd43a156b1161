"""What `explain reboot` looks at: the need, the gates of this machine, and the record. Changes nothing."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from agent.config.load import load
from agent.config.reboot_parsers import ENDPOINT
from agent.config.windows import reboot_rules
from agent.core.fleet_lock.model import NO_LOCK
from agent.core.model.outcome import ProvisionPhase
from agent.core.policy.policy import RebootPolicy
from agent.core.provision.model import Provision
from agent.core.reboot.course import current_course
from agent.core.reboot.gates import GateRequest, GateState, RebootGate, RebootOrigin, Verdict
from agent.core.reboot.local_gates import local_gates
from agent.core.reboot.opening import RebootRules
from agent.core.schedule.provision import NEW_FOR
from agent.errors import AgentError, ConfigError
from agent.host.hook_directory import DIRECTORY
from agent.host.machine.boot_id import boot_id
from agent.host.machine.identity import host_id
from agent.host.machine.local_zone import local_zone
from agent.host.machine.os_release import read_distro
from agent.host.process.hooks import find_hooks
from agent.host.reboot.facts import read_reboot
from agent.host.reboot.gate_facts import read_gate_facts
from agent.report.reboot_explanation import RebootLook
from agent.state.daily_job_view import DailyJobView, read_daily_job
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.provision_record import load_provision
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from agent.state.timestamps import utc_now

_Read = TypeVar("_Read")


def look_at_reboot(config: Path | None, state_dir: str) -> RebootLook:
    """Look at everything that a reboot depends on, as the daemon would for one in a window; the lock by its record."""
    store, problems = Store(state_dir), list[str]()
    record = RebootRecord(store)
    rules, server, problem = _rules(config)
    now, schedule = utc_now(), _read(record.load_schedule, None, problems)
    course = current_course(_read(record.load_course, None, problems), schedule, now)
    request = GateRequest(origin=RebootOrigin.POLICY, warned_at=course.warned_at if course else None)
    gates = local_gates(read_gate_facts(store), request, rules, now=now, local=local_zone())
    return RebootLook(
        reboot=read_reboot(),
        gates=[_unconfigured(state, problem) if problem else state for state in gates],
        hooks=len(find_hooks(os.path.join(DIRECTORY, "pre-reboot.d"))),
        lock_server=server,
        lock=_read(FleetLockRecord(store).load, NO_LOCK, problems),
        course=course,
        schedule=schedule,
        theirs_at=_theirs_at(_read(lambda: read_daily_job(store), None, problems)),
        provision_since=_provision_since(_read(lambda: load_provision(store), None, problems), now),
        problems=tuple(problems),
    )


def _theirs_at(job: DailyJobView | None) -> str:
    """Return when the distribution's daily job reboots the machine, if it is on and configured to."""
    if job is None or not job.is_on or job.settings is None or not job.settings.reboots:
        return ""
    return job.settings.reboot_time


def _provision_since(found: Provision | None, now: datetime) -> datetime | None:
    """Return since when the provisioning of this server takes a restart by itself; None: it does not."""
    if found is None or found.machine != host_id() or found.restarted(boot_id()) or now - found.started_at > NEW_FOR:
        return None
    return found.entered_at if found.phase is ProvisionPhase.REBOOTING and found.reboot else None


def _rules(config: Path | None) -> tuple[RebootRules, str, str]:
    """Return the rules; URL and group of the fleet lock; and why the configuration cannot be read, or empty."""
    try:
        policy, _ = load(config, read_distro())
    except ConfigError as error:
        return RebootRules(policy=RebootPolicy()), "", f"the configuration is invalid: {str(error).splitlines()[0]}"
    server = policy.endpoint.url if policy.reboot.fleetlock_url == ENDPOINT else policy.reboot.fleetlock_url
    return reboot_rules(policy.reboot), f"{server}, group {policy.reboot.fleetlock_group}" if server else "", ""


def _unconfigured(state: GateState, problem: str) -> GateState:
    """Return the state of a gate without the configuration: unknown if it asks for that."""
    if state.gate not in {RebootGate.POLICY, RebootGate.WINDOW}:
        return state
    return GateState(gate=state.gate, verdict=Verdict.UNKNOWN, detail=problem)


def _read(read: Callable[[], _Read], otherwise: _Read, problems: list[str]) -> _Read:
    try:
        return read()
    except AgentError as error:
        problems.append(str(error))
        return otherwise
