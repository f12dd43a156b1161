"""The distribution's daily job in words, for `status` and `unattended-upgrades`. Pure and light."""

from collections.abc import Iterator
from datetime import datetime

from agent.report.layout import Line, Tone, field
from agent.state.daily_job_view import DailyJobView, JobSettingsView
from agent.state.timestamps import format_age, format_human

WIDTH = 15
NAME = "unattended-upgrades"
GAPS = {
    "not-installed": "the package is not installed",
    "periodic-off": "APT::Periodic::Enable is 0",
    "upgrade-off": "APT::Periodic::Unattended-Upgrade is 0 or not set",
    "upgrade-invalid": "APT::Periodic::Unattended-Upgrade is not an interval",
    "no-origins": "it has no origin to install from",
    "timer-masked": "apt-daily-upgrade.timer is masked",
    "timer-disabled": "apt-daily-upgrade.timer is disabled",
    "timer-stopped": "apt-daily-upgrade.timer is stopped",
    "timer-missing": "there is no apt-daily-upgrade.timer",
    "timer-invalid": "systemd cannot load apt-daily-upgrade.timer",
    "service-masked": "apt-daily-upgrade.service is masked or cannot be loaded",
    "no-scheduler": "neither systemd nor cron is installed to start it",
}
"""Why the job installs nothing, by `agent.core.unattended_upgrades.model.Gap`."""
_WHO = {
    "agent": "maestro-agent installs the security updates; the distribution's daily job is off",
    "unattended-upgrades": (
        "unattended-upgrades installs the security updates; maestro-agent checks and reports, and upgrades on request"
    ),
    "nobody": "nobody installs security updates",
}
_WHO_IF_UNKNOWN = {
    "agent": "maestro-agent installs the security updates; it is unknown whether the distribution's daily job is on",
    "nobody": "it is unknown whether anybody installs security updates",
}
"""Where it is unknown whether the distribution's job is on."""
_BLACKLIST = "Package-Blacklist"
"""Of the job's configuration: in `overdue`, if that keeps the updates back."""
_STOOD_DOWN = {
    "mode": 'stood down by unattended_upgrades.mode = "replace"',
    "command": "stood down by `maestro-agent unattended-upgrades disable`",
}


def why_off(job: DailyJobView) -> str:
    """Return why the job installs nothing; empty if it does, or that is unknown."""
    return ", ".join(GAPS.get(gap, gap) for gap in job.gaps)


def daily_job_reasons(job: DailyJobView | None) -> list[str]:
    """Return what needs a person: nobody patches, the job does not do its work, or it could not be switched."""
    if job is None:
        return []
    found = []
    if job.patcher == "nobody":
        found.append(_nobody(job))
    if job.overdue:
        found.append(f"{NAME} is on, but {job.overdue}: {_remedy(job)}")
    if job.problem:
        found.append(f"the distribution's daily job could not be switched for mode {job.mode!r}: {job.problem}")
    elif job.mode == "replace" and job.is_on:
        found.append(f"{NAME} is still on although the mode is 'replace': `maestro-agent {NAME}`")
    return found


def daily_job_lines(job: DailyJobView, now: datetime) -> list[str]:
    """Render the job: who patches, whether it is on and why not, its settings, its last success, its reboots."""
    tone = Tone.FAILED if job.patcher == "nobody" else None
    who = _WHO_IF_UNKNOWN if job.is_on is None else _WHO
    return [
        Line(f"{who.get(job.patcher, job.patcher)}.", hang=2, tone=tone),
        field("Mode", job.mode, width=WIDTH),
        field("Daily job", _state(job), width=WIDTH),
        *([field("Timer", _timer(job), width=WIDTH)] if job.timer and job.version else []),
        *(_settings_lines(job.settings) if job.settings and job.version else []),
        *([field("Installs", _at_shutdown(job), width=WIDTH)] if _at_shutdown(job) else []),
        *([field("Last success", _when(job.last_success_at, now), width=WIDTH)] if job.version else []),
        *(Line(f"  ! {reason}", hang=4, tone=Tone.HELD) for reason in daily_job_reasons(job)),
    ]


