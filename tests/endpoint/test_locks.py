"""Slots for people: `locks`, `locks release`, `fleet`, the metrics, and what is logged of stale holders."""

import json
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from structlog.testing import capture_logs

from endpoint.config.model import Config
from endpoint.core.fleet import Stream
from endpoint.core.gaps import Gaps
from endpoint.core.lock_metrics import lock_metrics
from endpoint.core.lock_report import (
    LockGroup,
    LockRelease,
    Locks,
    LockSettings,
    WaitingClient,
    locks_by_host,
    locks_document,
)
from endpoint.core.lock_text import lock_lines
from endpoint.core.locks import Holder, LockCall, LockOperation
from endpoint.errors import UsageError
from endpoint.http.retention_thread import RetentionThread
from endpoint.http.validation import strict
from endpoint.store.database import Database
from endpoint.store.lock_queries import ByPerson, LockQueries
from endpoint.store.locks import LockStore
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.promtool import promtool

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
NOW_S = NOW.timestamp()
HOST = "0f0e0d0c-0b0a-4908-8706-050403020100"
SETTINGS = LockSettings(slots={"default": 1, "web": 2}, stale_after=timedelta(hours=1))


def holder(client: str, age_s: float, *, group: str = "web", host: str | None = None, reason: str = "") -> Holder:
    return Holder(
        group=group, client_id=client, host_id=host, since_s=NOW_S - age_s, last_asked_s=NOW_S - age_s, reason=reason,
        address="192.0.2.1",
    )  # fmt: skip


def reporting(host: str, *packages: str, name: str = "web1") -> Stream:
    state = {"host": {"name": name}, "reboot": {"required": bool(packages), "packages": list(packages)}}
    return Stream(
        host_id=host, instance_id="i", agent_version="0.2.0", first_seen_at=NOW - timedelta(days=9),
        last_seen_at=NOW - timedelta(minutes=2), reported_at=NOW, state=state, events=0, highest_event=0, refused=0,
        gaps=Gaps(),
    )  # fmt: skip


FULL = Locks(
    groups=(
        LockGroup(
            name="web",
            mean_hold_s=93.4,
            holders=(holder("node\x1b-7", 7200), holder(HOST.replace("-", ""), 300)),
            waiting=(WaitingClient(client_id="node-9", host_id=None, since_s=NOW_S - 60, asked_s=NOW_S - 5),),
        ),
        LockGroup(name="gone", mean_hold_s=None, holders=(holder("a", 5, group="gone", reason="kernel"),)),
        LockGroup(name="unused", mean_hold_s=None),
    ),
    releases=(
        LockRelease(
            group="web", client_id="node-3", host_id=None, since_s=NOW_S - 9000, released_s=NOW_S - 600,
            released_by="alice", why="the disk died",
        ),
    ),
)  # fmt: skip


def test_holders_are_listed_with_age_contact_and_reason() -> None:
    document = locks_document(FULL, [reporting(HOST, "linux-image-6.1.0-40-amd64")], NOW, SETTINGS)

    jsonschema.validate(document, strict("maestro.locks-1"))
    assert lock_lines(document, NOW) == [
        "default: 0 of 1 slots held, 0 waiting",
        "",
        "gone: 1 of 0 slots held, 0 waiting (not configured)",
        "  HOST  HELD FOR  SEEN  ID  WHY",
        "  -     5 s       5 s   a   kernel",
        "",
        "web: 2 of 2 slots held, 1 waiting, a reboot takes 93 s",
        "  HOST  HELD FOR    SEEN   ID                                WHY",
        "  -     2 h, STALE  2 h    node?-7                           -",
        f"  web1  5 min       2 min  {HOST.replace('-', '')}  reboot required: linux-image-6.1.0-40-amd64",
        "  next: node-9",
        "",
        "released by a person:",
        "  node-3 (web), 10 min ago, by alice: the disk died",
    ]


@pytest.mark.parametrize(
    ("packages", "reason"),
    [((), None), (("a",), "reboot required: a"), (("a", "b", "c", "d"), "reboot required: a, b, c and others")],
    ids=["none", "one", "many"],
)
def test_a_holders_reason_comes_from_its_report_if_it_gave_none(packages: tuple[str, ...], reason: str | None) -> None:
    locks = Locks(groups=(LockGroup(name="web", mean_hold_s=None, holders=(holder("x", 5, host=HOST),)),))

    (found,) = locks_document(locks, [reporting(HOST, *packages)], NOW, SETTINGS)["groups"][1]["holders"]

    assert (found["reason"], found["name"], found["host_id"]) == (reason, "web1", HOST)


def test_a_host_row_has_the_slot_held_longest() -> None:
    held = (holder(HOST, 10, reason="new"), holder(HOST, 4000, group="default", reason="old"))
    groups = tuple(LockGroup(name=one.group, mean_hold_s=None, holders=(one,)) for one in held)

    found = locks_by_host(Locks(groups=groups), [reporting(HOST)], NOW, SETTINGS)

    assert found == {HOST: {"group": "default", "since": "2026-11-23T07:03:20Z", "reason": "old", "stale": True}}


