"""The log entries of a block, in place of a journal."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.host import log
from agent.host.log_target import LogEntry, discard


@contextmanager
def captured_log() -> Iterator[list[LogEntry]]:
    """Collect the entries that the block logs."""
    entries: list[LogEntry] = []
    log.write_to(entries.append)
    try:
        yield entries
    finally:
        log.write_to(discard)
