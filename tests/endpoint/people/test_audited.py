"""Who did what: no action is stored without its entry, whatever happens between the two."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from endpoint.errors import StoreError
from endpoint.store.database import Database
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.reporting import reporting_host
from tests.support.visitor import Visitor, visitor

TABLES = ("users", "user_links", "tokens", "enrolment_keys", "lock_holders", "host_notes", "saved_views")
COMMANDS = (
    "user add mallory --role admin",
    "user set ann --role viewer",
    "user disable ann",
    "user link ann",
    "token add --admin",
    "token add --enrol",
)
REFUSAL = {
    "sqlite": (
        "CREATE TRIGGER no_entry BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER no_entry",
    ),
    "postgresql": (
        "ALTER TABLE audit ADD CONSTRAINT no_entry CHECK (false) NOT VALID",
        "ALTER TABLE audit DROP CONSTRAINT no_entry",
    ),
}


@contextmanager
def no_entries(database: Database) -> Iterator[None]:
    """Let the database refuse every entry: the process could as well be killed at that moment."""
    made, undone = REFUSAL[database.kind]
    database.write(lambda connection: connection.exec_driver_sql(made))
    try:
        yield
    finally:
        database.write(lambda connection: connection.exec_driver_sql(undone))


def stored(database: Database) -> dict[str, list[str]]:
    """Return all that people can change."""
    with database.reading() as connection:
        return {
            name: sorted(str(tuple(row)) for row in connection.exec_driver_sql(f"SELECT * FROM {name}"))  # noqa: S608 - of the constant
            for name in TABLES
        }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_entry_is_not_stored_changes_nothing(command: str, make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    assert endpoint.run("user", "add", "ann", "--role", "admin").returncode == 0
    before = stored(endpoint.opened)

    with no_entries(endpoint.opened):
        done = endpoint.run(*command.split())

    assert (done.returncode, done.stdout) == (1, "")
    assert stored(endpoint.opened) == before
    assert endpoint.run(*command.split()).returncode == 0
    assert stored(endpoint.opened) != before


def test_a_token_is_not_revoked_without_an_entry(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    identity = endpoint.token("--name", "old").split("_")[1]
    before = stored(endpoint.opened)

    with no_entries(endpoint.opened):
        assert endpoint.run("token", "revoke", identity).returncode == 1

    assert stored(endpoint.opened) == before


@pytest.fixture
def locked(make_endpoint: MakeEndpoint) -> tuple[LocalEndpoint, Visitor, str]:
    """Return an endpoint, an administrator's browser, and the id of a host that holds a slot."""
    endpoint = make_endpoint(locks={"groups": {"default": 1}})
    box = reporting_host(endpoint, name="first")
    taken = endpoint.client(endpoint.any_host_token).fleet_lock("pre-reboot", box.host.replace("-", ""))
    assert taken.status == 200
    return endpoint, visitor(endpoint, may_reboot=True), box.host


def test_a_page_whose_entry_is_not_stored_changes_nothing(locked: tuple[LocalEndpoint, Visitor, str]) -> None:
    endpoint, browser, host = locked
    slot: dict[str, object] = {"group": "default", "client": host.replace("-", ""), "why": "it burned down"}
    forms: list[tuple[str, dict[str, object], str]] = [
        ("/locks/release", slot, "/locks"),
        (f"/hosts/{host}/notes", {"text": "look at the fan"}, f"/hosts/{host}"),
        ("/hosts/views", {"name": "to do", "query": "state=held"}, "/hosts"),
    ]
    before = stored(endpoint.opened)

    with no_entries(endpoint.opened):
        refused = [browser.submit(path, values, page=page).status for path, values, page in forms]
        unchanged = stored(endpoint.opened) == before
    done = [browser.submit(path, values, page=page).status for path, values, page in forms]

    assert unchanged
    assert refused == [503] * 3
    assert done == [303] * 3
    after = stored(endpoint.opened)
    assert [name for name in TABLES if after[name] != before[name]] == ["lock_holders", "host_notes", "saved_views"]


def test_what_is_done_together_is_seen_in_between_and_undone_as_a_whole(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    assert endpoint.run("user", "add", "ann", "--role", "admin").returncode == 0
    database, seen = endpoint.opened, list[int]()

    def half() -> None:
        database.write(lambda connection: connection.exec_driver_sql("DELETE FROM user_links"))
        seen.append(len(stored(database)["user_links"]))
        database.write(lambda connection: connection.exec_driver_sql("DELETE FROM nothing"))

    with pytest.raises(StoreError):
        database.together(half)

    assert seen == [0]
    assert len(stored(database)["user_links"]) == 1
