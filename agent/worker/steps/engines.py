"""Observes Docker and Weave. A failure is part of the result: no check fails because of an engine."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from agent.core.docker.observed import observed_docker
from agent.core.model.docker import NO_DOCKER
from agent.core.model.engine_plan import Component, EnginePlan
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE
from agent.core.redact import redact
from agent.core.schemas import Document
from agent.core.weave.observed import observed_weave
from agent.errors import AgentError
from agent.state.documents.engine_plan import EngineSentences, engine_plan_to_document, unseen_engine_to_document
from agent.worker.context import JobContext

SENTENCES = EngineSentences(block=lambda one: ", ".join(one.values), warning=lambda one: ", ".join(one.values))
_FAILURES = (AgentError, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What an adapter may raise where an engine's answer is malformed."""
_T = TypeVar("_T")


def observe_engines(context: JobContext) -> Mapping[str, Document | None]:
    """Return `maestro.engine-plan/1` by component; None: neither installed nor wanted.

    On a machine without Docker and Weave this costs a few calls of stat(2).
    """
    docker = attempted(context.engines.docker)
    known = NO_DOCKER if isinstance(docker, Unseen) else docker
    weave = attempted(lambda: context.engines.weave(known))
    manifest, now = context.manifest, context.machine.now()
    seen_docker: EnginePlan | Unseen | None = None
    if isinstance(docker, Unseen):
        seen_docker = docker
    elif docker != NO_DOCKER or manifest.docker_version is not None:
        seen_docker = observed_docker(docker, now, wanted=manifest.docker_version)
    seen_weave: EnginePlan | Unseen | None = None
    if isinstance(weave, Unseen):
        seen_weave = weave
    elif weave != NO_WEAVE or manifest.weave_version is not None:
        seen_weave = observed_weave(weave, now, wanted=manifest.weave_version)
    return {
        one.value: _document(context, one, seen)
        for one, seen in ((Component.DOCKER, seen_docker), (Component.WEAVE, seen_weave))
    }


def attempted(observe: Callable[[], _T]) -> _T | Unseen:
    """Return what was observed, or why that failed."""
    try:
        return observe()
    except _FAILURES as error:
        return Unseen(reason=redact(str(error) or type(error).__name__))


def _document(context: JobContext, component: Component, seen: EnginePlan | Unseen | None) -> Document | None:
    now = context.machine.now()
    if seen is None:
        return None
    if isinstance(seen, Unseen):
        return unseen_engine_to_document(component, seen, now)
    return engine_plan_to_document(seen, now, SENTENCES)
