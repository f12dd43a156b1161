"""Messages to everybody who is logged in."""

from agent.host import log
from agent.host.process.run import run_program

_LIMIT_S = 20.0


def send_wall(message: str) -> None:
    """Send a message to the terminals of all users who are logged in, as `wall` of util-linux does; best effort."""
    done = run_program(["wall", message], limit_s=_LIMIT_S)
    if done.code != 0:
        log.event(log.LogEvent.WALL_FAILED, error=done.output)
