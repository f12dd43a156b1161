"""When what has a maintenance window starts: Docker and Weave from configuration and record, the daily upgrade."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo

from agent.config.windows import upgrade_window, window_of
from agent.core.clock import is_future
from agent.core.job_kinds import WINDOW_JOBS, JobKind
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.facts import Unseen
from agent.core.policy.policy import AgentPolicy, Policy
from agent.core.schedule.engine_windows import EngineWork, LastTry, needed_time, window_start
from agent.core.schedule.slots import JobAttempts
from agent.core.schemas import ENGINE_OUTCOME_SCHEMA, STATE_SCHEMA
from agent.core.windows import is_open
from agent.errors import RecordError
from agent.host import log
from agent.report.engine_window import longest_s
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.engine_view import EngineView
from agent.state.store import ENGINE_OUTCOMES, STATE, Store
from agent.state.views import StateView


def window_runs(
    policy: Policy, store: Store, attempts: Mapping[JobKind, JobAttempts], now: datetime, local: tzinfo
) -> dict[JobKind, datetime]:
    """Return when each upgrade starts in its window; without a window, or without work, a job is left out.

    A damaged record is logged, and nothing is started.
    """
    windows = {"docker": policy.docker.window, "weave": policy.weave.window}
    configured = {job: windows[component] for job, component in WINDOW_JOBS.items() if windows[component]}
    if not configured:
        return {}
    try:
        found = store.read(STATE, STATE_SCHEMA)
        state = StateView(found) if found else None
        starts = {
            job: window_start(
                window_of(text),
                _work(state, WINDOW_JOBS[job]),
                _last_try(store, WINDOW_JOBS[job], attempts.get(job), now),
                now=now,
                local=local,
            )
            for job, text in configured.items()
        }
    except (RecordError, ValueError) as error:  # ValueError: the time zone has gone from the database
        log.event(log.LogEvent.RECORD_DAMAGED, error=str(error))
        return {}
    return {job: at for job, at in starts.items() if at is not None}


def engine_needs(store: Store, component: str) -> timedelta:
    """Return how much of its window an upgrade of Docker or Weave needs, by the last check.

    Where there was none, or its record is damaged, it is as for an unknown downtime.
    """
    try:
        found = store.read(STATE, STATE_SCHEMA)
        return _work(StateView(found) if found else None, component).needed
    except RecordError:
        return needed_time(None)


def may_upgrade(policy: AgentPolicy, now: datetime, local: tzinfo) -> bool:
    """Return whether the daily upgrade may start now: not outside its window, and not if that cannot be read."""
    window = upgrade_window(policy)
    return window is None or (not isinstance(window, Unseen) and is_open(window, now, local))


def _work(state: StateView | None, component: str) -> EngineWork:
    engine: EngineView | None = getattr(state, component) if state else None
    if engine is None or engine.unseen is not None:
        return EngineWork(plan_id="", startable=False)
    startable = not (engine.nothing_to_do or engine.blocked)
    return EngineWork(plan_id=engine.id, startable=startable, expected_s=longest_s(engine))


def _last_try(store: Store, component: str, attempts: JobAttempts | None, now: datetime) -> LastTry | None:
    """Return the last upgrade: its outcome, or an attempt that left none."""
    found = store.read(ENGINE_OUTCOMES[component], ENGINE_OUTCOME_SCHEMA)
    attempted = attempts.last if attempts and attempts.last and not is_future(attempts.last, now) else None
    if found is None:
        return LastTry(at=attempted) if attempted else None
    outcome = EngineOutcomeView(found)
    ended = outcome.finished_at or outcome.started_at
    return LastTry(
        at=max(ended, attempted) if attempted else ended,
        plan_id=found.optional_text("plan_id"),
        result=EngineResult(outcome.result),
    )
