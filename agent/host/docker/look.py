"""One observation of Docker. Nothing of it starts a stopped engine: it connects only to one that runs."""

from collections.abc import Callable

from agent.core.model.docker import (
    NO_DOCKER,
    Container,
    DockerFacts,
    EngineUnit,
    Flavour,
    RunningEngine,
)
from agent.core.model.facts import Unseen
from agent.core.redact import redact
from agent.errors import HostError
from agent.host.docker.api import EngineApi, EngineApiError
from agent.host.docker.containers import read_containers
from agent.host.docker.daemon_config import read_config, socket_of
from agent.host.docker.engine import read_engine
from agent.host.docker.flavour import find_flavours, has_rootless_unit
from agent.host.docker.packages import runtime_packages
from agent.host.docker.presence import rootless_users
from agent.host.docker.unit import SeenUnit, engine_process, read_unit
from agent.host.systemd import systemd_runs

_NO_SYSTEMD = Unseen(reason="systemd does not run here")
_NOT_FOUND = 404
_CHANGING = frozenset({"activating", "deactivating", "maintenance"})
_FOREIGN = frozenset({Flavour.SNAP, Flavour.ROOTLESS})
"""Their engines may run where the agent does not look."""


def observe_docker() -> DockerFacts:
    """Return what is known of Docker on this machine.

    Raises:
        HostError: dpkg's database cannot be read.
    """
    seen = read_unit() if systemd_runs() else _NO_SYSTEMD
    unit = seen.unit if isinstance(seen, SeenUnit) else seen
    arguments = unit.arguments if isinstance(unit, EngineUnit) else ()
    packages = runtime_packages()
    pid = engine_pid(unit)
    found = find_flavours(packages, arguments)
    if rootless_users() or has_rootless_unit():
        found = (*found, Flavour.ROOTLESS) if pid is not None or not found else (Flavour.ROOTLESS,)
    if not found and pid is None:
        return NO_DOCKER
    flavour = Flavour.SEVERAL if len(found) > 1 else next(iter(found), Flavour.STATIC)
    config, hosts = read_config(arguments)
    path = socket_of(arguments, hosts, seen.socket_path if isinstance(seen, SeenUnit) else "")
    engine, containers = _running(unit, pid, path, found)
    return DockerFacts(
        flavour=flavour,
        found=found if flavour is Flavour.SEVERAL else (),
        packages=packages,
        unit=unit,
        engine=engine,
        containers=containers,
        config=config,
    )


def engine_api(docker: DockerFacts) -> EngineApi:
    """Return a client of the engine that was seen to run. Raises HostError: none was, or it did not answer."""
    arguments = docker.unit.arguments if isinstance(docker.unit, EngineUnit) else ()
    path = socket_of(arguments, read_config(arguments)[1])
    if not isinstance(docker.engine, RunningEngine) or path is None:
        raise HostError("Docker's API does not answer")
    return EngineApi(path)


def engine_questions(docker: DockerFacts) -> Callable[[str], object]:
    """Return a function that gets one path of the engine's API: the parsed JSON, None for status 404.

    It raises HostError where the engine does not run or does not answer.
    """

    def ask(path: str) -> object:
        try:
            return engine_api(docker).get(path)
        except EngineApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    return ask


def engine_pid(unit: EngineUnit | Unseen | None) -> int | None:
    """Return the process of the engine that runs; None if none does."""
    if isinstance(unit, EngineUnit) and unit.running:
        return unit.main_pid
    return engine_process()


def _running(
    unit: EngineUnit | Unseen | None, pid: int | None, path: str | None, found: tuple[Flavour, ...]
) -> tuple[RunningEngine | Unseen | None, tuple[Container, ...] | Unseen | None]:
    if pid is None:
        reason = _why_unknown(unit, found)
        return (Unseen(reason=reason), Unseen(reason=reason)) if reason else (None, None)
    if path is None:
        unseen = Unseen(reason="the engine listens on no Unix socket")
        return unseen, unseen
    api = EngineApi(path)
    try:
        engine = read_engine(api, pid)
    except HostError as error:
        unseen = Unseen(reason=redact(str(error)))
        return unseen, unseen
    try:
        return engine, read_containers(api, engine.data_root)
    except HostError as error:
        return engine, Unseen(reason=redact(str(error)))


def _why_unknown(unit: EngineUnit | Unseen | None, found: tuple[Flavour, ...]) -> str:
    """Return why it is unknown whether an engine runs; empty if none does."""
    if isinstance(unit, EngineUnit) and unit.active_state in _CHANGING:
        return f"docker.service is {unit.active_state}"
    if isinstance(unit, Unseen) and unit is not _NO_SYSTEMD:
        return unit.reason
    foreign = next((one for one in found if one in _FOREIGN), None)
    return "" if foreign is None else f"the agent does not look at an engine of kind {foreign.value}"
