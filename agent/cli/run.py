"""`maestro-agent run`: the daemon, as systemd starts it."""

import argparse
import os

from agent.cli.options import add_accepted, config_path
from agent.daemon.service import Daemon
from agent.errors import AgentError, ExitCode
from agent.host import log
from agent.state.daemon_status import RUN_DIRECTORY

EXAMPLE = "example: systemctl reload maestro-agent   (reloads the configuration)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    add_accepted(parser)
    parser.add_argument("--run-dir", metavar="DIR", default=RUN_DIRECTORY, help="directory of the daemon's status file")


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGTERM; exit 0, or 78 if the configuration is wrong."""
    log.set_up(to_stderr=True)
    try:
        Daemon(config_path(arguments), arguments.state_dir, arguments.run_dir, accepted=arguments.accepted).run()
    except AgentError as error:
        log.event(log.LogEvent.DAEMON_FAILED, error=str(error))
        raise
    # The interpreter would wait for the thread that follows a job, and that job may be waiting for this daemon to
    # exit: it upgrades a package that restarts it.
    os._exit(ExitCode.OK)
