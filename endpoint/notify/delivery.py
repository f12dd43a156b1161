"""What became of one attempt to send a notification."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailure:
    """The receiver does not have it, or did not say so; it is sent again."""

    reason: str
    """For people, on one line; without the URL, which may be a secret."""
    retry_after_s: float = 0.0
    of_this_one: bool = False
    """The receiver refused what is in it: it may take the next one."""
