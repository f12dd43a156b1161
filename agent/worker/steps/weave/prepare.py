"""What happens before the first change of Weave: plan, script, images, and the snapshot."""

from collections.abc import Collection
from typing import TypeVar

from agent.core.frozen import frozen, replace
from agent.core.job_kinds import JobOption
from agent.core.model.docker import DockerFacts
from agent.core.model.engine_plan import Block, EnginePlan, EngineWhy
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterArguments, RouterReport, WeaveFacts, WeaveScript
from agent.core.version_numbers import version_numbers
from agent.core.weave.launch import first_generation_arguments, images, is_first_generation, wanted_peers
from agent.core.weave.plan import weave_versions
from agent.core.weave.snapshot import UP, SavedScript, WeavePhase, WeaveSnapshot, saved_script, weave_obstacle
from agent.errors import HostError, PlanChangedError
from agent.state.weave_change import WeaveChangeRecord
from agent.worker.context import JobContext
from agent.worker.steps.engine_upgrade import NotNowError
from agent.worker.steps.engines import attempted, plan_weave_upgrade

_T = TypeVar("_T")
_SCRIPT = "/usr/local/bin/weave"
"""Where the script is put on a machine that has only the router."""


@frozen
class WeaveProspect:
    """Weave as it is, and what an upgrade would do."""

    docker: DockerFacts
    weave: WeaveFacts
    plan: EnginePlan

    @property
    def script(self) -> SavedScript:
        """The installed script, without mode and owner."""
        return saved_script(self.weave.script if isinstance(self.weave.script, WeaveScript) else None, _SCRIPT)

    @property
    def target(self) -> str:
        """The version that is wanted."""
        return self.plan.candidate or ""


def look(context: JobContext, options: Collection[JobOption]) -> WeaveProspect | None:
    """Observe and plan; None: Weave is neither installed nor wanted.

    Raises:
        NotNowError: it could not be observed.
    """
    docker = _seen(attempted(context.engines.docker))
    weave = _seen(attempted(lambda: context.engines.weave(docker)))
    plan = plan_weave_upgrade(context, weave, docker, options)
    return None if plan is None else WeaveProspect(docker=docker, weave=weave, plan=_seen(plan))


def accept_failure(context: JobContext, options: Collection[JobOption]) -> None:
    """Forget an upgrade that needed attention, if a person has looked at Weave since.

    Raises:
        NotNowError: nobody has. RecordError: its snapshot is damaged. HostError: it cannot be removed.
    """
    record = WeaveChangeRecord(context.record.store)
    snapshot = record.load()
    if snapshot is None or snapshot.phase is not WeavePhase.FAILED:
        return
    if JobOption.AFTER_FAILURE not in options:
        raise NotNowError(Block(why=EngineWhy.FAILED_BEFORE, values=(snapshot.run_id,)))
    context.weave_acts.files.forget(snapshot.script)  # first: without the record nothing would remove the password
    record.finish()


def fetch(context: JobContext, found: WeaveProspect) -> str:
    """Have the new script and its images on this machine; return the script's SHA-256, empty: it is installed.

    Raises:
        NotNowError: they cannot be had; Weave runs on.
    """
    acts, digest = context.weave_acts, ""
    try:
        if found.plan.packages:
            context.control.step(f"fetching the script of Weave {found.target}")
            digest = acts.files.fetch(found.target, found.script)
        missing = acts.router.missing_images(_images(found)) if _runs(found.weave) else ()
    except HostError as error:
        raise NotNowError(Block(why=EngineWhy.DOWNLOAD_FAILED, values=(str(error),))) from error
    for name in missing:
        context.control.step(f"pulling {name}")
        if problem := acts.router.pull(name):
            raise NotNowError(Block(why=EngineWhy.DOWNLOAD_FAILED, values=(f"{name}: {problem}",)))
    return digest


def require_names(context: JobContext, weave: WeaveFacts) -> None:
    """Check that each peer's name resolves: a launch with one that does not would end the router (M2).

    Raises:
        NotNowError: one does not; Weave runs on.
    """
    if not _runs(weave) or not isinstance(weave.arguments, RouterArguments):
        return
    peers = wanted_peers(weave.arguments, weave.report if isinstance(weave.report, RouterReport) else None)
    if unknown := context.weave_acts.router.unresolved(peers):
        names = ", ".join(unknown)
        raise NotNowError(
            message=f"Nothing was changed: the names of these peers do not resolve: {names}. Correct them in DNS, or "
            f"remove them with `weave forget {unknown[0]}`."
        )


