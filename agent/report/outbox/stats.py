"""The figures of an outbox. Light: whoever shows them need not load SQLite."""

from agent.core.frozen import frozen


@frozen
class OutboxStats:
    """The queue's figures, for reports and `status`."""

    events: int
    size: int
    """Bytes."""
    oldest_at: str | None
    dropped: int
    refused: int
    last_sequence: int
