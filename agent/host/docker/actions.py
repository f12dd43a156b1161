"""Starts, stops, pauses and measures containers through the API of a running engine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timezone

from agent.core.model.docker import Container, ContainerTimes
from agent.host.docker.api import SOCKET, EngineApi, EngineApiError

_CALL_S = 60.0
"""For one start or pause: a plugin of a network may take 15 s and more."""
_STOP_MARGIN_S = 30.0
"""Beyond a container's stop timeout: to kill it and to take its network down."""
_MOST_AT_ONCE = 128
"""Slow containers that are stopped together take as long as the slowest."""
_ALIVE_S = 10.0
"""A stop may take longer than a job may be silent."""
_FRACTION_DIGITS = 6
"""Of a second, which datetime holds; the engine writes nine."""
_NEVER = 1
"""Year in the time of what has not happened yet: 0001-01-01T00:00:00Z."""


class ContainerActions:
    """Actions on the containers of a running engine. They start an engine that is stopped: look at its unit first."""

    def __init__(
        self, path: str = SOCKET, *, alive: Callable[[], None] = lambda: None, alive_s: float = _ALIVE_S
    ) -> None:
        """Take the engine's socket, and what is called during long actions, at least every `alive_s`."""
        self._api = EngineApi(path, all_s=None)
        self._alive = alive
        self._alive_s = alive_s

    def stop(self, containers: Sequence[Container]) -> dict[str, str]:
        """Stop containers at the same time, each with its own stop timeout; return error by name."""
        return self._all(
            containers,
            lambda one: self._post(
                f"/containers/{one.id}/stop?t={one.stop_timeout_s}", one.stop_timeout_s + _STOP_MARGIN_S
            ),
        )

    def start(self, containers: Sequence[Container]) -> dict[str, str]:
        """Start containers one after the other, in this order: one may need another. Return error by name."""
        errors = {one.name: self._start(one) for one in containers}
        return {name: error for name, error in errors.items() if error}

    def pause(self, containers: Sequence[Container]) -> dict[str, str]:
        """Pause containers; return error by name."""
        return self._all(containers, lambda one: self._post(f"/containers/{one.id}/pause", _CALL_S))

    def times(self, containers: Iterable[Container]) -> Mapping[str, ContainerTimes]:
        """Return by name when containers last ended and started; omits those that cannot be read."""
        found = {one.name: self._times(one) for one in containers}
        return {name: times for name, times in found.items() if times is not None}

    def _start(self, one: Container) -> str:
        self._alive()
        return self._post(f"/containers/{one.id}/start", _CALL_S)

    def _all(self, containers: Sequence[Container], action: Callable[[Container], str]) -> dict[str, str]:
        if not containers:
            return {}
        with ThreadPoolExecutor(min(len(containers), _MOST_AT_ONCE)) as threads:
            answers = {one.name: threads.submit(action, one) for one in containers}
            while wait(answers.values(), self._alive_s).not_done:
                self._alive()
        return {name: error for name, answer in answers.items() if (error := answer.result())}

    def _times(self, one: Container) -> ContainerTimes | None:
        try:
            found = self._api.get(f"/containers/{one.id}/json")
            state, restarts = found["State"], found.get("RestartCount")
            return ContainerTimes(
                started_at=parse_time(str(state.get("StartedAt", ""))),
                finished_at=parse_time(str(state.get("FinishedAt", ""))),
                running=state.get("Running") is True,
                exit_code=state["ExitCode"] if isinstance(state.get("ExitCode"), int) else None,
                restarts=restarts if isinstance(restarts, int) else 0,
            )
        except (EngineApiError, KeyError, TypeError, AttributeError):
            return None

    def _post(self, path: str, limit_s: float) -> str:
        """Return the engine's error; empty if there is none: 304 is "started, or stopped, already"."""
        try:
            self._api.request("POST", path, call_s=limit_s)
        except EngineApiError as error:
            return error.problem
        return ""


def parse_time(text: str) -> datetime | None:
    """Parse a time of the engine, "2026-11-28T10:00:00.123456789Z"; None if it never happened or cannot be parsed."""
    whole, dot, fraction = text.removesuffix("Z").partition(".")
    digits = fraction[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, "0")
    try:
        time = datetime.fromisoformat(f"{whole}.{digits}" if dot else whole)
    except ValueError:
        return None
    if time.tzinfo is not None or time.year == _NEVER:
        return None
    return time.replace(tzinfo=timezone.utc)
