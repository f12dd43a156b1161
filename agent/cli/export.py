"""What the senders have in common: whom they are to tell, as whom they do it, and how they say what came of it."""

import argparse
import os
import pwd

from agent.cli.options import config_path
from agent.cli.output import print_lines
from agent.config.load import load
from agent.core.policy.policy import Policy
from agent.errors import ConfigError, ExitCode
from agent.host import log
from agent.host.machine.os_release import read_distro
from agent.report.outbox.file import OUTBOX_DIRECTORY
from agent.report.targets import enabled_targets
from agent.state.daemon_status import RUN_DIRECTORY
from agent.state.exporter_status import ExporterName
from agent.state.store import DEFAULT_DIRECTORY

_DAEMON = "maestro-agent"
HOW_TO_CONFIGURE = "set endpoint.url (docs/endpoint/README.md), metrics.textfile or otlp.url (docs/metrics.md)"


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Add where the daemon is looked for."""
    parser.add_argument(
        "--run-dir", metavar="DIR", default=RUN_DIRECTORY, help="where the daemon says that it is alive"
    )


def prepare_exporter(arguments: argparse.Namespace, listener: ExporterName) -> Policy:
    """Return what a sender goes by; from here on it is the daemon's user.

    Raises:
        ConfigError: the configuration is wrong, or does not name this listener.
    """
    policy, _ = load(config_path(arguments), read_distro())
    if listener not in {one.listener for one in enabled_targets(policy)}:
        raise ConfigError(f"no {listener.value} is configured: {HOW_TO_CONFIGURE}")
    _be_the_owner(arguments.state_dir)
    log.set_up()
    return policy


def finish_exporter(listener: ExporterName, words: str, why: str) -> int:
    """Say what came of it; return the exit code."""
    failed = f"{'; ' if words else ''}not told: {why}" if why else ""
    print_lines([f"{listener.value}: {words}{failed or '.'}"])
    return ExitCode.FAILED if why else ExitCode.OK


def count_of(count: int, name: str) -> str:
    """Write a number of things."""
    return f"{count} {name}{'s' if count != 1 else ''}"


def _be_the_owner(state_directory: str) -> None:
    """Become the daemon's user where root asks: what is written there has to be its own, and its rights suffice."""
    if os.geteuid() != 0:
        return
    directory = os.path.join(state_directory, OUTBOX_DIRECTORY)
    try:
        if state_directory == DEFAULT_DIRECTORY and not os.path.lexists(directory):
            _make_for_the_daemon(directory)
        owner = os.stat(directory).st_uid
        entry = pwd.getpwuid(owner)
    except (OSError, KeyError):
        return
    if owner != 0:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(owner)


def _make_for_the_daemon(directory: str) -> None:
    """Make what the package makes, should it have gone: what root made for itself the daemon could not use."""
    entry = pwd.getpwnam(_DAEMON)
    os.mkdir(directory, 0o700)
    os.chown(directory, entry.pw_uid, entry.pw_gid)
