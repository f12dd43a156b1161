"""`maestro-agent run`: the daemon, as systemd starts it."""

import argparse
import os

from agent.cli.options import config_path
from agent.daemon.service import Daemon
from agent.host import log
from agent.state.daemon_status import RUN_DIRECTORY

EXAMPLE = "example: systemctl reload maestro-agent   (reads the configuration again)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` takes."""
    parser.add_argument("--run-dir", metavar="DIR", default=RUN_DIRECTORY, help="where it says that it is alive")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM; exit 0, or 78 where the configuration is wrong."""
    log.set_up()
    Daemon(config_path(arguments), arguments.state_dir, arguments.run_dir).run()
    # The interpreter would wait for the thread that listens to a job, and that job may be waiting for this daemon to
    # end: it upgrades a package that restarts it.
    os._exit(0)
