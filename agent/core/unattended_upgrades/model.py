"""What is known of the distribution's daily job, unattended-upgrades: settings, timer, last run. Pure."""

from datetime import datetime, timedelta
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen

ALWAYS = timedelta(0)


class Gap(Enum):
    """Why the distribution's daily job installs nothing."""

    NOT_INSTALLED = "not-installed"
    PERIODIC_OFF = "periodic-off"
    """`APT::Periodic::Enable` is 0."""
    UPGRADE_OFF = "upgrade-off"
    """`APT::Periodic::Unattended-Upgrade` is 0 or not set."""
    UPGRADE_INVALID = "upgrade-invalid"
    """It is not an interval, so that apt's script fails."""
    NO_ORIGINS = "no-origins"
    """Neither `Allowed-Origins` nor `Origins-Pattern` has an entry."""
    TIMER_MASKED = "timer-masked"
    TIMER_DISABLED = "timer-disabled"
    TIMER_STOPPED = "timer-stopped"
    TIMER_MISSING = "timer-missing"
    TIMER_INVALID = "timer-invalid"
    """systemd cannot load the unit."""
    SERVICE_MASKED = "service-masked"
    """The service that the timer starts is masked or cannot be loaded."""
    NO_SCHEDULER = "no-scheduler"
    """Neither systemd nor cron is installed, so that nothing starts it, as in a container."""


class Patcher(Enum):
    """Who installs security updates daily."""

    AGENT = "agent"
    UNATTENDED_UPGRADES = "unattended-upgrades"
    NOBODY = "nobody"


class StandDown(Enum):
    """On whose behalf the distribution's job is stood down."""

    MODE = "mode"
    """`unattended_upgrades.mode = "replace"`: it is put back with the mode."""
    COMMAND = "command"
    """`unattended-upgrades disable`: until `enable`, the mode "delegate" or the removal of the agent."""


@frozen
class RebootKeys:
    """When unattended-upgrades reboots the machine itself, as its configuration has it."""

    automatic: bool = False
    time: str = "now"
    """As `shutdown -r` gets it."""
    with_users: bool = True
    with_system_users: bool = True
    """Read by unattended-upgrades 2.13 and later."""
    ignored_users: tuple[str, ...] = ()
    """The same."""


@frozen
class JobSettings:
    """The merged apt configuration, as far as the daily job reads it."""

    enabled: bool
    """`APT::Periodic::Enable`."""
    every: timedelta | None
    """Its interval; `ALWAYS`: each time that the timer elapses; None: off, or no interval."""
    every_text: str | None
    """The value as it is configured; None: not set."""
    lists_text: str | None
    """`APT::Periodic::Update-Package-Lists` as it is configured; None: not set."""
    origins: tuple[str, ...]
    reboot: RebootKeys
    on_shutdown: bool = False
    """`InstallOnShutdown`: the daily run downloads, and installs at the next shutdown."""
    days: tuple[str, ...] = ()
    """`Update-Days`; empty: every day."""
    blacklist: tuple[str, ...] = ()
    """`Package-Blacklist`: Python's regular expressions, which match at the start of a package's name."""


@frozen
class UnitFacts:
    """One unit as systemd has it (systemctl(1), show)."""

    load: str
    active: str
    sub: str
    """`elapsed`, if a timer never elapses again."""
    enabled: str
    next_at: datetime | None = None
    """When a timer elapses next."""
    last_at: datetime | None = None
    """When it elapsed last."""


@frozen
class TheirJob:
    """Everything that was seen of the daily job."""

    version: str | None
    """Of the package; None: not installed."""
    settings: JobSettings | Unseen
    timer: UnitFacts | None
    """None: systemd is not this machine's init, so that cron starts the job."""
    service: UnitFacts | None
    last_success: datetime | None
    """When it last ended without an error, by apt's stamp; a run that installs nothing counts."""
    running: bool = False
    """Whether it is at work now."""
    scheduler: bool = True
    """Whether systemd or cron is installed, which starts it."""


@frozen
class DailyPatcher:
    """Who patches this machine daily, and why it is not the other one."""

    patcher: Patcher
    gaps: tuple[Gap, ...] = ()
    """Why the distribution's job installs nothing; empty: it does, or `unseen`."""
    unseen: str = ""
    """Why that is unknown."""
