"""The hidden command `metrics-files`: prints where metrics are written; the package removes those files."""

import argparse
from contextlib import suppress

from agent.cli.options import config_path
from agent.cli.output import write_out
from agent.config.accepted import load_in_use
from agent.config.load import load
from agent.errors import ConfigError, ExitCode
from agent.host.machine.os_release import read_distro


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no option of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Print each path unchanged on a line of its own; always exit 0.

    The daemon writes by the configuration in use, `report --send` by the files: each counts if it can be used.
    """
    distro = read_distro()
    paths = set()
    with suppress(ConfigError):
        paths.add(load_in_use(arguments.state_dir, distro).policy.metrics.textfile)
    with suppress(ConfigError):
        paths.add(load(config_path(arguments), distro)[0].metrics.textfile)
    write_out("".join(f"{path}\n" for path in sorted(paths - {""})))
    return ExitCode.OK
