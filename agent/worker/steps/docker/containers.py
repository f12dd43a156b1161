"""Brings the containers back to their state of before a change of Docker, and stops slow ones ahead of the engine."""

from collections.abc import Sequence

from agent.core.docker.restore import restoration, slow_first
from agent.core.docker.snapshot import DockerSnapshot
from agent.core.engine_ports import EngineObserver, EngineOperator
from agent.core.model.docker import Container, DockerFacts, EngineUnit
from agent.core.model.facts import Unseen

_ATTEMPTS = 4
"""How often the containers are compared and brought back."""
_LOOKS = 4
"""How often an engine is asked that runs and does not show all its containers within the deadline of one look."""


def patient_look(observer: EngineObserver, operator: EngineOperator) -> DockerFacts:
    """Return Docker, seen again where its engine is slow: hundreds of containers that start at once take its time."""
    docker = observer.docker()
    for _ in range(_LOOKS - 1):
        running = isinstance(docker.unit, EngineUnit) and docker.unit.running
        if not running or not isinstance(docker.containers, Unseen):
            break
        operator.restarts_during(seconds=1)
        docker = observer.docker()
    return docker


class ContainerKeeper:
    """The containers of one change, and what was done to them."""

    def __init__(self, observer: EngineObserver, operator: EngineOperator, snapshot: DockerSnapshot) -> None:
        self._observer = observer
        self._operator = operator
        self._before = snapshot.containers or ()
        self._announced = snapshot.announced
        self.excused: set[str] = set()
        """Names of containers that ended by themselves with 0 after they were started on the engine that runs."""
        self._engine: int | None = None
        """The engine's process at the last comparison."""
        self._up: set[str] = set()
        """Names of containers that were started on it."""
        self.started: set[str] = set()
        """Names of containers that were started."""
        self.stopped: set[str] = set()
        """Names of containers that the engine had started and that were stopped again."""
        self.first_starts: dict[str, str] = {}
        """By name when those that were started again were first seen to have been (State.StartedAt)."""
        self.errors: dict[str, str] = {}
        """Why a container could not be started, stopped or paused, by name."""

    @property
    def slow(self) -> int:
        """How many containers `stop_slow` stops."""
        return len(slow_first(self._before))

    def stop_slow(self) -> None:
        """Stop the containers that ignore the stop signal, so that the others need not wait for them."""
        self.errors |= self._operator.stop_containers(slow_first(self._before))

    def restore(self) -> None:
        """Bring the containers back to their state of before, as far as they can be."""
        tried: set[str] = set()
        for _ in range(_ATTEMPTS):
            docker = patient_look(self._observer, self._operator)
            self._notice(docker)
            after = docker.containers
            if not isinstance(after, tuple):
                return
            self._note_starts(after)
            left = restoration(self._before, after, self._announced)
            self.excused |= {one.name for one in left.start if one.name in self._up and one.exit_code == 0}
            start = [one for one in left.start if one.name not in self.excused]
            if not (start or left.stop or left.pause or left.settling):
                return
            tried |= {one.name for one in start}
            failed = self._operator.start_containers(start)
            failed |= self._operator.stop_containers(left.stop)
            runs = [one for one in left.pause if one.name not in failed]
            failed |= self._operator.pause_containers(runs)
            self._up |= {one.name for one in start} - set(failed)
            self.started |= self._up
            self.stopped |= {one.name for one in left.stop} - set(failed)
            self.errors = {name: error for name, error in self.errors.items() if name not in tried} | failed
            if left.settling and not start:
                self._operator.restarts_during(seconds=1)

    def _note_starts(self, after: Sequence[Container]) -> None:
        """Note the containers that were started since the snapshot, also those that have ended again."""
        before = {one.name: one.started_at for one in self._before}
        for one in after:
            if one.started_at != before.get(one.name, one.started_at):
                self.first_starts.setdefault(one.name, one.started_at)

    def _notice(self, docker: DockerFacts) -> None:
        """Forget which containers ended by themselves if the engine is another process: its start ends them, too."""
        engine = docker.unit.main_pid if isinstance(docker.unit, EngineUnit) else None
        if engine != self._engine:
            self._engine = engine
            self._up.clear()
            self.excused.clear()
