"""A fleet of agents and one endpoint that is down for a while, in simulated time: how fast the fleet returns."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.core.schedule.slots import Interval, stable_fraction

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
INTERVAL = 5 * MINUTE
FULL_FLEET = 100_000
Answer = tuple[ResponseClass, timedelta | None]
"""An endpoint's response, and its Retry-After."""
Endpoint = Callable[[datetime], Answer]


@dataclass(frozen=True, kw_only=True)
class Outage:
    """An outage from noon on; `answer` takes the time that is left of it."""

    length: timedelta
    answer: Callable[[timedelta], Answer]


OUTAGES: Mapping[str, Outage] = {
    "an hour of refused connections": Outage(length=HOUR, answer=lambda _left: (ResponseClass.RETRY, None)),
    "an hour of 503 with a date": Outage(length=HOUR, answer=lambda left: (ResponseClass.RETRY, left)),
    "an hour of 503 with a second": Outage(
        length=HOUR, answer=lambda _left: (ResponseClass.RETRY, timedelta(seconds=1))
    ),
    "an hour of wrong tokens": Outage(length=HOUR, answer=lambda _left: (ResponseClass.MISCONFIGURED, None)),
    "an hour of 500": Outage(length=HOUR, answer=lambda _left: (ResponseClass.SERVER_ERROR, None)),
    "five minutes of 503 with a date": Outage(length=5 * MINUTE, answer=lambda left: (ResponseClass.RETRY, left)),
    "a minute of refused connections": Outage(length=MINUTE, answer=lambda _left: (ResponseClass.RETRY, None)),
}


@dataclass(frozen=True, kw_only=True)
class Return:
    """How a fleet came back after an outage."""

    peak: float
    """The highest request rate, as a multiple of the steady rate."""
    all_back: timedelta
    """From the end of the outage until every agent was there once."""


def simulate(outage: Outage, agents: int) -> Return:
    """Run a fleet through an outage with the agent's own code.

    The rate of 100,000 agents is counted by the second. Fewer agents are counted over a window that is longer by as
    much, so that a window holds as many requests and the noise is the same.
    """
    window_s = FULL_FLEET // agents
    steady = agents / INTERVAL.total_seconds() * window_s
    back = NOON + outage.length
    windows: Counter[int] = Counter()
    latest = back
    for number in range(agents):
        came = [at for at in _requests(number, outage, back + 40 * MINUTE) if at >= back]
        latest = max(latest, came[0])
        windows.update(int((at - back).total_seconds()) // window_s for at in came)
    return Return(peak=max(windows.values()) / steady, all_back=latest - back)


def _requests(number: int, outage: Outage, end: datetime) -> list[datetime]:
    """Return when one agent of the fleet sends, from five minutes before the outage."""
    jitter = random.Random(number)  # noqa: S311 - a simulation
    slots = Interval(interval=INTERVAL, share=stable_fraction(str(number), "report"))
    now = NOON - INTERVAL
    state = ExportState(last=now)
    long_ago = NOON - timedelta(days=30)
    found: list[datetime] = []
    while True:
        now = max(state.next(slots, now=now, up_since=long_ago, changed=False), now)
        if now >= end:
            return found
        found.append(now)
        left = NOON + outage.length - now
        down = now >= NOON and left > timedelta(0)
        response, retry_after = outage.answer(left) if down else (ResponseClass.OK, None)
        state = state.after(response, now=now, chance=jitter.random(), retry_after=retry_after)
