"""Read-only view of `maestro.restart-outcome/1` for `restart-services`, `history` and `follow`. Light."""

from agent.state.json_reader import JsonReader
from agent.state.timestamps import seconds_between


class RestartUnitView:
    """An element of `units`."""

    def __init__(self, part: JsonReader) -> None:
        self.unit = part.text("unit")
        self.action = part.text("action")
        """`restart`, `daemon-reexec` or `none`."""
        self.result = part.text("result")
        """`planned`, `restarting`, `restarted`, `failed` or `left`."""
        self.why = part.optional_text("why")
        """Code of why it is left; None: it is not."""
        self.detail = part.text("detail")
        """Sentence without a full stop, for people; may be empty."""
        self.restarts_with = part.texts("restarts_with")
        """Units that systemd restarts with it."""
        self.active_state = part.optional_text("active_state")
        self.duration_s = None if part.raw.get("duration_s") is None else part.number("duration_s")


class RestartOutcomeView:
    """`maestro.restart-outcome/1`. Durations are seconds; None is unknown."""

    job = "restart-services"
    """The job that leaves it."""

    def __init__(self, run: JsonReader) -> None:
        self.raw = run.raw
        self.id = run.optional_text("id") or ""
        """Empty for a dry run."""
        self.result = run.text("result")
        self.message = run.optional_text("message") or ""
        self.started_at = run.time("started_at")
        self.finished_at = run.optional_time("finished_at")
        """None if the end of the run is not on record."""
        self.requested_by = run.optional_text("requested_by") or ""
        self.units = [RestartUnitView(part) for part in run.children("units")]
        """In the order of their restarts; then those that are left."""
        self.remaining = run.optional_texts("remaining")
        """Units that still run replaced files at the end."""

    def of_result(self, *results: str) -> list[RestartUnitView]:
        """Return the units of these results."""
        return [unit for unit in self.units if unit.result in results]

    @property
    def duration_s(self) -> float | None:
        """How long the run took."""
        return seconds_between(self.started_at, self.finished_at)
