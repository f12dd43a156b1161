"""One observation of Docker. Nothing of it starts a stopped engine."""

from agent.core.model.docker import DockerFacts, Flavour


def observe_docker() -> DockerFacts:
    """Return what is known of Docker on this machine."""
    return DockerFacts(flavour=Flavour.NONE)
