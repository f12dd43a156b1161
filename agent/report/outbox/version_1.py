"""The outbox file of agents before 0.1.0: a table of untyped facts in place of the typed state. Pure."""

from collections.abc import Mapping

from agent.report.outbox.stream_state import StreamState, stream_state_from_document

_NAMES = {
    "begun": "start_reason",
    "mark": "cursor",
    "looked_at": "limits_checked_at",
    "leapt_at": "clock_jumped_at",
    "told_hash": "sent_hash",
    "unwanted": "refused_state",
    "most": "batch_limit",
    "pulse": "export_state",
    "centre": "last_attempt",
}
"""Of facts that have another name today."""


def stream_state_from_facts(facts: Mapping[str, object]) -> StreamState:
    """Return the state that the facts stand for."""
    return stream_state_from_document({_NAMES.get(name, name): value for name, value in facts.items()})
