"""What logged-in users read about a reboot: when, who asked for it, and why."""

from datetime import datetime, timezone

import pytest

from agent.report.reboot_messages import cancelled_message, last_message, log_out_message, scheduled_message
from agent.state.timestamps import format_human

AT = datetime(2026, 12, 5, 2, 0, tzinfo=timezone.utc)
MESSAGES = {
    "log-out": log_out_message(AT, requested_by="alice", why="required by libc6", comment="new kernel"),
    "last": last_message(AT, requested_by="alice", why="required by libc6", comment="new kernel"),
    "scheduled": scheduled_message(AT, requested_by="alice", if_required=True, comment="new kernel"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_names_the_moment_the_requester_and_the_comment(name: str) -> None:
    message = MESSAGES[name]

    assert f"at {format_human(AT)}" in message
    assert "requested by alice" in message
    assert "new kernel" in message


def test_the_timer_is_no_requester() -> None:
    assert "requested" not in last_message(AT, requested_by="schedule", why="")
    assert "if that is required" not in scheduled_message(AT, requested_by="")


def test_a_cancelled_reboot_names_its_moment() -> None:
    assert format_human(AT) in cancelled_message(AT, requested_by="bob")
    assert cancelled_message(AT, requested_by="bob").endswith("by bob.")
