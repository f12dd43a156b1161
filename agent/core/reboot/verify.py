"""Whether a reboot did what it was for. Pure."""

from collections.abc import Iterator
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.model import RebootProblem, RebootTrouble


@frozen
class AfterBoot:
    """The machine after the boot."""

    started_at: datetime | None
    """When the boot was finished; None: it was not within the time limit."""
    reboot: Reboot | Unseen
    failed_units: tuple[str, ...] | Unseen


def problems_after(
    seen: AfterBoot, *, failed_before: tuple[str, ...] | None, down_at: datetime
) -> Iterator[RebootProblem]:
    """Yield what is wrong after a reboot. `failed_before` None: unknown; `down_at`: when the machine went down."""
    if seen.started_at is None:
        yield RebootProblem(code=RebootTrouble.NOT_STARTED, detail="the boot has not finished")
    yield from _required(seen.reboot, down_at)
    yield from _units(seen.failed_units, failed_before)


def _required(reboot: Reboot | Unseen, down_at: datetime) -> Iterator[RebootProblem]:
    code = RebootTrouble.STILL_REQUIRED
    if isinstance(reboot, Unseen):
        yield RebootProblem(code=code, detail=f"whether a reboot is still required is unknown: {reboot.reason}")
        return
    kernel = reboot.kernel
    if kernel.outdated:
        detail = f"{kernel.running} runs, {kernel.newest} is installed"
        yield RebootProblem(code=RebootTrouble.OLD_KERNEL, detail=detail)
    elif reboot.flagged and (reboot.since is None or reboot.since <= down_at):  # /run survived: a soft-reboot
        names = ", ".join(reboot.flag_packages)
        yield RebootProblem(code=code, detail=f"/run/reboot-required is still there{f': {names}' if names else ''}")


def _units(now: tuple[str, ...] | Unseen, before: tuple[str, ...] | None) -> Iterator[RebootProblem]:
    if isinstance(now, Unseen):
        detail = f"the failed units could not be read: {now.reason}"
        yield RebootProblem(code=RebootTrouble.UNITS_UNKNOWN, detail=detail)
        return
    for unit in sorted(set(now).difference(before or ())):
        earlier = "has failed" if before is not None else "has failed; whether it had before is unknown"
        yield RebootProblem(code=RebootTrouble.UNIT_FAILED, detail=f"{unit} {earlier}")
