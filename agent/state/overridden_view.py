"""An element of `overridden` of a plan or a run, for people. Light, as `agent.state.views`."""

from collections.abc import Iterable

from agent.core.package_label import package_label
from agent.state.json_reader import JsonReader


class OverriddenView:
    """A step that is carried out although something would have it wait."""

    def __init__(self, part: JsonReader) -> None:
        self.label = package_label(part.text("package"), part.text("architecture"))
        self.why = part.text("why")
        self.detail = part.text("detail")


def overridden_views(document: JsonReader) -> list[OverriddenView]:
    """Return those of a plan or a run; none in documents of earlier versions."""
    parts: Iterable[JsonReader] = document.optional_children("overridden")
    return [OverriddenView(part) for part in parts]
