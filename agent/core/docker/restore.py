"""Compares the containers after a restart of the engine with those of before: what to start, stop and pause. Pure.

Sources: docker-behaviour of engines 20.10.24, 26.1.5 and 28.5.2. A restart revives containers with policy `always`
that their owner had stopped, leaves policy `no` and an `on-failure` that ended with 0 stopped, un-pauses paused ones,
and leaves `unless-stopped` stopped after a SIGKILL of dockerd.
"""

from collections.abc import Collection, Iterable, Sequence

from agent.core.frozen import frozen
from agent.core.model.docker import NO_STOP_LIMIT_S, Container, RestartPolicy, WeaveAttachment

_LOOPING = "restarting"
_PAUSED = "paused"
_CREATED = "created"
_WEAVE_ROUTER = "weave"
_HAS_ADDRESS = frozenset({"running", "paused"})


@frozen
class Restoration:
    """What brings the containers back to the state of before. Containers are those of after."""

    start: tuple[Container, ...] = ()
    """In order: containers that need Weave's network last."""
    stop: tuple[Container, ...] = ()
    pause: tuple[Container, ...] = ()
    """To be paused again, once they run."""
    settling: tuple[Container, ...] = ()
    """The engine restarts them at the moment: look again."""
    removed: tuple[str, ...] = ()
    """Names of those that were removed as announced."""
    gone: tuple[str, ...] = ()
    """Names of those that ran, are removed, and were not announced."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether the containers are as before, but for those that are removed."""
        return not (self.start or self.stop or self.pause or self.settling)


def restoration(
    before: Sequence[Container], after: Sequence[Container], announced: Collection[str] = ()
) -> Restoration:
    """Return what has to be done to the containers of `after`; `announced` are names that the plan lists as removed.

    Tasks of a swarm are not touched: its manager starts them elsewhere. A container that was in a restart loop is
    neither started nor counted. A container that is new since the snapshot is left alone.
    """
    pairs = [(one, _same(one, after)) for one in before if not one.swarm_task]
    ran = [(one, now) for one, now in pairs if one.running and one.state != _LOOPING]
    missing = [one.name for one, now in ran if now is None]
    start = [now for _, now in ran if now is not None and not now.running]
    return Restoration(
        start=tuple(sorted(start, key=_order)),
        stop=tuple(now for one, now in pairs if now is not None and _was_revived(one, now)),
        pause=tuple(now for one, now in ran if now is not None and one.state == _PAUSED and now.state != _PAUSED),
        settling=tuple(now for _, now in ran if now is not None and now.state == _LOOPING),
        removed=tuple(name for name in missing if name in announced),
        gone=tuple(name for name in missing if name not in announced),
    )


def still_lost(names: Collection[str], containers: Iterable[Container]) -> tuple[str, ...]:
    """Return which of the containers that an upgrade lost are down.

    One that somebody removed since, or that ended by itself with 0 as a job does, needs nobody. A start that fails
    leaves another exit code than 0 (moby, daemon/start.go).
    """
    down = [one for one in containers if one.state == _LOOPING or not (one.running or one.exit_code == 0)]
    return tuple(sorted(one.name for one in down if one.name in names))


def revived(container: Container) -> bool:
    """Whether the engine starts a container that its owner had stopped, so that the agent stops it again."""
    if container.running or container.state == _CREATED or container.stopped_by_owner is False:
        return False
    if container.policy is RestartPolicy.ON_FAILURE:
        return container.exit_code != 0  # as after a kill at its stop timeout
    return container.policy is RestartPolicy.ALWAYS


def unattached(before: Sequence[Container], after: Sequence[Container]) -> tuple[Container, ...]:
    """Return the containers of before that run and have lost, or changed, the address that `weave attach` gave them.

    A restart of the engine restarts such a container without it, and nothing shows that (weave-behaviour.md 2.1).
    """
    pairs = [(one, _same(one, after)) for one in before if one.running and one.weave is WeaveAttachment.ATTACHED]
    return tuple(one for one, now in pairs if now is not None and now.state in _HAS_ADDRESS and _moved(one, now))


def slow_first(containers: Iterable[Container]) -> tuple[Container, ...]:
    """Return the containers to stop ahead of the engine, the slowest first.

    With live-restore off the engine stops all containers at once and starts none before the last one has ended, so
    that those which end at once wait for those which do not handle the stop signal. A container whose behaviour is
    unknown, one with `--rm`, which a stop would remove, one without a limit, whose stop would not end, and a task of a
    swarm, which its manager would replace, are left to the engine.
    """
    slow = [
        one
        for one in containers
        if one.state == "running"
        and one.handles_stop is False
        and one.stop_timeout_s < NO_STOP_LIMIT_S
        and not (one.auto_remove or one.swarm_task)
    ]
    return tuple(sorted(slow, key=lambda one: (-one.stop_timeout_s, one.name)))


def _moved(before: Container, now: Container) -> bool:
    """Whether an attached container is seen to have no address now, or another one."""
    if now.weave is WeaveAttachment.ATTACHED:
        return "" not in {before.weave_address, now.weave_address} and before.weave_address != now.weave_address
    return now.weave is WeaveAttachment.NONE


def _same(container: Container, others: Sequence[Container]) -> Container | None:
    """Return the same container by id, or else the one that has its name now."""
    by_id = next((one for one in others if one.id == container.id), None)
    return by_id or next((one for one in others if one.name == container.name), None)


def _was_revived(before: Container, now: Container) -> bool:
    """Whether the engine started a container that did not run; another one of its name was started by a person."""
    started = now.running and now.id == before.id
    return started and (revived(before) or (before.state == _CREATED and before.policy is not RestartPolicy.NO))


def _order(container: Container) -> tuple[bool, bool, str]:
    """Sort Weave's router first and the containers that need its network last."""
    return container.weave is not WeaveAttachment.NONE, container.name != _WEAVE_ROUTER, container.name
