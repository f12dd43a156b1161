"""The status that the daemon's exporters share: what is exported in one look is collected once.

Light: what collects it is imported when it is first asked for.
"""

import time

from agent.core.schemas import Document
from agent.state.lazy_module import lazy_module
from agent.state.store import Store
from agent.state.timestamps import utc_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.report.status import collect, document
else:
    collect = lazy_module("agent.report.status.collect")
    document = lazy_module("agent.report.status.document")

_RECENT_S = 1.0
"""How old it may be, should an exporter hang before the next one begins."""


class RecentStatus:
    """`maestro.status/1` of one machine, as one look has collected it."""

    def __init__(self, store: Store, run_dir: str) -> None:
        """Take where to read; reads nothing yet."""
        self.store = store
        self.run_dir = run_dir
        self._look = object()
        self._last: tuple[object, float, Document] | None = None
        """With the look that it is of, and when it was begun."""

    def document(self) -> Document:
        """Return this look's, which nobody may change; the first one who asks collects it. Any thread may ask."""
        look, last, now_s = self._look, self._last, time.monotonic()
        if last is None or last[0] is not look or now_s - last[1] > _RECENT_S:
            last = self._last = look, now_s, collected(self.store, self.run_dir)
        return last[2]

    def forget(self) -> None:
        """Have it collected again: another look begins, or something that it tells has changed."""
        self._look = object()


def collected(store: Store, run_dir: str) -> Document:
    """Return `maestro.status/1` of this moment."""
    return document.status_document(document.build_status(collect.collect_status(store, run_dir), utc_now()))
