"""Messages to everybody who is logged in."""

import os

from agent.host import log
from agent.host.logind import logind_runs
from agent.host.process.run import run_program
from agent.host.terminals import write_to_terminals
from agent.state.timestamps import format_human, utc_now

_LIMIT_S = 20.0


def send_wall(message: str) -> None:
    """Send a message to the terminals of all users who are logged in; best effort.

    Without logind as `wall` of util-linux finds them, in utmp(5).
    """
    if logind_runs() is not False:
        sender = f"Message from maestro-agent on {os.uname().nodename} ({format_human(utc_now())}):"
        write_to_terminals(f"{sender}\n\n{message}")
        return
    done = run_program(["wall", message], limit_s=_LIMIT_S)
    if done.code != 0:
        log.event(log.LogEvent.WALL_FAILED, error=done.output)
