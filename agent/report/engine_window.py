"""The maintenance window of a recorded plan, as of now."""

from datetime import datetime, tzinfo

from agent.config.windows import window_of
from agent.core.model.engine_plan import EngineWindow
from agent.core.schedule.engine_windows import engine_window, needed_time
from agent.state.engine_view import EngineView


def window_now(engine: EngineView, now: datetime, local: tzinfo) -> EngineWindow | None:
    """Return the opening of a plan's window; None if no window is configured, or it cannot be read any more."""
    if engine.window is None:
        return None
    try:
        window = window_of(engine.window.text)
    except ValueError:  # its time zone has gone from the database
        return None
    return engine_window(window, needed_time(longest_s(engine)), now, local)


def longest_s(engine: EngineView) -> float | None:
    """Return the longest expected downtime of a plan; None: unknown."""
    if not engine.restart_needed:
        return 0.0
    return engine.downtime_s[1] if engine.downtime_s else None
