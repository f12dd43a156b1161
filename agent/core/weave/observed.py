"""What was observed of Weave, as a plan that changes nothing. Pure."""

from datetime import datetime

from agent.core.model.engine_plan import Component, EnginePlan, EngineWarning, Notice
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport, WeaveFacts, WeaveScript


def observed_weave(facts: WeaveFacts, seen_at: datetime, *, wanted: str | None = None) -> EnginePlan:
    """Return the versions of Weave; nothing is decided about an upgrade."""
    report = facts.report
    installed = facts.script.version or None if isinstance(facts.script, WeaveScript) else None
    failed = report.failed if isinstance(report, RouterReport) else ()
    return EnginePlan(
        component=Component.WEAVE,
        seen_at=seen_at,
        flavour=facts.vendor.value if facts.vendor else facts.kind.value,
        installed=installed,
        running=facts.running_version,
        running_known=not isinstance(report, Unseen),
        wanted=wanted,
        candidate=wanted if wanted == installed else None,
        warnings=(Notice(code=EngineWarning.CONNECTIONS_FAILED, values=failed),) if failed else (),
    )
