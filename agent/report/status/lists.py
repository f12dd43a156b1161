"""The package lists in `status`: why they are unknown or ask for attention, and how old they are. Pure and light.

Reasons have points in time and no ages: a changed text would make the report new at every check.
"""

from collections.abc import Iterable
from datetime import datetime

from agent.core.clock import RECORD_TOLERANCE, is_future
from agent.report.layout import Line, Tone, columns, field
from agent.state.lists_view import ListsView, SourceErrorView
from agent.state.timestamps import format_age, format_human
from agent.state.views import StateView

_NOT_FETCHED = ("unreachable", "not-found", "unauthorized", "other")
"""Faults whose detail is the cause of a failed download; that of any other is a whole statement."""
_MOST_NAMES = 3
_TONES = {"stale": Tone.FAILED, "never": Tone.FAILED, "partial": Tone.HELD}


def unknown_reasons(state: StateView, now: datetime) -> list[str]:
    """Return why the lists say nothing reliable about pending security updates."""
    lists = state.plan.lists
    causes = [text for text, _ in _causes(lists, [error for error in lists.errors if error.security is not False])]
    if lists.state == "never":
        found = "; ".join(causes) or "run `maestro-agent check`"
        return [f"there are no package lists of security sources: {found}"]
    if is_future(state.generated_at, now, RECORD_TOLERANCE):
        return ["the record is dated in the future: check the clock, then run `maestro-agent check`"]
    if lists.state == "stale" or state.fresh_until < now:
        verified = f"last verified {format_human(lists.updated_at)}" if lists.updated_at else "never verified"
        found = "; ".join(causes) or "run `maestro-agent check`"
        return [f"the package lists of security sources are stale ({verified}): {found}"]
    return []


def attention_reasons(state: StateView, now: datetime) -> list[str]:
    """Return the errors that `unknown_reasons` does not name."""
    lists = state.plan.lists
    named = bool(unknown_reasons(state, now))
    found = _causes(lists, [error for error in lists.errors if error.security is False or not named])
    if lists.state == "partial" and not lists.errors:
        return ["the lists of some package sources could not be fetched"]
    return [text + (f"; the last good lists are of {format_human(at)}" if at else "") for text, at in found]


def lists_lines(lists: ListsView, now: datetime, *, width: int, verbose: bool) -> list[Line]:
    """Render the state and the age of the lists, with `verbose` of each source. The reasons name the errors."""
    verified = f"verified {format_age(lists.updated_at, now)}" if lists.updated_at else "never verified"
    state = "none" if lists.state == "never" else lists.state
    lines = [field("Package lists", f"{state}, {verified}", width=width, tone=_TONES.get(lists.state))]
    if verbose:
        ages = [(one.source, f"verified {format_age(one.verified_at, now)}" if one.verified_at else "never verified")
                for one in lists.sources]  # fmt: skip
        lines += columns(ages, indent=width)
    return lines


def _causes(lists: ListsView, errors: Iterable[SourceErrorView]) -> list[tuple[str, datetime | None]]:
    """Name each cause once with its sources; for a failed download with the time of their last good lists."""
    found: dict[tuple[bool, str], list[str]] = {}
    for error in errors:
        sources = found.setdefault((error.fault in _NOT_FETCHED, error.detail), [])
        if error.source not in sources:
            sources.append(error.source)
    verified = {one.source: one.verified_at for one in lists.sources}
    texts = []
    for (not_fetched, detail), sources in found.items():
        names = ", ".join(sources[:_MOST_NAMES])
        names += f" and {len(sources) - _MOST_NAMES} more" if len(sources) > _MOST_NAMES else ""
        text = f"{names} could not be fetched ({detail})" if not_fetched else f"{names}: {detail}"
        times = [at for source in sources if (at := verified.get(source)) is not None]
        texts.append((text, min(times) if times and not_fetched else None))
    return texts
