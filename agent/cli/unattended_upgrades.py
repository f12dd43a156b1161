"""`maestro-agent unattended-upgrades`: the distribution's own daily job: its state, set it up, stand it down."""

import argparse
from collections.abc import Callable
from contextlib import suppress

from agent.cli.options import config_path
from agent.cli.output import print_error, print_json, print_lines
from agent.config.accepted import load_in_use
from agent.config.load import load
from agent.core.model.facts import Unseen
from agent.core.policy.policy import DailyJobMode, Policy
from agent.core.unattended_upgrades.model import Patcher, StandDown, TheirJob
from agent.core.unattended_upgrades.patcher import daily_patcher
from agent.errors import ExitCode, HostError, PrivilegeError, RecordError, UsageError
from agent.host import log
from agent.host.machine.os_release import read_distro
from agent.host.machine.user import is_root
from agent.host.unattended_upgrades.drop_in import DROP_IN, is_set_up
from agent.host.unattended_upgrades.switch import LocalDailyJob
from agent.report.daily_job_text import WIDTH, daily_job_lines, daily_job_reasons
from agent.report.layout import field
from agent.state.daemon_status import read_daemon_status
from agent.state.daily_job_view import DailyJobView, read_daily_job
from agent.state.documents.unattended_upgrades import daily_job_to_document
from agent.state.job_lock import job_lock
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from agent.state.timestamps import utc_now
from agent.worker.steps.daily_job import record_daily_job

EXAMPLE = "example: maestro-agent unattended-upgrades   (who installs the security updates here, and why)"
_MODE = "unattended_upgrades.mode"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `unattended-upgrades`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("status", "enable", "disable", "restore"),
        default="status",
        help="status: who installs the updates, and why (default); enable: set the job up; disable: stand it down; "
        "restore: put back what `disable` or the mode replace changed",
    )
    parser.add_argument("--json", action="store_true", help="print maestro.unattended-upgrades/1")


def run(arguments: argparse.Namespace) -> int:
    """Show or switch the job; exit 0 somebody patches, 10 a person is needed, 3 unknown, 1 it could not be switched.

    Raises:
        UsageError: the mode, or the configuration, forbids it. PrivilegeError: only root may switch it.
        HostError: it cannot be switched. BusyError: another job runs. RecordError: the record is damaged.
    """
    store, policy = Store(arguments.state_dir), _policy(arguments)
    job = LocalDailyJob(store)
    switch = _ACTIONS.get(arguments.action)
    if switch is not None:
        if not is_root():
            raise PrivilegeError(f"unattended-upgrades {arguments.action} needs root")
        log.set_up()
        if not store.writable():
            raise HostError(f"{store.directory} cannot be written, and nothing is switched without a record")
        switch(job, store, policy)
        record_daily_job(job, store, policy, utc_now())
    view = _look(job, store, policy)
    if arguments.json:
        print_json(dict(view.raw))
    else:
        print_lines([*daily_job_lines(view, utc_now()), *_set_up_lines(view)])
    if _lacks_daemon(view):
        print_error("the daemon does not run, so that nobody installs updates: `systemctl start maestro-agent`")
    return _exit_code(view, arguments.action)


def _policy(arguments: argparse.Namespace) -> Policy:
    """Return the configuration that the daemon uses, which counts for who patches; with --config that file."""
    if config_path(arguments) is not None:
        return load(config_path(arguments), read_distro())[0]
    return load_in_use(arguments.state_dir, read_distro()).policy


def _look(job: LocalDailyJob, store: Store, policy: Policy) -> DailyJobView:
    """Return the job as it is now, with what only a check finds out."""
    theirs, recorded = job.look(), read_daily_job(store)
    mode = policy.unattended_upgrades.mode
    decided = daily_patcher(mode, upgrades=policy.agent.upgrade, theirs=theirs)
    known = recorded if recorded is not None and recorded.patcher == decided.patcher.value else None
    stood_down, problem = _stood_down(job)
    document = daily_job_to_document(
        theirs,
        decided,
        mode=mode,
        generated_at=utc_now(),
        stood_down=stood_down,
        overdue=_overdue(known, theirs),
        problem=problem or (known.problem if known else None) or "",
    )
    return DailyJobView(JsonReader(document, "unattended-upgrades"))


def _stood_down(job: LocalDailyJob) -> tuple[StandDown | None, str]:
    """Return on whose behalf it is stood down, and why that is unknown."""
    try:
        return job.stood_down(), ""
    except (HostError, RecordError) as error:
        return None, str(error)


def _overdue(known: DailyJobView | None, theirs: TheirJob | Unseen) -> str:
    """Return what the last check found it to owe; nothing if it has ended well since then."""
    if known is None or isinstance(theirs, Unseen):
        return ""
    last = theirs.last_success
    return "" if last is not None and known.generated_at < last <= utc_now() else known.overdue or ""


def _set_up_lines(view: DailyJobView) -> list[str]:
    """Return that `enable` keeps it on, which a later "no" to debconf does not change; empty if it does not."""
    with suppress(HostError):
        if view.is_on and is_set_up():
            text = f"by {DROP_IN} of `enable`, which outranks 20auto-upgrades: delete it to undo that"
            return [field("Set up", text, width=WIDTH)]
    return []


def _lacks_daemon(view: DailyJobView) -> bool:
    """Return whether it is the agent that patches, and its daemon does not run."""
    with suppress(RecordError):  # then `status` tells
        return view.patcher == Patcher.AGENT.value and read_daemon_status() is None
    return False


def _exit_code(view: DailyJobView, action: str) -> ExitCode:
    wanted = {"enable": True, "disable": False}.get(action)
    if wanted is not None and view.is_on is not wanted:
        return ExitCode.FAILED
    if view.is_on is None:
        return ExitCode.STALE
    if wanted is None and _lacks_daemon(view):
        return ExitCode.ATTENTION
    return ExitCode.ATTENTION if daily_job_reasons(view) else ExitCode.OK


def _enable(job: LocalDailyJob, store: Store, policy: Policy) -> None:
    if policy.unattended_upgrades.mode is DailyJobMode.REPLACE:
        change = "change it, then `systemctl reload maestro-agent`"
        raise UsageError(f'{_MODE} is "replace", which keeps the job off: {change}')
    theirs = job.look()
    if isinstance(theirs, Unseen):
        raise HostError(theirs.reason)
    if theirs.version is None:
        raise HostError("the package is not installed: `apt-get install unattended-upgrades`")
    with job_lock(store):
        job.set_up(theirs)


def _disable(job: LocalDailyJob, store: Store, policy: Policy) -> None:
    if policy.unattended_upgrades.mode is DailyJobMode.DELEGATE:
        raise UsageError(f'{_MODE} is "delegate": nobody would install security updates')
    if not policy.agent.upgrade:
        raise UsageError("agent.upgrade is false: nobody would install security updates")
    with job_lock(store):
        by = job.stood_down() if policy.unattended_upgrades.mode is DailyJobMode.REPLACE else None
        job.stand_down(by or StandDown.COMMAND, utc_now())


def _restore(job: LocalDailyJob, _store: Store, _policy_in_use: Policy) -> None:
    """Put it back, also while a job runs: the removal of the package does it."""
    try:
        job.put_back()
    except RecordError as error:
        raise HostError(f"{error}; `maestro-agent unattended-upgrades enable` switches the job on") from error


_Switch = Callable[[LocalDailyJob, Store, Policy], None]
_ACTIONS: dict[str, _Switch] = {"enable": _enable, "disable": _disable, "restore": _restore}
