"""`maestro-agent report`: shows the report document, or runs all configured exporters."""

import argparse
from collections.abc import Mapping, Sequence

from agent.cli.export import HOW_TO_CONFIGURE, add_run_dir
from agent.cli.options import config_path
from agent.cli.output import print_failure, print_json
from agent.config.load import load
from agent.core.exporters import ExporterName
from agent.core.schemas import SENT_SCHEMA
from agent.errors import ConfigError, ExitCode
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import AgentProcess
from agent.report.source import ReportSource
from agent.report.targets import enabled_targets
from agent.state.exporter_status import clear_exporter_status
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now

EXAMPLE = "example: maestro-agent report --show | jq .updates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print maestro.report/1; sends nothing (default)")
    what.add_argument("--send", action="store_true", help="run all configured exporters now")
    add_run_dir(parser)
    parser.add_argument(
        "--json", action="store_true", help="with --send: print maestro.sent/1; the report is JSON anyway"
    )


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
    processes = {
        one.value: AgentProcess([*options, f"export-{one.value}", *behind], quiet=arguments.json) for one in enabled
    }
    codes = {name: process.wait() for name, process in processes.items()}
    if arguments.json:
        _print_codes(codes)
    return worst(list(codes.values()))


def _print_codes(codes: Mapping[str, int]) -> None:
    """Print which exporters sent everything, or an error that names those that did not."""
    failed = [f"{name} (exit code {code})" for name, code in codes.items() if code != ExitCode.OK]
    if failed:
        print_failure(f"not sent: {', '.join(failed)}", worst(list(codes.values())))
    else:
        print_json({"schema": SENT_SCHEMA, "generated_at": format_utc(utc_now()), "exporters": sorted(codes)})


def worst(codes: Sequence[int]) -> int:
    """Return the exit code for several exporters: theirs where all that failed have the same, else 1.

    A code below 0 is a signal, and counts as 1.
    """
    failed = {code if code > 0 else ExitCode.FAILED for code in codes if code != ExitCode.OK}
    if not failed:
        return ExitCode.OK
    return failed.pop() if len(failed) == 1 else ExitCode.FAILED
