"""Behind a proxy: single sign-on by its header, cookies over TLS; the header counts on a unix socket only."""

import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from endpoint.config.read import read_config
from endpoint.core.people import PersonRole, Scope
from endpoint.errors import ConfigError
from endpoint.store.people.login_attempts import LoginAttempts
from endpoint.store.people.users import Users
from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.people.test_logins import NOW, PASSWORD, actions, add
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port, write_config
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor

GROUPS = {
    "admins": {"role": "admin"},
    "web": {"role": "operator", "tags": ["web"]},
    "readers": {"role": "viewer"},
}
PEOPLE: dict[str, Any] = {"header": "X-Remote-User", "groups_header": "X-Remote-Groups", "groups": GROUPS}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEndpoint]:
    directory = tmp_path_factory.mktemp("proxied")
    settings: Any = {"server": {"listen": "unix:/run/x.sock"}, "people": PEOPLE}
    made = LocalEndpoint(directory=directory, database=f"sqlite:///{directory}/endpoint.db", settings=settings)
    made.configure()
    made.start()
    for name in ("known", "left"):
        Users(made.opened).add(name, PersonRole.VIEWER, Scope(tags=frozenset({"web"})), NOW, may_reboot=False)
    Users(made.opened).disable("left", NOW)
    yield made
    made.end()


@pytest.fixture
def unix_socket() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        yield ours


def through(endpoint: LocalEndpoint, connection: socket.socket | None, **headers: str) -> Visitor:
    return Visitor(app=endpoint.app, connection=connection, fixed=headers)


def rights(visitor: Visitor) -> str:
    page = visitor.get("/account")
    if page.status != 200:
        return str(page.status)
    text = page.body.decode()
    role = text.partition("<dt>Role</dt><dd>")[2].partition("<")[0]
    return f"{role}, {'the whole fleet' if 'the whole fleet' in text else 'tags'}"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X_Remote_User": "ann", "X_Remote_Groups": "admins"}, "admin, the whole fleet"),
        ({"X_Remote_User": "ann", "X_Remote_Groups": "web , other"}, "operator, tags"),
        ({"X_Remote_User": "ann", "X_Remote_Groups": "readers,web"}, "operator, tags"),
        ({"X_Remote_User": "ann", "X_Remote_Groups": "other"}, "403"),
        ({"X_Remote_User": "ann"}, "403"),
        ({"X_Remote_User": "ann", "X_Remote_Groups": "admins-of-nothing"}, "403"),
        ({"X_Remote_User": "known"}, "viewer, tags"),
        ({"X_Remote_User": "Known", "X_Remote_Groups": "other"}, "viewer, tags"),
        ({"X_Remote_User": "known", "X_Remote_Groups": "web"}, "operator, tags"),
        ({"X_Remote_User": "left", "X_Remote_Groups": "admins"}, "403"),
        ({"X_Remote_User": "ann,root", "X_Remote_Groups": "admins"}, "403"),
        ({"X_Remote_User": "token root", "X_Remote_Groups": "admins"}, "403"),
        ({"X_Remote_User": "", "X_Remote_Groups": "admins"}, "303"),
        ({"X_Remote_Groups": "admins"}, "303"),
    ],
    ids=repr,
)
def test_the_proxy_names_the_person_and_its_groups_grant_the_rights(
    proxied: LocalEndpoint, unix_socket: socket.socket, headers: dict[str, str], expected: str
) -> None:
    assert rights(through(proxied, unix_socket, **headers)) == expected


def test_the_header_is_worth_nothing_without_a_unix_socket(proxied: LocalEndpoint) -> None:
    with socket.socket(socket.AF_INET) as tcp:
        spoofed = {"X_Remote_User": "ann", "X_Remote_Groups": "admins"}
        assert [rights(through(proxied, connection, **spoofed)) for connection in (None, tcp)] == ["303", "303"]


def test_the_header_is_worth_nothing_unless_it_is_configured(
    make_endpoint: MakeEndpoint, unix_socket: socket.socket
) -> None:
    endpoint = make_endpoint(server={"listen": "unix:/run/x.sock"})

    assert rights(through(endpoint, unix_socket, X_Remote_User="ann", Remote_User="ann")) == "303"


def test_single_sign_on_opens_no_route_of_the_api(proxied: LocalEndpoint, unix_socket: socket.socket) -> None:
    admin = through(proxied, unix_socket, X_Remote_User="ann", X_Remote_Groups="admins")

    assert (admin.get("/v1/fleet").status, admin.get("/account").status) == (401, 200)


def test_forms_of_a_person_by_single_sign_on_have_a_token_of_this_browser_and_person(
    proxied: LocalEndpoint, unix_socket: socket.socket
) -> None:
    ann, bob = (through(proxied, unix_socket, X_Remote_User=name, X_Remote_Groups="admins") for name in ("ann", "bob"))
    token = ann.form_token("/account")
    bob.cookies = dict(ann.cookies)

    assert bob.post_form("/logout", {"form_token": token}).status == 403
    assert ann.post_form("/logout", {"form_token": token}, Sec_Fetch_Site="cross-site").status == 403
    assert ann.post_form("/logout", {"form_token": token}).status == 303
    assert ann.submit("/account", {"action": "password"}).status == 403
    assert set(ann.cookies) == {"__Host-maestro-form"}


