"""What a job gets from whoever requested it: progress, a reason to stop, keep-alives. Light: the daemon imports it."""

from collections.abc import Callable

from agent.core.frozen import frozen

Progress = Callable[[str], None]
"""Takes one line of progress."""


def ignore(_message: str) -> None:
    """Drop a line."""


StopReason = Callable[[], str]
"""Returns why to stop at the next safe point ("on request"); empty to continue."""


@frozen
class JobControl:
    """What a job reports to whoever requested it, and how it learns that it should stop."""

    progress: Progress
    """Shows a line to whoever watches, until the next one."""
    keep: Progress = ignore
    """Keeps a line: in the log, and for `maestro-agent follow`."""
    stop: StopReason = lambda: ""
    alive: Callable[[], None] = lambda: None
    """Call at least every 30 s while the job makes progress: a job silent for 5 min counts as stalled."""

    def step(self, message: str) -> None:
        """Show a line, and keep it."""
        self.keep(message)
        self.progress(message)
