"""What the gates of a reboot look at, read from this machine and its record."""

import os

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.reboot.gates import GateFacts, Inhibitor, LastRun, UserSession
from agent.core.schemas import OUTCOME_SCHEMA
from agent.errors import RecordError
from agent.host.dpkg.installed import ADMIN_DIRECTORY
from agent.host.dpkg.unfinished import unfinished_packages
from agent.host.locks import first_holder
from agent.host.logind import block_inhibitors, logind_runs, logind_state, user_sessions
from agent.host.process.quiet_psutil import psutil
from agent.state.job_lock import worker_pid
from agent.state.job_status import describe_running
from agent.state.store import Store
from agent.state.views import FailureView

_LOCKS = (f"{ADMIN_DIRECTORY}/lock-frontend", f"{ADMIN_DIRECTORY}/lock")
_UNTRUSTED = frozenset({"failed", "interrupted"})
"""Results of an upgrade run after which the machine may not come back."""


def read_gate_facts(store: Store) -> GateFacts:
    """Look at everything that the local gates ask; takes less than a second, and changes nothing."""
    facts = GateFacts(last_run=_last_run(store), unfinished=unfinished_packages(), running=_running(store))
    runs = logind_runs()
    if isinstance(runs, Unseen):
        return replace(facts, sessions=runs, inhibitors=runs, scheduled=runs)
    if not runs:
        return replace(facts, sessions=_sessions_of_utmp(), logind=False)
    sessions, state = user_sessions(), logind_state()
    if isinstance(state, Unseen):
        return replace(facts, sessions=sessions, inhibitors=state, scheduled=state)
    return replace(
        facts, sessions=sessions, inhibitors=_inhibitors() if state.blocked else (), scheduled=state.scheduled
    )


def _inhibitors() -> tuple[Inhibitor, ...] | Unseen:
    """Return who blocks shutdowns; as logind says that somebody does, an empty list is no answer."""
    found = block_inhibitors()
    return Unseen(reason="logind does not name the program that blocks shutdowns") if found == () else found


def _last_run(store: Store) -> LastRun | None | Unseen:
    try:
        _, run = store.newest_run(OUTCOME_SCHEMA)
        if run is None:
            return None
        result = run.text("result")
        failed = tuple(FailureView(part).label for part in run.children("failed"))
    except RecordError as error:
        return Unseen(reason=str(error))
    return LastRun(result=result, failed=failed, trusted=result not in _UNTRUSTED)


def _running(store: Store) -> str | Unseen:
    if worker_pid(store.directory) is not None:
        return describe_running(store)
    if any(os.path.exists(path) and not os.access(path, os.R_OK) for path in _LOCKS):
        return Unseen(reason="only root can see whether a package manager works")
    found = first_holder(_LOCKS)
    return f"{found[1]} holds {found[0]}" if found else ""


def _sessions_of_utmp() -> tuple[UserSession, ...]:
    """Return the sessions of utmp(5), which is all that there is without logind; none where there is no such file."""
    return tuple(
        UserSession(id="", user=one.name, terminal=one.terminal or "", remote=one.host or "") for one in psutil.users()
    )
