"""Every event is one readable line with a priority, and its data are fields of the journal's entry."""

import errno
import json
import re
import sys
import syslog
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.host import log, log_target, log_text
from agent.host.log import Level, LogEvent
from agent.host.log_target import LogEntry, choose_target, journal_fields
from tests.support.logged import captured_log

SAMPLE: dict[str, object] = {
    "error": "no such file",
    "exception": "KeyError: 'x'",
    "reason": "unreadable",
    "job": "upgrade",
    "exporter": "otlp",
    "run": "20261128T195825Z",
    "exit_code": 1,
    "pid": 812,
    "uid": 0,
    "seconds": 90,
    "read": 2,
    "wanted": 3,
    "packages": ["libc6"],
    "package": "nginx",
    "stage": "configure",
    "now": "2026-11-28 19:46",
    "line": "unpacking nginx (3 of 11)",
    "requested_by": "schedule",
    "version": "1.0",
    "errors": ["http://a (unreachable): refused"],
    "sent": "3 events",
    "queued": 2,
    "problem": "",
    "lists": "fresh",
    "scope": "security",
    "install": ["nginx 1 -> 2"],
}
"""A value for every field that a sentence names."""
UNPRINTABLE = "a\nb\x1b[31m\x00\u2028\ud800c"


def entry_of(event: LogEvent, **fields: object) -> LogEntry:
    with captured_log() as entries:
        log.event(event, **fields)
    (entry,) = entries
    return entry


def test_every_event_has_a_name_of_noun_and_verb() -> None:
    names = [event.value for event in LogEvent.__members__.values()]

    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+", name)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("event", list(LogEvent))
def test_every_event_has_a_readable_message(event: LogEvent) -> None:
    message = entry_of(event, **SAMPLE).message

    assert re.fullmatch(r"\S[^{}\n]*\S", message)
    assert "None" not in message
    assert len(message.split()) >= len(("who", "what"))


@pytest.mark.parametrize("event", list(LogEvent))
@pytest.mark.parametrize(
    "value", [None, "", 0, [], [None], UNPRINTABLE, "{job} %s {0}", "x" * 10_000, ["y" * 50] * 2000, {"a": 1}]
)
def test_a_message_is_one_bounded_line_whatever_its_fields_hold(event: LogEvent, value: object) -> None:
    message = entry_of(event, **dict.fromkeys(SAMPLE, value), installed=value, failed=value, held=value).message

    assert message.isprintable()
    assert 0 < len(message) <= log_text.MAX_MESSAGE
    assert entry_of(event).message


def test_a_failed_upgrade_names_package_stage_and_reason_before_a_long_list() -> None:
    installed = [f"package-{number} 1.{number} -> 1.{number + 1}" for number in range(200)]

    message = entry_of(
        LogEvent.UPGRADE_FAILED, run="R", installed=installed, failed=["foo (unpack): unable to create '/x'"]
    ).message

    assert message.index("foo (unpack): unable to create '/x'") < message.index("package-0 1.0 -> 1.1")
    assert "(200 packages)" in message


def test_one_failure_of_a_failed_upgrade_is_not_counted() -> None:
    assert entry_of(LogEvent.UPGRADE_FAILED, run="R", failed=["a (unpack): b"]).message == (
        "upgrade R failed: a (unpack): b"
    )
    assert "2 failed: a, b" in entry_of(LogEvent.UPGRADE_FAILED, run="R", failed=["a", "b"]).message
    assert "1 failed: a" in entry_of(LogEvent.UPGRADE_STOPPED, run="R", failed=["a"]).message


def test_an_upgrade_names_each_package_with_both_versions() -> None:
    message = entry_of(LogEvent.UPGRADE_FINISHED, run="R", installed=["a 1 -> 2", "b 3"], held=["c (pinned)"]).message

    assert message == "upgrade R: installed a 1 -> 2, b 3 (2 packages); 1 held back: c (pinned)"


