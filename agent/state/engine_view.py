"""Read-only views of `maestro.engine-plan/1` for `status`, `docker` and `weave`. Light, as `agent.state.views`."""

from agent.state.json_reader import JsonReader


class EngineContainerView:
    """An element of `containers`."""

    def __init__(self, part: JsonReader) -> None:
        self.name = part.text("name")
        self.state = part.text("state")
        self.policy = part.text("policy")
        self.will = part.text("will")
        self.downtime_s = part.optional_range("downtime_s")
        """From, to; None: unknown."""


class EngineChangeView:
    """An element of `packages`."""

    def __init__(self, part: JsonReader) -> None:
        self.package = part.text("package")
        self.before = part.optional_text("from")
        """None: newly installed."""
        self.after = part.optional_text("to")
        """None: removed."""


class EngineWindowView:
    """The `window`: when the daemon carries the plan out by itself."""

    def __init__(self, part: JsonReader) -> None:
        self.text = part.text("text")
        self.opens_at = part.optional_time("opens_at")
        """Start of the present or the next opening; None: none is long enough."""
        self.closes_at = part.optional_time("closes_at")


class EngineView:
    """`maestro.engine-plan/1`; with `unseen`, the reason why nothing was observed, all other fields are empty."""

    def __init__(self, plan: JsonReader) -> None:
        self.raw = plan.raw
        self.component = plan.text("component")
        self.unseen = plan.optional_text("unseen")
        self.at = plan.time("generated_at")
        known = None if self.unseen is not None else plan
        self.id = known.text("id") if known else ""
        self.flavour = known.text("flavour") if known else ""
        names = ("installed", "running", "wanted", "candidate")
        versions = [known.optional_text(name) if known else None for name in names]
        self.installed, self.running, self.wanted, self.candidate = versions
        self.running_known = known.boolean("running_known") if known else False
        self.restart_needed = known.boolean("restart_needed") if known else False
        self.restart_pending = known.boolean("restart_pending") if known else False
        downtime = known.child("downtime") if known else None
        self.downtime_s = downtime.optional_range("expected_s") if downtime else None
        self.basis = downtime.texts("basis") if downtime else []
        self.packages = [EngineChangeView(part) for part in known.children("packages")] if known else []
        self.containers = [EngineContainerView(part) for part in known.children("containers")] if known else []
        self.blocked = [_coded(part, "why") for part in known.children("blocked")] if known else []
        """Code and sentence of each reason why an upgrade may not happen."""
        self.warnings = [_coded(part, "code") for part in known.children("warnings")] if known else []
        """Code and sentence of each."""
        self.order = known.texts("order") if known else []
        window = known.optional_child("window") if known else None
        self.window = EngineWindowView(window) if window else None
        """None: no window is configured, or the document is of an earlier version."""
        lost = known.optional_child("lost") if known else None
        self.lost = {lost.text("run"): lost.texts("containers")} if lost else {}
        """The containers that the last upgrade lost and that do not run yet, by the id of its run."""

    @property
    def absent(self) -> bool:
        """Whether it is neither installed nor wanted."""
        return self.unseen is None and self.flavour == "none" and self.installed is None and self.wanted is None

    @property
    def differs(self) -> bool:
        """Whether the manifest wants another version than the installed one; "latest" alone does not show that."""
        if self.wanted is None or (self.candidate is None and self.wanted == "latest"):
            return False
        return self.candidate is None or self.candidate != self.installed

    @property
    def nothing_to_do(self) -> bool:
        """Whether an upgrade would change nothing."""
        return self.unseen is None and not (self.packages or self.restart_needed or self.blocked)


def engine_view(part: JsonReader | None) -> EngineView | None:
    """Return the view of a document's `docker` or `weave`; None for null: neither installed nor wanted."""
    return EngineView(part) if part else None


def _coded(part: JsonReader, key: str) -> tuple[str, str]:
    return part.text(key), part.text("detail")
