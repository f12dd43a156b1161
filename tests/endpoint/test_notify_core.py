"""Notifications, pure: what is new, how many are one message, what a receiver gets, and when it is sent again."""

import hashlib
import hmac
import json
import random
from itertools import pairwise

import jsonschema
import pytest

from endpoint.core.messages import Message, read_message
from endpoint.core.notify.conditions import (
    RETURN_S,
    Condition,
    ConditionRule,
    Watch,
    judge,
    may_judge_silence,
    silence_hint,
    watched,
)
from endpoint.core.notify.events import is_recent_reboot, is_well_after_reboot, reboot_problems
from endpoint.core.notify.model import Notification, NotificationKind, Subject, notification_document
from endpoint.core.notify.retry import GIVE_UP_S, is_given_up, retry_delay_s
from endpoint.core.notify.webhook import WebhookTarget, WebhookTemplate, outgoing
from tests.endpoint.conftest import CHECKOUT

ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
NOW = 1_800_000_000.0
RULE = ConditionRule(settle_s=300.0, quiet_s=3600.0)
SCHEMA = json.loads((CHECKOUT / "schemas/maestro.fleet-notification-1.json").read_text())
TOKEN = "t0ken"  # noqa: S105 - not a real one
HOSTILE = "<script>&\x1b[2J\r\nBcc: all@example.org\u202e@room <!channel>"


def host(name: str) -> Subject:
    return Subject(id=name, name=name)


def record(*conditions: Condition) -> dict[str, Condition]:
    return {condition.subject.id: condition for condition in conditions}


OVER = Condition(subject=host("a"), since=NOW - 9000, noticed_at=NOW - 8000, ended_at=NOW - 3600)
OVER_SOON = Condition(subject=host("a"), since=NOW - 9000, noticed_at=NOW - 8000, ended_at=NOW - 60)


def document(
    *names: str, count: int | None = None, kind: NotificationKind = NotificationKind.SILENT
) -> dict[str, object]:
    subjects = [host(name) for name in names]
    made = Notification(id=ID, kind=kind, at=NOW, subjects=subjects, count=count or len(names))
    return notification_document(made, "https://fleet.example/hosts?state=silent")


def test_what_is_new_is_recorded_and_notified_with_all_others_once_it_has_settled() -> None:
    first = judge({}, [host("a")], RULE, NOW)
    known = record(*first.put)
    second = judge(known, [host("a"), host("b")], RULE, NOW + 299)
    known = {**known, **record(*second.put)}
    third = judge(known, [host("a"), host("b")], RULE, NOW + 300)

    assert [one.subject.id for one in first.put] == ["a"]
    assert (first.notify, second.notify, third.notify) == (False, False, True)


@pytest.mark.parametrize(
    ("condition", "is_found", "put", "dropped", "notify"),
    [
        (Condition(subject=host("a"), since=NOW - 60), False, None, True, False),
        (Condition(subject=host("a"), since=NOW - 900, noticed_at=NOW - 600), True, None, False, False),
        (
            Condition(subject=host("a"), since=NOW - 900, noticed_at=NOW - 600), False,
            Condition(subject=host("a"), since=NOW - 900, noticed_at=NOW - 600, ended_at=NOW), False, False,
        ),
        (
            Condition(subject=host("a"), since=NOW - 900, noticed_at=NOW - 600, ended_at=NOW - 60), True,
            Condition(subject=host("a"), since=NOW - 900, noticed_at=NOW - 600), False, False,
        ),
        (OVER_SOON, False, None, False, False),
        (OVER, False, None, True, False),
        (
            Condition(subject=host("a"), since=NOW - 9000, noticed_at=NOW - 8000, ended_at=NOW - 3600), True,
            Condition(subject=host("a"), since=NOW), False, False,
        ),
        (Condition(subject=host("a"), since=NOW + 9000), True, None, False, True),
    ],
    ids=[
        *("ends-before-it-settled", "goes-on", "ends", "returns-soon", "is-quiet", "is-forgotten", "returns-late"),
        "was-found-by-a-wrong-clock",
    ],
)  # fmt: skip
def test_a_known_condition(
    condition: Condition, put: Condition | None, *, is_found: bool, dropped: bool, notify: bool
) -> None:
    changes = judge(record(condition), [host("a")] if is_found else [], RULE, NOW)

    assert changes.put == ((put,) if put is not None else ())
    assert changes.drop == (("a",) if dropped else ())
    assert changes.notify is notify


