"""The package lists in the agent's documents. Light, as `agent.state.views`."""

from agent.state.json_reader import JsonReader


class SourceErrorView:
    """An element of `lists.errors`."""

    def __init__(self, part: JsonReader) -> None:
        self.source = part.text("source")
        self.fault = part.text("fault")
        self.detail = part.text("detail")
        self.security = part.optional_boolean("security")
        """None if unknown."""


class SourceListsView:
    """An element of `lists.sources`."""

    def __init__(self, part: JsonReader) -> None:
        self.source = part.text("source")
        self.verified_at = part.optional_time("verified_at")


class ListsView:
    """The `lists` of a plan or an outcome."""

    def __init__(self, part: JsonReader) -> None:
        self.raw = part.raw
        self.state = part.text("state")
        self.updated_at = part.optional_time("updated_at")
        self.errors = [SourceErrorView(error) for error in part.children("errors")]
        self.sources = [SourceListsView(one) for one in part.optional_children("sources")]
