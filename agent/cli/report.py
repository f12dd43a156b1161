"""`maestro-agent report`: the document as it would go out, or deliver what waits."""

import argparse
import os
import pwd

from agent import log
from agent.cli.options import config_path
from agent.cli.output import print_json, print_lines
from agent.config.load import load
from agent.core.retry import Verdict
from agent.courier import Courier
from agent.errors import ConfigError
from agent.host.system import read_distro
from agent.liveness import RUN_DIRECTORY
from agent.outboxfile import OUTBOX_DIRECTORY
from agent.store import Store

EXAMPLE = "example: maestro-agent report --show | jq .updates"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print maestro.report/1; sends nothing (default)")
    what.add_argument("--send", action="store_true", help="deliver what waits, now")
    parser.add_argument(
        "--run-dir", metavar="DIR", default=RUN_DIRECTORY, help="where the daemon says that it is alive"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show, or send; exit 0 told, 1 not told."""
    policy, _ = load(config_path(arguments), read_distro())
    store = Store(arguments.state_dir)
    courier = Courier(policy.endpoint, store, arguments.run_dir)
    if not arguments.send:
        print_json(courier.show())
        return 0
    if not policy.endpoint.url:
        raise ConfigError("no centre is configured: set endpoint.url (docs/endpoint/README.md)")
    _be_the_owner(os.path.join(store.directory, OUTBOX_DIRECTORY))
    log.set_up()
    delivered = courier.send()
    told = delivered.answer.verdict is Verdict.ANSWERED
    words = f"{delivered.sent} message{'s' if delivered.sent != 1 else ''} delivered"
    more = "; more wait, and go out a minute later" if delivered.more else ""
    print_lines([f"{words}{more}." if told else f"{words}; the centre could not be told: {delivered.answer.why}"])
    return 0 if told else 1


def _be_the_owner(directory: str) -> None:
    """Become the daemon's user where root asks: what is written there has to be its own, and its rights suffice."""
    if os.geteuid() != 0:
        return
    try:
        owner = os.stat(directory).st_uid
        entry = pwd.getpwuid(owner)
    except (OSError, KeyError):
        return
    if owner != 0:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(owner)
