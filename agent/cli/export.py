"""The hidden commands `export-NAME`: one run of one exporter; started by the daemon and by `report --send`."""

import argparse
import gc
import importlib
import os
import pwd
from operator import attrgetter

from agent.cli.options import add_accepted, config_path
from agent.cli.output import print_lines
from agent.config.accepted import load_in_use
from agent.config.load import load
from agent.core.exporters import ExporterName
from agent.errors import ConfigError, ExitCode
from agent.host import log
from agent.host.machine.os_release import read_distro
from agent.host.machine.user import DAEMON_USER
from agent.report.exporter import Exporter, carry_nothing
from agent.report.outbox.file import OUTBOX_DIRECTORY
from agent.report.runner import ExporterRun
from agent.report.settings import reported_settings
from agent.report.targets import enabled_targets
from agent.state.daemon_status import RUN_DIRECTORY
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.worker.carry import carry_to_worker

HOW_TO_CONFIGURE = "set endpoint.url, metrics.textfile or otlp.url (maestro-agent.toml(5))"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_run_dir(parser)
    add_accepted(parser)
    parser.add_argument(
        "--heartbeats", metavar="HOLDER", default="", help="reserve numbers for heartbeats of this start of the daemon"
    )


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option for the runtime directory."""
    parser.add_argument(
        "--run-dir", metavar="DIR", default=RUN_DIRECTORY, help="directory of the daemon's and exporters' status files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the exporter; exit 0 all sent, 1 something not sent.

    Raises:
        ConfigError: the configuration is wrong, or does not turn this exporter on. BusyError: it is running.
    """
    gc.disable()  # a short life: collecting cycles costs more than their memory
    name = next(one for one in ExporterName if arguments.verb == f"export-{one.value}")
    if arguments.accepted:
        policy = load_in_use(arguments.state_dir, read_distro()).policy
    else:
        policy, _ = load(config_path(arguments), read_distro())
    target = next((one for one in enabled_targets(policy) if one.exporter is name), None)
    if target is None:
        raise ConfigError(f"no {name.value} is configured: {HOW_TO_CONFIGURE}")
    _drop_privileges(arguments.state_dir)
    log.set_up_when_needed()
    # By name, so that no exporter's libraries are loaded for another; the registry has the module.
    exporter: Exporter = importlib.import_module(name.module).create(policy)
    address = str(attrgetter(name.switch)(policy))
    # The worker's socket belongs to the state directory of the machine.
    carry = carry_to_worker if arguments.state_dir == DEFAULT_DIRECTORY else carry_nothing
    store = Store(arguments.state_dir)
    found = reported_settings(policy)
    exporter_run = ExporterRun(
        name,
        exporter,
        store,
        arguments.run_dir,
        target=address,
        carry=carry,
        settings=found,
        lease_holder=arguments.heartbeats,
    )
    result = exporter_run.run(target.timeout)
    failed = f"{'; ' if result.summary else ''}not sent: {result.why}" if result.why else "."
    print_lines([f"{name.value}: {result.summary}{failed}"])
    return ExitCode.FAILED if result.why else ExitCode.OK


def _drop_privileges(state_directory: str) -> None:
    """Become the daemon's user when root runs this: the files are to be its own, and its rights suffice."""
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
    """Create the directory as the package does, should it be gone: the daemon could not use one of root's."""
    entry = pwd.getpwnam(DAEMON_USER)
    os.mkdir(directory, 0o700)
    os.chown(directory, entry.pw_uid, entry.pw_gid)
