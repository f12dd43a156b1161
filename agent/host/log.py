"""Structured events: one canonical line for each unit of work, to the journal; names are `noun.verb`.

Where the program runs as a service, standard error is the journal; started by hand it writes to the system
log socket, so that what an operator did by hand is on record too and the terminal stays free for people.
"""

import os
import sys
import syslog
from typing import TextIO

import structlog


class _SystemLog:
    """Looks enough like a text stream for structlog; sends each line to the system log."""

    def write(self, text: str) -> int:
        """Send a line; the newline that ends it is dropped."""
        if text.strip():
            syslog.syslog(syslog.LOG_INFO, text.rstrip("\n"))
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered."""


def set_up() -> None:
    """Choose where events go; call once, from an entry point."""
    stream: TextIO | _SystemLog = sys.stderr
    if "JOURNAL_STREAM" not in os.environ:
        syslog.openlog("maestro-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
        stream = _SystemLog()
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=stream),  # type: ignore[arg-type]
    )


def event(name: str, **fields: object) -> None:
    """Log one event with its data."""
    structlog.get_logger().info(name, **fields)


def exception(name: str, **fields: object) -> None:
    """Log an unexpected exception with its traceback."""
    structlog.get_logger().error(name, exc_info=True, **fields)
