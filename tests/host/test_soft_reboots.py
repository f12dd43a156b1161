"""How often userspace was restarted in this boot, from what systemd shows on each version."""

from datetime import datetime, timezone

import pytest

from agent.host import soft_reboots as reading
from agent.host.process.run import ProgramResult

AT = 1_795_000_000


@pytest.mark.parametrize(
    ("result", "count", "at"),
    [
        (ProgramResult(code=0, output=f"UserspaceTimestamp=@{AT}\nSoftRebootsCount=1"), 1, AT),
        (ProgramResult(code=0, output=f"UserspaceTimestamp=@{AT}\nSoftRebootsCount=0"), 0, None),
        (ProgramResult(code=0, output=f"UserspaceTimestamp=@{AT}"), 0, None),
        (ProgramResult(code=0, output="SoftRebootsCount=2\nUserspaceTimestamp="), 2, None),
        (ProgramResult(code=0, output="SoftRebootsCount=x"), None, None),
        (ProgramResult(code=1, output="Failed to connect to bus"), None, None),
        (ProgramResult(code=None, output="systemctl: no answer within 5 s"), None, None),
    ],
    ids=["soft-rebooted", "257", "252", "no-time", "malformed", "no-bus", "hangs"],
)
def test_the_count_is_unknown_only_if_systemd_does_not_answer(
    result: ProgramResult, count: int | None, at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "systemd_runs", lambda: True)
    monkeypatch.setattr(reading, "run_program", lambda _words, limit_s: result)  # noqa: ARG005 - named by the caller

    assert reading.soft_reboots() == count
    assert reading.soft_rebooted_at() == (datetime.fromtimestamp(at, timezone.utc) if at else None)


def test_it_is_unknown_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "systemd_runs", lambda: False)

    assert (reading.soft_reboots(), reading.soft_rebooted_at()) == (None, None)