def test_the_journal_gets_the_data_as_fields() -> None:
    entry = entry_of(LogEvent.UPGRADE_FAILED, job="upgrade", run="R", failed=["foo"], installed=[])

    fields = journal_fields(entry)

    assert fields["PRIORITY"] == "3"
    assert fields["SYSLOG_IDENTIFIER"] == "maestro-agent"
    assert (fields["MAESTRO_EVENT"], fields["MAESTRO_JOB"], fields["MAESTRO_RUN"]) == ("upgrade.failed", "upgrade", "R")
    assert json.loads(fields["MAESTRO_DATA"])["failed"] == ["foo"]
    assert fields["MESSAGE"] == entry.message


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_data_that_are_too_long_for_a_field_lose_the_end_of_their_lists(count: int) -> None:
    fields = journal_fields(entry_of(LogEvent.UPGRADE_FINISHED, run="R", installed=["a 1 -> 2"] * count))

    installed = json.loads(fields["MAESTRO_DATA"])["installed"]
    assert len(installed) == min(count, 101)
    assert (installed[-1] == "a 1 -> 2") is (count <= len(installed))
    assert len(fields["MAESTRO_DATA"]) < 65536


def test_a_traceback_is_a_field_and_the_message_names_the_exception() -> None:
    with captured_log() as entries:
        try:
            raise ValueError("wrong")
        except ValueError:
            log.exception(LogEvent.DAEMON_BUG)

    (entry,) = entries
    assert "ValueError: wrong" in entry.message
    assert "Traceback" in journal_fields(entry)["MAESTRO_TRACEBACK"]


def test_no_part_of_an_entry_holds_a_credential() -> None:
    url = "https://user:hunter22@mirror.example/debian"
    with captured_log() as entries:
        try:
            raise ValueError(url)
        except ValueError:
            log.exception(LogEvent.REQUEST_BUG, job="check", error=url, errors=[url])

    assert "hunter22" not in repr([*entries, *map(journal_fields, entries)])


def test_a_process_sets_fields_that_all_its_entries_have() -> None:
    log.set_context(job="upgrade", run="R")
    try:
        entry = entry_of(LogEvent.LISTS_REFRESHED)
    finally:
        log.set_context()

    assert entry.data == {"job": "upgrade", "run": "R"}


