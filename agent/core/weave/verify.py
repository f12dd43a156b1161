"""Judges an upgrade of Weave by what Docker and the router's `/report` show after it, never by the script. Pure.

The script's exit codes and texts prove nothing (weave-behaviour.md W6, W9, M5).
"""

from collections.abc import Iterator
from enum import Enum

from agent.core.frozen import frozen
from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport, WeaveFacts, WeaveScript
from agent.core.version_numbers import version_numbers
from agent.core.weave.api_gate import image_tag
from agent.core.weave.launch import missing_targets
from agent.core.weave.reattach import unusable
from agent.core.weave.snapshot import UP, WeaveNetwork, WeaveSnapshot


class RouterFaultCode(Enum):
    """What is wrong after an upgrade."""

    STEP = "step"
    """A step could not be done: why."""
    SCRIPT = "script"
    """The installed script is not the expected one: its version."""
    ROUTER_DOWN = "router-down"
    """State of the router's container; its last error."""
    ROUTER_UP = "router-up"
    """The router was stopped before, and runs."""
    ROUTER_SILENT = "router-silent"
    """The router does not answer. Why."""
    NOT_READY = "not-ready"
    """The router answers and is not ready."""
    WRONG_ROUTER = "wrong-router"
    """The running version; the expected one."""
    PEER_NAME = "peer-name"
    """The name of this peer before; now."""
    RANGE = "range"
    """The range of addresses before; now."""
    ADDRESSES_WAIT = "addresses-wait"
    """Addresses could be allocated before, and now wait for other peers."""
    REFUSED = "refused"
    """Reasons why peers refuse this one, none of which was seen before."""
    DISCONNECTED = "disconnected"
    """Names of the peers, every one that was connected before."""
    PEERS_LOST = "peers-lost"
    """Names of some peers that were connected before and are not."""
    TARGETS_LOST = "targets-lost"
    """Peers that the router tried before and does not try now."""
    CONTAINERS_DOWN = "weave-containers-down"
    """Names of attached containers that ran before and do not run."""
    ADDRESSES_LOST = "addresses-lost"
    """Attached containers that have another address or none: "name before now"."""
    NETWORK_LOST = "network-lost"
    """Names of containers whose network does not exist any more: they cannot be started."""


_KEPT = {
    *(RouterFaultCode.PEERS_LOST, RouterFaultCode.TARGETS_LOST, RouterFaultCode.CONTAINERS_DOWN),
    *(RouterFaultCode.ADDRESSES_LOST, RouterFaultCode.NETWORK_LOST, RouterFaultCode.ROUTER_UP),
}
"""Faults that another version of the router would not repair."""
_OF_OTHERS = {RouterFaultCode.DISCONNECTED, RouterFaultCode.ADDRESSES_WAIT}
"""Faults that the other peers may have caused at the same time."""
_OWN_FAULT = ("unable to decrypt", "incompatible ip allocation", "no password", "password")
"""What a connection's error has in it if the router was launched otherwise than before (W8, W9)."""


@frozen
class RouterFault:
    """One thing that is wrong, with its parameters."""

    code: RouterFaultCode
    values: tuple[str, ...] = ()

    @property
    def rolls_back(self) -> bool:
        """Whether the version of before may be without it."""
        return self.code not in _KEPT

    @property
    def after_rollback(self) -> bool:
        """Whether the version of before must be without it."""
        return self.rolls_back and self.code not in _OF_OTHERS


@frozen
class ExpectedWeave:
    """What has to be there: the target after an upgrade, the version of before after a rollback."""

    version: str
    script_sha256: str
    """Empty: no script, or one that was not changed."""


def router_faults(
    before: WeaveSnapshot, after: WeaveFacts, network: WeaveNetwork, expected: ExpectedWeave
) -> tuple[RouterFault, ...]:
    """Return what is wrong with Weave and its containers; `network` is that of after.

    A router that does not run is the only fault then: all others follow from it.
    """
    return (*_script_faults(after, expected), *_router_faults(before, after, network, expected))


