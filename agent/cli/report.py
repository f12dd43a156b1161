"""`maestro-agent report`: shows the report document, or runs all configured exporters."""

import argparse
from collections.abc import Mapping, Sequence

from agent.cli.export import HOW_TO_CONFIGURE, add_run_dir
from agent.cli.options import add_accepted, config_path
from agent.cli.output import failure_document, print_json
from agent.config.accepted import load_in_use
from agent.config.load import load
from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.core.schemas import SENT_SCHEMA
from agent.errors import ConfigError, ExitCode, RecordError
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import AgentProcess
from agent.report.settings import reported_settings
from agent.report.source import ReportSource
from agent.report.targets import enabled_targets
from agent.state.exporter_status import clear_exporter_status, exporter_status_or_none, status_entry, status_version
from agent.state.file_version import FileVersion
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now

EXAMPLE = "example: maestro-agent report --show | jq .updates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print maestro.report/1; sends nothing (default)")
    what.add_argument("--send", action="store_true", help="run all configured exporters now")
    add_run_dir(parser)
    add_accepted(parser)
    parser.add_argument(
        "--json", action="store_true", help="with --send: print maestro.sent/1; the report is JSON anyway"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show, or send.

    Raises:
        ConfigError: the configuration is wrong, or turns no exporter on.
    """
    policy = _policy(arguments)
    if not arguments.send:
        source = ReportSource(Store(arguments.state_dir), arguments.run_dir, reported_settings(policy))
        print_json(source.preview())
        return ExitCode.OK
    enabled = [one.exporter for one in enabled_targets(policy)]
    if not enabled:
        raise ConfigError(f"no exporter is configured: {HOW_TO_CONFIGURE}")
    for exporter in ExporterName:
        if exporter not in enabled:
            clear_exporter_status(arguments.run_dir, exporter)
    options = ["--config", arguments.config] if arguments.config is not None else []
    behind = ["--state-dir", arguments.state_dir, "--run-dir", arguments.run_dir]
    behind += ["--accepted"] if arguments.accepted else []
    # In parallel: a slow one does not delay the others. Each prints its own result.
    before = {one: status_version(arguments.run_dir, one) for one in enabled}
    processes = {one: AgentProcess([*options, f"export-{one.value}", *behind], quiet=arguments.json) for one in enabled}
    codes = {name: process.wait() for name, process in processes.items()}
    if arguments.json:
        _print_codes(codes, {one: _why(arguments.run_dir, one, before[one]) for one in enabled})
    return worst(list(codes.values()))


def _policy(arguments: argparse.Namespace) -> Policy:
    """Return the configuration of the files, or the accepted one.

    Raises:
        ConfigError: it is wrong.
    """
    if arguments.accepted:
        return load_in_use(arguments.state_dir, read_distro()).policy
    return load(config_path(arguments), read_distro())[0]


def _why(run_dir: str, exporter: ExporterName, version_before: FileVersion | None) -> str:
    """Return why the exporter did not send, from the status file that it wrote in this run; empty if it wrote none."""
    if status_version(run_dir, exporter) == version_before:
        return ""
    try:
        return str(status_entry(exporter_status_or_none(run_dir, exporter), exporter).get("why") or "")
    except RecordError:
        return ""


def _print_codes(codes: Mapping[ExporterName, int], why: Mapping[ExporterName, str]) -> None:
    """Print which exporters sent everything, or an error with those that did not, and why."""
    failed = {one: code for one, code in codes.items() if code != ExitCode.OK}
    if not failed:
        names = sorted(one.value for one in codes)
        print_json({"schema": SENT_SCHEMA, "generated_at": format_utc(utc_now()), "exporters": names})
        return
    reasons = [f"{one.value} ({why[one] or f'exit code {code}'})" for one, code in failed.items()]
    document = failure_document(f"not sent: {', '.join(reasons)}", worst(list(codes.values())))
    parts = [{"exporter": one.value, "exit_code": code, "why": why[one]} for one, code in failed.items()]
    print_json({**document, "exporters": parts})


def worst(codes: Sequence[int]) -> int:
    """Return the exit code for several exporters: theirs where all that failed have the same, else 1.

    A code below 0 is a signal, and counts as 1.
    """
    failed = {code if code > 0 else ExitCode.FAILED for code in codes if code != ExitCode.OK}
    if not failed:
        return ExitCode.OK
    return failed.pop() if len(failed) == 1 else ExitCode.FAILED
