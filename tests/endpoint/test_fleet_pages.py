"""Pages of the fleet: lists, counts and fixes come from columns that are stored with each report."""

import base64
import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import product
from urllib.parse import parse_qsl

import pytest

from endpoint.cli.demo import fill
from endpoint.core.fix_query import FixQuery
from endpoint.core.host_fixes import FixStage
from endpoint.core.host_query import Cursor, HostQuery, HostSort
from endpoint.core.host_states import FleetSettings, HostState
from endpoint.core.people import WHOLE_FLEET, Scope
from endpoint.errors import RefusedError
from endpoint.store import fleet_overview, fleet_pages
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.host_retention import HostRetention
from endpoint.store.tags import HostTags
from tests.endpoint.test_retention import NOW, put
from tests.support.host_reports import held, patched, pending, update
from tests.support.messages import Outbox, Raw

SETTINGS = FleetSettings()
EVERY = HostQuery()
CVE = "CVE-2026-12345"


@pytest.fixture
def pages(database: Database) -> FleetPages:
    return FleetPages(database, SETTINGS)


def names(pages: FleetPages, query: HostQuery = EVERY, scope: Scope = WHOLE_FLEET, now: datetime = NOW) -> list[str]:
    return [row.name or "" for row in pages.hosts(query, scope, now).rows]


def test_a_host_is_patched_only_while_all_is_known_and_recent(database: Database, pages: FleetPages) -> None:
    box = Outbox()
    put(database, box, NOW, patched(box))

    def states(later: timedelta) -> frozenset[HostState]:
        return pages.hosts(EVERY, WHOLE_FLEET, NOW + later).rows[0].states

    assert states(timedelta(0)) == {HostState.PATCHED}
    assert states(timedelta(minutes=16)) == {HostState.SILENT}
    assert states(timedelta(days=3)) == {HostState.SILENT, HostState.STALE_LISTS}
    assert states(timedelta(days=900)) == {HostState.SILENT, HostState.STALE_LISTS, HostState.ENDED}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"release": {"support": "perhaps"}}, HostState.UNKNOWN),
        ({"exposure": {"pending": 1}}, HostState.ATTENTION),
        ({"lists": {"state": "fresher"}}, HostState.STALE_LISTS),
        ({"health": "odd"}, HostState.ATTENTION),
        ({"updates": {"other": 1, "hidden_security": 1}}, HostState.ATTENTION),
        ({"updates": {"scope": "all", "items": [{**update("curl", CVE), "security": False}]}}, HostState.PENDING),
        ({"docker": {"unseen": None, "restart_pending": False, "running_known": False}}, HostState.UNKNOWN),
    ],
    ids=["support", "exposure", "lists", "health", "fix-elsewhere", "fix-of-no-security-source", "engine"],
)
def test_a_host_is_not_patched_if_a_part_of_its_report_is_of_another_opinion_or_of_a_later_version(
    changes: Raw, state: HostState, database: Database, pages: FleetPages
) -> None:
    box = Outbox()
    put(database, box, NOW, patched(box, **changes))

    assert pages.hosts(EVERY, WHOLE_FLEET, NOW).rows[0].states == {state}


def test_a_fix_that_only_ubuntu_pro_brings_leaves_a_host_patched(database: Database, pages: FleetPages) -> None:
    box = Outbox()
    only: Raw = {"esm_only": 1, "esm_only_items": [held("vim", "esm-only", CVE)]}
    put(database, box, NOW, patched(box, updates=only))

    assert pages.hosts(EVERY, WHOLE_FLEET, NOW).rows[0].states == {HostState.PATCHED}
    assert [row.held for row in pages.fixes(FixQuery(), WHOLE_FLEET, NOW).rows] == [1]


