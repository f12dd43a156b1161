"""What libapt calls while it downloads, with nothing said and nobody asked; whoever wants more, overrides."""

import apt_pkg

from agent.core.ports import StopReason


class AcquireProgress:
    """Listens to a download, and cancels it once a stop is asked for."""

    # libapt writes these as it goes.
    current_bytes = 0
    total_bytes = 0
    current_items = 0
    total_items = 0

    def __init__(self, stop: StopReason) -> None:
        self._stop = stop

    def start(self) -> None:
        """Begin; nothing to set up."""

    def stop(self) -> None:
        """End; nothing to tear down."""

    def media_change(self, _medium: str, _drive: str) -> bool:
        """Refuse to wait for somebody to change a disc."""
        return False

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Take note of nothing: the result is read from the items afterwards."""

    fetch = done = fail = ims_hit

    def pulse(self, _owner: apt_pkg.Acquire) -> bool:
        """Return False, which cancels, once a stop was asked for."""
        return not self._stop()
