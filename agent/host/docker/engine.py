"""The engine that runs, as its own API and /proc show it."""

import os
import stat

from agent.core.model.docker import RunningEngine, SwarmState
from agent.host.docker.api import EngineApi
from agent.host.docker.fields import Fields

_SNAPSHOTTER = "io.containerd.snapshotter"
_DELETED = " (deleted)"


def read_engine(api: EngineApi, pid: int | None) -> RunningEngine:
    """Return the engine behind an API; `pid` is its process, if known.

    Raises:
        HostError: it does not answer in time, or not as an engine does.
    """
    version, info = Fields(api.get("/version"), "version"), Fields(api.get("/info"), "info")
    swarm = info.child("Swarm")
    return RunningEngine(
        version=version.required("Version"),
        api_version=version.required("ApiVersion"),
        min_api_version=version.text("MinAPIVersion"),
        executable_replaced=None if pid is None else executable_replaced(pid),
        live_restore=bool(info.flag("LiveRestoreEnabled")),
        swarm=_swarm_state(swarm.text("LocalNodeState")),
        swarm_manager=bool(swarm.flag("ControlAvailable")),
        data_root=info.required("DockerRootDir"),
        storage_driver=info.text("Driver"),
        runc_version=_component(version, "runc"),
        containerd_store=any(_SNAPSHOTTER in str(pair) for pair in info.items("DriverStatus")),
    )


def executable_replaced(pid: int) -> bool | None:
    """Return whether a process runs another file than the one now under its name; None if that cannot be read."""
    link = f"/proc/{pid}/exe"
    try:
        path = os.readlink(link)
        if path.endswith(_DELETED):
            return True
        running, present = os.stat(link), os.stat(path)
    except FileNotFoundError:
        return None  # the process has ended, or has another view of the files
    except OSError:
        return None
    return not (stat.S_ISREG(present.st_mode) and os.path.samestat(running, present))


def _component(version: Fields, name: str) -> str:
    return next((one.text("Version") for one in version.objects("Components") if one.text("Name") == name), "")


def _swarm_state(text: str) -> SwarmState:
    """Return the state of this node; empty counts as inactive, as the engine's own client has it."""
    try:
        return SwarmState(text or "inactive")
    except ValueError:
        return SwarmState.ERROR
