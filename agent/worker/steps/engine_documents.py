"""Docker and Weave as a check records them. Loads what observes and plans them only where one is there or wanted."""

import importlib
from collections.abc import Mapping, Sequence

from agent.core.model.engine_plan import HeldFix
from agent.core.model.plan import Held, Plan
from agent.core.schemas import Document
from agent.worker.context import JobContext

_ENGINES = "agent.worker.steps.engines"


def engine_documents(context: JobContext, held: Sequence[Held]) -> Mapping[str, Document | None]:
    """Return `maestro.engine-plan/1` by component; None: neither installed nor wanted. `held` are held updates.

    On a machine without Docker and Weave this costs a few calls of stat(2).
    """
    manifest = context.manifest
    if not (context.engines.present() or manifest.docker_version or manifest.weave_version):
        return {"docker": None, "weave": None}
    found: Mapping[str, Document | None] = importlib.import_module(_ENGINES).observe_engines(context, held)
    return found


def fixes_in(engines: Mapping[str, Document | None]) -> tuple[HeldFix, ...]:
    """Return the held fixes of the container runtime in documents of `engine_documents`."""
    if not engines["docker"]:
        return ()
    found: tuple[HeldFix, ...] = importlib.import_module(_ENGINES).fixes_in(engines)
    return found


def with_held_fixes(plan: Plan, fixes: Sequence[HeldFix]) -> Plan:
    """Return the plan with what installs each held fix of the container runtime in its sentence."""
    if not fixes:
        return plan
    found: Plan = importlib.import_module("agent.report.held_fixes").with_held_fixes(plan, fixes)
    return found
