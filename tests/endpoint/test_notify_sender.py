"""Notifications are queued for what is new, sent by one process, and sent again until they arrive."""

import json
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from endpoint.config.model import Config, Fleet
from endpoint.config.notify import NotifyConfig
from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.core.deployments import RequestStatus, RequestStep
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import HostState
from endpoint.core.notify.model import KINDS
from endpoint.core.notify.retry import GIVE_UP_S
from endpoint.http.retention_thread import RetentionThread
from endpoint.notify.sender import NotificationSender
from endpoint.notify.watcher import PAGES, Watcher
from endpoint.store import notify_conditions, notify_queue
from endpoint.store.advisory_tables import KEV
from endpoint.store.database import Database
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.notify_events import note_stop
from endpoint.store.notify_queue import NotificationQueue
from endpoint.store.notify_tables import NOTIFY_CONDITIONS
from endpoint.store.notify_turn import LEASE_S
from endpoint.store.requests import exchange_requests
from endpoint.store.tables import DEPLOYMENTS
from tests.endpoint.conftest import database_url
from tests.endpoint.test_notify_core import HOSTILE, SCHEMA
from tests.endpoint.test_retention import put
from tests.support.messages import MOMENT, Outbox, report
from tests.support.postgres import Cluster
from tests.support.receivers import Webhook, mail_server, webhook

START = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Scene:
    """A database, a webhook, and the time."""

    database: Database
    receiver: Webhook
    now: datetime = START

    def sender(self, **settings: Any) -> NotificationSender:
        notify = NotifyConfig(webhook_url=self.receiver.url, **settings)
        return NotificationSender(
            Config(notify=notify, fleet=Fleet(silent_after_s=900)), self.database, lambda: self.now
        )

    def put(self, box: Outbox, *messages: dict[str, Any]) -> None:
        put(self.database, box, self.now, *messages)

    def report(self, box: Outbox, name: str = "web1") -> None:
        self.put(box, box.state(host=report(box.host, box.instance, name=name)["host"]))

    def run(self, sender: NotificationSender, minutes: int, *beating: Outbox) -> None:
        """Let time pass, a pass each minute; `beating` hosts are heard of each time."""
        for _ in range(minutes):
            self.now += MINUTE
            for box in beating:
                self.put(box, box.heartbeat())
            sender.work()

    @property
    def got(self) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.receiver.got]

    @property
    def kinds(self) -> list[tuple[str, int]]:
        return [(one["kind"], one["count"]) for one in self.got]


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Return an empty database in memory: hours of passes and heartbeats sync it hundreds of times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        made = Database(database_url(kind, Path(directory), request))
        made.create()
        yield made
        made.close()


@pytest.fixture
def scene(database: Database) -> Iterator[Scene]:
    with webhook() as receiver:
        yield Scene(database=database, receiver=receiver)


def test_silent_hosts_are_one_notification_and_only_once(scene: Scene) -> None:
    alive, lost = Outbox(), [Outbox() for _ in range(5)]
    for number, box in enumerate((alive, *lost)):
        scene.report(box, f"web{number}")
    sender = scene.sender()

    scene.run(sender, 22, alive, *lost)
    before = scene.kinds
    scene.run(sender, 60, alive)

    assert before == []
    assert scene.kinds == [("silent", 5)]
    assert [one["name"] for one in scene.got[0]["subjects"]] == ["web1", "web2", "web3", "web4", "web5"]
    assert "5 of 6 hosts" in scene.got[0]["text"]


def test_a_host_that_returns_and_is_silent_again_soon_is_not_news(scene: Scene) -> None:
    box, alive = Outbox(), Outbox()
    scene.report(box)
    scene.report(alive)
    sender = scene.sender()

    scene.run(sender, 25, box, alive)
    for _ in range(3):
        scene.run(sender, 30, alive)
        scene.run(sender, 10, alive, box)

    assert scene.kinds == [("silent", 1)]


def test_an_endpoint_that_was_down_for_hours_floods_nobody(scene: Scene) -> None:
    hosts = [Outbox() for _ in range(4)]
    for box in hosts:
        scene.report(box)
    scene.run(scene.sender(), 40, *hosts)

    scene.now += timedelta(hours=6)
    again = scene.sender()
    scene.run(again, 15)  # agents try again at most 15 minutes after a failure
    scene.run(again, 60, *hosts)

    assert scene.kinds == []


