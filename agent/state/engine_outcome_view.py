"""Read-only view of `maestro.engine-outcome/1` for `history`, `docker upgrade` and `weave upgrade`. Light."""

from agent.state.engine_view import EngineChangeView
from agent.state.json_reader import JsonReader
from agent.state.timestamps import seconds_between


class EngineOutcomeView:
    """`maestro.engine-outcome/1`. Durations are seconds; None is unknown."""

    def __init__(self, run: JsonReader) -> None:
        self.raw = run.raw
        self.id = run.text("id")
        self.component = run.text("component")
        self.result = run.text("result")
        self.message = run.optional_text("message") or ""
        self.problem = run.optional_text("problem") or ""
        """What failed of a hook after it."""
        self.started_at = run.time("started_at")
        self.finished_at = run.optional_time("finished_at")
        """None if the end of the run is not on record."""
        self.requested_by = run.optional_text("requested_by") or ""
        self.before = run.optional_text("from")
        self.target = run.optional_text("to")
        self.running = run.optional_text("running")
        self.packages = [EngineChangeView(part) for part in run.children("packages")]
        self.blocked = [(part.text("why"), part.text("detail")) for part in run.children("blocked")]
        """Code and sentence of each reason why nothing was changed."""
        downtime = run.child("downtime")
        self.engine_s = _number(downtime, "engine_s")
        self.containers = _numbers(downtime.child("containers"))
        """Downtime by container; None: unknown, or still down."""
        self.started = run.optional_texts("containers_started") or []
        self.stopped = run.optional_texts("containers_stopped") or []
        rollback = run.optional_child("rollback")
        self.rolled_back = rollback.boolean("done") if rollback else None
        """Whether a rollback succeeded; None: there was none."""
        self.rollback_reason = rollback.text("reason") if rollback else ""
        forecast = run.optional_child("forecast")
        self.forecast_s = forecast.optional_range("engine_s") if forecast else None
        expected = forecast.child("containers") if forecast else None
        self.expected = {name: expected.optional_range(name) for name in expected.raw} if expected else {}
        """Forecast by container."""
        removed = set(forecast.texts("removes")) if forecast else set()
        ran_before = run.texts("containers_lost")
        self.lost = [name for name in ran_before if name not in removed]
        """Names of containers that ran before and do not run now."""
        self.removed = [name for name in ran_before if name in removed]
        """Those whose removal was announced."""

    @property
    def job(self) -> str:
        """The job that leaves it."""
        return f"{self.component}-upgrade"

    @property
    def duration_s(self) -> float | None:
        """How long the run took."""
        return seconds_between(self.started_at, self.finished_at)


def _number(part: JsonReader, key: str) -> float | None:
    return None if part.raw.get(key) is None else part.number(key)


def _numbers(part: JsonReader) -> dict[str, float | None]:
    return {name: _number(part, name) for name in part.raw}
