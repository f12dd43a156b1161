"""Rows of hosts follow the reports: the rules in Python and SQL agree, and a database can derive them again."""

import random
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from endpoint.core.fix_query import FixQuery
from endpoint.core.host_columns import PackageRow, PackageStage, host_columns, host_flags
from endpoint.core.host_fixes import MAX_FIXES, MAX_KEPT, FixRow, FixStage, next_fixes
from endpoint.core.host_query import HostQuery
from endpoint.core.host_states import FleetSettings, HostFacts, HostState, host_states
from endpoint.core.host_tags import TagSource
from endpoint.core.people import WHOLE_FLEET, Scope
from endpoint.store import host_parts, revisions
from endpoint.store.backfill import backfill
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.host_retention import HostRetention
from endpoint.store.host_tables import EXPOSURE_DAYS, FIX_COUNTS, FLAGS, HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.queries import FleetQueries
from endpoint.store.retention import RetentionStore
from endpoint.store.tables import HOST_TAGS, STATES, STREAMS, seen_slot
from endpoint.store.tags import HostTags
from tests.endpoint.conftest import MakeServer
from tests.endpoint.test_migrations import differences, empty
from tests.endpoint.test_retention import put
from tests.support.host_reports import NOW, patched, pending, random_state, update
from tests.support.messages import Outbox
from tests.support.postgres import Cluster

SETTINGS = FleetSettings(silent_after=timedelta(hours=6))
DAY = timedelta(days=1)
LATER = (-2 * DAY, timedelta(0), timedelta(hours=3), timedelta(hours=9), 2 * DAY, 900 * DAY)
CVE = "CVE-2026-1001"
Latest = Mapping[str, tuple[Mapping[str, Any] | None, float, float | None]]
"""By host: the report that its row shows, its last contact, and that of a clone."""


