"""Messages to logged-in users about a reboot. Pure."""

from datetime import datetime

from agent.core.model.facts import Reboot, Unseen
from agent.state.timestamps import format_human


def log_out_message(at: datetime, *, requested_by: str, why: str, comment: str = "") -> str:
    """Return the message that asks users to log out."""
    return f"{_head(requested_by, why)} {format_human(at)}. Please log out before then.{_comment(comment)}"


def last_message(at: datetime, *, requested_by: str, why: str, comment: str = "") -> str:
    """Return the last message before the reboot."""
    return f"{_head(requested_by, why)} {format_human(at)}.{_comment(comment)}"


def stopped_message() -> str:
    """Return the message that the announced reboot does not happen now."""
    return "maestro-agent: the announced reboot does not happen now."


def scheduled_message(at: datetime, *, requested_by: str, if_required: bool = False, comment: str = "") -> str:
    """Return the message that a reboot was scheduled."""
    head = _head(requested_by, "if that is required then" if if_required else "")
    return f"{head} {format_human(at)} (`maestro-agent reboot --cancel` ends that).{_comment(comment)}"


def cancelled_message(at: datetime, *, requested_by: str) -> str:
    """Return the message that a scheduled reboot was cancelled."""
    by = f" by {requested_by}" if requested_by else ""
    return f"maestro-agent: the reboot scheduled for {format_human(at)} was cancelled{by}."


def why_required(need: Reboot | Unseen) -> str:
    """Return what requires a reboot, as the end of a clause; empty if nothing does, or that is unknown."""
    if isinstance(need, Unseen) or not need.required:
        return ""
    return f"required by {', '.join(need.packages)}" if need.packages else "required"


def _head(requested_by: str, why: str) -> str:
    reason = f" ({why})" if why else ""
    by = f", requested by {requested_by}," if requested_by and requested_by != "schedule" else ""
    return f"maestro-agent: this machine reboots{reason}{by} at"


def _comment(comment: str) -> str:
    return f" {comment}" if comment else ""