def _script_faults(after: WeaveFacts, expected: ExpectedWeave) -> Iterator[RouterFault]:
    script = after.script if isinstance(after.script, WeaveScript) else None
    if expected.script_sha256 and (script is None or script.sha256 != expected.script_sha256):
        yield _fault(RouterFaultCode.SCRIPT, script.version if script else "")


def _router_faults(
    before: WeaveSnapshot, after: WeaveFacts, network: WeaveNetwork, expected: ExpectedWeave
) -> Iterator[RouterFault]:
    if not before.runs:
        if after.container_state in UP:
            yield _fault(RouterFaultCode.ROUTER_UP)
        return
    if after.container_state != "running":
        yield _fault(RouterFaultCode.ROUTER_DOWN, after.container_state)
        return
    report = after.report
    if not isinstance(report, RouterReport):
        yield _fault(RouterFaultCode.ROUTER_SILENT, report.reason if isinstance(report, Unseen) else "")
        return
    if not report.ready:
        yield _fault(RouterFaultCode.NOT_READY)
    if version_numbers(expected.version) and not _is_version(report.version, after.image, expected.version):
        yield _fault(RouterFaultCode.WRONG_ROUTER, report.version, expected.version)
    if before.report is not None:
        yield from _report_faults(before.report, report)
    yield from _container_faults(before.network, network)


def _report_faults(before: RouterReport, now: RouterReport) -> Iterator[RouterFault]:
    if before.peer_name != now.peer_name:
        yield _fault(RouterFaultCode.PEER_NAME, before.peer_name, now.peer_name)
    if before.ipam_range != now.ipam_range:
        yield _fault(RouterFaultCode.RANGE, before.ipam_range, now.ipam_range)
    if before.ipam_ready and now.ipam_ready is False:
        yield _fault(RouterFaultCode.ADDRESSES_WAIT)
    lost = sorted(set(before.established) - set(now.established))
    refused = [one for one in now.failed if one not in before.failed and _is_own_fault(one)]
    if refused and (lost or not before.established):  # else it is another one that is not let in
        yield _fault(RouterFaultCode.REFUSED, *refused)
    elif lost and not now.established:
        yield _fault(RouterFaultCode.DISCONNECTED, *lost)
    elif lost:
        yield _fault(RouterFaultCode.PEERS_LOST, *lost)
    if targets := missing_targets(before, now):
        yield _fault(RouterFaultCode.TARGETS_LOST, *targets)


def _container_faults(before: WeaveNetwork, after: WeaveNetwork) -> Iterator[RouterFault]:
    now = {one.id: one for one in after.containers}
    ran = [(one, now.get(one.id)) for one in before.containers if one.running or one.fell]
    down = [one.name for one, found in ran if found is None or not found.running]
    if down:
        yield _fault(RouterFaultCode.CONTAINERS_DOWN, *sorted(down))
    moved = [
        f"{one.name} {one.address} {found.address or 'none'}"
        for one, found in ran
        if found and found.running and one.running and one.address not in {"", found.address}
    ]
    if moved:
        yield _fault(RouterFaultCode.ADDRESSES_LOST, *sorted(moved))
    broken = {one.id for one in unusable(before)}
    stale = [one.name for one in unusable(after) if one.id not in broken]
    if stale:
        yield _fault(RouterFaultCode.NETWORK_LOST, *sorted(stale))


def _is_version(shown: str, image: str, expected: str) -> bool:
    """Whether a router is of a version: by its image where it is stamped with a commit, as 2.8.2 and 2.8.3 are (M1)."""
    return version_numbers(shown if version_numbers(shown) else image_tag(image)) == version_numbers(expected)


def _is_own_fault(reason: str) -> bool:
    return any(one in reason.lower() for one in _OWN_FAULT)


def _fault(code: RouterFaultCode, *values: str) -> RouterFault:
    return RouterFault(code=code, values=values)
