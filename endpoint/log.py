"""Logs events as JSON lines on standard error, which systemd passes to the journal; names are `noun.verb`."""

import json
import logging
import sys

import structlog

_LOG = structlog.get_logger()
_ENCODER = json.JSONEncoder(default=repr)


def set_up() -> None:
    """Configure structlog; call once in each process."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _line,
        ],
        # One write per line: every received report logs one, and threads serialize on each write.
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def event(name: str, **fields: object) -> None:
    """Log one event with its data."""
    _LOG.info(name, **fields)


def exception(name: str, error: BaseException, **fields: object) -> None:
    """Log an unexpected exception with its traceback."""
    _LOG.error(name, exc_info=error, **fields)


class EventHandler(logging.Handler):
    """Writes what a library logs through `logging` as one event, its traceback included."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one event."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            event("library.reported", detail=record.getMessage())
        else:
            exception("library.failed", error, detail=record.getMessage())


def _line(_logger: object, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _ENCODER.encode(event).encode("ascii")