def test_the_real_library_sends_every_field_to_journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sd_journal_sendv(3) writes to a fixed path, so its arguments are what can be seen without a booted machine."""
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(log_target, "_JOURNAL_SOCKET", str(tmp_path))
    monkeypatch.setitem(sys.modules, "systemd.journal", SimpleNamespace(sendv=lambda *lines: sent.append(lines)))

    choose_target(to_stderr=False)(entry_of(LogEvent.CONFIG_RELOADED))

    assert {"MESSAGE=configuration reloaded", "PRIORITY=6", "SYSLOG_IDENTIFIER=maestro-agent"} <= set(sent[0])


def test_a_process_that_logs_nothing_loads_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(log_target, "_JOURNAL_SOCKET", str(tmp_path))
    monkeypatch.setitem(sys.modules, "systemd.journal", None)  # importing it fails

    log.set_up_when_needed()
    monkeypatch.setitem(sys.modules, "systemd.journal", SimpleNamespace(sendv=lambda *lines: sent.append(lines)))
    log.event(LogEvent.CONFIG_RELOADED)
    log.event(LogEvent.LISTS_REFRESHED)

    assert [lines[0] for lines in sent] == ["MESSAGE=configuration reloaded", "MESSAGE=package lists refreshed"]


@pytest.mark.parametrize("unusable", ["no-journald", "journald-stopped", "no-library"])
def test_without_journald_the_same_line_goes_to_syslog(
    unusable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_lines: str) -> None:
        raise ConnectionRefusedError

    sent: list[tuple[int, str]] = []
    monkeypatch.setattr(log_target, "_JOURNAL_SOCKET", str(tmp_path / ("no" if unusable == "no-journald" else "")))
    library = None if unusable == "no-library" else SimpleNamespace(sendv=stopped)
    monkeypatch.setitem(sys.modules, "systemd.journal", library)
    monkeypatch.setattr(log_target, "_SYSLOG_SOCKET", str(tmp_path))
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: sent.append((priority, line)))

    choose_target(to_stderr=False)(entry_of(LogEvent.CONFIG_REJECTED, error="e"))

    assert sent == [(syslog.LOG_ERR, "the new configuration is invalid: e")]


def test_an_error_of_several_lines_is_a_list_in_one_line() -> None:
    entry = entry_of(LogEvent.CONFIG_REJECTED, error="a.toml: unknown key 'x'; did you mean 'y'?\na.toml: z")

    assert entry.message.endswith("did you mean 'y'?; a.toml: z")


@pytest.mark.parametrize("to_stderr", [True, False])
def test_without_any_log_a_service_writes_to_standard_error_and_a_command_nothing(
    to_stderr: bool,  # noqa: FBT001 - a parametrized value
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(log_target, "_JOURNAL_SOCKET", str(tmp_path / "no"))
    monkeypatch.setattr(log_target, "_SYSLOG_SOCKET", str(tmp_path / "no"))

    choose_target(to_stderr=to_stderr)(entry_of(LogEvent.REBOOT_CLEARED))

    assert capsys.readouterr().err == ("<6>a reboot is no longer required\n" if to_stderr else "")


def test_an_event_says_at_its_level_what_happened() -> None:
    """A name or a level that promises less than what happened hides it from whoever filters by priority."""
    bad = {"failed", "bug", "damaged", "killed", "rejected", "unwritten"}
    alarming = {event for event in LogEvent if event.level in {Level.ERROR, Level.WARNING}}

    assert {event for event in LogEvent if event.value.partition(".")[2] in bad} <= alarming
    assert LogEvent.LISTS_INCOMPLETE in alarming
    assert LogEvent.UPGRADE_STALE in alarming


@pytest.mark.parametrize(
    "event",
    [
        LogEvent.CLOCK_JUMPED,  # at each boot of a machine without a battery
        LogEvent.JOB_DELAYED,  # somebody runs the agent by hand
        LogEvent.JOB_REFUSED,  # an old plan
        LogEvent.PREFETCH_DELAYED,  # somebody runs apt by hand
        LogEvent.NOTIFY_SENT,
        LogEvent.UPGRADE_FINISHED,
    ],
)
def test_what_happens_on_a_healthy_day_is_no_problem(event: LogEvent) -> None:
    assert event.level is Level.INFO


class BrokenStream:
    """A stream to which nothing can be written."""

    def __init__(self, error: Exception) -> None:
        self.attempts = 0
        self._error = error

    def write(self, _text: str) -> None:
        self.attempts += 1
        raise self._error


def test_no_log_target_fails_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = LogEntry(event="check.finished", priority=syslog.LOG_INFO, message=UNPRINTABLE, traceback=UNPRINTABLE)
    written: list[str] = []
    monkeypatch.setattr(log_target, "_SYSLOG_SOCKET", "/")
    monkeypatch.setattr(log_target, "_JOURNAL_SOCKET", "/nowhere")
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: written.append(line.encode().decode()))
    choose_target(to_stderr=False)(entry)
    monkeypatch.setattr(log_target, "_SYSLOG_SOCKET", "/nowhere")

    for error in (OSError(errno.ENOSPC, "full"), BrokenPipeError(), ValueError("closed")):
        stream = BrokenStream(error)
        monkeypatch.setattr(sys, "stderr", stream)
        choose_target(to_stderr=True)(entry)
        assert stream.attempts == 1

    assert len(written) > 1
    assert "\0" not in "".join(written)


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        ("fresh", "check: no security update is pending; package lists fresh"),
        ("stale", "check: pending updates unknown; package lists stale"),
        ("never", "check: pending updates unknown; no package lists"),
    ],
)
def test_nothing_is_called_up_to_date_without_lists(lists: str, sentence: str) -> None:
    fields = {"scope": "security", "lists": lists, "install": [], "held": [], "repair": []}

    assert LogEvent.CHECK_FINISHED.sentence(fields) == sentence