def test_a_host_counts_at_the_stage_of_its_least_advanced_package(database: Database, pages: FleetPages) -> None:
    libraries, web = ("linux-libc-dev", "linux-image-amd64"), Scope(tags=frozenset({"web"}))
    image: Raw = {"package": "linux-image-amd64", "stage": "installed", "pending_since": None, "installed_at": None}
    boxes = [Outbox() for _ in range(3)]
    for box in boxes:
        put(database, box, NOW, patched(box, updates=pending(*(update(name, CVE) for name in libraries))))
    for box in boxes[1:]:
        put(database, box, NOW, patched(box, exposure={"pending": 0, "installed": 1, "fixes": [image]}))
    put(database, boxes[2], NOW, patched(boxes[2]))
    HostTags(database).change(boxes[1].host, add=["web"], remove=[])

    found = [pages.fix(CVE, scope, NOW) for scope in (WHOLE_FLEET, web)]

    assert [list(one.hosts_by_stage.values()) for one in found if one is not None] == [[1, 0, 1, 1], [0, 0, 1, 0]]
    assert [[host.stage for host in one.hosts] for one in found if one is not None] == [
        [FixStage.PENDING, FixStage.INSTALLED],
        [FixStage.INSTALLED],
    ]


@pytest.mark.parametrize("by_name", [1000, 0], ids=["few", "many"])
def test_a_tag_has_the_number_of_hosts_that_a_list_by_it_has(
    by_name: int, database: Database, pages: FleetPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_overview, "TAGS_BY_NAME", by_name)
    web = Scope(tags=frozenset({"web"}))
    for number, (own, reported) in enumerate(product((["web"], ["db"], ["web", "db"], []), (["web", "rack"], ["db"]))):
        box = Outbox()
        put(database, box, NOW, patched(box, name=f"host{number}", host={"tags": reported}))
        HostTags(database).change(box.host, add=own, remove=[])
    HostTags(database).change("00000000-0000-4000-8000-000000000000", add=["new", "web"], remove=[])

    for scope, named in ((WHOLE_FLEET, ["db", "web"]), (web, ["web"])):
        counts = dict(pages.tags(scope, NOW))
        assert counts == {tag: len(names(pages, HostQuery(tags=(tag,)), scope)) for tag in named}


def test_a_fix_goes_from_pending_to_active(database: Database, pages: FleetPages) -> None:
    box, cve = Outbox(), "CVE-2026-12345"
    installed: Raw = {"pending": 0, "installed": 1, "oldest_since": None, "fixes": []}

    put(database, box, NOW, patched(box, updates=pending(update("openssl", cve))))
    assert names(pages, HostQuery(cve=cve)) == names(pages, HostQuery(package="openssl")) == ["web1"]
    put(database, box, NOW + timedelta(hours=1), patched(box, exposure=installed))
    stages = [pages.fixes(FixQuery(), WHOLE_FLEET, NOW + timedelta(hours=1)).rows[0].installed]
    put(database, box, NOW + timedelta(hours=2), patched(box))
    found = pages.fix(cve, WHOLE_FLEET, NOW + timedelta(hours=2))

    assert stages == [1]
    assert found is not None
    assert (found.summary.inactive, found.summary.active, found.hosts) == (0, 1, ())
    detail = pages.host(box.host, WHOLE_FLEET, NOW)
    assert detail is not None
    assert [(fix.pending_since_s, fix.active_s) for fix in detail.fixes] == [
        (NOW.timestamp(), (NOW + timedelta(hours=2)).timestamp())
    ]
    assert detail.state is not None