@dataclass(kw_only=True)
class Rollout:
    """A deployment to three hosts that stops after each failure, and expires after an hour."""

    scene: Scene
    id: str = "3f0b6c1e-0000-4000-8000-000000000000"
    hosts: list[str] = field(default_factory=lambda: [str(uuid.uuid4()) for _ in range(3)])

    def __post_init__(self) -> None:
        made_s = self.scene.now.timestamp()
        record = DeploymentRecord(
            id=self.id, verb="upgrade-security", arguments={}, plan_id=None, comment="", requested_by="alice",
            created_s=made_s, expires_s=made_s + 3600.0, at_once=1, stop_after=1,
        )  # fmt: skip
        requests = [NewRequest(id=host, host_id=host, form="{}", signature=None) for host in self.hosts]
        DeploymentStore(self.scene.database).create(record, requests)

    def contact(self, host: str, *statuses: RequestStatus) -> None:
        """Exchange requests with a host that reports these steps; its request has its own id."""
        steps = [RequestStep(request_id=host, host_id=host, status=status) for status in statuses]
        now_s = self.scene.now.timestamp()
        self.scene.database.write(lambda connection: exchange_requests(connection, frozenset([host]), steps, now_s))

    def resume(self) -> None:
        DeploymentStore(self.scene.database).resume(self.id, Actor(name="alice", at=self.scene.now))


def test_a_deployment_that_stops_is_notified_once_for_each_time_however_soon_it_follows(scene: Scene) -> None:
    rollout, sender = Rollout(scene=scene), scene.sender()

    for host in rollout.hosts:
        rollout.contact(host)
        rollout.contact(host, RequestStatus.FAILED)
        scene.run(sender, 3)
        rollout.resume()
        scene.now += timedelta(seconds=20)
    scene.run(sender, 10)

    assert scene.kinds == [("deployment-stopped", 1)] * 3
    (subject,) = scene.got[0]["subjects"]
    assert (subject["id"], subject["name"]) == (rollout.id, "upgrade-security 3f0b6c1e")
    assert conditions(scene) == 0


def test_a_deployment_that_stops_between_two_looks_is_notified_although_it_was_resumed(scene: Scene) -> None:
    rollout, sender = Rollout(scene=scene), scene.sender()
    rollout.contact(rollout.hosts[0])
    scene.run(sender, 1)

    rollout.contact(rollout.hosts[0], RequestStatus.FAILED)
    rollout.resume()
    scene.run(sender, 3)

    assert scene.kinds == [("deployment-stopped", 1)]


def test_a_deployment_that_stops_after_its_expiry_is_notified(scene: Scene) -> None:
    rollout, sender = Rollout(scene=scene), scene.sender()
    rollout.contact(rollout.hosts[0])
    rollout.contact(rollout.hosts[0], RequestStatus.RUNNING)
    scene.run(sender, 70)

    rollout.contact(rollout.hosts[0], RequestStatus.FAILED)
    scene.run(sender, 3)

    assert scene.kinds == [("deployment-stopped", 1)]


def test_a_deployment_that_stops_because_a_host_never_answered_is_notified(scene: Scene) -> None:
    rollout, sender = Rollout(scene=scene), scene.sender()
    rollout.contact(rollout.hosts[0])
    scene.now += timedelta(days=7, hours=2)

    DeploymentStore(scene.database).expire(scene.now)
    scene.run(sender, 3)

    assert scene.kinds == [("deployment-stopped", 1)]


def test_stops_that_nobody_is_to_be_notified_of_do_not_pile_up(scene: Scene) -> None:
    for number in range(4):
        add_stopped(scene, f"{number}f0b6c1e-0000-4000-8000-000000000000")
        scene.now += timedelta(days=1)

    assert conditions(scene) == 3


def test_a_stop_by_the_clock_of_another_machine_that_is_ahead_is_notified_once(scene: Scene) -> None:
    rollout, sender = Rollout(scene=scene), scene.sender()
    rollout.contact(rollout.hosts[0])
    scene.now += timedelta(seconds=150)
    rollout.contact(rollout.hosts[0], RequestStatus.FAILED)
    scene.now -= timedelta(seconds=150)

    scene.run(sender, 10)

    assert scene.kinds == [("deployment-stopped", 1)]


