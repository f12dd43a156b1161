"""Runs the hooks in /etc/maestro-agent/notify.d after a job: something new needs a person, or nothing does any more.

As the daemon's user and not as root: a hook sends a message, and what it needs beyond that it can be given. Which needs
each hook was notified of is kept in `notified.json`, so that none is repeated, and a hook that failed is run again.
"""

import os
import time

from agent.core.schemas import NOTIFIED_SCHEMA, Document
from agent.errors import HostError
from agent.host import log
from agent.host.machine.user import DAEMON_USER, is_root
from agent.host.process.hooks import HookResult, find_hooks, run_hook
from agent.host.process.peer import uid_of
from agent.report.notification import is_due, notification_document
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status
from agent.report.status.needs import Need, needs
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now

DIRECTORY = "/etc/maestro-agent/notify.d"
_USERS = (DAEMON_USER, "nobody")
"""The first one that exists runs the hooks."""
_NOTIFIED = "notified"
_HOOK_LIMIT_S = 30.0
_TOTAL_LIMIT_S = 60.0


def notify_person(store: Store, job: str, run: str) -> None:
    """Run each hook that is due; a failure is logged and tried again after the next job."""
    hooks = find_hooks(DIRECTORY)
    if not hooks:
        return
    now = utc_now().replace(microsecond=0)
    status = build_status(collect_status(store), now)
    if status.running is not None:  # the next job has begun: it notifies at its end
        return
    found = needs(status)
    before = _load(store)
    after: dict[str, list[str]] = {}
    deadline = time.monotonic() + _TOTAL_LIMIT_S
    for path in hooks:
        name = os.path.basename(path)
        known = before.get(name, [])
        after[name] = [need.key for need in found]
        if is_due(found, known):
            document = notification_document(host=status.host, needs=found, known=known, job=job, run=run, now=now)
            result = _run(path, document, deadline - time.monotonic())
            _log(name, found, result)
            after[name] = known if result.problem else after[name]
    if after != before:
        _save(store, after)


def _run(path: str, document: object, left_s: float) -> HookResult:
    if left_s <= 0:
        return HookResult(problem="no time left for it", output="")
    user = next((name for name in _USERS if uid_of(name) is not None), None) if is_root() else None
    limit_s = min(left_s, _HOOK_LIMIT_S)
    return run_hook(path, document, user=user, limit_s=limit_s, variables={"MAESTRO_HOOK": "notify"})


def _log(name: str, found: list[Need], result: HookResult) -> None:
    what = "person needed" if found else "resolved"
    if result.problem:
        log.event(log.LogEvent.NOTIFY_FAILED, hook=name, error=result.problem, output=result.output, what=what)
    else:
        log.event(log.LogEvent.NOTIFY_SENT, hook=name, output=result.output, what=what)


def _load(store: Store) -> dict[str, list[str]]:
    """Return the keys of the needs that each hook was notified of, by its name."""
    reader = store.read_or_warn(_NOTIFIED, NOTIFIED_SCHEMA)
    hooks = reader.raw.get("hooks") if reader else None
    if not isinstance(hooks, dict):
        return {}
    return {name: [key for key in keys if isinstance(key, str)] for name, keys in hooks.items() if _is_list(keys)}


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _save(store: Store, hooks: dict[str, list[str]]) -> None:
    document: Document = {"schema": NOTIFIED_SCHEMA, "generated_at": format_utc(utc_now()), "hooks": hooks}
    try:
        store.write(_NOTIFIED, document)
    except HostError as error:
        log.event(log.LogEvent.RECORD_UNWRITTEN, error=str(error))
