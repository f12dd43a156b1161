"""Healthy default values; a test changes the one thing that it is about."""

from dataclasses import replace
from datetime import datetime, time, timedelta, timezone
from typing import Any

from agent.core.model.facts import Facts, KnownPackage, Lists, ListsState, Reboot, Repair, Update
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Outcome, Result
from agent.core.model.plan import Held, Plan, Step, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.release import Release
from agent.core.model.scope import Scope
from agent.core.model.waiting import Age, Snooze
from agent.core.policy.origins import parse_pattern
from agent.core.policy.policy import (
    AgentPolicy,
    AptPolicy,
    Conffiles,
    DockerPolicy,
    EndpointPolicy,
    MetricsPolicy,
    OtlpPolicy,
    Policy,
    PrefetchMode,
    ScriptDigests,
    SecurityPolicy,
    SoakPolicy,
    WeavePolicy,
)
from agent.core.reboot.services import ServiceScan
from agent.core.restart.model import RestartAction, RestartUnit, UnitResult

NOW = datetime(2026, 11, 23, 5, 10, tzinfo=timezone.utc)
FRESH = Lists(state=ListsState.FRESH, updated_at=NOW)
REMOVAL = Removal(
    package="linux-image-6.1.0-1-amd64",
    architecture="amd64",
    version="6.1.1-1",
    cause=Reason(code=ReasonCode.SUPERSEDED, values=("6.1.0-3-amd64",)),
    reason="superseded by 6.1.0-3-amd64, and not running",
)
BOOT = "b0000000-0000-4000-8000-000000000001"
WATCHED = ServiceScan(
    boot_id=BOOT,
    replaced=("cron.service", "ssh.service"),
    restarts=tuple(
        RestartUnit(unit=unit, action=RestartAction.RESTART, result=UnitResult.PLANNED)
        for unit in ("cron.service", "ssh.service")
    ),
)
BOOKWORM = Release(
    distribution="debian",
    version="12",
    codename="bookworm",
    row={"eol": "2026-07-11", "eol-lts": "2028-06-30", "eol-elts": "2033-06-30"},
)
REPAIR = Repair(package="r", architecture="amd64", state="half-configured")

NO_ENDPOINT = EndpointPolicy(
    url="",
    token_file="",
    ca_file="",
    client_cert="",
    client_key="",
    proxy="",
    interval=timedelta(minutes=5),
    timeout=timedelta(seconds=30),
    max_bytes=16_000_000,
    max_age=timedelta(days=30),
    burst=500,
)


SOAK = SoakPolicy(security=timedelta(days=7), other=timedelta(days=14), rollout=timedelta(days=10), cohort="50")


NO_SOAK = SoakPolicy()


def policy(soak: SoakPolicy = NO_SOAK, **security: Any) -> Policy:
    """Return a policy with every gate open, except for its soak and the given fields of its security part."""
    open_everywhere = SecurityPolicy(
        origins=(parse_pattern("origin=Debian,codename=bookworm-security", {}),),
        blocklist=(),
        allowlist=(),
        include_runtime=False,
        remove_old_kernels=True,
        conffiles=Conffiles.KEEP,
    )
    waits = AptPolicy(
        lock_timeout=timedelta(minutes=10),
        refresh_timeout=timedelta(minutes=10),
        max_list_age=timedelta(hours=36),
        stall_timeout=timedelta(hours=1),
        package_timeout=timedelta(hours=2),
        run_timeout=timedelta(hours=6),
        fetch_ahead=PrefetchMode.OFF,
    )
    agent = AgentPolicy(check_interval=timedelta(hours=6), upgrade=True, upgrade_at=time(4), splay=timedelta(hours=2))
    return Policy(
        agent=agent,
        security=replace(open_everywhere, **security),
        apt=waits,
        docker=DockerPolicy(manifest="", environment="production", window=""),
        weave=WeavePolicy(vendor="", source="", sha256=ScriptDigests(), window=""),
        endpoint=NO_ENDPOINT,
        metrics=MetricsPolicy(textfile="", compatible_names=False),
        soak=soak,
        otlp=OtlpPolicy(url="", headers_file="", ca_file="", timeout=timedelta(seconds=30), logs=True, metrics=True),
    )


_FROM_1_TO_2: dict[str, Any] = {
    "architecture": "amd64",
    "installed": "1",
    "candidate": "2",
    "origin": "Debian",
    "archive": "stable-security",
    "security": True,
    "download_bytes": 1000,
}


def update(package: str = "a", **changes: Any) -> Update:
    """Return a security update from 1 to 2 that no gate holds."""
    return replace(Update(package=package, **_FROM_1_TO_2), **changes)


def other(package: str = "a", **changes: Any) -> Update:
    """Return an update from 1 to 3 that is not a security update."""
    return update(package, **{"candidate": "3", "archive": "stable-updates", "security": False, **changes})


def step(package: str = "a", **changes: Any) -> Step:
    """Return the step of `update`."""
    return replace(Step(package=package, **_FROM_1_TO_2), **changes)


def held(package: str = "a", why: Why = Why.HELD_BY_ADMIN, detail: str = "marked hold", **changes: Any) -> Held:
    """Return `update` as held."""
    item = Held(package=package, architecture="amd64", installed="1", candidate="2", why=why, detail=detail)
    return replace(item, **changes)


def facts(*updates: Update, **changes: Any) -> Facts:
    """Return an observation of a healthy machine with these updates."""
    observed = Facts(seen_at=NOW, lists=FRESH, updates=updates, repair=(), reboot=Reboot(required=False))
    return replace(observed, **changes)


def plan(**changes: Any) -> Plan:
    """Return an empty plan."""
    nothing = Plan(
        id="0" * 12,
        scope=Scope.SECURITY,
        seen_at=NOW,
        lists=FRESH,
        install=(),
        held=(),
        repair=(),
        reboot=Reboot(required=False),
        other_updates=0,
    )
    return replace(nothing, **changes)


def outcome(**changes: Any) -> Outcome:
    """Return the outcome of a run that has just started."""
    started = Outcome(
        id="20261123T051000Z", scope=Scope.SECURITY, started_at=NOW, finished_at=None, result=Result.INTERRUPTED
    )
    return replace(started, **changes)


def snooze(what: str = "a", **changes: Any) -> Snooze:
    """Return a snooze of a package or a CVE, made a day ago, for a week from now."""
    made = Snooze(
        what=what, until=NOW + timedelta(days=7), comment="after the fair", by="ann", at=NOW - timedelta(days=1)
    )
    return replace(made, **changes)


def age(seen_ago: timedelta = timedelta(0), cohort: int = 50, **changes: Any) -> Age:
    """Return the age of an update that was first seen some time ago."""
    return replace(Age(first_seen_at=NOW - seen_ago, observed_at=NOW, cohort=cohort), **changes)


def known(package: str = "a", **changes: Any) -> KnownPackage:
    """Return an installed package as apt knows it."""
    return replace(KnownPackage(package=package, architecture="amd64", installed="1", on_hold=False), **changes)