def test_a_host_with_problems_after_a_reboot_is_notified_with_them(scene: Scene) -> None:
    box, well = Outbox(), Outbox()
    scene.report(box, "db1")
    problems = [{"code": "unit-failed", "detail": "postgresql.service"}]
    scene.put(box, box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": problems}))
    scene.put(well, well.event("reboot-outcome", {"result": "rebooted", "problems": []}))

    scene.run(scene.sender(), 5, box, well)

    (got,) = scene.got
    assert (got["kind"], got["severity"], got["count"]) == ("reboot-problems", "high", 1)
    assert got["text"] == "db1: unit-failed: postgresql.service"
    scene.run(scene.sender(), 61, box, well)
    assert conditions(scene) == 0


def test_a_host_that_reports_problems_after_each_reboot_is_notified_once_an_hour_and_the_last_one_is_not_lost(
    scene: Scene,
) -> None:
    box, sender = Outbox(), scene.sender()
    for number in range(10):
        problem = {"code": "unit-failed", "detail": f"{number}.service"}
        scene.put(box, box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": [problem]}))
        scene.run(sender, 2)

    scene.run(sender, 130, box)

    assert [one["text"].rpartition(" ")[2] for one in scene.got] == ["0.service", "9.service"]
    assert conditions(scene) == 0


def test_the_first_events_of_a_new_outbox_are_no_news_if_they_are_old_and_its_host_is_named(scene: Scene) -> None:
    """A new outbox begins with the events of a month, and the state comes behind them."""
    old, new = Outbox(), Outbox()
    for box, name, at in ((old, "db1", "2026-10-28T08:10:00Z"), (new, "db2", "2026-11-22T08:10:00Z")):
        state = box.state(host=report(box.host, box.instance, name=name)["host"])
        scene.put(box, ill(box, at=at), state)

    scene.run(scene.sender(), 5, old, new)

    (got,) = scene.got
    assert [(one["id"], one["name"]) for one in got["subjects"]] == [(new.host, "db2")]
    assert got["summary"].endswith(": db2")


def test_problems_that_a_later_reboot_has_ended_are_no_news(scene: Scene) -> None:
    at_once, later, again = Outbox(), Outbox(), Outbox()
    sender = scene.sender()
    scene.put(at_once, ill(at_once), well(at_once))
    scene.put(later, ill(later))
    scene.put(again, ill(again), well(again), ill(again))
    scene.put(later, well(later))

    scene.run(sender, 5)

    assert [one["id"] for one in scene.got[0]["subjects"]] == [again.host]
    assert scene.kinds == [("reboot-problems", 1)]


def test_problems_that_wait_for_the_hour_to_be_over_are_no_news_if_a_later_reboot_has_ended_them(scene: Scene) -> None:
    box, sender = Outbox(), scene.sender()
    scene.put(box, ill(box))
    scene.run(sender, 5)
    scene.put(box, ill(box), well(box))
    scene.run(sender, 130, box)
    once = scene.kinds

    scene.put(box, ill(box))
    scene.run(sender, 5)

    assert once == [("reboot-problems", 1)]
    assert scene.kinds == once * 2


def test_a_reboot_that_did_not_take_place_ends_no_problems(scene: Scene) -> None:
    box = Outbox()
    scene.put(box, ill(box), box.event("reboot-outcome", {"result": "not-required", "problems": []}))

    scene.run(scene.sender(), 5)

    assert scene.kinds == [("reboot-problems", 1)]


def ill(box: Outbox, at: str = MOMENT) -> dict[str, Any]:
    problems = [{"code": "unit-failed", "detail": "postgresql.service"}]
    return box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": problems}, at=at)


def well(box: Outbox) -> dict[str, Any]:
    return box.event("reboot-outcome", {"result": "rebooted", "problems": []})


@pytest.mark.xdist_group("endpoint-postgresql")
def test_an_event_that_is_stored_while_a_notification_is_made_is_in_the_next_one(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL: SQLite's transactions are serial."""
    first, second = Outbox(), Outbox()
    problem = {"result": "rebooted-with-problems", "problems": []}
    database = Database(postgres.create("notifications"))
    database.create()

    with webhook() as receiver:
        scene = Scene(database=database, receiver=receiver)

        def enqueue(*arguments: Any) -> None:
            monkeypatch.undo()
            scene.put(second, second.event("reboot-outcome", problem))
            notify_queue.enqueue(*arguments)

        for box, name in ((first, "db1"), (second, "db2")):
            scene.report(box, name)
        scene.put(first, first.event("reboot-outcome", problem))
        monkeypatch.setattr(notify_conditions, "enqueue", enqueue)
        scene.run(scene.sender(), 5)
    database.close()

    assert [one["subjects"][0]["name"] for one in scene.got] == ["db1", "db2"]


def test_problems_that_were_reported_at_a_time_of_a_wrong_clock_are_notified_once(scene: Scene) -> None:
    box, sender = Outbox(), scene.sender()
    scene.now = START + timedelta(days=365)
    scene.put(box, box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": []}))
    scene.now = START

    scene.run(sender, 130, box)

    assert scene.kinds == [("reboot-problems", 1)]
    assert conditions(scene) == 0


def test_an_event_from_before_anybody_was_to_be_notified_is_forgotten(scene: Scene) -> None:
    box = Outbox()
    scene.put(box, box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": []}))

    scene.now += timedelta(days=3)
    scene.run(scene.sender(), 5)

    assert scene.kinds == []
    assert conditions(scene) == 0


def test_a_pending_fix_that_is_known_to_be_exploited_is_notified_once(scene: Scene) -> None:
    box = Outbox()
    scene.report(box)
    cves = sorted({cve for one in report(box.host, box.instance)["updates"]["items"] for cve in one["cves"] or ()})
    with scene.database.writing() as connection:
        connection.execute(
            sa.insert(KEV), {"cve": cves[0], "added": "2026-11-20", "due": "2026-12-11", "name": "A flaw", "action": ""}
        )

    scene.run(scene.sender(), 90, box)

    assert [one["subjects"][0]["name"] for one in scene.got] == [cves[0]]
    assert scene.got[0]["subjects"][0]["detail"] == "1 host, due 2026-12-11; A flaw"


def test_fixes_that_are_pending_for_too_long_are_one_notification(scene: Scene) -> None:
    box = Outbox()
    scene.report(box)
    sender = scene.sender(overdue_after="1d", events=("overdue",))

    scene.run(sender, 70, box)
    before = scene.kinds
    scene.now += timedelta(days=1)
    scene.run(sender, 130, box)

    assert before == []
    (got,) = scene.got
    assert got["kind"] == "overdue"
    assert got["count"] == len(got["subjects"]) > 0


def test_what_hosts_report_stays_text_in_webhook_and_mail(scene: Scene) -> None:
    box = Outbox()
    scene.report(box, HOSTILE)
    problems = [{"code": HOSTILE, "detail": HOSTILE * 50}]
    scene.put(box, box.event("reboot-outcome", {"result": "rebooted-with-problems", "problems": problems}))

    with mail_server() as server:
        scene.run(scene.sender(mail_to=("ops@example.org",), smtp=server.address), 40)

    assert {one["kind"] for one in scene.got} == {"silent", "reboot-problems"}
    for one in scene.got:
        jsonschema.validate(one, SCHEMA)
        texts = [one["summary"], *one["text"].split("\n"), *(subject["name"] for subject in one["subjects"])]
        assert all(text.isprintable() for text in texts)
    assert set(server.recipients) == {"ops@example.org"}
    for mail in server.mails:
        assert mail.get_content_type() == "text/plain"
        assert (mail["Bcc"], mail["To"]) == (None, "ops@example.org")


def test_only_the_configured_kinds_are_notified(scene: Scene) -> None:
    box = Outbox()
    scene.report(box)
    add_stopped(scene)
    scene.run(scene.sender(events=("silent",)), 90)

    assert scene.kinds == [("silent", 1)]


def test_a_notification_is_sent_again_with_the_same_id_until_it_arrives(scene: Scene) -> None:
    add_stopped(scene)
    scene.receiver.answers = [(500, {}), (503, {"Retry-After": "600"}), (302, {"Location": "/"})]
    sender = scene.sender()

    scene.run(sender, 60)

    assert len(scene.got) == 4
    assert len({one["id"] for one in scene.got}) == 1
    (row,) = NotificationQueue(scene.database).recent(9)
    assert (row.delivered, row.attempts, row.failure) == (True, 4, None)


def test_what_cannot_be_sent_for_three_days_is_given_up(scene: Scene) -> None:
    add_stopped(scene)
    scene.receiver.answers = [(404, {})] * 200
    sender = scene.sender()

    scene.run(sender, 3)
    scene.now += timedelta(seconds=GIVE_UP_S)
    scene.run(sender, 120)
    tried = len(scene.got)
    scene.run(sender, 120)

    (row,) = [one for one in NotificationQueue(scene.database).recent(9) if one.ended_at is not None]
    assert not row.delivered
    assert "404" in str(row.failure)
    assert len(scene.got) == tried
    assert NotificationQueue(scene.database).counts() == (0, 1)


def test_a_receiver_that_is_away_is_tried_once_for_all_that_wait(scene: Scene) -> None:
    add_stopped(scene)
    scene.receiver.answers = [(500, {})] * 2
    sender = scene.sender()
    scene.run(sender, 1)
    add_stopped(scene, "4f0b6c1e-0000-4000-8000-000000000000")
    scene.run(sender, 30)

    assert len(scene.got) <= 5
    assert len({one["id"] for one in scene.got}) == 2


@pytest.mark.parametrize("answer", [400, 413, 422])
def test_a_notification_that_the_receiver_refuses_holds_up_no_other_one(answer: int, scene: Scene) -> None:
    refused, behind, later = (f"{number}f0b6c1e-0000-4000-8000-000000000000" for number in (3, 4, 5))
    sender = scene.sender()
    scene.receiver.answers = [(500, {})] * 2
    for identity in (refused, behind):
        add_stopped(scene, identity)
        scene.run(sender, 1)
    scene.receiver.refused, scene.receiver.refusal = refused.encode(), answer

    scene.run(sender, 3)
    soon = delivered(scene)
    add_stopped(scene, later)
    scene.run(sender, 130)

    assert soon == {behind}
    assert delivered(scene) == {behind, later}
    assert 3 < scene.receiver.refusals < 12  # it is tried again, less and less often


def test_a_mail_that_a_filter_refuses_holds_up_no_other_one(scene: Scene) -> None:
    refused, behind = "3f0b6c1e-0000-4000-8000-000000000000", "4f0b6c1e-0000-4000-8000-000000000000"
    with mail_server() as server:
        server.answer = "554 5.7.1 rejected by the filter"
        config = Config(notify=NotifyConfig(mail_to=("root",), smtp=server.address))
        sender = NotificationSender(config, scene.database, lambda: scene.now)
        for identity in (refused, behind):
            add_stopped(scene, identity)
            scene.run(sender, 1)
        tried = [row.attempts for row in NotificationQueue(scene.database).recent(9)]

    assert sorted(tried) == [1, 2]
    assert server.mails == []


def test_what_waits_for_a_channel_that_is_gone_is_given_up_by_age_also_without_any_channel(scene: Scene) -> None:
    add_stopped(scene)
    scene.receiver.answers = [(500, {})]
    scene.run(scene.sender(), 1)
    queue, thread = NotificationQueue(scene.database), RetentionThread(Config(), scene.database)
    thread.delete_if_due(scene.now)
    scene.now += timedelta(seconds=GIVE_UP_S - 3600)
    thread.delete_if_due(scene.now)
    before = queue.counts()

    scene.now += timedelta(hours=2)
    thread.delete_if_due(scene.now)
    after = queue.counts()
    for _ in range(6):
        scene.now += timedelta(days=6)
        thread.delete_if_due(scene.now)

    assert (before, after) == ((1, 0), (0, 1))
    assert queue.recent(9) == []


def test_what_waits_for_a_configured_channel_is_sent_though_the_endpoint_was_down_for_longer(scene: Scene) -> None:
    add_stopped(scene)
    scene.receiver.answers = [(500, {})]
    sender = scene.sender()
    scene.run(sender, 1)
    thread = RetentionThread(Config(notify=NotifyConfig(webhook_url=scene.receiver.url)), scene.database)
    thread.delete_if_due(scene.now)

    scene.now += timedelta(seconds=2 * GIVE_UP_S)
    thread.delete_if_due(scene.now)
    scene.run(sender, 1)

    assert [row.delivered for row in NotificationQueue(scene.database).recent(9)] == [True]


def test_of_two_processes_one_sends_and_the_other_goes_on_when_it_has_died(scene: Scene) -> None:
    add_stopped(scene)
    one, two = scene.sender(), scene.sender()

    for _ in range(10):
        scene.run(one, 1)
        two.work()
    first = scene.kinds
    add_stopped(scene, "4f0b6c1e-0000-4000-8000-000000000000")
    scene.now += timedelta(seconds=LEASE_S)
    scene.run(two, 3)

    assert first == [("deployment-stopped", 1)]
    assert scene.kinds == [("deployment-stopped", 1)] * 2


def test_a_sender_that_dies_between_sending_and_recording_sends_again_with_the_same_id(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        """The process ends here."""

    def die(*_: object) -> None:
        raise PowerCutError

    add_stopped(scene)
    with monkeypatch.context() as patch:
        patch.setattr(NotificationQueue, "delivered", die)
        with pytest.raises(PowerCutError):
            scene.run(scene.sender(), 1)
    scene.now += timedelta(seconds=LEASE_S)
    scene.run(scene.sender(), 3)

    assert len(scene.got) == 2
    assert len({one["id"] for one in scene.got}) == 1


def test_a_duty_that_a_wrong_clock_took_for_years_is_taken_over(scene: Scene) -> None:
    add_stopped(scene)
    scene.now = START + timedelta(days=4000)
    scene.run(scene.sender(events=("silent",)), 1)
    scene.now = START

    scene.run(scene.sender(), 2)

    assert scene.kinds == [("deployment-stopped", 1)]


def test_what_was_put_off_by_a_wrong_clock_is_sent(scene: Scene) -> None:
    scene.receiver.answers = [(500, {})]
    scene.now = START + timedelta(days=365)
    add_stopped(scene)
    sender = scene.sender(events=("deployment-stopped",))
    scene.run(sender, 1)
    scene.now = START

    scene.run(sender, 2)

    assert scene.kinds == [("deployment-stopped", 1)] * 2


def test_an_unexpected_error_is_logged_and_does_not_end_the_sender(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_stopped(scene)
    sender = scene.sender()
    with monkeypatch.context() as patch, capture_logs() as logged:
        patch.setattr(Watcher, "look", lambda *_: 1 / 0)
        sender.try_work()

    scene.now += MINUTE
    sender.try_work()

    assert [(entry["event"], type(entry["exc_info"])) for entry in logged] == [
        ("notification.broken", ZeroDivisionError)
    ]
    assert scene.kinds == [("deployment-stopped", 1)]


def add_stopped(scene: Scene, identity: str = "3f0b6c1e-0000-4000-8000-000000000000") -> None:
    values = {
        "id": identity, "verb": "upgrade-security", "arguments": "{}", "comment": "", "requested_by": "alice",
        "created_at": scene.now.timestamp(), "expires_at": scene.now.timestamp() + 30 * 86400, "at_once": 1,
        "stop_after": 1, "status": "stopped", "in_flight": 0, "failures": 2,
    }  # fmt: skip
    with scene.database.writing() as connection:
        connection.execute(sa.insert(DEPLOYMENTS), values)
        note_stop(connection, identity, 2, scene.now.timestamp())


def delivered(scene: Scene) -> set[str]:
    rows = NotificationQueue(scene.database).recent(99)
    return {row.document["subjects"][0]["id"] for row in rows if row.delivered}


def conditions(scene: Scene) -> int:
    with scene.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(NOTIFY_CONDITIONS)).scalar() or 0)


def test_the_links_of_notifications_are_filters_that_the_list_of_hosts_takes() -> None:
    addresses = [urlsplit(page) for page in PAGES.values()]
    queries = [HostQuery.parse(parse_qsl(address.query)) for address in addresses if address.path == "/hosts"]

    assert {kind.value for kind in PAGES} == set(KINDS)
    assert [query.states for query in queries] == [(HostState.SILENT,), (HostState.ATTENTION,)]