def test_pages_follow_each_other_in_both_directions(database: Database, pages: FleetPages) -> None:
    for number in range(7):
        box = Outbox()
        put(database, box, NOW, patched(box, name=f"web{number % 3}"))
    query = HostQuery(limit=3)

    first = pages.hosts(query, WHOLE_FLEET, NOW)
    second = pages.hosts(query.at(first.next), WHOLE_FLEET, NOW)
    third = pages.hosts(query.at(second.next), WHOLE_FLEET, NOW)
    back = pages.hosts(query.at(third.previous), WHOLE_FLEET, NOW)

    assert [len(page.rows) for page in (first, second, third)] == [3, 3, 1]
    assert back.rows == second.rows
    assert (first.previous, third.next) == (None, None)
    assert pages.hosts(query.at(back.previous), WHOLE_FLEET, NOW).rows == first.rows
    assert {page.total for page in (first, second, third, back)} == {7}
    assert [row.host_id for row in pages.each_host(query, WHOLE_FLEET, NOW)] == [
        row.host_id for page in (first, second, third) for row in page.rows
    ]


def test_a_page_behind_the_last_host_still_has_the_total(database: Database, pages: FleetPages) -> None:
    box = Outbox()
    put(database, box, NOW, patched(box))

    page = pages.hosts(EVERY.at(Cursor(value="zzz", row=9)), WHOLE_FLEET, NOW)

    assert (page.rows, page.total) == ((), 1)


def test_the_next_page_is_found_whatever_hosts_call_themselves(database: Database, pages: FleetPages) -> None:
    for _ in range(3):
        box = Outbox()
        put(database, box, NOW, patched(box, name="\U0001f980" * 900))
    first = pages.hosts(HostQuery(limit=2), WHOLE_FLEET, NOW)
    link = HostQuery(limit=2).at(first.next).to_query()

    rest = pages.hosts(HostQuery.parse(parse_qsl(link)), WHOLE_FLEET, NOW)

    assert (len(first.rows), len(rest.rows)) == (2, 1)


CURSORS: tuple[object, ...] = (
    *(10**30, -(10**30), 2**31, 1e300, -1.5, 3, "x", "\ud800", "\0"),
    *(float("nan"), float("inf"), True, None, [], {}),
)


@pytest.mark.parametrize("sort", list(HostSort), ids=lambda sort: sort.value)
def test_any_cursor_is_a_page_or_refused(sort: HostSort, database: Database, pages: FleetPages) -> None:
    box = Outbox()
    put(database, box, NOW, patched(box))
    found = set()

    for name, value in product(("after", "before"), CURSORS):
        cursor = base64.urlsafe_b64encode(json.dumps([value, 0]).encode()).decode()
        try:
            query = HostQuery.parse([("sort", sort.value), (name, cursor)])
            found.add(pages.hosts(query, WHOLE_FLEET, NOW).total)
        except RefusedError as error:
            found.add(error.status)

    assert found == {1, 400}


@pytest.mark.parametrize("offset", ["-1", "1e3", "9" * 9, "9" * 5000, "\u0663"], ids=range(5))
def test_an_offset_that_is_no_number_or_too_large_is_refused(offset: str) -> None:
    with pytest.raises(RefusedError):
        FixQuery.parse([("offset", offset)])


def test_a_scope_has_only_hosts_with_a_tag_of_the_endpoint(database: Database, pages: FleetPages) -> None:
    mine, other = Outbox(), Outbox()
    put(database, mine, NOW, patched(mine, name="mine", updates=pending(update("openssl", "CVE-2026-1111"))))
    put(database, other, NOW, patched(other, name="other", host={"tags": ["web"]}))
    HostTags(database).change(mine.host, add=["web"], remove=[])
    web = Scope(tags=frozenset({"web"}))

    assert names(pages, scope=web) == ["mine"]
    assert names(pages, HostQuery(tags=("web",))) == ["mine", "other"]
    assert pages.overview(web, NOW).hosts == 1
    assert pages.host(other.host, web, NOW) is None
    assert pages.fixes(FixQuery(), Scope(tags=frozenset({"db"})), NOW).total == 0
    assert pages.fix("CVE-2026-1111", Scope(tags=frozenset()), NOW) is None
    assert pages.hosts(EVERY, WHOLE_FLEET, NOW).rows[1].agent_tags == ("web",)


