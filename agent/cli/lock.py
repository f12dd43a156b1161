"""`maestro-agent lock`: the fleet lock that this machine holds or may hold, and its release by a person."""

import argparse
import importlib

from agent.cli.flags import add_wait
from agent.cli.output import print_json, print_lines
from agent.core.schemas import FLEET_LOCK_SCHEMA, Document
from agent.errors import ExitCode, UsageError
from agent.report.fleet_lock_text import lock_lines
from agent.state.fleet_lock_view import FleetLockView
from agent.state.json_reader import JsonReader
from agent.state.store import FLEET_LOCK, Store
from agent.state.timestamps import format_utc, utc_now

EXAMPLE = "example: maestro-agent lock release   (after a reboot with problems, once the machine is well)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `lock`."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("status", "release"),
        default="status",
        help="status: what is on record (default); release: give the lock back",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="of release: remove the record without asking the server, for one that does not exist any more",
    )
    add_wait(parser)
    parser.add_argument("--json", action="store_true", help="print maestro.fleet-lock/1")


def run(arguments: argparse.Namespace) -> int:
    """Show or release the lock; exit 0 none is held or a reboot holds it, 10 a person has to release it, 1 refused.

    Raises:
        UsageError: an option does not belong to the action. RecordError: the record is damaged.
    """
    if arguments.action == "release":
        # Imported by name: `lock status` does not pay for what runs jobs.
        code: int = importlib.import_module("agent.cli.lock_release").run(arguments)
        return code
    wrong = next((name for name in ("wait", "forget") if getattr(arguments, name)), None)
    if wrong is not None:
        raise UsageError(f"--{wrong} is not an option of `lock status`")
    now = utc_now()
    found = Store(arguments.state_dir).read(FLEET_LOCK, FLEET_LOCK_SCHEMA, keep=True)
    document = found or JsonReader(_free(format_utc(now)), FLEET_LOCK)
    lock = FleetLockView(document)
    if arguments.json:
        print_json(lock.raw)
    else:
        print_lines(lock_lines(lock, now))
    return ExitCode.ATTENTION if lock.kept else ExitCode.OK


def _free(at: str) -> Document:
    """Return `maestro.fleet-lock/1` of a machine without a lock, for scripts."""
    names = ("url", "group", "id", "since", "boot", "machine", "run_id", "reason", "kept", "released_at")
    settles = ("acquire_settles_at", "release_settles_at", "refusal")
    return {
        "schema": FLEET_LOCK_SCHEMA,
        "generated_at": at,
        "phase": "free",
        **dict.fromkeys((*names, *settles)),
    }
