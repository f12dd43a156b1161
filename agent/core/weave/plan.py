"""What an upgrade of Weave would do now, and what blocks it. Pure.

Only the script kind can be upgraded, only within its vendor, and only while an engine runs.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from agent.core.frozen import frozen, replace
from agent.core.manifest import Manifest
from agent.core.model.docker import Container, DockerFacts, RunningEngine, WeaveAttachment
from agent.core.model.engine_plan import (
    Block,
    Component,
    ContainerForecast,
    Downtime,
    EnginePlan,
    EngineStep,
    EngineWarning,
    EngineWhy,
    Fate,
    Notice,
    PackageChange,
)
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport, Vendor, WeaveFacts, WeaveKind, WeaveScript
from agent.core.version_numbers import version_numbers
from agent.core.weave.api_gate import DockerApi, WeaveApi, api_gate, image_tag
from agent.core.weave.reattach import has_fallen
from agent.core.weave.releases import ARCHIVED, RELEASES, newest, release_of, vendors_of

_SCRIPT_S = (0.5 + 1.0, 0.9 + 1.4)
"""`weave stop` and `weave launch` of the real router, least and most: runs of 28 November 2026, 2.8.1 to 2.9.0 and back
(weave-behaviour.md 2.4). Each starts a container of its own for its work."""
_AGENT_HIGH_S = 1.1
"""What the agent does meanwhile: it replaces the script (0.2 s), looks at Docker, router and containers (0.4 s, both on
the tests' double), and waits 0.5 s between two looks."""
_PEERS_HIGH_S = 1.0
"""From the launch until the peers are connected again: within 1 s (2.4)."""
_SPEED = (0.6, 2.0)
"""How much of these times a faster or a busier machine takes. Whole outages on the double, on two processors: 1.6 to
3.2 s at a load of 7 to 14, 3.9 to 6.0 s at a load of 18 to 23."""
_OUTAGE_S = (
    round(_SCRIPT_S[0] * _SPEED[0], 1),
    round((_SCRIPT_S[1] + _AGENT_HIGH_S) * _SPEED[1] + _PEERS_HIGH_S, 1),
)
"""Traffic between machines stops for so long; tests/machines/test_weave_forecast.py compares it with measured times."""
_ROUTER = "weave"


@frozen
class WeaveVersions:
    """The versions that count for a decision; None: not there, or unknown."""

    installed: str | None
    running: str | None


@frozen
class WeaveOptions:
    """What the configuration has and a request allows."""

    vendor: str = ""
    """As a value of `Vendor`; empty: the one that is installed."""
    sources: Collection[str] = ()
    """Versions whose script can be fetched and has a checksum."""
    allow_downgrade: bool = False
    """Within a major version; across one it is never allowed."""
    allow_major: bool = False
    """A newer major version."""


def weave_plan(
    weave: WeaveFacts,
    docker: DockerFacts,
    manifest: Manifest,
    seen_at: datetime,
    options: WeaveOptions,
) -> EnginePlan:
    """Return the plan.

    Without a version in the manifest nothing is changed, so nothing is blocked.
    """
    found = weave_versions(weave)
    wanted = manifest.weave_version
    candidate = release_of(wanted, weave.vendor) if wanted and weave.vendor else None
    seen = EnginePlan(
        component=Component.WEAVE,
        seen_at=seen_at,
        flavour=weave.vendor.value if weave.kind is WeaveKind.SCRIPT and weave.vendor else weave.kind.value,
        installed=found.installed,
        running=found.running,
        running_known=not isinstance(weave.report, Unseen),
        wanted=wanted,
        candidate=candidate,
        restart_pending=None not in {found.installed, found.running} and found.installed != found.running,
        warnings=tuple(_warnings(weave, docker)),
    )
    present = candidate or wanted  # a version that no table has may be there, such as weaveworks' 2.8.2
    if wanted is None or {found.installed, found.running or present} == {present}:
        return seen
    blocked = tuple(_kind_blocks(weave, options.vendor)) or (
        *_version_blocks(weave, found, wanted, candidate, allow_downgrade=options.allow_downgrade),
        *_major_blocks(found, candidate, allow_major=options.allow_major),
        *_source_blocks(found, candidate, options.sources),
        *_engine_blocks(weave, docker, candidate),
    )
    return replace(_with_changes(seen, weave, docker, candidate), blocked=blocked)


def weave_versions(weave: WeaveFacts) -> WeaveVersions:
    """Return the installed version, of the script or else of the image (W5), and that of the running router (M1)."""
    tag = image_tag(weave.image)
    script = weave.script.version if isinstance(weave.script, WeaveScript) else ""
    running = weave.running_version
    if running is not None and not version_numbers(running):
        running = tag if version_numbers(tag) else running
    installed = next((one for one in (script, tag) if version_numbers(one)), "")
    return WeaveVersions(installed=installed or script or None, running=running)


def _kind_blocks(weave: WeaveFacts, vendor: str) -> Iterator[Block]:
    if weave.kind is not WeaveKind.SCRIPT:
        yield Block(why=EngineWhy.UNSUPPORTED_FLAVOUR, values=(weave.kind.value,))
    elif weave.vendor not in RELEASES:
        yield Block(why=EngineWhy.UNSUPPORTED_FLAVOUR, values=(weave.vendor.value if weave.vendor else "unknown",))
    elif vendor not in {"", weave.vendor.value}:
        yield Block(why=EngineWhy.FLAVOUR_MISMATCH, values=(weave.vendor.value, vendor))


def _version_blocks(
    weave: WeaveFacts, found: WeaveVersions, wanted: str, candidate: str | None, *, allow_downgrade: bool
) -> Iterator[Block]:
    vendor = weave.vendor or Vendor.OTHER
    if candidate is None:
        yield Block(why=EngineWhy.VERSION_UNAVAILABLE, values=(wanted, newest(vendor) or ""))
        for other in vendors_of(wanted):
            yield Block(why=EngineWhy.FLAVOUR_MISMATCH, values=(vendor.value, other.value))
        return
    present, target = _present(found), version_numbers(candidate)
    if target[:1] < present[:1]:
        yield Block(why=EngineWhy.DOWNGRADE_REFUSED, values=(_text(present), candidate, "none"))
    elif target < present and not allow_downgrade:
        yield Block(why=EngineWhy.DOWNGRADE_REFUSED, values=(_text(present), candidate, "--allow-downgrade"))


def _major_blocks(found: WeaveVersions, candidate: str | None, *, allow_major: bool) -> Iterator[Block]:
    """Yield a block where a newer major version is not allowed: peers of the one before must speak its protocol."""
    present, target = _present(found), version_numbers(candidate or "")
    if present and target[:1] > present[:1] and not allow_major:
        yield Block(
            why=EngineWhy.NOT_APPROVED, values=(f"from {_text(present)} to {candidate} it takes --allow-major",)
        )


def _present(found: WeaveVersions) -> tuple[int, ...]:
    """Return the newer one of the installed and the running version."""
    both = (version_numbers(one or "") for one in (found.installed, found.running))
    return max(filter(None, both), default=())


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _source_blocks(found: WeaveVersions, candidate: str | None, sources: Collection[str]) -> Iterator[Block]:
    if candidate and candidate != found.installed and candidate not in sources:
        yield Block(why=EngineWhy.NO_SOURCE, values=(candidate,))


def _engine_blocks(weave: WeaveFacts, docker: DockerFacts, candidate: str | None) -> Iterator[Block]:
    engine = docker.engine
    silent = [one.reason for one in (engine, weave.report) if isinstance(one, Unseen)]
    if silent:
        yield Block(why=EngineWhy.UNRESPONSIVE, values=(silent[0],))
    elif engine is None:
        yield Block(why=EngineWhy.DOCKER_STOPPED)
    if isinstance(engine, RunningEngine) and candidate:
        running = DockerApi(version=engine.version, shown_min=engine.min_api_version, shown_max=engine.api_version)
        gate = api_gate(running, WeaveApi(version=candidate, configured=weave.docker_api_version))
        if gate:
            yield gate


def _with_changes(seen: EnginePlan, weave: WeaveFacts, docker: DockerFacts, candidate: str | None) -> EnginePlan:
    """Add what changes; a router that does not run stays down (W3)."""
    if candidate is None or weave.kind is not WeaveKind.SCRIPT:
        return seen
    runs = weave.container_state in {"running", "restarting"}
    fallen = _fallen(docker)
    change = PackageChange(package=_ROUTER, before=seen.installed, after=candidate)
    steps = (
        *(EngineStep.SAVE, EngineStep.DOWNLOAD),
        *((EngineStep.START,) if fallen and runs else ()),
        EngineStep.INSTALL,
        *((EngineStep.LAUNCH,) if runs else ()),
        EngineStep.VERIFY,
    )
    low, high = _OUTAGE_S
    return replace(
        seen,
        packages=(change,) if candidate != seen.installed else (),
        restart_needed=runs,
        downtime=Downtime(low_s=low, high_s=high, basis=("router-stop-and-launch",)) if runs else None,
        containers=tuple(_forecasts(docker)) if runs else (),
        order=steps,
    )


def _forecasts(docker: DockerFacts) -> Iterator[ContainerForecast]:
    """Yield the router and every attached container: traffic within the machine goes on while the router is down."""
    fallen = _fallen(docker)
    for one in docker.containers if isinstance(docker.containers, tuple) else ():
        if one.name == _ROUTER:
            yield _forecast(one, Fate.RESTARTS, *_OUTAGE_S)
        elif one in fallen:
            yield _forecast(one, Fate.NEEDS_START)
        elif one.running and one.weave not in {WeaveAttachment.NONE, WeaveAttachment.UNKNOWN}:
            yield _forecast(one, Fate.KEEPS_RUNNING)


def _forecast(one: Container, will: Fate, low_s: float = 0.0, high_s: float = 0.0) -> ContainerForecast:
    return ContainerForecast(
        id=one.id, name=one.name, state=one.state, policy=one.policy.value, will=will, low_s=low_s, high_s=high_s
    )


def _fallen(docker: DockerFacts) -> tuple[Container, ...]:
    """Return the containers that a restart of the engine left down: `weave stop` would cut them off (W4)."""
    seen = docker.containers if isinstance(docker.containers, tuple) else ()
    return tuple(one for one in seen if has_fallen(one))


def _warnings(weave: WeaveFacts, docker: DockerFacts) -> Iterator[Notice]:
    if weave.vendor in ARCHIVED:
        values = (weave.vendor.value, ARCHIVED[weave.vendor].isoformat(), newest(weave.vendor) or "")
        yield Notice(code=EngineWarning.ARCHIVED, values=values)
    script = weave.script.version if isinstance(weave.script, WeaveScript) else ""
    three = (script, image_tag(weave.image), weave.running_version or "")
    if len({one for one in three if version_numbers(one)}) > 1:
        yield Notice(code=EngineWarning.MISMATCH, values=three)
    if isinstance(weave.report, RouterReport) and weave.report.failed:
        yield Notice(code=EngineWarning.CONNECTIONS_FAILED, values=weave.report.failed)
    if isinstance(docker.containers, Unseen):
        yield Notice(code=EngineWarning.CONTAINERS_UNKNOWN, values=(docker.containers.reason,))
    if fallen := _fallen(docker):
        yield Notice(code=EngineWarning.NEEDS_START, values=tuple(one.name for one in fallen))
