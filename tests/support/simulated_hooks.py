"""The administrator's hooks on a machine in memory, behind the port `agent.core.hooks.HookRunner`."""

from collections.abc import Callable, Mapping

from agent.core.hooks import HookVerdict


class SimulatedHooks:
    """Tests set the attributes; the agent calls the methods."""

    def __init__(self) -> None:
        self.verdicts: dict[str, HookVerdict] = {}
        """By directory; others have no hooks."""
        self.ran: list[str] = []
        """The directories whose hooks were run, in order."""
        self.documents: dict[str, Mapping[str, object]] = {}
        """What the hooks got last, by directory."""
        self.during: dict[str, Callable[[], None]] = {}
        """What happens while the hooks of a directory run."""

    def has_hooks(self, name: str) -> bool:
        return name in self.verdicts

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        self.ran.append(name)
        self.documents[name] = document
        self.during.get(name, lambda: None)()
        return self.verdicts.get(name, HookVerdict())
