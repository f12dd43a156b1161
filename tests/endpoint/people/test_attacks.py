"""Attacks on people's logins: forged forms, fixed sessions, guessing over several processes, headers, odd paths."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from threading import BoundedSemaphore
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from endpoint.core.people import PersonRole
from endpoint.errors import StoreError
from endpoint.store.database import Database
from endpoint.store.people.login_attempts import PERIOD_S, LoginAttempts
from endpoint.store.people.logins import Logins
from endpoint.store.people_tables import LOGIN_ATTEMPTS
from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.people.test_logins import NEW_PASSWORD, NOW, PASSWORD, SECRET, add, browser, code_now, link, log_in
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor, visitor

OTHER_SITES = [
    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "x"},
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example"},
    {"Origin": "https://localhost"}, {"Origin": "http://localhost:8443"}, {"Origin": ""},
    {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost"},
]  # fmt: skip
OWN_SITE: list[dict[str, str]] = [
    {}, {"Sec_Fetch_Site": "same-origin"}, {"Origin": "http://localhost"},
    {"Sec_Fetch_Site": "same-origin", "Origin": "http://localhost"},
]  # fmt: skip


@pytest.mark.parametrize("headers", OTHER_SITES, ids=repr)
def test_a_form_of_another_site_is_refused_though_it_has_the_token(
    endpoint: LocalEndpoint, headers: dict[str, str]
) -> None:
    person = visitor(endpoint)

    assert person.submit("/logout", {}, page="/account", **headers).status == 403
    assert person.get("/account").status == 200


@pytest.mark.parametrize("headers", OWN_SITE, ids=repr)
def test_a_form_of_this_site_is_taken_from_browsers_old_and_new(
    endpoint: LocalEndpoint, headers: dict[str, str]
) -> None:
    person = visitor(endpoint)

    assert person.submit("/logout", {}, page="/account", **headers).status == 303


def test_a_form_needs_the_token_of_its_own_session(endpoint: LocalEndpoint) -> None:
    one, other = visitor(endpoint), visitor(endpoint)
    tokens = ["", "0" * 64, other.form_token("/account"), "ä", "\0", browser(endpoint).form_token("/login")]

    assert [one.post_form("/logout", {"form_token": token}).status for token in tokens] == [403] * len(tokens)
    assert one.post_form("/logout", {}).status == 403
    assert one.get("/account").status == 200


@pytest.mark.parametrize("path", ["/login", "/login/x", "/account", "/logout"])
def test_a_form_that_is_none_is_refused(endpoint: LocalEndpoint, path: str) -> None:
    person = visitor(endpoint)
    token = person.form_token("/account")

    def post(data: bytes, kind: str) -> int:
        return person.send("POST", path, data, Content_Type=kind).status

    assert post(b'{"form_token": "x"}', "application/json") == 415
    assert post(f"form_token={token}".encode(), "text/plain") == 415
    assert post(b"x", "multipart/form-data; boundary=x") == 415
    assert post(b"form_token=" + b"x" * 400_000, "application/x-www-form-urlencoded") == 413


def test_a_login_cannot_be_forged_from_another_site(endpoint: LocalEndpoint) -> None:
    """Else a visitor would work in an attacker's session."""
    add(endpoint, "mallory")
    mallory, ann = browser(endpoint), browser(endpoint)
    fields = {"name": "mallory", "password": PASSWORD, "form_token": mallory.form_token("/login")}

    assert ann.post_form("/login", fields).status == 403
    ann.get("/login")
    assert ann.post_form("/login", fields).status == 403
    assert "maestro" not in ann.cookies


def test_a_session_that_was_planted_is_never_used(endpoint: LocalEndpoint) -> None:
    add(endpoint, "victim")
    planted = browser(endpoint)
    planted.cookies["maestro"] = "A" * 43
    log_in(planted, "victim")
    first = planted.cookies["maestro"]
    page = planted.form_token("/account")
    again = Visitor(app=endpoint.app, cookies={**browser(endpoint).cookies})
    log_in(again, "victim")

    assert first != "A" * 43
    assert again.cookies["maestro"] != first
    assert page != again.form_token("/account")


def test_the_session_that_a_browser_had_ends_with_a_new_login(endpoint: LocalEndpoint) -> None:
    add(endpoint, "twice")
    one = browser(endpoint)
    token = one.form_token("/login")
    stranger = visitor(endpoint)
    one.cookies["maestro"] = "B" * 43
    fields = {"name": "twice", "password": PASSWORD, "form_token": token}
    assert one.post_form("/login", fields).status == 303

    earlier = one.cookies["maestro"]
    one.submit("/logout", {}, page="/account")
    late = Visitor(app=endpoint.app, cookies={"maestro": earlier})

    assert late.get("/account").status == 303
    assert stranger.get("/account").status == 200


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 5000, "' OR 1=1 --", "\u00e4" * 43, "%00", '"', ";;,="])
def test_a_made_up_cookie_is_nobody(endpoint: LocalEndpoint, value: str) -> None:
    stranger = Visitor(app=endpoint.app, cookies={"maestro": value})

    assert stranger.get("/account").status == 303


def test_the_cookie_is_for_this_host_over_tls_and_no_script(make_endpoint: MakeEndpoint) -> None:
    plain = make_endpoint()
    add(plain, "ann")
    set_plain = log_in(browser(plain), "ann").headers["Set-Cookie"]

    assert "HttpOnly" in set_plain
    assert "SameSite=Lax" in set_plain
    assert "Path=/" in set_plain
    assert "Domain" not in set_plain
    assert "Expires" not in set_plain


