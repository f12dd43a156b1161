"""A phrase for each fault of an upgrade of Weave: what was seen. Pure."""

from collections.abc import Iterable, Mapping

from agent.core.weave.verify import RouterFault, RouterFaultCode

ROUTER_FAULTS: Mapping[RouterFaultCode, str] = {
    RouterFaultCode.STEP: "{}",
    RouterFaultCode.SCRIPT: "the installed script is not the expected one (its version: {})",
    RouterFaultCode.ROUTER_DOWN: "the router does not run (state of its container: {})",
    RouterFaultCode.ROUTER_UP: "the router runs although it had been stopped",
    RouterFaultCode.ROUTER_SILENT: "the router does not answer: {}",
    RouterFaultCode.NOT_READY: "the router is not ready",
    RouterFaultCode.WRONG_ROUTER: "the router runs in another version than expected (running, expected): {}",
    RouterFaultCode.PEER_NAME: "the name of this peer has changed (before, now): {}",
    RouterFaultCode.RANGE: "the range of addresses has changed (before, now): {}",
    RouterFaultCode.ADDRESSES_WAIT: "addresses cannot be allocated until other peers answer",
    RouterFaultCode.REFUSED: "peers refuse the connection: {}",
    RouterFaultCode.DISCONNECTED: "no peer is connected; connected before: {}",
    RouterFaultCode.PEERS_LOST: "peers that were connected before are not: {}",
    RouterFaultCode.TARGETS_LOST: "peers that the router no longer tries (`weave connect` adds them): {}",
    RouterFaultCode.CONTAINERS_DOWN: "attached containers that ran before do not run: {}",
    RouterFaultCode.ADDRESSES_LOST: (
        "containers with another address on Weave's network (name before now; `weave attach` restores it): {}"
    ),
    RouterFaultCode.NETWORK_LOST: "containers that cannot be started, because their network was replaced: {}",
}


def router_fault_sentences(found: Iterable[RouterFault]) -> str:
    """Return faults as one text; empty if there are none."""
    return "; ".join(
        ROUTER_FAULTS[fault.code].format(", ".join(value or "none" for value in fault.values) or "no details")
        for fault in found
    )
