"""`maestro-agent report`: shows the report document, or runs all configured exporters."""

import argparse
from collections.abc import Sequence

from agent.cli.export import HOW_TO_CONFIGURE, add_run_dir
from agent.cli.options import config_path
from agent.cli.output import print_json
from agent.config.load import load
from agent.core.exporters import ExporterName
from agent.errors import ConfigError, ExitCode
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import AgentProcess
from agent.report.source import ReportSource
from agent.report.targets import enabled_targets
from agent.state.exporter_status import clear_exporter_status
from agent.state.store import Store

EXAMPLE = "example: maestro-agent report --show | jq .updates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print maestro.report/1; sends nothing (default)")
    what.add_argument("--send", action="store_true", help="run all configured exporters now")
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show, or send.

    Raises:
        ConfigError: the configuration is wrong, or turns no exporter on.
    """
    policy, _ = load(config_path(arguments), read_distro())
    if not arguments.send:
        print_json(ReportSource(Store(arguments.state_dir), arguments.run_dir).preview())
        return ExitCode.OK
    enabled = [one.exporter for one in enabled_targets(policy)]
    if not enabled:
        raise ConfigError(f"no exporter is configured: {HOW_TO_CONFIGURE}")
    for exporter in ExporterName:
        if exporter not in enabled:
            clear_exporter_status(arguments.run_dir, exporter)
    options = ["--config", arguments.config] if arguments.config is not None else []
    behind = ["--state-dir", arguments.state_dir, "--run-dir", arguments.run_dir]
    # In parallel: a slow one does not delay the others. Each prints its own result.
    processes = [AgentProcess([*options, f"export-{one.value}", *behind], quiet=False) for one in enabled]
    return worst([process.wait() for process in processes])


def worst(codes: Sequence[int]) -> int:
    """Return the exit code for several exporters: theirs where all that failed have the same, else 1.

    A code below 0 is a signal, and counts as 1.
    """
    failed = {code if code > 0 else ExitCode.FAILED for code in codes if code != ExitCode.OK}
    if not failed:
        return ExitCode.OK
    return failed.pop() if len(failed) == 1 else ExitCode.FAILED
