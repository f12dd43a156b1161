"""A sentence for each block and each warning of an engine's plan: what is so, and what to do."""

import errno
import os
from collections.abc import Mapping

from agent.core.model.engine_plan import Block, EngineWarning, EngineWhy, Notice

_ABSENT = ("none",)
"""The flavour of what is not installed."""
_DENIED = os.strerror(errno.EACCES)
_DOWNGRADE = 3
"""Values of a refused downgrade: installed, wanted, the option that allows it or "none"."""
BLOCKS: Mapping[EngineWhy, str] = {
    EngineWhy.VERSION_UNAVAILABLE: (
        "No source has version {first}; the nearest are: {rest}. Change the manifest, or add a source that has it."
    ),
    EngineWhy.NO_SOURCE: "Where Weave's script comes from is not configured: {}. Set weave.source and weave.sha256.",
    EngineWhy.UNSUPPORTED_FLAVOUR: "The agent cannot upgrade this kind of installation: {}.",
    EngineWhy.FLAVOUR_MISMATCH: "Only another vendor's package has this version (asked, installed, other): {}.",
    EngineWhy.PINNED: (
        "apt's preferences exclude version {first}: {rest} (`apt-cache policy`). Change the pin, or the manifest."
    ),
    EngineWhy.HELD_BY_ADMIN: (
        "On hold: {}. `apt-mark unhold` releases them; `--change-held` changes engine and client and holds them again."
    ),
    EngineWhy.SNOOZED: "Snoozed: {}. `maestro-agent snooze` shows until when and why; `snooze --end` ends it.",
    EngineWhy.WOULD_REMOVE: "apt would remove: {}.",
    EngineWhy.WOULD_CHANGE: (
        "It needs other versions of packages that are not Docker's: {}. Upgrade them first, or change the manifest."
    ),
    EngineWhy.DOWNGRADE_REFUSED: "The manifest wants a version older than the installed one, {first}: {rest}.",
    EngineWhy.CONFIG_INVALID: "Correct this file: {}",
    EngineWhy.CONFIG_UNREADABLE: "The engine's configuration, /etc/docker/daemon.json, cannot be read: {}.",
    EngineWhy.API_TOO_NEW: "Docker and Weave do not fit (Docker, its API, Weave, its API, remedy): {}.",
    EngineWhy.SWARM: "The engine is part of a swarm: {}. Drain the node and leave the swarm, or upgrade by hand.",
    EngineWhy.NO_SPACE: "Too little disk space: {}.",
    EngineWhy.SLOW_STOP: "systemd would kill the engine before these containers end: {}. Stop them first.",
    EngineWhy.REMOVES_CONTAINERS: "Containers with --rm would be removed: {}. Allow it with --remove-containers.",
    EngineWhy.HOOK_DEFERRED: "A hook deferred the upgrade: {}.",
    EngineWhy.HOOK_FAILED: "A hook failed, so nothing was changed: {}.",
    EngineWhy.DOWNLOAD_FAILED: "What the upgrade needs cannot be had: {}.",
    EngineWhy.FAILED_BEFORE: (
        "An earlier upgrade failed and needs attention (run): {}. Correct what `maestro-agent history` shows, then run "
        "this upgrade with --after-failure."
    ),
    EngineWhy.OUTSIDE_WINDOW: "Outside the maintenance window: {}.",
    EngineWhy.NOT_APPROVED: "Not approved: {}.",
    EngineWhy.DPKG_UNFINISHED: "Packages are not completely installed: {}. Run `maestro-agent check`.",
    EngineWhy.UNRESPONSIVE: "It runs and does not answer: {}. See `journalctl -u docker`.",
    EngineWhy.BROKEN_DEPENDENCY: "apt cannot install it: {}.",
    EngineWhy.DOCKER_STOPPED: "No engine runs: {}. Start Docker first.",
}
WARNINGS: Mapping[EngineWarning, str] = {
    EngineWarning.END_OF_LIFE: "Gets no fixes any more (component, version, end): {}.",
    EngineWarning.ARCHIVED: "The project is archived (vendor, since, newest version): {}.",
    EngineWarning.API_GAP: "Clients stop working below this API version: {}.",
    EngineWarning.RESTART_PENDING: "Installed and still not running (installed, running): {}.",
    EngineWarning.REVIVES_STOPPED: "Stopped containers that the engine starts and the agent stops again: {}.",
    EngineWarning.NEEDS_START: "Containers that the agent starts, because the engine does not: {}.",
    EngineWarning.REMOVES: "Containers with --rm that are removed: {}.",
    EngineWarning.SLOW_STOP: "Containers that do not end by the stop signal: {}.",
    EngineWarning.WEAVE_NETWORK: "Containers on Weave's network, each of which delays the engine by 15 or 30 s: {}.",
    EngineWarning.MAJOR_DOWNGRADE: "The older engine may fail on the newer one's data (installed, wanted): {}.",
    EngineWarning.LIVE_RESTORE_OFF: (
        "live-restore would keep the containers running: `--live-restore`, or docker.live_restore in the configuration."
    ),
    EngineWarning.PUBLISHED_PORTS: "Published ports do not answer while the engine restarts: {}.",
    EngineWarning.UNIT_STOPPED: "The engine is stopped and stays stopped: {}.",
    EngineWarning.CONTAINERS_UNKNOWN: "The containers are unknown: {}.",
    EngineWarning.MISMATCH: "Versions of Weave differ (script, image, running): {}.",
    EngineWarning.CONNECTIONS_FAILED: "Connections failed: {}.",
}


def block_sentence(block: Block) -> str:
    """Return why an upgrade may not happen."""
    if block.why is EngineWhy.UNSUPPORTED_FLAVOUR and block.values == _ABSENT:
        return "It is not installed, and the agent does not install it. Install it, or remove it from the manifest."
    if block.why is EngineWhy.UNRESPONSIVE and any(one.endswith(_DENIED) for one in block.values):
        return f"Only root may connect to it: {_values(block.values)}. Run this command as root."
    if block.why is EngineWhy.DOWNGRADE_REFUSED and len(block.values) == _DOWNGRADE:
        installed, wanted, option = block.values
        remedy = "no option allows it; change the manifest" if option == "none" else f"`{option}` allows it"
        return f"{wanted} is older than the installed {installed}: {remedy}."
    first, rest = _values(block.values[:1]), _values(block.values[1:])
    return BLOCKS[block.why].format(_values(block.values), first=first, rest=rest)


def warning_sentence(notice: Notice) -> str:
    """Return what an operator should know."""
    return WARNINGS[notice.code].format(_values(notice.values))


def _values(values: tuple[str, ...]) -> str:
    return ", ".join(value or "unknown" for value in values) or "no details"