def test_metrics_have_every_group_and_promtool_accepts_them() -> None:
    page = lock_metrics(FULL, NOW, SETTINGS)

    assert promtool("check", "metrics", content=page) == (0, "")
    assert {
        'maestro_endpoint_lock_slots{group="default"} 1',
        'maestro_endpoint_lock_holders{group="default"} 0',
        'maestro_endpoint_lock_slots{group="gone"} 0',
        'maestro_endpoint_lock_holders{group="gone"} 1',
        'maestro_endpoint_lock_stale_holders{group="web"} 1',
        'maestro_endpoint_lock_waiting{group="web"} 1',
        f'maestro_endpoint_lock_oldest_holder_timestamp_seconds{{group="web"}} {NOW_S - 7200}',
    } <= set(page.splitlines())
    assert 'oldest_holder_timestamp_seconds{group="default"}' not in page


@pytest.fixture
def server(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint(locks={"groups": {"default": 1, "web": 2}, "stale_after": "1h"})


def listed(server: LocalEndpoint, *arguments: str) -> Any:
    done = server.run("locks", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, strict("maestro.locks-1"))
    return document


def held(server: LocalEndpoint, group: str = "default") -> list[str]:
    (found,) = (one for one in listed(server)["groups"] if one["name"] == group)
    return [one["client_id"] for one in found["holders"]]


def test_a_person_releases_a_slot_and_the_next_client_gets_it(server: LocalEndpoint) -> None:
    client = server.client(server.any_host_token)
    client.fleet_lock("pre-reboot", "node-1")
    client.fleet_lock("pre-reboot", "node-2")

    done = server.run("locks", "release", "node-1", "--why", "the disk died")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("released: node-1, group default, held for ")
    assert client.fleet_lock("pre-reboot", "node-2").status == 200
    assert client.fleet_lock("steady-state", "node-1").status == 200
    (release,) = listed(server, "list")["releases"]
    assert (release["client_id"], release["why"], release["group"]) == ("node-1", "the disk died", "default")
    assert release["released_by"]


def test_a_host_may_be_named_by_its_name_its_id_or_its_clients_id(server: LocalEndpoint) -> None:
    box = Outbox()
    bound = server.client(server.token("--host", box.host))
    assert bound.post(box.batch(box.state())).status == 200

    for name in ("web1", box.host, "node-1"):
        assert bound.fleet_lock("pre-reboot", "node-1").status == 200
        assert server.run("locks", "release", name, "--why", "test").returncode == 0
        assert held(server) == []


def test_an_ambiguous_or_unknown_host_is_a_usage_error(server: LocalEndpoint) -> None:
    client = server.client(server.any_host_token)
    for group in ("default", "web"):
        client.fleet_lock("pre-reboot", "node-1", group)

    unknown = server.run("locks", "release", "nod", "--why", "test")
    ambiguous = server.run("locks", "release", "node-1", "--why", "test")
    without_why = server.run("locks", "release", "node-1")
    chosen = server.run("locks", "release", "node-1", "--why", "test", "--group", "web")

    assert [done.returncode for done in (unknown, ambiguous, without_why, chosen)] == [2, 2, 2, 0]
    assert (held(server), held(server, "web")) == (["node-1"], [])


def test_the_fleet_shows_who_holds_a_slot(server: LocalEndpoint) -> None:
    box = Outbox()
    client = server.client(server.any_host_token)
    client.post(box.batch(box.state()))
    client.fleet_lock("pre-reboot", box.host, "web")

    document = json.loads(server.run("fleet", "--json").stdout)
    served = server.client(server.token("--admin")).get("/v1/fleet").json

    jsonschema.validate(document, strict("maestro.fleet-1"))
    (row,) = document["hosts"]
    assert (row["lock"]["group"], row["lock"]["stale"]) == ("web", False)
    assert "slot held for" in server.run("fleet").stdout
    assert served["hosts"][0]["lock"] == row["lock"]


def test_locks_and_metrics_are_for_administrators(server: LocalEndpoint) -> None:
    server.client(server.any_host_token).fleet_lock("pre-reboot", "node-1")
    admin = server.client(server.token("--admin"))

    document, metrics = admin.get("/v1/locks"), admin.get("/v1/metrics")

    jsonschema.validate(document.json, strict("maestro.locks-1"))
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert b'maestro_endpoint_lock_holders{group="default"} 1\n' in metrics.body
    for path in ("/v1/locks", "/v1/metrics"):
        assert server.client(server.any_host_token).get(path).status == 403
        assert server.client().get(path).status == 401


def take(database: Database, client: str, now: datetime = NOW) -> None:
    call = LockCall(operation=LockOperation.LOCK, group="default", client_id=client, slots=1)
    assert LockStore(database).carry_out(call, now).succeeded


def test_a_slot_that_was_taken_again_in_the_meantime_is_not_released(database: Database) -> None:
    take(database, "a")
    (group,) = LockQueries(database).locks(NOW).groups
    person = ByPerson(name="alice", why="test", at=NOW)
    LockQueries(database).release(group.holders[0], person)
    take(database, "a", NOW + timedelta(seconds=5))

    with pytest.raises(UsageError):
        LockQueries(database).release(group.holders[0], person)

    locks = LockQueries(database).locks(NOW)
    assert [len(locks.groups[0].holders), len(locks.releases)] == [1, 1]


def test_a_stale_slot_is_logged_once_an_hour(database: Database) -> None:
    take(database, str(uuid.UUID(int=5)))
    thread = RetentionThread(Config(), database)

    with capture_logs() as logged:
        for minutes in (10, 50, 80, 90, 150):
            thread.delete_if_due(NOW + timedelta(minutes=minutes))

    assert [entry["client"] for entry in logged if entry["event"] == "lock.stale"] == [str(uuid.UUID(int=5))] * 2