def test_the_cookie_behind_a_proxy_is_taken_over_tls_only(proxied: LocalEndpoint, unix_socket: socket.socket) -> None:
    add(proxied, "ann")
    fields = {"name": "ann", "password": PASSWORD}
    plain = through(proxied, unix_socket, X_Forwarded_Proto="http", X_Forwarded_For="203.0.113.9")
    secure = through(proxied, unix_socket, X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.9", Host="m.example")

    refused = plain.get("/login").status
    cross = secure.submit("/login", fields, Origin="http://m.example").status
    logged_in = secure.submit("/login", fields, Origin="https://m.example:8443")
    header = logged_in.headers["Set-Cookie"]

    assert (refused, cross, logged_in.status) == (403, 403, 303)
    assert header.startswith("__Host-maestro=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(header.split("; "))
    assert "Domain" not in header
    assert actions(proxied, "ann") == ["logged-in"]


def test_an_address_that_a_client_writes_itself_moves_no_limit(make_endpoint: MakeEndpoint) -> None:
    """Over TCP the header is any client's; only a proxy on the unix socket is believed."""
    endpoint = make_endpoint()
    guesser, now = Visitor(app=endpoint.app), datetime.now(timezone.utc)
    attempts = LoginAttempts(endpoint.opened)
    for _ in range(29):
        attempts.begin({f"address {guesser.address}/32": 30}, now)
    token = guesser.form_token("/login")

    def guess(number: int) -> int:
        fields = {"name": f"nobody-{number}", "password": "x", "form_token": token}
        return guesser.post_form("/login", fields, X_Forwarded_For=f"198.51.100.{number}").status

    assert [guess(number) for number in range(3)] == [403, 429, 429]


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"people": {"header": "X-Remote-User"}}, "people.header: needs server.listen = unix:PATH"),
        ({"people": {**PEOPLE, "header": ""}}, "people.groups_header: needs server.listen"),
        ({"people": {"session": "0s"}}, "people.session: must be a duration"),
        ({"people": {"idle": "1y"}}, "people.idle: must be a duration"),
        ({"dashboard": {"url": "https://m.example/path"}}, "dashboard.url: must be"),
        ({"dashboard": {"url": "javascript:alert(1)"}}, "dashboard.url: must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_that_would_trust_anybody_is_an_error(
    tmp_path: Path, tables: dict[str, dict[str, Any]], fault: str
) -> None:
    assert fault in fault_of(tmp_path, tables)


@pytest.mark.parametrize(
    ("people", "fault"),
    [
        ({"header": "Cookie"}, "must be the name of a header"),
        ({"header": "X Remote"}, "must be the name of a header"),
        ({"header": "X_Remote_User"}, "must be the name of a header"),
        ({"groups_header": "X-Groups"}, "need people.header"),
        ({"header": "X-User", "groups_header": "X-Groups"}, "must be set together"),
        ({**PEOPLE, "groups": {"a": {"role": "root"}}}, "people.groups.a.role: must be one of"),
        ({**PEOPLE, "groups": {"a": {"role": "admin", "tags": ["web"]}}}, "an administrator has the whole fleet"),
        ({**PEOPLE, "groups": {"a": {"role": "viewer", "tags": "web"}}}, "must be a list of tags"),
        ({**PEOPLE, "groups": {"a": {"role": "viewer", "tags": ["a b"]}}}, "must be a list of tags"),
        ({**PEOPLE, "groups": {"a": {"role": "operator", "reboot": "yes"}}}, "must be true or false"),
        ({**PEOPLE, "groups": {"a": {"rights": "all"}}}, "must be a table with role, tags, reboot"),
    ],
    ids=repr,
)
def test_a_mistake_in_the_groups_is_an_error(tmp_path: Path, people: dict[str, Any], fault: str) -> None:
    assert fault in fault_of(tmp_path, {"server": {"listen": "unix:/run/x.sock"}, "people": people})


def fault_of(directory: Path, tables: dict[str, dict[str, Any]]) -> str:
    write_config(directory / "config.toml", "sqlite:////x.db", tables)
    with pytest.raises(ConfigError) as error:
        read_config(directory / "config.toml")
    return str(error.value)


@pytest.mark.xdist_group("endpoint-server")
def test_the_server_itself_takes_the_header_from_its_socket_only(authority: Authority, tmp_path: Path) -> None:
    """The real server: one header written twice, and those that WSGI would take for it, are refused."""
    path = tmp_path / "endpoint.sock"
    server = EndpointServer(
        directory=tmp_path,
        authority=authority,
        database=f"sqlite:///{tmp_path}/endpoint.db",
        port=free_port(),
        settings={"server": {"listen": f"unix:{path}"}, "tls": {"certificate": "", "key": ""}, "people": PEOPLE},
    )
    server.configure()
    try:
        server.start(path)
        right = ("X-Remote-User: ann", "X-Remote-Groups: admins")
        assert get(path, "/account", *right) == 200
        assert get(path, "/account", *right, "X-Remote-User: bob") == 403
        assert get(path, "/account", "X_Remote_User: ann", "X-Remote-Groups: admins") == 400
        assert get(path, "/account", "X-Remote-Groups: admins") == 303
        assert get(path, "//v1/fleet", *right) == 401
        assert get(path, "/account%2f..%2fv1", *right) == 404
    finally:
        server.end()


def get(unix: Path, path: str, *headers: str) -> int:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(unix))
        stream.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode())
        return int(stream.recv(65536).split(b" ", 2)[1])