def test_guessing_ends_for_a_name_whatever_the_address(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "target")
    add(endpoint, "other")
    guesser = browser(endpoint)
    token = guesser.form_token("/login")

    def guess(number: int, name: str = "target", *, right: bool = False) -> int:
        guesser.address = f"198.51.100.{number}"
        password = PASSWORD if right else "wrong horse battery"
        return guesser.post_form("/login", {"name": name, "password": password, "form_token": token}).status

    attempts = LoginAttempts(endpoint.opened)
    for _ in range(8):
        attempts.begin({"name target": 10}, datetime.now(timezone.utc))

    assert [guess(number) for number in range(3)] == [403, 403, 429]
    assert guess(101, right=True) == 429
    assert guess(102, name="TARGET ") == 429
    assert guess(103, name="other", right=True) == 303


def all_turns_taken(patched: pytest.MonkeyPatch) -> None:
    """As while two people log in on a machine that is too slow for it."""
    patched.setattr("endpoint.http.people.logins._HASHING", BoundedSemaphore(0))
    patched.setattr("endpoint.http.people.logins._WAIT_S", 0.0)


def no_database(patched: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the database is busy")

    patched.setattr(Logins, "secrets", fail)
    patched.setattr(Logins, "use_link", fail)


@pytest.mark.parametrize("fault", [all_turns_taken, no_database])
def test_an_attempt_without_a_verdict_is_no_failure(
    make_endpoint: MakeEndpoint, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    endpoint = make_endpoint()
    add(endpoint, "ann")
    add(endpoint, "coder", totp=SECRET)
    person, stranger, path = browser(endpoint), browser(endpoint), link(endpoint, "coder")
    log_in(person, "ann")
    new = {"new": NEW_PASSWORD, "again": NEW_PASSWORD}
    forms = [
        (stranger, "/login", {"name": "ann", "password": PASSWORD}),
        (person, "/account", {"action": "password", "password": PASSWORD, **new}),
        (stranger, path, {"password": NEW_PASSWORD, "again": NEW_PASSWORD, "code": code_now()}),
    ]
    filled = [(who, to, {**values, "form_token": who.form_token(to)}) for who, to, values in forms]

    with monkeypatch.context() as patched:
        fault(patched)
        failed = [who.post_form(to, values).status for who, to, values in filled for _ in range(11)]

    assert set(failed) == {503}
    assert [who.post_form(to, values).status for who, to, values in filled] == [303] * 3


def limits_of(database: Database, name: str, at: datetime = NOW) -> int:
    return LoginAttempts(database).begin({name: 10}, at)


def test_a_limit_holds_over_processes_at_once(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = [Database(database.url, connections=1) for _ in range(4)]
        waits = list(pool.map(lambda number: limits_of(opened[number % 4], "name"), range(40)))
        for one in opened:
            one.close()

    assert sorted(waits) == [0] * 10 + [PERIOD_S] * 30


def test_a_limit_ends_with_its_period_and_leaves_nothing_behind(database: Database) -> None:
    attempts = LoginAttempts(database)
    waits = [limits_of(database, "name") for _ in range(12)]
    later = datetime.fromtimestamp(NOW.timestamp() + PERIOD_S, timezone.utc)

    assert waits == [0] * 10 + [PERIOD_S] * 2
    assert limits_of(database, "other", later) == 0
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(LOGIN_ATTEMPTS)).scalar() == 1
    assert limits_of(database, "name", later) == 0
    attempts.take_back({"name": 10})
    assert [limits_of(database, "name", later) for _ in range(11)] == [0] * 10 + [PERIOD_S]


def test_attempts_of_a_clock_that_was_ahead_lock_nobody_out(database: Database) -> None:
    ahead = datetime.fromtimestamp(NOW.timestamp() + 365 * 86400, timezone.utc)

    assert [limits_of(database, "name", ahead) for _ in range(11)] == [0] * 10 + [PERIOD_S]
    assert limits_of(database, "name") == 0


def test_one_address_guesses_many_names_for_a_while_only(database: Database) -> None:
    attempts = LoginAttempts(database)
    waits = [attempts.begin({f"name {number}": 10, "address": 30}, NOW) for number in range(60)]

    assert waits == [0] * 30 + [PERIOD_S] * 30
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(LOGIN_ATTEMPTS)).scalar() == 31


@pytest.mark.parametrize(
    "path",
    [
        "/login/../account", "/login/%2e%2e/account", "/account/", "/account//", "/account%00", "/Account",
        "/account;x=1", "/login/a/b", "/static/../../config.toml", "/static/%2e%2e/site.py", "/login/%00", "/login/'--",
        "/\\account", "/v1/../account", "/login/" + "x" * 5000,
    ],
    ids=ascii,
)  # fmt: skip
def test_an_odd_path_leads_nowhere(endpoint: LocalEndpoint, path: str) -> None:
    assert browser(endpoint).get(path).status == 404
    assert visitor(endpoint).get(path).status == 404


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t//evil.example"])
def test_a_login_redirects_to_no_other_site(endpoint: LocalEndpoint, after: str) -> None:
    person = visitor(endpoint)

    assert person.get(f"/login?{urlencode({'next': after})}").headers["Location"] == "/"


def test_a_cookie_opens_no_route_of_the_api_and_a_token_no_page(endpoint: LocalEndpoint) -> None:
    person = visitor(endpoint, PersonRole.ADMIN)
    program = endpoint.client(endpoint.token("--role", "admin"))

    assert (person.get("/v1/fleet").status, person.get("/account").status) == (401, 200)
    assert (program.get("/v1/fleet").status, program.get("/account").status) == (200, 303)
