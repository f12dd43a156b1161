"""`maestro.unattended-upgrades/1`: the distribution's daily job, and who patches this machine. Pure."""

from datetime import datetime, timedelta

from agent.core.model.facts import Unseen
from agent.core.policy.policy import DailyJobMode
from agent.core.schemas import UNATTENDED_UPGRADES_SCHEMA, Document
from agent.core.unattended_upgrades.model import DailyPatcher, JobSettings, StandDown, TheirJob, UnitFacts
from agent.state.timestamps import format_utc


def daily_job_to_document(
    theirs: TheirJob | Unseen,
    decided: DailyPatcher,
    *,
    mode: DailyJobMode,
    generated_at: datetime,
    stood_down: StandDown | None = None,
    overdue: str = "",
    problem: str = "",
) -> Document:
    """Return `maestro.unattended-upgrades/1`; `problem`: why it could not be switched off or on."""
    seen = None if isinstance(theirs, Unseen) else theirs
    return {
        "schema": UNATTENDED_UPGRADES_SCHEMA,
        "generated_at": format_utc(generated_at),
        "mode": mode.value,
        "patcher": decided.patcher.value,
        "on": None if decided.unseen else not decided.gaps,
        "gaps": [gap.value for gap in decided.gaps],
        "unseen": decided.unseen or None,
        "stood_down": stood_down.value if stood_down else None,
        "overdue": overdue or None,
        "problem": problem or None,
        "version": seen.version if seen else None,
        "running": seen.running if seen else None,
        "last_success_at": format_utc(seen.last_success) if seen and seen.last_success else None,
        "timer": _unit(seen.timer) if seen and seen.timer else None,
        "service": _unit(seen.service) if seen and seen.service else None,
        "settings": _settings(seen.settings) if seen and isinstance(seen.settings, JobSettings) else None,
    }


def _unit(unit: UnitFacts) -> Document:
    return {
        "load": unit.load,
        "active": unit.active,
        "sub": unit.sub,
        "enabled": unit.enabled,
        "next_at": format_utc(unit.next_at) if unit.next_at else None,
    }


def _settings(settings: JobSettings) -> Document:
    reboot = settings.reboot
    return {
        "enabled": settings.enabled,
        "every": settings.every_text,
        "every_s": settings.every // timedelta(seconds=1) if settings.every is not None else None,
        "update_package_lists": settings.lists_text,
        "origins": list(settings.origins),
        "install_on_shutdown": settings.on_shutdown,
        "update_days": list(settings.days),
        "reboot": {
            "automatic": reboot.automatic,
            "time": reboot.time,
            "with_users": reboot.with_users,
            "with_system_users": reboot.with_system_users,
            "ignored_users": list(reboot.ignored_users),
        },
    }
