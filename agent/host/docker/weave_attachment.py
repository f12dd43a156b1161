"""Whether a container is attached to the Weave network, without `weave ps`, which would start a container."""

from collections.abc import Collection, Sequence
from pathlib import Path

from agent.core.model.docker import WeaveAttachment

_INTERFACE = "ethwe"
"""Weave's interface in a container: ethwe, or ethwe0 by the plugin. On the machine itself its names begin with v."""
_NETWORK = "weave"
_PROXY_ENTRYPOINT = "/w/w"
_MOST_BYTES = 1 << 20


def weave_attachment(
    *, networks: Collection[str], entrypoint: Sequence[str], pid: int | None, proc: str = "/proc"
) -> WeaveAttachment:
    """Return how a container is attached (weave-behaviour.md 2.1).

    `weave attach` leaves no trace in `docker inspect`, so the interfaces of its first process `pid` decide; a stopped
    container has lost that attachment. `entrypoint` is Config.Entrypoint, empty if there is none.
    """
    if _NETWORK in networks:
        return WeaveAttachment.NETWORK
    if entrypoint and entrypoint[0] == _PROXY_ENTRYPOINT:
        return WeaveAttachment.PROXIED
    if not pid:
        return WeaveAttachment.NONE
    names = _interfaces(Path(proc, str(pid), "net", "dev"))
    if names is None:
        return WeaveAttachment.UNKNOWN
    return WeaveAttachment.ATTACHED if any(name.startswith(_INTERFACE) for name in names) else WeaveAttachment.NONE


def _interfaces(path: Path) -> list[str] | None:
    """Return the names of the interfaces in a proc_pid_net(5) `dev`: two lines of headers, then `NAME: numbers`."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
    return [line.partition(":")[0].strip() for line in text.splitlines()[2:]]
