"""`maestro-agent config`: validate the configuration, or show the effective values and where each comes from."""

import argparse
import json
from collections.abc import Sequence
from datetime import time, timedelta
from enum import Enum

from agent.cli.options import config_path
from agent.cli.output import print_error, print_json, print_lines
from agent.config.accepted import FilesState, FilesWatch, accept, load_accepted, load_in_use
from agent.config.fragments import ignored_files
from agent.config.load import Inputs, load
from agent.config.manifest import read_manifest
from agent.config.schema import Value
from agent.config.signers import check_signers
from agent.core.manifest import ManifestValue
from agent.core.policy.distro import Distro
from agent.core.policy.policy import ScriptDigests
from agent.core.schemas import CONFIG_SCHEMA
from agent.errors import AgentError, ConfigError, ExitCode, HostError, PrivilegeError, UsageError
from agent.host import log
from agent.host.hook_directory import refused_hooks
from agent.host.machine.os_release import read_distro
from agent.host.machine.user import daemon_group, is_root
from agent.host.unattended_upgrades.switch import LocalDailyJob
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.state.timestamps import format_human, format_utc, utc_now
from agent.worker.steps.daily_job import settle_daily_job

EXAMPLE = "example: maestro-agent config show"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `config`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("check", "show", "accept"),
        default="show",
        help="default: show; accept: have the daemon and its jobs use it (`systemctl reload` does that)",
    )
    parser.add_argument("--json", action="store_true", help="print maestro.config/1")


def run(arguments: argparse.Namespace) -> int:
    """Load the configuration; exit 78 if it is wrong, with every problem named."""
    if arguments.action == "accept":
        return _accept(arguments)
    ignored = list(ignored_files(config_path(arguments)))
    policy, inputs = load(config_path(arguments), read_distro())
    manifest = read_manifest(policy.docker)
    check_signers(policy.requests)
    if arguments.json:
        print_json(_document(inputs, manifest, ignored))
    elif arguments.action == "check":
        print_lines(["The configuration is valid.", *_not_in_use(arguments)])
        ignored += refused_hooks()
    else:
        print_lines([f"{name} = {format_value(entry.value)}    # {entry.source}" for name, entry in inputs.items()])
        print_lines([f"# manifest: {one.name} = {_quoted(one.value)}    # {one.source}" for one in manifest])
    if not arguments.json:
        for message in ignored:
            print_error(message)
    return ExitCode.OK


def _not_in_use(arguments: argparse.Namespace) -> list[str]:
    """Return that the daemon uses another configuration; nothing where that is unknown, or a file is given."""
    if config_path(arguments) is not None:
        return []
    try:
        accepted = load_accepted(arguments.state_dir, read_distro())
    except ConfigError:  # unreadable for this user, or unusable: the next reload replaces it
        return []
    if accepted is None or FilesWatch().compare(accepted, read_distro())[0] is FilesState.SAME:
        return []
    since = format_human(accepted.accepted_at)
    return [f"The daemon still uses the one accepted {since}: `systemctl reload maestro-agent` applies this one."]


def _accept(arguments: argparse.Namespace) -> int:
    """Accept the configuration of this machine.

    Raises:
        ConfigError: it is wrong. PrivilegeError: only root may do this. HostError: it cannot be written.
    """
    if config_path(arguments) is not None:
        raise UsageError("config accept: only the configuration of the machine can be accepted, without --config")
    if not is_root():
        raise PrivilegeError("config accept needs root (`sudo systemctl reload maestro-agent` does it)")
    log.set_up()
    try:
        distro = read_distro()
        accept(arguments.state_dir, distro, format_utc(utc_now()), daemon_group())
    except AgentError as error:
        log.event(log.LogEvent.CONFIG_REJECTED, error=str(error))
        raise
    _settle_daily_job(arguments.state_dir, distro)
    return ExitCode.OK


def _settle_daily_job(state_dir: str, distro: Distro) -> None:
    """Switch the distribution's daily job by the accepted mode; a failure is logged, and the next check tries again."""
    if state_dir != DEFAULT_DIRECTORY:  # another record than the daemon's switches nothing
        return
    store, policy = Store(state_dir), load_in_use(state_dir, distro).policy
    try:
        settle_daily_job(LocalDailyJob(store), store, policy, utc_now())
    except HostError as error:
        log.event(log.LogEvent.DAILY_JOB_FAILED, mode=policy.unattended_upgrades.mode.value, error=str(error))


def format_value(value: Value) -> str:
    """Format a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, ScriptDigests):
        return "{" + ", ".join(f"{_quoted(name)} = {_quoted(digest)}" for name, digest in value.by_version) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_quoted, value)) + "]"
    return _quoted(str(_plain(value)))


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)


def format_duration(value: timedelta) -> str:
    """Format a duration in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    if seconds == 0:
        return "0s"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _plain(value: Value) -> object:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, ScriptDigests):
        return dict(value.by_version)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return value.value if isinstance(value, Enum) else value


def _document(inputs: Inputs, manifest: Sequence[ManifestValue], ignored: list[str]) -> dict[str, object]:
    return {
        "schema": CONFIG_SCHEMA,
        "generated_at": format_utc(utc_now()),
        "values": {name: {"value": _plain(entry.value), "source": entry.source} for name, entry in inputs.items()},
        "manifest": {one.name: {"value": one.value, "source": one.source} for one in manifest},
        "ignored": ignored,
    }
