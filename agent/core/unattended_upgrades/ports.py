"""What the jobs need of the distribution's daily job, as a protocol: an adapter, or the tests' simulator."""

from datetime import datetime
from typing import Protocol

from agent.core.model.facts import Unseen
from agent.core.unattended_upgrades.model import StandDown, TheirJob


class DailyJobPort(Protocol):
    """The distribution's daily job on this machine. Methods that change it may raise HostError."""

    def look(self) -> TheirJob | Unseen:
        """Return what is seen of it now."""

    def stood_down(self) -> StandDown | None:
        """Return on whose behalf it is stood down; None: it is not. Raises HostError, RecordError."""

    def stand_down(self, stand_down: StandDown, now: datetime) -> None:
        """Switch it off and keep how it was; does again what another program undid."""

    def put_back(self) -> None:
        """Switch it on as it was; nothing if it is not stood down."""


class NoDailyJob:
    """A machine without one."""

    def look(self) -> TheirJob | Unseen:
        """Return that it is not installed."""
        return TheirJob(
            version=None, settings=Unseen(reason="not installed"), timer=None, service=None, last_success=None
        )

    def stood_down(self) -> StandDown | None:
        """Return that it is not."""
        return None

    def stand_down(self, stand_down: StandDown, now: datetime) -> None:
        """Do nothing."""

    def put_back(self) -> None:
        """Do nothing."""
