"""Every event has a level, which the journal and the system log see as the line's priority."""

import json
import re
import syslog
from collections.abc import Iterator

import pytest
import structlog

from agent.host import log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_every_event_has_a_name_of_noun_and_verb() -> None:
    names = [event.value for event in log.LogEvent.__members__.values()]

    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+", name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("event", "priority"),
    [(log.LogEvent.JOB_FAILED, 3), (log.LogEvent.REBOOT_REQUIRED, 4), (log.LogEvent.CHECK_FINISHED, 6)],
)
def test_a_line_to_the_journal_starts_with_its_priority(
    event: log.LogEvent, priority: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    log.set_up()

    log.event(event, job="check")

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"<{priority}>{{")
    assert json.loads(line[3:])["level"] == event.level.value


def test_a_line_to_the_system_log_has_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, str]] = []
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: sent.append((priority, line)))
    log.set_up()

    log.event(log.LogEvent.CONFIG_REJECTED, error="e")

    ((priority, line),) = sent
    assert priority == syslog.LOG_ERR
    assert {**json.loads(line), "timestamp": ""} == {
        "event": "config.rejected",
        "level": "error",
        "error": "e",
        "timestamp": "",
    }


def test_a_traceback_is_one_line_at_err(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    log.set_up()

    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception(log.LogEvent.DAEMON_BUG)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("<3>")
    assert "ValueError: wrong" in json.loads(line[3:])["exception"]
