"""`maestro-agent report`: the document as it would go out, or tell all that are configured to be told."""

import argparse

from agent.cli.export import HOW_TO_CONFIGURE, add_run_dir
from agent.cli.options import config_path
from agent.cli.output import print_json
from agent.config.load import load
from agent.errors import ConfigError, ExitCode
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import AgentProcess
from agent.report.source import ReportSource
from agent.report.targets import enabled_targets
from agent.state.exporter_status import ExporterName, clear_exporter_status
from agent.state.store import Store

EXAMPLE = "example: maestro-agent report --show | jq .updates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print maestro.report/1; sends nothing (default)")
    what.add_argument("--send", action="store_true", help="tell all that are configured to be told, now")
    add_run_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show, or send; exit 0 all told, 1 one of them not told."""
    policy, _ = load(config_path(arguments), read_distro())
    if not arguments.send:
        print_json(ReportSource(Store(arguments.state_dir), arguments.run_dir).shown())
        return ExitCode.OK
    on = [one.listener for one in enabled_targets(policy)]
    if not on:
        raise ConfigError(f"nobody is configured to be told: {HOW_TO_CONFIGURE}")
    for listener in ExporterName:
        if listener not in on:
            clear_exporter_status(arguments.run_dir, listener)
    options = ["--config", arguments.config] if arguments.config is not None else []
    behind = ["--state-dir", arguments.state_dir, "--run-dir", arguments.run_dir]
    # All at once: a slow one holds up no other. Each says itself what came of it.
    senders = [AgentProcess([*options, f"export-{listener.value}", *behind], quiet=False) for listener in on]
    failed = {code for code in [sender.wait() for sender in senders] if code}
    return failed.pop() if len(failed) == 1 and min(failed) > 0 else min(len(failed), 1)
