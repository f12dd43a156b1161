"""What `maestro-agent docker` and `maestro-agent weave` share."""

import argparse
import importlib

from agent.cli.flags import add_output, add_wait
from agent.cli.output import print_error, print_json, print_lines
from agent.core.schemas import ENGINE_PLAN_SCHEMA, STATE_SCHEMA, Document
from agent.errors import ExitCode, UsageError
from agent.report.engine_text import engine_status_lines
from agent.report.status.engines import engine_reasons
from agent.state.store import STATE, Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.views import StateView

ALLOWANCES = {
    "docker": {
        "allow-downgrade": "let the manifest ask for an older version",
        "allow-major-downgrade": "the same across a major version: the older engine may fail on the newer one's data",
        "remove-containers": "let running containers with --rm be removed",
        "change-held": "change engine and client although they are on hold; the holds are set again",
        "live-restore": "switch live-restore on first, so that containers run on",
        "after-failure": "try again although the last upgrade needs attention",
    },
    "weave": {
        "allow-downgrade": "let the manifest ask for an older version",
        "allow-major": "let the manifest ask for another major version",
        "after-failure": "try again although the last upgrade needs attention",
    },
}
"""Options of `plan` and `upgrade` by component; the names are values of `JobOption`."""
_UPGRADE_ONLY = ("yes", "dry_run", "plan", "wait", "quiet")


def add_engine_arguments(parser: argparse.ArgumentParser, component: str) -> None:
    """Add the arguments of both commands."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("status", "plan", "upgrade"),
        default="status",
        help="status: what the last check saw (default); plan: what an upgrade would do now; upgrade: do it",
    )
    parser.add_argument("-v", "--verbose", "--all", dest="all", action="store_true", help="list every container")
    upgrade = parser.add_argument_group("options of upgrade")
    upgrade.add_argument("--dry-run", action="store_true", help="print the plan; change nothing")
    upgrade.add_argument("--plan", metavar="ID", help="change nothing, and exit 6, unless the plan is still this one")
    upgrade.add_argument(
        "-y", "--yes", action="store_true", help="do not ask on a terminal; scripts and --json are never asked"
    )
    add_wait(parser)
    allowed = parser.add_argument_group("options of plan and upgrade")
    for name, meaning in ALLOWANCES[component].items():
        allowed.add_argument(f"--{name}", action="store_true", help=meaning)
    add_output(parser, "maestro.engine-plan/1, or maestro.engine-outcome/1 of an upgrade")


def show_engine(arguments: argparse.Namespace, component: str) -> int:
    """Do what was asked for; exit codes as of `show_recorded` and of `agent.cli.engine_plan`.

    Raises:
        UsageError: an option does not belong to the action.
    """
    _check_options(arguments, component)
    if arguments.action == "status":
        return show_recorded(arguments, component)
    # Imported by name: `status` does not pay for what runs jobs.
    module = importlib.import_module(f"agent.cli.engine_{arguments.action}")
    code: int = module.run(arguments, component)
    return code


def _check_options(arguments: argparse.Namespace, component: str) -> None:
    names = {"upgrade": (), "plan": _UPGRADE_ONLY}.get(
        arguments.action, (*_UPGRADE_ONLY, *(name.replace("-", "_") for name in ALLOWANCES[component]))
    )
    wrong = next((name for name in names if getattr(arguments, name)), None)
    if wrong is not None:
        raise UsageError(f"--{wrong.replace('_', '-')} is not an option of `{component} {arguments.action}`")


def show_recorded(arguments: argparse.Namespace, component: str) -> int:
    """Print what the last check recorded; exit 0 as wanted or absent, 10 attention, 3 unknown or never checked."""
    found = Store(arguments.state_dir).read(STATE, STATE_SCHEMA)
    if found is None:
        print_error("never checked: run `maestro-agent check`")
        return ExitCode.STALE
    state = StateView(found)
    engine = state.docker if component == "docker" else state.weave
    if arguments.json:
        print_json(engine.raw if engine else _absent(component, state))
    else:
        print_lines(engine_status_lines(engine, component, utc_now()))
    if engine is None or engine.absent:
        return ExitCode.OK
    if engine.unseen is not None:
        return ExitCode.STALE
    return ExitCode.ATTENTION if engine_reasons(engine) or engine.blocked else ExitCode.OK


def _absent(component: str, state: StateView) -> Document:
    """Return `maestro.engine-plan/1` of a component that is neither installed nor wanted, for scripts."""
    at = format_utc(state.generated_at)
    return {
        "schema": ENGINE_PLAN_SCHEMA,
        "generated_at": at,
        "id": None,
        "component": component,
        "unseen": None,
        "seen_at": at,
        "flavour": "none",
        **dict.fromkeys(("installed", "running", "wanted", "candidate")),
        "running_known": True,
        "restart_needed": False,
        "restart_pending": False,
        "downtime": {"expected_s": None, "basis": []},
        **{name: [] for name in ("packages", "containers", "blocked", "warnings", "order", "held_fixes")},
        "window": None,
    }
