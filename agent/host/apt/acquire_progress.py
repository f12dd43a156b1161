"""Silent, non-interactive progress callbacks for libapt downloads; subclasses override what they need."""

import apt_pkg

from agent.core.job_control import JobControl


class AcquireProgress:
    """Cancels a download when a stop is requested."""

    # Set by libapt.
    current_bytes = 0
    total_bytes = 0
    current_items = 0
    total_items = 0

    def __init__(self, control: JobControl) -> None:
        self._control = control

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def media_change(self, _medium: str, _drive: str) -> bool:
        """Return False: do not wait for a media change."""
        return False

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Do nothing: results are read from the items afterwards."""

    fetch = done = fail = ims_hit

    def pulse(self, _owner: apt_pkg.Acquire) -> bool:
        """Return False, which cancels the download, after a stop request."""
        self._control.alive()
        return not self._control.stop()
