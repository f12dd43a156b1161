"""Logging in: by password, code and one-time link; what ends a session; what is stored and recorded."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from endpoint.core.audit import AuditAction
from endpoint.core.passwords import hash_password
from endpoint.core.people import WHOLE_FLEET, PersonRole, local_person
from endpoint.core.totp import STEP_S, totp_code
from endpoint.store.audit import Audit, note_in
from endpoint.store.people.logins import Logins, Proved
from endpoint.store.people.sessions import Sessions
from endpoint.store.people.users import LinkPurpose, Users
from endpoint.store.people_tables import AUDIT, SESSIONS, USER_LINKS, USERS
from tests.endpoint.conftest import MakeEndpoint
from tests.support.endpoint_server import Answer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor

PASSWORD, NEW_PASSWORD = "correct horse battery", "quite another staple"
HASHED = hash_password(PASSWORD, b"0123456789abcdef")
SECRET = b"12345678901234567890"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def add(endpoint: LocalEndpoint, name: str, *, totp: bytes | None = None) -> None:
    Users(endpoint.opened).add(name, PersonRole.ADMIN, WHOLE_FLEET, datetime.now(timezone.utc), may_reboot=False)
    values = {"password": HASHED, "totp_secret": totp.hex() if totp is not None else None}
    with endpoint.opened.writing() as connection:
        connection.execute(sa.update(USERS).where(USERS.c.name == name).values(**values))


def browser(endpoint: LocalEndpoint) -> Visitor:
    return Visitor(app=endpoint.app)


def log_in(visitor: Visitor, name: str, password: str = PASSWORD, code: str = "", **more: object) -> Answer:
    return visitor.submit("/login", {"name": name, "password": password, "code": code, **more})


def link(endpoint: LocalEndpoint, name: str, purpose: LinkPurpose = LinkPurpose.PASSWORD) -> str:
    return f"/login/{Users(endpoint.opened).link(name, purpose, datetime.now(timezone.utc))}"


def code_now(offset: int = 0) -> str:
    return totp_code(SECRET, int(time.time()) // STEP_S + offset)


def actions(endpoint: LocalEndpoint, name: str) -> list[str]:
    entries = Audit(endpoint.opened).page(local_person("root"))
    return [entry.action for entry in reversed(entries) if entry.person == name]


def compared(logins: Logins, name: str, *, step: int | None = None) -> Proved:
    """Return a login whose password and code were right a moment ago."""
    found = logins.secrets(name)
    assert found is not None
    return Proved(of=found, step=step, address="192.0.2.7", at=NOW)


def test_a_person_logs_in_and_out(endpoint: LocalEndpoint) -> None:
    add(endpoint, "ann")
    visitor = browser(endpoint)

    asked = visitor.get("/?state=held&tag=web")
    logged_in = log_in(visitor, " Ann ", next="/?state=held&tag=web")
    page = visitor.get("/account")
    again = visitor.get("/login")
    left = visitor.submit("/logout", {}, page="/account")

    assert (asked.status, asked.headers["Location"]) == (303, "/login?next=%2F%3Fstate%3Dheld%26tag%3Dweb")
    assert (logged_in.status, logged_in.headers["Location"]) == (303, "/?state=held&tag=web")
    assert (page.status, again.status, again.headers["Location"]) == (200, 303, "/")
    assert (left.status, left.headers["Location"], visitor.get("/account").status) == (303, "/login", 303)
    assert "maestro" not in visitor.cookies
    assert actions(endpoint, "ann") == ["logged-in", "logged-out"]


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("wrong-1", "wrong horse battery", ""), ("nobody-1", PASSWORD, ""), ("'; --", PASSWORD, ""),
        ("coded-1", PASSWORD, ""), ("coded-1", PASSWORD, "000000"), ("coded-1", "wrong horse battery", "now"),
        ("disabled-1", PASSWORD, ""), ("new-1", "", ""), ("", "", ""), ("x" * 5000, PASSWORD, ""), ("\0", "\0", "\0"),
    ],
    ids=[
        "password", "name", "sql", "no-code", "code", "password-with-code", "disabled", "no-password-yet", "empty",
        "long", "nul",
    ],
)  # fmt: skip
def test_whatever_is_wrong_the_answer_is_the_same(endpoint: LocalEndpoint, name: str, password: str, code: str) -> None:
    if Users(endpoint.opened).find("wrong-1") is None:
        for one in ("wrong-1", "disabled-1"):
            add(endpoint, one)
        add(endpoint, "coded-1", totp=SECRET)
        Users(endpoint.opened).disable("disabled-1", NOW)
        Users(endpoint.opened).add("new-1", PersonRole.VIEWER, WHOLE_FLEET, NOW, may_reboot=False)
    visitor = browser(endpoint)
    visitor.address = "203.0.113.77"  # of this test: an address has a limit, too

    refused = log_in(visitor, name, password, code_now() if code == "now" else code)

    assert refused.status == 403
    assert b"name, password or code is wrong" in refused.body
    assert "maestro" not in visitor.cookies
    assert visitor.get("/account").status == 303
    assert password not in endpoint.journal or not password.strip("\0")
    assert "nobody-1" not in endpoint.journal, "it may be a password"


def test_a_code_is_needed_where_one_is_used_and_each_works_once(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "coded-2", totp=SECRET)
    code = code_now(1)  # of the next step: it stays valid while the test runs

    assert log_in(browser(endpoint), "coded-2", code=code).status == 303
    assert log_in(browser(endpoint), "coded-2", code=code).status == 403


def test_codes_are_set_up_and_given_up_on_the_account_page(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "coder")
    visitor = browser(endpoint)
    log_in(visitor, "coder")

    def change(action: str, code: str, password: str = PASSWORD) -> int:
        values = {"action": action, "password": password, "code": code}
        return visitor.submit("/account", values, page="/account").status

    visitor.get("/account")
    with endpoint.opened.reading() as connection:
        pending = bytes.fromhex(str(connection.execute(sa.select(USERS.c.totp_pending)).scalar()))
    right = totp_code(pending, int(time.time()) // STEP_S)
    later = totp_code(pending, int(time.time()) // STEP_S + 1)

    assert change("totp-on", "000000") == 403
    assert change("totp-on", right, "wrong horse battery") == 403
    assert change("totp-on", right) == 303
    assert log_in(browser(endpoint), "coder").status == 403
    assert change("totp-off", right) == 403  # used
    assert change("totp-off", later) == 303
    assert log_in(browser(endpoint), "coder").status == 303
    assert actions(endpoint, "coder") == ["logged-in", "totp-enabled", "totp-disabled", "logged-in"]
    assert pending.hex() not in endpoint.journal


def test_of_two_requests_at_once_one_sets_codes_up_and_one_gives_them_up(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "coder")
    logins, other = Logins(endpoint.opened), b"another secret of 20"

    def proved(step: int) -> Proved:
        return compared(logins, "coder", step=step)

    def secret() -> bytes | None:
        return proved(0).of.totp

    logins.propose_totp("coder", SECRET)
    logins.propose_totp("coder", other)  # the page was opened twice at once

    without = proved(7)
    assert [logins.enable_totp(without, one) for one in (other, SECRET, SECRET)] == [False, True, False]
    assert secret() == SECRET
    assert not logins.disable_totp(proved(7)), "the code was used"
    with_codes = proved(8)
    assert [logins.disable_totp(with_codes) for _ in range(2)] == [True, False]
    assert secret() is None
    assert actions(endpoint, "coder") == ["totp-enabled", "totp-disabled"]


def test_a_double_click_sets_codes_up(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "coder")
    visitor = browser(endpoint)
    log_in(visitor, "coder")
    token = visitor.form_token("/account")
    secret = Logins(endpoint.opened).secrets("coder")
    assert secret is not None
    assert secret.totp_pending is not None
    code = totp_code(secret.totp_pending, int(time.time()) // STEP_S)
    values = {"form_token": token, "action": "totp-on", "password": PASSWORD, "code": code}

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: visitor.post_form("/account", values).status, range(2)))

    assert sorted(found) == [303, 403]
    assert log_in(browser(endpoint), "coder").status == 403
    assert actions(endpoint, "coder") == ["logged-in", "totp-enabled"]


def test_a_one_time_link_sets_a_password_once(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "linked")
    other, visitor, late = browser(endpoint), browser(endpoint), browser(endpoint)
    log_in(other, "linked")
    path = link(endpoint, "linked")
    fields: dict[str, object] = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}

    opened = [visitor.get(path).status for _ in range(2)]  # as mail filters do
    weak = visitor.submit(path, {"password": "short", "again": "short"}).status
    differ = visitor.submit(path, {**fields, "again": "something else"}).status
    late_token = late.form_token(path)
    used = visitor.submit(path, fields)
    again = late.post_form(path, {**fields, "form_token": late_token})

    assert (opened, weak, differ) == ([200, 200], 422, 422)
    assert (used.status, used.headers["Location"], visitor.get("/account").status) == (303, "/", 200)
    assert (again.status, late.get(path).status, late.get("/login/unknown").status) == (404, 404, 404)
    assert other.get("/account").status == 303  # all sessions of before have ended
    assert log_in(browser(endpoint), "linked").status == 403
    assert log_in(browser(endpoint), "linked", NEW_PASSWORD).status == 303
    assert path.removeprefix("/login/") not in endpoint.journal


def test_a_link_ends_after_a_day_and_by_the_next_one_and_by_disabling(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "linked")
    users, visitor = Users(endpoint.opened), browser(endpoint)
    old = f"/login/{users.link('linked', LinkPurpose.LOGIN, datetime.now(timezone.utc) - timedelta(hours=25))}"
    first, second = (link(endpoint, "linked", LinkPurpose.LOGIN) for _ in range(2))

    assert [visitor.get(path).status for path in (old, first, second)] == [404, 404, 200]
    users.disable("linked", NOW)
    users.enable("linked")
    assert visitor.get(second).status == 404


def test_an_error_of_ours_logs_no_secret_of_a_link(endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Logins, "link", fail)

    assert browser(endpoint).get("/login/secret-of-a-link").status == 503
    assert "request.failed" in endpoint.journal
    assert "secret-of-a-link" not in endpoint.journal


def test_a_link_asks_for_the_code_of_a_person_who_uses_codes(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "coded-3", totp=SECRET)
    visitor, path = browser(endpoint), link(endpoint, "coded-3", LinkPurpose.LOGIN)

    assert [visitor.submit(path, {"code": code}).status for code in ("", "000000")] == [403, 403]
    assert visitor.submit(path, {"code": code_now()}).status == 303


def test_a_new_password_ends_every_other_session(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "changer")
    one, other = browser(endpoint), browser(endpoint)
    log_in(one, "changer")
    log_in(other, "changer")
    fields = {"action": "password", "password": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}

    assert one.submit("/account", {**fields, "password": "wrong horse battery"}).status == 403
    assert one.submit("/account", {**fields, "again": "something else"}).status == 422
    assert one.submit("/account", {**fields, "new": "short", "again": "short"}).status == 422
    assert one.submit("/account", fields).status == 303
    assert (one.get("/account").status, other.get("/account").status) == (200, 303)


def test_a_disabled_person_is_out_at_once(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "leaver")
    visitor = browser(endpoint)
    log_in(visitor, "leaver")

    assert visitor.get("/account").status == 200
    assert endpoint.run("user", "disable", "leaver").returncode == 0
    assert visitor.get("/account").status == 303
    assert endpoint.run("user", "enable", "leaver").returncode == 0
    assert visitor.get("/account").status == 303  # the session does not come back


def test_a_session_ends_by_time_and_by_idleness(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "idler")
    sessions = Sessions(endpoint.opened, lifetime=4 * HOUR, idle=HOUR)
    secret = sessions.start("idler", "192.0.2.1", NOW)

    def found(hours: float, *, touch: bool = True) -> bool:
        return sessions.find(secret, NOW + hours * HOUR, touch=touch) is not None

    assert [found(0.9, touch=False), found(1.1)] == [True, False]
    assert [found(hours) for hours in (0.9, 1.8, 2.7, 3.6, 4.1)] == [True, True, True, True, False]
    assert sessions.delete_old(NOW + 4.1 * HOUR) == 1


def test_a_session_of_a_clock_that_was_ahead_does_not_last_until_then(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "early")
    sessions = Sessions(endpoint.opened, lifetime=4 * HOUR, idle=HOUR)
    near, far = (sessions.start("early", "192.0.2.1", NOW + ahead) for ahead in (HOUR / 6, 1000 * HOUR))

    assert [sessions.find(secret, NOW, touch=True) is not None for secret in (near, far)] == [True, False]
    assert sessions.delete_old(NOW) == 1


def test_what_the_script_of_a_page_fetches_keeps_no_session_alive(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "watcher")
    visitor = browser(endpoint)
    log_in(visitor, "watcher")
    earlier = time.time() - 600
    with endpoint.opened.writing() as connection:
        connection.execute(sa.update(SESSIONS).values(used_at=earlier))

    def used_at() -> float:
        with endpoint.opened.reading() as connection:
            return float(connection.execute(sa.select(SESSIONS.c.used_at)).scalar())

    visitor.send("GET", "/account", None, Sec_Fetch_Dest="empty")
    assert used_at() == earlier
    visitor.send("GET", "/account", None, Sec_Fetch_Dest="document")
    assert used_at() > earlier


def test_the_database_holds_no_secret_that_logs_anybody_in(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "ann")
    visitor = browser(endpoint)
    log_in(visitor, "ann")
    path = link(endpoint, "ann")

    with endpoint.opened.reading() as connection:
        rows = [tuple(row) for table in (SESSIONS, USER_LINKS, USERS) for row in connection.execute(sa.select(table))]

    text = repr(rows)
    assert visitor.cookies["maestro"] not in text
    assert path.removeprefix("/login/") not in text
    assert PASSWORD not in text
    assert visitor.cookies["maestro"] not in endpoint.journal


def test_what_has_ended_is_deleted(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "old")
    sessions, audit = Sessions(endpoint.opened, lifetime=HOUR, idle=HOUR), Audit(endpoint.opened)
    sessions.start("old", "192.0.2.1", NOW)
    Users(endpoint.opened).link("old", LinkPurpose.LOGIN, NOW)
    with endpoint.opened.writing() as connection:
        for number in range(501):
            note_in(connection, NOW + timedelta(seconds=number), "old", AuditAction.LOGGED_IN, "old")

    assert sessions.delete_old(NOW + 25 * HOUR) == 1
    assert list(audit.delete_old(NOW + timedelta(seconds=500))) == [500, 0]
    with endpoint.opened.reading() as connection:
        tables = (SESSIONS, USER_LINKS, AUDIT)
        left = [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() for table in tables]
    assert left == [0, 0, 1]


@pytest.mark.parametrize("rehashed", [None, hash_password(PASSWORD, b"another salt, 16")], ids=["as it is", "rehashed"])
def test_a_login_with_the_old_password_that_overlaps_its_change_is_refused(
    rehashed: str | None, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint()
    add(endpoint, "ann")
    logins = Logins(endpoint.opened)
    slow = replace(compared(logins, "ann"), password=rehashed)

    assert logins.set_password(replace(compared(logins, "ann"), password=hash_password(NEW_PASSWORD, b"0" * 16)))
    assert logins.start(slow) is None
    assert logins.set_password(replace(slow, password=HASHED)) is None
    assert log_in(browser(endpoint), "ann", NEW_PASSWORD).status == 303
    assert log_in(browser(endpoint), "ann").status == 403


def test_a_login_without_a_code_that_overlaps_the_first_one_is_refused(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    add(endpoint, "ann")
    logins = Logins(endpoint.opened)
    slow = compared(logins, "ann")

    logins.propose_totp("ann", SECRET)
    assert logins.enable_totp(compared(logins, "ann", step=7), SECRET)
    assert logins.start(slow) is None
    assert not logins.disable_totp(slow)
