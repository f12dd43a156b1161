"""Structured events on standard error, which is the journal where the program is a service; names are `noun.verb`."""

import sys

import structlog

_LOG = structlog.get_logger()


def set_up() -> None:
    """Choose what events look like; call once in each process."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def event(name: str, **fields: object) -> None:
    """Log one event with its data."""
    _LOG.info(name, **fields)


def bug(name: str, error: BaseException, **fields: object) -> None:
    """Log an unexpected exception with its traceback."""
    _LOG.error(name, exc_info=error, **fields)
