"""The end of support of each line of Docker: docker-weave.md 2.9, case D17."""

from datetime import date

import pytest

from agent.core.docker.support import TABLE_FROM, SupportEnd, support_end


@pytest.mark.parametrize(
    ("version", "line", "ended"),
    [
        ("1.12.6", "1.12", None),
        ("18.09.9-ce", "18.09", None),
        ("5:19.03.15~3-0~ubuntu-focal", "19.03", None),
        ("20.10.24+dfsg1", "20.10", date(2023, 12, 10)),
        ("23.0.6", "23", date(2025, 5, 19)),
        ("24.0.9", "24", date(2024, 6, 8)),
        ("26.1.5+dfsg1", "26", date(2025, 2, 17)),
        ("5:27.5.1-1~ubuntu.24.04~noble", "27", date(2025, 5, 3)),
        ("28.5.2", "28", date(2026, 5, 13)),
    ],
)
def test_d17_an_old_line_has_ended(version: str, line: str, ended: date | None) -> None:
    assert support_end(version, TABLE_FROM) == SupportEnd(line=line, ended=ended)


@pytest.mark.parametrize("version", ["25.0.17", "29.7.2", "30.0.0", "unknown", ""])
def test_a_kept_or_unknown_line_has_not_ended(version: str) -> None:
    assert support_end(version, TABLE_FROM) is None


@pytest.mark.parametrize(("today", "over"), [(date(2026, 12, 4), False), (date(2026, 12, 5), True)])
def test_the_last_day_is_still_supported(today: date, over: bool) -> None:  # noqa: FBT001 - a table
    assert (support_end("25.0.17", today) is not None) is over
