"""Attaches containers to Weave's network again: a restart of the engine takes away what `weave attach` gave them."""

from collections.abc import Callable, Mapping

from agent.core.docker.restore import unattached
from agent.core.docker.snapshot import DockerSnapshot
from agent.core.engine_ports import EngineObserver, EngineOperator
from agent.core.model.docker import Container, DockerFacts, WeaveAttachment
from agent.core.model.weave import RouterArguments, RouterReport, WeaveFacts, WeaveScript
from agent.core.version_numbers import version_numbers
from agent.core.weave.launch import image_environment
from agent.core.weave.plan import weave_versions
from agent.core.weave.releases import RELEASES

RunScript = Callable[[str, tuple[str, ...], Mapping[str, str]], str]
"""Runs Weave's script with words and variables; returns the problem, empty: none."""
_READY_S = 60
"""How long to wait for the router: ready 5 s after the engine, 30 s after its own start (weave-behaviour.md 2.2)."""
_NO_SCRIPT = "Weave's script is not there: attach it with `weave attach`"


class AttachmentKeeper:
    """The containers of one change that `weave attach` attached."""

    def __init__(
        self, observer: EngineObserver, operator: EngineOperator, run_script: RunScript, snapshot: DockerSnapshot
    ) -> None:
        self._observer = observer
        self._operator = operator
        self._run_script = run_script
        self._before = [one for one in snapshot.containers or () if one.weave is WeaveAttachment.ATTACHED]
        self.errors: dict[str, str] = {}
        """Why a container could not be attached, by name."""

    def restore(self) -> None:
        """Attach those again that have lost their address."""
        if not self._before:
            return
        docker = self._observer.docker()
        lost = unattached(self._before, docker.containers) if isinstance(docker.containers, tuple) else ()
        if lost:
            weave = self._when_ready(docker)
            problems = {one.name: self._attach(one, weave) for one in lost}
            self.errors = {name: problem for name, problem in problems.items() if problem}

    def _when_ready(self, docker: DockerFacts) -> WeaveFacts:
        """Return Weave as it is once its router is ready, or at the deadline."""
        for _ in range(_READY_S):
            weave = self._observer.weave(docker)
            if weave.script is None or (isinstance(weave.report, RouterReport) and weave.report.ready):
                break
            self._operator.restarts_during(seconds=1)
            docker = self._observer.docker()
        return weave

    def _attach(self, one: Container, weave: WeaveFacts) -> str:
        if not isinstance(weave.script, WeaveScript):
            return _NO_SCRIPT
        address = (one.weave_address,) if one.weave_address else ()
        given = dict(weave.arguments.environment) if isinstance(weave.arguments, RouterArguments) else {}
        variables = {**given, **_images(weave, weave.script)}
        return self._run_script(weave.script.path, ("attach", *address, one.name), variables)


def _images(weave: WeaveFacts, script: WeaveScript) -> dict[str, str]:
    """Return the variables that name the script's image: not every script has them right (M1)."""
    user = weave.vendor.value if weave.vendor and weave.vendor in RELEASES else ""
    numbered = (one for one in (script.version, weave_versions(weave).running or "") if version_numbers(one))
    version = next(numbered, "")
    return image_environment(user, version) if version else {}
