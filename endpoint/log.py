"""Structured events on standard error, which is the journal where the program is a service; names are `noun.verb`."""

import json
import sys

import structlog

_LOG = structlog.get_logger()
_ENCODER = json.JSONEncoder(default=repr)


def set_up() -> None:
    """Choose what events look like; call once in each process."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _line,
        ],
        # A line is one write: every report that comes in has one, and threads wait for each other at each write.
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def event(name: str, **fields: object) -> None:
    """Log one event with its data."""
    _LOG.info(name, **fields)


def exception(name: str, error: BaseException, **fields: object) -> None:
    """Log an unexpected exception with its traceback."""
    _LOG.error(name, exc_info=error, **fields)


def _line(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _ENCODER.encode(event).encode("ascii")
