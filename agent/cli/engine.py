"""What `maestro-agent docker` and `maestro-agent weave` share."""

import argparse
import importlib

from agent.cli.output import print_error, print_json, print_lines
from agent.core.schemas import ENGINE_PLAN_SCHEMA, STATE_SCHEMA, Document
from agent.errors import ExitCode
from agent.report.engine_text import engine_status_lines
from agent.report.status.engines import engine_reasons
from agent.state.store import STATE, Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.views import StateView


def add_engine_arguments(parser: argparse.ArgumentParser, actions: tuple[str, ...]) -> None:
    """Add the arguments of both commands."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=actions,
        default="status",
        help="status: what the last check saw (default); plan: what an upgrade would do now",
    )
    parser.add_argument("--all", action="store_true", help="plan: list every container")
    parser.add_argument("--json", action="store_true", help="print maestro.engine-plan/1")


def show_engine(arguments: argparse.Namespace, component: str) -> int:
    """Do what was asked for; exit codes as of `show_recorded` and `agent.cli.engine_plan.show_plan`."""
    if arguments.action == "status":
        return show_recorded(arguments, component)
    # Imported by name: `status` does not pay for what runs jobs.
    code: int = importlib.import_module("agent.cli.engine_plan").show_plan(arguments, component)
    return code


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
        **{name: [] for name in ("packages", "containers", "blocked", "warnings", "order")},
    }
