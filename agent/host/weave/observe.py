"""One observation of Weave. Neither its script nor a container is run; a stopped engine is not contacted."""

from collections.abc import Callable
from pathlib import Path

from agent.core.frozen import replace
from agent.core.model.docker import DockerFacts, RunningEngine
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, RouterReport, Vendor, WeaveFacts, WeaveKind
from agent.core.redact import redact, remember_secrets
from agent.core.weave.arguments import API_VERSION, PASSWORD, http_address, router_arguments, variable
from agent.errors import AgentError
from agent.host.weave.router_client import read_report
from agent.host.weave.script import ScriptFile, read_script, weave_unit

AskEngine = Callable[[str], object]
"""GET of one path at the engine's API: the parsed JSON, None for status 404. May raise OSError or AgentError."""
ReadReport = Callable[[str, int], RouterReport | Unseen]
_CONTAINER = "weave"
_KUBERNETES = "k8s_weave"
_PLUGIN = "/net-plugin"
_KUBERNETES_DATA = "var/lib/weave/weave-netdata.db"


def observe_weave(
    docker: DockerFacts, ask: AskEngine, *, root: str = "/", read: ReadReport = read_report
) -> WeaveFacts:
    """Return what is known of Weave. `ask` is used only where an engine was seen to run."""
    found = read_script(root)
    script = found.script if isinstance(found, ScriptFile) else found
    basis = WeaveFacts(
        kind=WeaveKind.SCRIPT if found else WeaveKind.NONE,
        script=script,
        vendor=_vendor(f"{found.image_user}/") if isinstance(found, ScriptFile) else None,
        unit=weave_unit(root) if found else "",
    )
    if isinstance(docker.engine, RunningEngine):
        return _with_container(basis, docker, ask, read, root)
    if isinstance(docker.engine, Unseen):
        return replace(basis, arguments=docker.engine, report=docker.engine)
    return _without_container(basis, root)


def _with_container(basis: WeaveFacts, docker: DockerFacts, ask: AskEngine, read: ReadReport, root: str) -> WeaveFacts:
    names = None if not isinstance(docker.containers, tuple) else {one.name for one in docker.containers}
    try:
        if any(name.startswith(_KUBERNETES) for name in names or ()) or _has_plugin(ask("/plugins")):
            return replace(basis, kind=WeaveKind.PLUGIN)
        shown = ask(f"/containers/{_CONTAINER}/json") if names is None or _CONTAINER in names else None
    except (OSError, AgentError, ValueError) as error:
        unseen = Unseen(reason=redact(str(error)))
        return replace(basis, arguments=unseen, report=unseen)
    return _with_router(basis, _mapping(shown), read) if shown is not None else _without_container(basis, root)


def _with_router(basis: WeaveFacts, shown: dict[str, object], read: ReadReport) -> WeaveFacts:
    config, host_config = _mapping(shown.get("Config")), _mapping(shown.get("HostConfig"))
    args, environment = _texts(shown.get("Args")), _texts(config.get("Env"))
    remember_secrets(filter(None, [variable(environment, PASSWORD)]))
    policy = str(_mapping(host_config.get("RestartPolicy")).get("Name", ""))
    state = str(_mapping(shown.get("State")).get("Status", ""))
    image = str(config.get("Image", ""))
    return replace(
        basis,
        kind=WeaveKind.SCRIPT,
        container_state=state,
        image=image,
        vendor=_vendor(image),
        arguments=router_arguments(args, environment, policy),
        report=_report(state, args, read),
        docker_api_version=variable(environment, API_VERSION),
    )


def _report(state: str, args: tuple[str, ...], read: ReadReport) -> RouterReport | Unseen | None:
    if state != "running":
        return None
    address = http_address(args)
    return read(*address) if address else Unseen(reason="the address in --http-addr is not of the form HOST:PORT")


def _without_container(basis: WeaveFacts, root: str) -> WeaveFacts:
    """Return the facts of the script alone; without it, only Kubernetes' add-on leaves its data in /var/lib/weave."""
    if basis.kind is WeaveKind.NONE:
        return replace(NO_WEAVE, kind=WeaveKind.PLUGIN) if Path(root, _KUBERNETES_DATA).exists() else NO_WEAVE
    return basis


def _has_plugin(plugins: object) -> bool:
    """Return whether Docker has Weave's plugin of version 2: "weaveworks/net-plugin:latest_release"."""
    names = (str(_mapping(one).get("Name", "")) for one in plugins) if isinstance(plugins, list) else ()
    return any(_PLUGIN in name for name in names)


def _vendor(image: str) -> Vendor | None:
    """Return who publishes an image: the script compares the same prefix (I7). None for an image id."""
    user, slash, _ = image.partition("/")
    if not slash:
        return None
    return next((vendor for vendor in Vendor if vendor.value == user), Vendor.OTHER) if user else None


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
