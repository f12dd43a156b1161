"""A phrase for each fault of an upgrade of Docker: what was seen. Pure."""

from collections.abc import Iterable, Mapping

from agent.core.docker.verify import Fault, FaultCode

FAULTS: Mapping[FaultCode, str] = {
    FaultCode.PACKAGES: "packages are not installed as planned: {}",
    FaultCode.DPKG: "dpkg failed: {}",
    FaultCode.CONFIG: "the new engine refuses its configuration: {}",
    FaultCode.ENGINE_DOWN: "the engine did not stay up (state of its unit: {})",
    FaultCode.ENGINE_UP: "the engine runs although it had been stopped",
    FaultCode.ENGINE_SILENT: "the engine did not answer: {}",
    FaultCode.WRONG_VERSION: "the engine runs in another version than expected (running, expected): {}",
    FaultCode.OLD_EXECUTABLE: "the engine still runs from a replaced file",
    FaultCode.UNSTABLE: "systemd had to restart the engine again (times: {})",
    FaultCode.CONTAINERS_UNKNOWN: "the containers are unknown: {}",
    FaultCode.CONTAINERS_DOWN: "containers that ran before did not run: {}",
    FaultCode.CONTAINERS_LOST: "containers that ran before did not start, while most did: {}",
    FaultCode.CONTAINERS_GONE: "containers that ran before were removed: {}",
    FaultCode.LIVE_RESTORE: "live-restore could not be switched on: {}",
    FaultCode.CONFIG_KEPT: "daemon.json could not be put back: {}",
    FaultCode.HOLD: "packages that were on hold are not any more (`apt-mark hold`): {}",
    FaultCode.ADDRESSES_LOST: "containers run without the address on Weave's network that they had: {}",
    FaultCode.CONTAINERS_REVIVED: "containers that had been stopped run: {}",
}


def fault_sentences(found: Iterable[Fault]) -> str:
    """Return faults as one text; empty if there are none."""
    return "; ".join(
        FAULTS[fault.code].format(", ".join(value or "unknown" for value in fault.values) or "no details")
        for fault in found
    )