def test_each_condition_is_notified_exactly_once_while_it_goes_on() -> None:
    chance = random.Random(7)  # noqa: S311 - the same in each run
    known: dict[str, Condition] = {}
    notified: dict[str, list[float]] = {}
    now = NOW
    for _ in range(3000):
        now += chance.uniform(1, 400)
        found = [host(name) for name in "abcdef" if chance.random() < 0.7]
        changes = judge(known, found, RULE, now)
        known = {name: one for name, one in known.items() if name not in changes.drop} | record(*changes.put)
        if changes.notify:
            for name, one in known.items():
                if one.noticed_at is None and one.ended_at is None:
                    notified.setdefault(name, []).append(now)
                    known[name] = Condition(subject=one.subject, since=one.since, noticed_at=now)

    assert set(notified) == set("abcdef")
    for times in notified.values():
        assert all(later - earlier >= RULE.quiet_s for earlier, later in pairwise(times))


def test_what_ended_at_a_time_of_a_wrong_clock_is_news_when_it_returns() -> None:
    ahead = Condition(subject=host("a"), since=NOW, noticed_at=NOW, ended_at=NOW + 365 * 86400)

    changes = judge(record(ahead), [host("a")], RULE, NOW)

    assert changes.put == (Condition(subject=host("a"), since=NOW),)


def test_silence_is_not_judged_before_each_host_could_report_after_the_endpoint_was_down() -> None:
    watch, judged = None, []
    for moment in (*range(0, 3000, 60), *range(10_000, 12_000, 60)):
        watch = watched(watch, NOW + moment)
        if may_judge_silence(watch, 900.0):
            judged.append(moment)

    assert min(judged) == RETURN_S + 60
    assert [moment for moment in judged if 3000 < moment <= 10_000 + RETURN_S] == []
    assert max(judged) > 10_000 + RETURN_S


def test_a_clock_that_is_set_back_or_ahead_begins_the_watch_again() -> None:
    watch = Watch(since=NOW - 9000, at=NOW)

    assert watched(watch, NOW + 60).since == NOW - 9000
    assert watched(watch, NOW - 1).since == NOW - 1
    assert watched(watch, NOW + 86400).since == NOW + 86400


def test_many_silent_hosts_are_one_message_that_names_the_likelier_cause() -> None:
    names = [f"web{number}" for number in range(50)]
    made = document(*names, count=500)

    assert len(made["subjects"]) == 20  # type: ignore[arg-type]
    assert made["count"] == 500
    assert str(made["summary"]).startswith("500 hosts silent: web0, web1, web2 and 497 more")
    assert silence_hint(2, 2, 2) == silence_hint(3, 6, 3) == ""
    assert silence_hint(3, 5, 3)
    assert silence_hint(9000, 100_000, 5000)


@pytest.mark.parametrize("kind", list(NotificationKind), ids=lambda kind: kind.value)
@pytest.mark.parametrize("names", [("web1",), ("a", "b", "c", "d"), (HOSTILE * 20,)], ids=["one", "four", "hostile"])
def test_each_document_matches_its_schema_and_is_free_of_control_characters(
    kind: NotificationKind, names: tuple[str, ...]
) -> None:
    made = document(*names, kind=kind)

    jsonschema.validate(made, SCHEMA)
    assert str(made["summary"]).isprintable()
    assert all(line.isprintable() for line in str(made["text"]).split("\n"))


def test_the_signature_is_the_hmac_of_timestamp_and_body() -> None:
    target = WebhookTarget(
        url="https://hook.example/x", template=WebhookTemplate.GENERIC, secret=b"s3cret", token=TOKEN
    )
    made = outgoing(document("web1"), target, 1234567890)
    expected = hmac.new(b"s3cret", b"1234567890." + made.body, hashlib.sha256).hexdigest()

    assert (made.method, made.url) == ("POST", "https://hook.example/x")
    assert made.headers["Maestro-Signature"] == f"v1={expected}"
    assert made.headers["Maestro-Timestamp"] == "1234567890"
    assert made.headers["Maestro-Notification"] == ID
    assert made.headers["Authorization"] == f"Bearer {TOKEN}"
    assert json.loads(made.body) == document("web1")


def test_without_a_secret_and_a_token_nothing_is_signed_or_authorized() -> None:
    made = outgoing(document("web1"), WebhookTarget(url="https://x.example/", template=WebhookTemplate.GENERIC), 1)

    assert set(made.headers) == {"Content-Type", "Maestro-Notification"}


def test_ntfy_gets_json_at_its_root() -> None:
    target = WebhookTarget(url="https://ntfy.example/alerts", template=WebhookTemplate.NTFY)
    made = outgoing(document("web1", kind=NotificationKind.KNOWN_EXPLOITED), target, 1)
    sent = json.loads(made.body)

    assert (made.method, made.url) == ("POST", "https://ntfy.example/")
    assert (sent["topic"], sent["priority"], sent["click"]) == ("alerts", 4, "https://fleet.example/hosts?state=silent")


