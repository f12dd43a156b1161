"""Read-only views of all runs of the history: of packages in full, of Docker and Weave, of reboots, of restarts.

As `agent.state.views`, which has what `status` and reports show of the last run.
"""

from collections.abc import Callable, Mapping

from agent.core.schemas import ENGINE_OUTCOME_SCHEMA, REBOOT_OUTCOME_SCHEMA, RESTART_OUTCOME_SCHEMA
from agent.state.engine_outcome_view import EngineOutcomeView
from agent.state.json_reader import JsonReader
from agent.state.lists_view import ListsView
from agent.state.overridden_view import overridden_views
from agent.state.provision_view import ProvisionNoteView
from agent.state.reboot_outcome_view import RebootOutcomeView
from agent.state.restart_outcome_view import RestartOutcomeView
from agent.state.views import HeldView, RebootView, RemovalView, RepairView, RunView, UpdateView

AnyRunView = RunView | EngineOutcomeView | RebootOutcomeView | RestartOutcomeView
"""A run of the history."""
_RUN_VIEWS: Mapping[str, Callable[[JsonReader], AnyRunView]] = {
    ENGINE_OUTCOME_SCHEMA: EngineOutcomeView,
    REBOOT_OUTCOME_SCHEMA: RebootOutcomeView,
    RESTART_OUTCOME_SCHEMA: RestartOutcomeView,
}
"""By schema; any other one is that of an upgrade."""


def run_view(run: JsonReader) -> AnyRunView:
    """Return the view of a run of the history by its schema."""
    return _RUN_VIEWS.get(run.text("schema"), RunView)(run)


class OutcomeView(RunView):
    """All of `maestro.outcome/1`."""

    def __init__(self, run: JsonReader) -> None:
        super().__init__(run)
        lists = run.optional_child("lists")
        self.lists = ListsView(lists) if lists else None
        self.changed = [UpdateView(part, "from", "to") for key in ("upgraded", "new") for part in run.children(key)]
        self.underway = [UpdateView(part, "from", "to") for part in run.optional_children("underway")]
        """Once the run has ended: what dpkg has begun and the next run finishes."""
        self.removed = run.texts("removed")
        self.replaced_by = {name: part.label for part in self.changed for name in part.replaces}
        """Labels of the packages that took the place of others as planned, by `name:architecture` of these."""
        self.superseded = [RemovalView(part) for part in run.optional_children("superseded")]
        self.unused = [RemovalView(part) for part in run.optional_children("unused")]
        self.repaired = [RepairView(part) for part in run.children("repaired")]
        self.held = [HeldView(part) for part in run.children("held")]
        self.overridden = overridden_views(run)
        self.conffiles_kept = run.texts("conffiles_kept")
        self.log = run.optional_text("log")
        undo = run.optional_child("undo")
        self.undo = (undo.optional_text("command"), undo.optional_text("obstacle")) if undo else None
        """The command that takes the run back, and why there is none; None if it is not known."""
        self.restart = [part.text("unit") for part in run.optional_children("restart")]
        """Units that still ran replaced files after the run; empty if there were none, or if that is not known."""
        self.reboot = RebootView.of(run.optional_child("reboot"))
        provision = run.optional_child("provision")
        self.provision = ProvisionNoteView(provision) if provision else None
        """None: the run does not belong to provisioning."""