def status_text(job: DailyJobView) -> str:
    """Return who patches and why, for one line of `status`."""
    if job.patcher == "unattended-upgrades":
        at = f", next about {format_human(job.timer.next_at)}" if job.timer and job.timer.next_at else ""
        reboots = "; reboots by itself" if job.settings and job.settings.reboots else ""
        return f"on{at}; installs the security updates{reboots}"
    if job.is_on is None:
        return f"unknown whether it is on ({job.unseen})"
    if job.version is None:
        return "not installed"
    stood_down = _STOOD_DOWN.get(job.stood_down or "")
    at_shutdown = "; installs at each shutdown (InstallOnShutdown)" if _at_shutdown(job) else ""
    return f"off ({stood_down or why_off(job)}){at_shutdown}"


def _at_shutdown(job: DailyJobView) -> str:
    """Return that the job installs at a shutdown, which it does whatever switches its daily run off; empty: no."""
    if job.settings is None or not job.settings.on_shutdown or not {"no-origins", "not-installed"}.isdisjoint(job.gaps):
        return ""
    if job.is_on is False:
        return f"at each shutdown all the same (InstallOnShutdown): `maestro-agent {NAME} disable` ends that"
    return "at the next shutdown only (InstallOnShutdown)"


def _remedy(job: DailyJobView) -> str:
    """Return the command for a job that does not do its work."""
    if _BLACKLIST in (job.overdue or ""):
        return "`maestro-agent upgrade`"
    if job.settings is not None and job.settings.on_shutdown:
        return "`maestro-agent reboot`"
    return "`journalctl -u apt-daily-upgrade`" if job.timer else "/var/log/unattended-upgrades"


def _nobody(job: DailyJobView) -> str:
    because = "the mode is 'delegate'" if job.mode == "delegate" else "agent.upgrade = false"
    if job.is_on is None:
        return f"{_WHO_IF_UNKNOWN['nobody']}: {because}, and {NAME} could not be looked at ({job.unseen})"
    advice = f": `maestro-agent {NAME} enable`" if job.mode == "delegate" else ""
    return f"{_WHO['nobody']}: {because}, and {NAME} is off ({why_off(job)}){advice}"


def _state(job: DailyJobView) -> str:
    version = f"{NAME} {job.version}" if job.version else NAME
    if job.is_on is None:
        return f"{version}: unknown whether it is on: {job.unseen}"
    if job.is_on:
        return f"{version} is on{', at work now' if job.running else ''}"
    stood_down = _STOOD_DOWN.get(job.stood_down or "")
    return f"{version} is off{f', {stood_down}' if stood_down else ''}: {why_off(job)}"


def _timer(job: DailyJobView) -> str:
    timer = job.timer
    if timer is None:
        return "none"
    next_at = f", next {format_human(timer.next_at)}" if timer.next_at else ""
    until = " until the next boot" if timer.active == "active" and timer.enabled == "disabled" else ""
    return f"{timer.enabled or timer.load}, {timer.active}{until}{next_at}"


def _settings_lines(settings: JobSettingsView) -> Iterator[str]:
    every = "not set" if settings.every is None else f"{settings.every!r}, days if no unit is given"
    yield field("Interval", f"{every} (APT::Periodic::Unattended-Upgrade)", width=WIDTH)
    for origin in settings.origins:
        yield field("Origin", origin, width=WIDTH)
    if settings.update_days:
        yield field("Only on", ", ".join(settings.update_days), width=WIDTH)
    if settings.reboots:
        text = f"by itself if one is required, at {settings.reboot_time!r}, {_users(settings)} (Automatic-Reboot)"
        yield field("Reboot", text, width=WIDTH, tone=Tone.ATTENTION)


def _users(settings: JobSettingsView) -> str:
    """Return how the job's reboot goes by users; two of the keys are read by 2.13 and later only."""
    if settings.with_users:
        return "also with users logged in"
    of_the_system = "" if settings.with_system_users else ", those of the system included,"
    ignored = f", except {', '.join(settings.ignored_users)} (by {NAME} 2.13)" if settings.ignored_users else ""
    return f"not while users{of_the_system} are logged in{ignored}"


def _when(at: datetime | None, now: datetime) -> str:
    return f"{format_human(at)} ({format_age(at, now)})" if at else "none on record"