def test_slack_gets_no_mention_and_no_markup_of_a_host() -> None:
    target = WebhookTarget(url="https://hooks.example/T/B", template=WebhookTemplate.SLACK)
    sent = json.loads(outgoing(document(HOSTILE), target, 1).body)

    assert "<" not in sent["text"].replace("&lt;", "")
    assert "&lt;!channel&gt;" in sent["text"]
    assert "@room" not in sent["text"]
    assert sent["mrkdwn"] is False


def test_matrix_gets_the_same_transaction_each_time_and_mentions_nobody() -> None:
    base = "https://matrix.example/_matrix/client/v3/rooms/!r:x/send/m.room.message"
    target = WebhookTarget(url=f"{base}/", template=WebhookTemplate.MATRIX, token=TOKEN)
    made = outgoing(document(HOSTILE), target, 1)

    assert (made.method, made.url) == ("PUT", f"{base}/{ID}")
    assert json.loads(made.body)["m.mentions"] == {}


@pytest.mark.parametrize("template", list(WebhookTemplate), ids=lambda template: template.value)
def test_a_body_is_small_whatever_hosts_call_themselves(template: WebhookTemplate) -> None:
    made = outgoing(
        document(*[HOSTILE * 50] * 40, count=100_000), WebhookTarget(url="https://x.example/t", template=template), 1
    )

    assert len(made.body) < 32_000
    assert made.body.isascii()


def test_delays_double_up_to_an_hour_and_respect_the_receiver() -> None:
    assert [retry_delay_s(attempts, 0.0) for attempts in (1, 2, 3, 20, 2000)] == [30, 60, 120, 3600, 3600]
    assert retry_delay_s(1, 0.999) >= 22.5
    assert retry_delay_s(1, 0.5, retry_after_s=600) == 600
    assert retry_delay_s(1, 0.0, retry_after_s=10**6) == 3600


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({}, ""),
        ({"problems": None}, ""),
        ({"problems": 7}, ""),
        ({"problems": "text"}, ""),
        ({"problems": {"code": "x"}}, ""),
        ({"problems": [None, 1, "x", [], {}]}, "None: None"),
        ({"problems": [{"code": ["x"], "detail": {"y": "\x1b"}}]}, "['x']: {'y': '\\x1b'}"),
        ({"problems": [{"code": "c", "detail": n} for n in range(5)]}, "c: 0; c: 1; c: 2 and 2 more"),
    ],
    ids=range(8),
)
def test_problems_after_a_reboot_are_read_from_any_document(document: dict[str, object], detail: str) -> None:
    known = reboot_problems("h", reboot_outcome({"result": "rebooted-with-problems", **document}))

    assert known == Subject(id="h", name="h", detail=detail)


@pytest.mark.parametrize("result", [None, 1, ["rebooted-with-problems"], {}, "rebooted"], ids=range(5))
def test_any_other_result_of_a_reboot_is_no_problem(result: object) -> None:
    event = reboot_outcome({"result": result})

    assert reboot_problems("h", event) is None
    assert is_well_after_reboot(event) == (result == "rebooted")


@pytest.mark.parametrize(
    ("at", "sent_at", "recent"),
    [
        ("2026-11-23T08:10:00Z", "2026-11-25T08:10:00.5Z", True),
        ("2026-11-23T08:10:00Z", "2026-11-25T08:10:01Z", False),
        ("2026-11-23T08:10:00Z", "1970-01-01T00:00:00Z", True),
        ("2026-02-31T08:10:00Z", "2026-11-25T08:10:01Z", True),
        ("2026-11-23T08:10:00Z", "9999-99-99T99:99:99Z", True),
        ("1970-01-01T00:00:00Z", None, True),
    ],
    ids=["two days", "more", "a clock that was set back", "no such day", "no such time", "no time"],
)
def test_a_reboot_is_news_for_two_days_by_the_clock_of_its_host(at: str, sent_at: str | None, recent: object) -> None:
    assert is_recent_reboot(reboot_outcome({}, at), sent_at) is recent


def test_no_other_event_is_a_reboot() -> None:
    event = read_message({**_RAW, "body": {"type": "rebooted", "at": "", "document": {"result": "rebooted"}}}, None)

    assert not is_recent_reboot(event, None)
    assert not is_well_after_reboot(event)


_RAW = {"key": "k", "kind": "event", "sequence": 1, "created_at": ""}


def reboot_outcome(document: dict[str, object], at: str = "2026-11-23T08:10:00Z") -> Message:
    return read_message({**_RAW, "body": {"type": "reboot-outcome", "at": at, "document": document}}, None)


def test_after_three_days_a_notification_is_given_up() -> None:
    assert not is_given_up(NOW, NOW + GIVE_UP_S)
    assert is_given_up(NOW, NOW + GIVE_UP_S + 1)