@pytest.mark.parametrize("sort", list(HostSort), ids=lambda sort: sort.value)
def test_each_order_can_be_reversed(sort: HostSort, database: Database, pages: FleetPages) -> None:
    for number in range(3):
        box = Outbox()
        put(database, box, NOW + timedelta(seconds=number), patched(box, name=f"web{number}"))

    upward = pages.hosts(HostQuery(sort=sort, limit=2), WHOLE_FLEET, NOW)
    rest = pages.hosts(HostQuery(sort=sort, limit=2, cursor=upward.next), WHOLE_FLEET, NOW)
    downward = pages.hosts(HostQuery(sort=sort, descending=True), WHOLE_FLEET, NOW)

    assert [*upward.rows, *rest.rows] == list(reversed(downward.rows))


@pytest.mark.parametrize("descending", [False, True], ids=["upward", "downward"])
@pytest.mark.parametrize("sort", list(HostSort), ids=lambda sort: sort.value)
def test_all_hosts_are_read_once_though_they_report_meanwhile(
    sort: HostSort, *, descending: bool, database: Database, pages: FleetPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_pages, "HOSTS_AT_ONCE", 2)
    boxes = [Outbox() for _ in range(6)]
    for number, box in enumerate(boxes):
        put(database, box, NOW + timedelta(seconds=number), patched(box, name=f"web{number}"))

    each = pages.each_host(HostQuery(sort=sort, descending=descending), WHOLE_FLEET, NOW)
    found = [next(each)]
    for number, box in enumerate(boxes):
        changed = patched(box, name=f"db{-number}", updates=pending(update("openssl", "CVE-2026-1111")))
        put(database, box, NOW + timedelta(minutes=1, seconds=-number), changed)
    found += each

    assert sorted(row.host_id for row in found) == sorted(box.host for box in boxes)


def test_a_host_that_is_deleted_while_all_are_read_is_left_out(
    database: Database, pages: FleetPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_pages, "HOSTS_AT_ONCE", 1)
    boxes = [Outbox() for _ in range(3)]
    for number, box in enumerate(boxes):
        put(database, box, NOW + timedelta(hours=number), patched(box, name=f"web{number}"))

    each = pages.each_host(HostQuery(descending=True), WHOLE_FLEET, NOW)
    found = [next(each)]
    sum(HostRetention(database).hosts(NOW + timedelta(hours=1, minutes=1), timedelta(hours=1)))
    found += each

    assert [row.name for row in found] == ["web2", "web1"]


@pytest.mark.parametrize("scope", [WHOLE_FLEET, Scope(tags=frozenset({"web"})), Scope(tags=frozenset())], ids=str)
def test_each_figure_of_the_overview_is_that_of_the_hosts(scope: Scope, database: Database, pages: FleetPages) -> None:
    now = datetime.now(timezone.utc)
    fill(database, 60, now)
    hosts = list(pages.each_host(EVERY, scope, now))
    exposed = [host for host in hosts if host.inactive_fixes]

    found = pages.overview(scope, now)

    assert (len(hosts) > 0) is (scope.tags != frozenset())
    assert (found.hosts, found.exposed) == (len(hosts), len(exposed))
    assert {host.host_id for host in pages.each_host(HostQuery(exposed=True), scope, now)} == {
        host.host_id for host in exposed
    }
    assert found.inactive_fixes == sum(host.inactive_fixes or 0 for host in exposed)
    assert {(one.release, one.support): one.hosts for one in found.releases} == Counter(
        (host.release, host.release_support) for host in hosts
    )
    assert dict(found.versions) == Counter(host.agent_version for host in hosts)
    assert dict(found.groups) == Counter(host.lock_group for host in hosts if host.lock_group is not None)
    for ordered in (found.versions, tuple((one.release, one.hosts) for one in found.releases)):
        assert [count for _, count in ordered] == sorted((count for _, count in ordered), reverse=True)
