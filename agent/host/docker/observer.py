"""Docker and Weave of this machine, behind the port `agent.core.engine_ports.EngineObserver`."""

import importlib

from agent.core.model.docker import NO_DOCKER, DockerFacts, Flavour
from agent.core.model.weave import NO_WEAVE, WeaveFacts
from agent.host.docker.presence import docker_signs, weave_signs

_DOCKER = "agent.host.docker.look"
_WEAVE = "agent.host.weave.observe"


class LocalEngines:
    """The engines of this machine. The modules that read them are imported only where there is something to read."""

    def present(self) -> bool:
        """Return whether there is a sign of either; some calls of stat(2)."""
        return docker_signs() or weave_signs()

    def docker(self) -> DockerFacts:
        """Return what is known of Docker; on a machine without it some calls of stat(2)."""
        if not docker_signs():
            return NO_DOCKER
        found: DockerFacts = importlib.import_module(_DOCKER).observe_docker()
        return found

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        """Return what is known of Weave."""
        if docker.flavour is Flavour.NONE and not weave_signs():
            return NO_WEAVE
        ask = importlib.import_module(_DOCKER).engine_questions(docker)
        found: WeaveFacts = importlib.import_module(_WEAVE).observe_weave(docker, ask)
        return found
