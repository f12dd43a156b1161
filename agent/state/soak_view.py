"""The `soak` of `maestro.state/1`, encoded by `agent.state.documents.soak`. Light, as `agent.state.views`."""

from agent.state.json_reader import JsonReader


class SoakView:
    """The age policy that a check went by; durations in seconds."""

    def __init__(self, part: JsonReader) -> None:
        self.raw = part.raw
        self.security_s = part.number("security_s")
        self.other_s = part.number("other_s")
        self.rollout_s = part.number("rollout_s")
        self.cohort = int(part.number("cohort"))

    @classmethod
    def of(cls, part: JsonReader | None) -> "SoakView | None":
        """Return the view; None: no update has to wait, or the document is of an earlier version."""
        return cls(part) if part is not None else None
