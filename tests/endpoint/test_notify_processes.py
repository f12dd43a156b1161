"""Four processes of two servers on one database send each notification once, as soon as it is due."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from endpoint.store.database import Database
from endpoint.store.notify_events import note_stop
from endpoint.store.notify_queue import NotificationQueue
from endpoint.store.tables import DEPLOYMENTS
from tests.support.authority import Authority
from tests.support.endpoint_server import Tables, two_servers
from tests.support.receivers import Webhook, webhook

LIMIT_S = 60.0


@pytest.mark.xdist_group("endpoint-server")
def test_four_processes_send_each_notification_once(authority: Authority, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/endpoint.db"
    with webhook() as receiver:
        more: Tables = {"notify": {"webhook_url": receiver.url, "events": ["deployment-stopped"]}}
        with two_servers(tmp_path, authority, url, more) as servers:
            database = Database(url)
            add_stopped(database, 3)
            wait_for(receiver, 1)
            time.sleep(6.0)  # longer than the others' pause between two looks
            journal = "".join(server.journal for server in servers)
            rows = NotificationQueue(database).recent(9)
            database.close()

    assert len(receiver.got) == 1
    assert b'"count":3' in receiver.got[0].body
    assert [(row.delivered, row.attempts) for row in rows] == [(True, 1)]
    assert journal.count("notification.sent") == 1
    assert "Traceback" not in journal


def add_stopped(database: Database, count: int) -> None:
    now = time.time()
    rows = [
        {
            "id": f"3f0b6c1e-0000-4000-8000-00000000000{number}", "verb": "check", "arguments": "{}", "comment": "",
            "requested_by": "alice", "created_at": now, "expires_at": now + 86400, "at_once": 1, "stop_after": 1,
            "status": "stopped", "in_flight": 0, "failures": 1,
        }
        for number in range(count)
    ]  # fmt: skip
    with database.writing() as connection:
        connection.execute(sa.insert(DEPLOYMENTS), rows)
        for row in rows:
            note_stop(connection, str(row["id"]), 1, now)


def wait_for(receiver: Webhook, count: int) -> None:
    deadline = time.monotonic() + LIMIT_S
    while len(receiver.got) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
