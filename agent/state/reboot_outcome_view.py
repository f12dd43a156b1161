"""Read-only view of `maestro.reboot-outcome/1` for `reboot`, `history` and `follow`. Light."""

from agent.state.json_reader import JsonReader
from agent.state.timestamps import seconds_between


class RebootGateView:
    """An element of `gates`, or `blocked`."""

    def __init__(self, part: JsonReader) -> None:
        self.gate = part.text("gate")
        self.verdict = part.text("verdict")
        self.why = part.optional_text("why")
        """Code of the reason; None: the gate is open, or was not asked."""
        self.detail = part.text("detail")
        self.until = part.optional_time("until")
        """When it opens; None: unknown."""
        self.retry = part.boolean("retry")
        """Whether it may open by itself."""
        self.passed = part.boolean("passed")
        """Whether it is closed, and the request passes it all the same."""

    @property
    def blocks(self) -> bool:
        """Whether it keeps the machine from a reboot."""
        return self.verdict in {"closed", "unknown"} and not self.passed


class RebootOutcomeView:
    """`maestro.reboot-outcome/1`. Durations are seconds; None is unknown."""

    job = "reboot"
    """The job that leaves it."""

    def __init__(self, run: JsonReader) -> None:
        self.raw = run.raw
        self.id = run.text("id")
        self.result = run.text("result")
        self.message = run.optional_text("message") or ""
        self.started_at = run.time("started_at")
        self.finished_at = run.optional_time("finished_at")
        """None if the end of the run is not on record."""
        self.origin = run.text("origin")
        self.requested_by = run.optional_text("requested_by") or ""
        self.despite = run.texts("despite")
        reason = run.optional_child("reason")
        self.required = reason.boolean("required") if reason else None
        self.packages = reason.texts("packages") if reason else []
        """Packages that required the reboot."""
        self.required_since = reason.optional_time("since") if reason else None
        self.gates = [RebootGateView(part) for part in run.children("gates")]
        blocked = run.optional_child("blocked")
        self.blocked = RebootGateView(blocked) if blocked else None
        names = ("kernel_before", "kernel_expected", "kernel_after")
        self.kernel_before, self.kernel_expected, self.kernel_after = (run.optional_text(name) for name in names)
        self.fired_at = run.optional_time("fired_at")
        """The last moment on record before the machine went down; None: the reboot was not started."""
        self.back_at = run.optional_time("back_at")
        """When the boot was finished."""
        self.downtime_s = None if run.raw.get("downtime_s") is None else run.number("downtime_s")
        self.problems = [(part.text("code"), part.text("detail")) for part in run.children("problems")]
        """Code and sentence of each."""
        self.lock = run.text("lock")

    @property
    def duration_s(self) -> float | None:
        """How long the run took, the time until the machine was back included."""
        return seconds_between(self.started_at, self.finished_at)
