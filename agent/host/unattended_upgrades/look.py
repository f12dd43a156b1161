"""Looks at the distribution's daily job: apt's merged configuration, the timer, the package, apt's stamp.

Never by `unattended-upgrade --dry-run`: it writes a transaction that did not happen into apt's history, touches a
stamp, and runs dpkg's hooks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone

from agent.core.model.facts import Unseen
from agent.core.unattended_upgrades.model import JobSettings, TheirJob, UnitFacts
from agent.core.unattended_upgrades.settings import job_settings, parse_dump
from agent.errors import HostError
from agent.host.dpkg.installed import ADMIN_DIRECTORY, InstalledPackages
from agent.host.process.run import run_program
from agent.host.systemd import systemd_runs

PACKAGE = "unattended-upgrades"
TIMER = "apt-daily-upgrade.timer"
SERVICE = "apt-daily-upgrade.service"
_STAMP = "/var/lib/apt/periodic/upgrade-stamp"
"""Touched by apt.systemd.daily after a run without an error; by no dry run, unlike unattended-upgrade's own stamp."""
_SCHEDULERS = (
    *("/usr/lib/systemd/systemd", "/lib/systemd/systemd"),
    *("/usr/sbin/cron", "/usr/sbin/crond", "/usr/sbin/anacron", "/usr/sbin/bcron-start"),
)
"""Programs that start the job, by its timer or by /etc/cron.daily/apt-compat; from a chroot, at the next boot."""
_CALL_S = 30.0
_MOST_OUTPUT = 4 << 20
"""Of apt's configuration: the part of unattended-upgrades comes last."""
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,NextElapseUSecRealtime,LastTriggerUSec"
_TIME = "%a %Y-%m-%d %H:%M:%S UTC"
_AT_WORK = frozenset({"activating", "active", "deactivating", "reloading"})


def look_at_daily_job(
    *, systemctl: Sequence[str] = ("systemctl",), apt_config: Sequence[str] = ("apt-config",)
) -> TheirJob | Unseen:
    """Return what is seen of the daily job; needs no root."""
    try:
        version = _version()
        units = _units(systemctl) if systemd_runs() else {}
    except (OSError, HostError) as error:
        return Unseen(reason=str(error))
    service = units.get(SERVICE)
    return TheirJob(
        version=version,
        settings=read_settings(apt_config),
        timer=units.get(TIMER),
        service=service,
        last_success=_last_success(),
        running=service is not None and service.active in _AT_WORK,
        scheduler=any(os.access(path, os.X_OK) for path in _SCHEDULERS),
    )


def read_settings(apt_config: Sequence[str] = ("apt-config",)) -> JobSettings | Unseen:
    """Return the merged configuration, read in a new process: libapt in this one keeps what it read at its start."""
    done = run_program((*apt_config, "dump"), limit_s=_CALL_S, most=_MOST_OUTPUT)
    if done.code != 0:
        return Unseen(reason=f"apt's configuration cannot be read: {_last_line(done.output)}")
    return job_settings(parse_dump(done.output))


def _version() -> str | None:
    """Return the installed version of the package; None: not installed.

    Raises:
        OSError: dpkg's database cannot be read.
    """
    found = (one for one in InstalledPackages(ADMIN_DIRECTORY).named(PACKAGE) if one.name == PACKAGE)
    return next((one.version for one in found), None)


def _units(systemctl: Sequence[str]) -> Mapping[str, UnitFacts]:
    """Return timer and service by name.

    Raises:
        HostError: systemd does not answer.
    """
    command = (*systemctl, "show", f"--property={_PROPERTIES}", "--", TIMER, SERVICE)
    done = run_program(command, limit_s=_CALL_S, environment={"TZ": "UTC", "LC_ALL": "C.UTF-8"})
    if done.code != 0:
        raise HostError(f"systemctl show: {_last_line(done.output) or f'exit code {done.code}'}")
    return dict(_parsed(done.output))


def _parsed(shown: str) -> Iterator[tuple[str, UnitFacts]]:
    for block in shown.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            yield (
                values["Id"],
                UnitFacts(
                    load=values.get("LoadState", ""),
                    active=values.get("ActiveState", ""),
                    sub=values.get("SubState", ""),
                    enabled=values.get("UnitFileState", ""),
                    next_at=_time(values.get("NextElapseUSecRealtime", "")),
                    last_at=_time(values.get("LastTriggerUSec", "")),
                ),
            )


def _time(text: str) -> datetime | None:
    with suppress(ValueError):  # empty or n/a: it does not elapse, or not by the calendar
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    return None


def _last_success() -> datetime | None:
    with suppress(OSError):
        return datetime.fromtimestamp(os.stat(_STAMP).st_mtime, timezone.utc)
    return None


def _last_line(output: str) -> str:
    return output.splitlines()[-1] if output else ""
