"""Read-only view of `maestro.fleet-lock/1` for `lock` and `status`. Light."""

from agent.state.json_reader import JsonReader


class LockRefusalView:
    """The `refusal`: the last call that did not succeed."""

    def __init__(self, part: JsonReader) -> None:
        self.call = part.text("call")
        """`acquire` or `release`."""
        self.at = part.time("at")
        self.since = part.time("since")
        """When the first one of an unbroken series was."""
        self.why = part.text("why")
        self.detail = part.text("detail")


class FleetLockView:
    """`maestro.fleet-lock/1`: the slot that this machine holds or may hold."""

    def __init__(self, document: JsonReader) -> None:
        self.raw = document.raw
        self.phase = document.text("phase")
        """`free`, `intent`, `held` or `releasing`."""
        names = ("url", "group", "id", "run_id", "reason")
        self.url, self.group, self.id, self.run_id, self.reason = (document.optional_text(name) for name in names)
        self.since = document.optional_time("since")
        """None: no slot is on record."""
        self.kept = document.optional_text("kept")
        """Why only a person may release it; None: the next job may."""
        self.released_at = document.optional_time("released_at")
        """When the server confirmed the release of a slot whose record stays for a while; None: it has not."""
        refusal = document.optional_child("refusal")
        self.refusal = LockRefusalView(refusal) if refusal else None
        self.result = document.optional_text("result")
        """What `lock release` did: `released`, `not-held`, `forgotten`, `not-released`; None: it is the record."""
        self.detail = document.optional_text("detail") or ""

    @property
    def free(self) -> bool:
        """Whether no slot is on record."""
        return self.phase == "free"
