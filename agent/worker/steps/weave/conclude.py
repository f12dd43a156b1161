"""Makes the outcome of a change of Weave from what is seen after it, never from what was planned."""

from datetime import datetime

from agent.core.model.engine_outcome import EngineOutcome
from agent.core.model.engine_plan import Component, PackageChange
from agent.core.model.weave import WeaveFacts, WeaveScript
from agent.core.weave.plan import weave_versions
from agent.core.weave.snapshot import ROUTER, WeaveSnapshot
from agent.core.weave.verify import RouterFaultCode
from agent.report.router_faults import router_fault_sentences
from agent.worker.steps.weave.change import WeaveEnded
from agent.worker.steps.weave.router import RouterChange


def conclude_weave(
    before: WeaveSnapshot, after: WeaveFacts, ended: WeaveEnded, router: RouterChange, now: datetime
) -> EngineOutcome:
    """Return the outcome of a change; `router` is what was done to the router."""
    failed = "; ".join(f"{name}: {error}" for name, error in sorted(router.errors.items()))
    down = [name for one in ended.faults if one.code is RouterFaultCode.CONTAINERS_DOWN for name in one.values]
    return EngineOutcome(
        id=before.run_id,
        component=Component.WEAVE,
        started_at=before.taken_at,
        finished_at=now,
        result=ended.result,
        before=before.report.version if before.report else None,
        target=before.target,
        running=weave_versions(after).running,
        packages=_changed(before, after),
        engine_down_s=router.down_s,
        containers_lost=tuple(down),
        containers_started=tuple(sorted(router.started)),
        rollback=ended.rollback,
        message="; ".join(part for part in (router_fault_sentences(ended.faults), failed) if part),
    )


def _changed(before: WeaveSnapshot, after: WeaveFacts) -> tuple[PackageChange, ...]:
    """Return the script as a change, if another one is installed now."""
    script = after.script if isinstance(after.script, WeaveScript) else None
    if (script.sha256 if script else "") == before.script.sha256:
        return ()
    version = before.target if script and script.sha256 == before.target_sha256 else script.version if script else None
    return (PackageChange(package=ROUTER, before=before.script.version or None, after=version),)