def require_same_work(first: EnginePlan, now: WeaveProspect | None) -> WeaveProspect:
    """Return what was planned last, right before the change, if it is what was agreed to.

    Raises:
        NotNowError: something blocks it by now. PlanChangedError: it is another plan.
    """
    if now is None:
        raise PlanChangedError("Weave was removed meanwhile; nothing was changed")
    if now.plan.blocked:
        raise NotNowError(*now.plan.blocked)
    if (now.plan.packages, now.plan.restart_needed) != (first.packages, first.restart_needed):
        raise PlanChangedError("the plan changed while the upgrade was prepared; nothing was changed")
    return now


def take_weave_snapshot(context: JobContext, found: WeaveProspect, digest: str, *, hooked: bool) -> WeaveSnapshot:
    """Record the snapshot, then keep script and password; `digest` as `fetch` returns it, `hooked`: a pre-hook ran.

    In this order, a later run finds what a killed one has kept, and removes the password.

    Raises:
        HostError: something that is needed is unknown or cannot be kept; nothing was changed.
    """
    weave, docker, acts = found.weave, found.docker, context.weave_acts
    if problem := weave_obstacle(weave, docker):
        raise HostError(f"nothing was changed: {problem}")
    runs, versions = _runs(weave), weave_versions(weave)
    password = acts.router.password() if runs else ""
    unit = weave.unit if runs and weave.unit and acts.router.unit_active(weave.unit) else ""
    arguments = _arguments(weave, versions.running or versions.installed or "")
    if runs and not unit:
        _require_password(arguments, password)
    snapshot = WeaveSnapshot(
        run_id=context.run_id,
        taken_at=context.machine.now(),
        phase=WeavePhase.PREPARED,
        boot_id=context.engine_acts.host.boot_id(),
        script=found.script,
        before=versions.running or versions.installed or "",
        target=found.target,
        target_sha256=digest,
        user=_user(weave),
        runs=runs,
        unit=unit,
        arguments=arguments,
        report=weave.report if isinstance(weave.report, RouterReport) else None,
        network=acts.router.network(docker),
        hooked=hooked,
    )
    record = WeaveChangeRecord(context.record.store)
    record.save(snapshot, context.machine.now())
    snapshot = replace(snapshot, script=acts.files.keep(found.script, password))
    record.save(snapshot, context.machine.now())
    return snapshot


def _seen(found: _T | Unseen) -> _T:
    if isinstance(found, Unseen):
        raise NotNowError(Block(why=EngineWhy.UNRESPONSIVE, values=(found.reason,)))
    return found


def _runs(weave: WeaveFacts) -> bool:
    return weave.container_state in UP


def _arguments(weave: WeaveFacts, version: str) -> RouterArguments | None:
    """Return what the router is launched with; None: there is none. Raises HostError: that is unknown."""
    if not isinstance(weave.arguments, RouterArguments):
        return None
    if not is_first_generation(version) or not _runs(weave):
        return weave.arguments
    if not isinstance(weave.report, RouterReport):
        raise HostError("nothing was changed: the router of Weave 1.x does not answer, so its settings are unknown")
    return first_generation_arguments(weave.arguments, weave.report)


def _images(found: WeaveProspect) -> tuple[str, ...]:
    """Return the images that the launch needs, and those of the version of before, for the way back."""
    user, before = _user(found.weave), weave_versions(found.weave).running or ""
    back = images(user, before) if version_numbers(before) and not is_first_generation(before) else ()
    return tuple(dict.fromkeys((*images(user, found.target), *back)))


def _require_password(arguments: RouterArguments | None, password: str) -> None:
    if arguments and arguments.encrypted and not password:
        raise HostError(
            "nothing was changed: the router's password is not in its environment, so that it cannot be launched "
            "again; launch it once with the variable WEAVE_PASSWORD"
        )


def _user(weave: WeaveFacts) -> str:
    return weave.vendor.value if weave.vendor else ""
