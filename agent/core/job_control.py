"""What a job gets from whoever requested it: progress, a reason to stop, keep-alives. Light: the daemon imports it."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str], None]
"""Reports a line of progress to the user."""

StopReason = Callable[[], str]
"""Returns why to stop at the next safe point ("on request"); empty to continue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobControl:
    """What a job reports to whoever requested it, and how it learns that it should stop."""

    progress: Progress
    stop: StopReason = lambda: ""
    alive: Callable[[], None] = lambda: None
    """Call at least every 30 s while the job makes progress: a job silent for 5 min counts as stalled."""