def report_at_random(database: Database, *, hosts: int = 60, contacts: int = 240, seed: int = 7) -> Latest:
    """Send states and heartbeats of hosts, some of them clones, in random order."""
    chance = random.Random(seed)  # noqa: S311 - not for cryptography
    boxes = [Outbox() for _ in range(hosts)]
    boxes += [Outbox(host=box.host) for box in boxes[:: hosts // 4]]
    reports: dict[str, Mapping[str, Any]] = {}
    began: dict[str, float] = {}
    seen: dict[str, dict[str, float]] = {}
    latest: dict[str, tuple[Mapping[str, Any] | None, float, float | None]] = {}
    for number in range(contacts):
        box, now = chance.choice(boxes), NOW - timedelta(minutes=3 * (contacts - number))
        message = random_state(box, chance, now) if chance.random() < 0.7 else box.heartbeat()
        put(database, box, now, message)
        began.setdefault(box.instance, now.timestamp())
        if message["kind"] == "state":
            reports[box.instance] = message["body"]
        others = [at for one, at in seen.get(box.host, {}).items() if one != box.instance and at > began[box.instance]]
        seen.setdefault(box.host, {})[box.instance] = now.timestamp()
        latest[box.host] = (reports.get(box.instance), now.timestamp(), max(others, default=None))
    return latest


def expected_states(latest: Latest, now: datetime) -> dict[str, frozenset[HostState]]:
    return {host: host_states(facts(*known), now.timestamp(), SETTINGS) for host, known in latest.items()}


def facts(report: Mapping[str, Any] | None, last_seen_s: float, other_seen_s: float | None) -> HostFacts:
    columns = host_columns(report)
    return HostFacts(
        flags=host_flags(report or {}),
        last_seen_s=last_seen_s,
        other_seen_s=other_seen_s,
        lists_good_s=columns["lists_good_at"],
        ended_s=columns["ended_at"],
    )


@pytest.mark.parametrize("later", LATER, ids=str)
def test_lists_counts_and_rows_agree_with_the_rule_over_random_reports(later: timedelta, database: Database) -> None:
    expected = expected_states(report_at_random(database), NOW + later)
    some = Scope(tags=frozenset({"some"}))
    tagged = set(list(expected)[::3])
    for host in tagged:
        HostTags(database).change(host, add=["some"], remove=[])
    pages = FleetPages(database, SETTINGS)

    rows = {row.host_id: row.states for row in pages.each_host(HostQuery(), WHOLE_FLEET, NOW + later)}

    assert rows == expected
    assert all(states == {HostState.PATCHED} or HostState.PATCHED not in states for states in rows.values())
    for scope, hosts in ((WHOLE_FLEET, set(expected)), (some, tagged)):
        counts = pages.overview(scope, NOW + later).counts
        for state in HostState:
            wanted = {host for host in hosts if state in expected[host]}
            found = pages.each_host(HostQuery(states=(state,)), scope, NOW + later)
            assert {row.host_id for row in found} == wanted, state
            assert counts[state] == len(wanted), state


def test_the_slot_of_each_stream_is_that_of_its_last_contact(database: Database) -> None:
    report_at_random(database)

    with database.reading() as connection:
        streams = connection.execute(sa.select(STREAMS)).all()

    assert [one.last_seen_slot for one in streams] == [seen_slot(one.last_seen_at) for one in streams]


def test_the_page_of_a_fix_counts_each_host_once(database: Database) -> None:
    report_at_random(database)
    order, hosts = list(FixStage), dict[str, dict[str, int]]()
    for row in dump(database, HOST_FIXES):
        stages = hosts.setdefault(row["cve"], {})
        stages[row["of"]] = min(stages.get(row["of"], len(order)), order.index(FixStage(row["stage"])))
    pages = FleetPages(database, SETTINGS)

    found = {cve: pages.fix(cve, WHOLE_FLEET, NOW) for cve in hosts}

    assert {cve: fix.hosts_by_stage for cve, fix in found.items() if fix is not None} == {
        cve: {stage: list(stages.values()).count(place) for place, stage in enumerate(order)}
        for cve, stages in hosts.items()
    }


def test_no_patched_host_lacks_a_fix_but_those_that_only_ubuntu_pro_brings(database: Database) -> None:
    report_at_random(database, hosts=200, contacts=600)
    green = HostQuery(states=(HostState.PATCHED,))
    patched = {row.host_id for row in FleetPages(database, SETTINGS).each_host(green, WHOLE_FLEET, NOW)}

    lacking = {(row["of"], row["package"]) for row in dump(database, HOST_FIXES)
               if row["stage"] != "active" and row["of"] in patched}  # fmt: skip

    only = {(row["of"], row["package"]) for row in dump(database, HOST_PACKAGES) if row["stage"] == "esm-only"}
    assert patched
    assert lacking
    assert lacking <= only


def test_random_reports_are_in_every_state(database: Database) -> None:
    latest = report_at_random(database)

    assert {
        state for later in LATER for states in expected_states(latest, NOW + later).values() for state in states
    } == (set(HostState))


def test_the_fleet_has_as_many_agents_in_its_rows_as_in_its_document(database: Database) -> None:
    report_at_random(database)
    now = NOW - timedelta(minutes=3)
    streams = FleetQueries(database).streams(now)

    rows = {row.host_id: row for row in FleetPages(database, SETTINGS).each_host(HostQuery(), WHOLE_FLEET, now)}

    newest = {host: max((one for one in streams if one.host_id == host), key=lambda one: one.last_seen_at)
              for host in rows}  # fmt: skip
    agents = {
        host: 1 + sum(
            one.host_id == host and one is not newest[host]
            and one.last_seen_at > max(now - SETTINGS.silent_after, newest[host].first_seen_at)
            for one in streams
        )
        for host in rows
    }  # fmt: skip
    assert {host: row.agents for host, row in rows.items()} == agents
    assert any(number > 1 for number in agents.values())


def dump(database: Database, table: sa.Table, without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the rows, with hosts by their ids, which stay the same when rows are derived again."""
    columns = [column for column in table.columns if column.name not in {"id", *without}]
    source: Any = table
    if "host" in table.columns:
        source = table.join(HOSTS, HOSTS.c.id == table.c.host)
        columns = [HOSTS.c.host_id.label("of"), *(column for column in columns if column.name != "host")]
    with database.reading() as connection:
        rows = connection.execute(sa.select(*columns).select_from(source)).all()
    return sorted((dict(row._mapping) for row in rows), key=repr)  # noqa: SLF001 - its public name


def derived(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return what a state decides alone: not since when something is pending, nor fixes of earlier reports."""
    with database.reading() as connection:
        complete = sa.select(HOSTS.c.host_id).where(HOSTS.c.lists_state == "fresh", HOSTS.c.pending_count >= 0)
        hosts = set(connection.execute(complete).scalars())
    fixes = dump(database, HOST_FIXES, ["pending_since"])
    return {
        "hosts": dump(database, HOSTS),
        "packages": dump(database, HOST_PACKAGES, ["since"]),
        "fixes": [row for row in fixes if row["stage"] in {"pending", "held"} and row["of"] in hosts],
        "tags": dump(database, HOST_TAGS),
        "streams": dump(database, STREAMS),
    }


def forget(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(sa.delete(HOST_TAGS).where(HOST_TAGS.c.source == TagSource.AGENT.value))
        for table in (HOST_PACKAGES, HOST_FIXES, FIX_COUNTS, HOSTS):
            connection.execute(table.delete())
        connection.execute(sa.update(STREAMS).values(outbox_depth=None, outbox_last=None))


def counted(database: Database) -> dict[tuple[str, str], int]:
    with database.reading() as connection:
        rows = connection.execute(
            sa.select(HOST_FIXES.c.cve, HOST_FIXES.c.stage, sa.func.count()).group_by(
                HOST_FIXES.c.cve, HOST_FIXES.c.stage
            )
        )
        return {(cve, stage): number for cve, stage, number in rows}


def stored_counts(database: Database) -> dict[tuple[str, str], int]:
    stages = ("pending", "held", "installed", "active")
    return {(row["cve"], stage): row[stage] for row in dump(database, FIX_COUNTS) for stage in stages if row[stage]}


def test_rows_that_are_derived_again_are_those_that_the_reports_left(database: Database) -> None:
    report_at_random(database)
    before = derived(database)
    assert counted(database) == stored_counts(database)

    forget(database)
    with database.writing() as connection:
        backfill(connection)

    after = derived(database)
    for part, rows in before.items():
        assert after[part] == rows, part
    assert counted(database) == stored_counts(database)
    assert before["fixes"]


def test_a_database_of_5e725e98_is_upgraded_with_rows_for_all_its_hosts(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    newer = Database(f"sqlite:///{tmp_path_factory.mktemp('newer')}/endpoint.db")
    newer.create()
    report_at_random(newer)
    HostTags(newer).change(next(iter(dump(newer, HOSTS)))["host_id"], add=["web"], remove=[])
    empty(database)
    at_revision(database, "0004")
    copy_rows(newer, database)

    database.create()

    before, after = derived(newer), derived(database)
    newer.close()
    assert after == before
    assert differences(database) == []


def test_flags_of_a_database_of_an_older_version_are_derived_again(database: Database) -> None:
    report_at_random(database)
    before, flags = dump(database, HOSTS), [column.name for column in FLAGS]
    with database.writing() as connection:
        connection.execute(sa.update(HOSTS).values({**dict.fromkeys(flags, False), "is_green": True}))
        connection.execute(sa.update(HOSTS).where(HOSTS.c.health.is_(None)).values(is_unknown=True, is_green=False))
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0014'")

    database.create()

    assert dump(database, HOSTS) == before


def test_a_command_that_migrates_prints_its_progress_on_standard_error(make_server: MakeServer) -> None:
    server = make_server()
    older, newer = Database(server.database), Database(f"sqlite:///{server.directory}/newer.db")
    newer.create()
    put(newer, box := Outbox(), NOW, patched(box))
    at_revision(older, "0004")
    copy_rows(newer, older)

    done = server.run("token", "add")

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert '"event": "migration.done"' in done.stderr
    older.close()
    newer.close()


def at_revision(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def copy_rows(source: Database, target: Database) -> None:
    """Copy what the older tables can hold; tags had no source."""
    with source.reading() as rows, target.writing() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        for table in (STREAMS, STATES, HOST_TAGS):
            older = found.tables[table.name]
            wanted = sa.select(*(table.c[column.name] for column in older.columns))
            if table is HOST_TAGS:
                wanted = wanted.where(HOST_TAGS.c.source == TagSource.ENDPOINT.value)
            values = [dict(row._mapping) for row in rows.execute(wanted)]  # noqa: SLF001 - its public name
            if values:
                connection.execute(older.insert(), values)
        if target.kind == "postgresql":
            connection.exec_driver_sql("SELECT setval('streams_id_seq', (SELECT max(id) FROM streams))")


def test_a_silent_host_is_deleted_with_its_rows_and_returns_as_a_new_one(database: Database) -> None:
    box, other = Outbox(), Outbox()
    state = patched(box, host={"tags": ["own"]}, updates=pending(update("openssl", CVE)))
    put(database, box, NOW - 401 * DAY, state)
    put(database, other, NOW, patched(other, updates=pending(update("openssl", CVE))))
    HostTags(database).change(box.host, add=["web"], remove=[])

    deleted = sum(HostRetention(database).hosts(NOW, 400 * DAY))
    assert sum(RetentionStore(database).states(NOW, 400 * DAY)) == 1

    pages = FleetPages(database, SETTINGS)
    assert deleted == 1
    assert pages.host(box.host, WHOLE_FLEET, NOW) is None
    assert {row["of"] for row in dump(database, HOST_PACKAGES)} == {other.host}
    assert stored_counts(database) == counted(database) == {(CVE, "pending"): 1}
    put(database, box, NOW, box.heartbeat())
    (row,) = (row for row in pages.each_host(HostQuery(), WHOLE_FLEET, NOW) if row.host_id == box.host)
    assert (row.tags, row.agent_tags) == (("web",), ())


def test_active_fixes_are_kept_for_as_long_as_the_curve(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW, patched(box, updates=pending(update("openssl", CVE))))
    put(database, box, NOW + DAY, patched(box))
    retention = HostRetention(database)

    kept = sum(retention.fixes(NOW + 90 * DAY)), counted(database)
    gone = sum(retention.fixes(NOW + 92 * DAY)), counted(database), stored_counts(database)

    assert kept == (0, {(CVE, "active"): 1})
    assert gone == (1, {}, {})
    assert dump(database, FIX_COUNTS) == []


def test_a_fix_was_first_seen_when_any_host_first_lacked_it_whichever_reports_first(database: Database) -> None:
    late, early = Outbox(), Outbox()
    since = {"package": "openssl", "stage": "pending", "pending_since": "2026-11-01T00:00:00Z", "installed_at": None}
    known = {"pending": 1, "installed": 0, "oldest_since": "2026-11-01T00:00:00Z", "fixes": [since]}

    put(database, late, NOW, patched(late, updates=pending(update("openssl", CVE))))
    put(database, early, NOW, patched(early, updates=pending(update("openssl", CVE)), exposure=known))

    (row,) = FleetPages(database, SETTINGS).fixes(FixQuery(), WHOLE_FLEET, NOW).rows
    assert (row.pending, row.first_seen_s) == (2, datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp())


def test_a_host_that_names_other_fixes_in_each_report_has_a_bounded_number_of_rows() -> None:
    now = NOW.timestamp()
    installed = {(f"CVE-1-{n}", "a"): FixRow(stage=FixStage.INSTALLED, pending_since=0.0) for n in range(9)}
    active = {
        (f"CVE-2-{n}", "a"): FixRow(stage=FixStage.ACTIVE, pending_since=0.0, active_at=now - n)
        for n in range(MAX_KEPT + 5)
    }
    named = tuple(f"CVE-3-{n}" for n in range(MAX_FIXES + 5))
    row = PackageRow(package="b", architecture="amd64", stage=PackageStage.PENDING, cves=named)
    report = {"updates": {"items": []}, "exposure": {"installed": None}}

    kept = next_fixes({**active, **installed}, report, [row], now)

    assert len(kept) == MAX_KEPT
    assert len(set(named) & {cve for cve, _ in kept}) == MAX_FIXES
    assert set(installed) <= set(kept)
    assert ("CVE-2-0", "a") in kept


@pytest.mark.xdist_group("endpoint-postgresql")
def test_fixes_that_a_report_and_the_retention_forget_at_once_are_counted_once(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL: SQLite's transactions are serial."""
    database = Database(postgres.create("fixes"))
    database.create()
    box, later = Outbox(), NOW + 92 * DAY
    put(database, box, NOW, patched(box, updates=pending(update("openssl", CVE))))
    put(database, box, NOW + DAY, patched(box))
    retention, computed = HostRetention(database), next_fixes
    deleting = threading.Thread(target=lambda: list(retention.fixes(later)))

    def next_while_deleting(*arguments: Any) -> Any:
        """Let the retention begin when the report has read the fixes, and has not written them."""
        deleting.start()
        deleting.join(0.5)
        return computed(*arguments)

    monkeypatch.setattr(host_parts, "next_fixes", next_while_deleting)
    put(database, box, later, patched(box, updates=pending(update("curl", "CVE-2026-1002"))))
    deleting.join()

    counts = {(row["cve"], row["active"], row["pending"]) for row in dump(database, FIX_COUNTS)}
    database.close()
    assert counts - {(CVE, 0, 0)} == {("CVE-2026-1002", 0, 1)}


def test_the_exposure_of_each_day_is_recorded_for_the_fleet_and_each_tag(database: Database) -> None:
    old = {"pending": 2, "installed": 1, "oldest_since": "2026-11-19T08:10:00Z", "fixes": []}
    ill, well = Outbox(), Outbox()
    put(database, ill, NOW, patched(ill, exposure=old))
    put(database, well, NOW, patched(well))
    HostTags(database).change(well.host, add=["web"], remove=[])
    pages, web = FleetPages(database, SETTINGS), Scope(tags=frozenset({"web"}))

    HostRetention(database).record_exposure(NOW)
    HostRetention(database).record_exposure(NOW + timedelta(hours=1))

    whole = [
        (day.hosts, day.exposed, day.oldest_age_s, day.fixes) for day in pages.exposure_curve(WHOLE_FLEET, NOW + DAY, 3)
    ]
    scoped = [(day.hosts, day.exposed) for day in pages.exposure_curve(web, NOW + DAY, 3)]
    assert whole == [(None, None, None, None), (2, 1, 4 * 86400 + 3600, 3), (2, 1, 5 * 86400, 3)]
    assert scoped == [(None, None), (1, 0), (1, 0)]
    assert len(dump(database, EXPOSURE_DAYS)) == 2


def test_a_text_that_a_database_would_refuse_is_stored(database: Database) -> None:
    box = Outbox()
    odd = "a\x00b\ud800" + "Ä" * 900

    put(database, box, NOW, patched(box, name=odd, host={"os": {"id": odd, "version": odd, "codename": odd}}))

    (row,) = FleetPages(database, SETTINGS).hosts(HostQuery(text="ÄÄ"), WHOLE_FLEET, NOW).rows
    assert row.name is not None
    assert row.name.startswith("a\ufffdb?Ä")
