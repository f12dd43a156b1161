"""`maestro-endpoint user` and `token`: what they grant, print and record."""

import pytest

from endpoint.core.people import local_person
from endpoint.store.audit import Audit
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor


def test_a_person_is_added_with_a_link_that_logs_in(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(dashboard={"url": "https://maestro.example.org"})
    done = endpoint.run("user", "add", "Ann", "--role", "operator", "--tag", "web", "db", "--may-reboot")
    site, _, path = done.stdout.strip().partition("/login/")
    visitor = Visitor(app=endpoint.app)
    fields = {"password": "correct horse battery", "again": "correct horse battery"}

    assert (done.returncode, site) == (0, "https://maestro.example.org")
    assert visitor.submit(f"/login/{path}", fields).status == 303
    assert "operator of db web, may reboot" in endpoint.run("user", "list").stdout
    assert path not in endpoint.run("user", "list").stdout
    assert endpoint.run("user", "add", "ann", "--role", "viewer").returncode == 2
    entries = [(entry.action, entry.subject) for entry in Audit(endpoint.opened).page(local_person("root"))]
    assert entries[-2:] == [("link-made", "ann"), ("user-added", "ann")]
    assert all(path not in entry.detail for entry in Audit(endpoint.opened).page(local_person("root")))


def test_rights_change_for_open_sessions_at_once(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint()
    path = endpoint.run("user", "add", "ann", "--role", "admin").stdout.strip()
    link = endpoint.run("user", "link", "ann", "--login").stdout.strip().partition("/login/")[2]
    visitor = Visitor(app=endpoint.app)
    assert visitor.get(f"/login/{path.partition('/login/')[2]}").status == 404  # the later link replaced it
    assert visitor.submit(f"/login/{link}", {}).status == 303
    assert visitor.get("/enrolments").status == 200

    assert endpoint.run("user", "set", "ann", "--role", "viewer", "--tag", "web").returncode == 0
    assert visitor.get("/enrolments").status == 403
    assert endpoint.run("user", "totp", "ann", "--off").returncode == 0
    assert visitor.get("/account").status == 303


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "a b", "--role", "viewer"), ("user", "add", "ann"), ("user", "add", "ann", "--role", "root"),
        ("user", "add", "ann", "--role", "admin", "--tag", "web"),
        ("user", "add", "ann", "--role", "viewer", "--may-reboot"), ("user", "disable", "nobody"),
        ("user", "link", "nobody"), ("user", "set", "nobody", "--role", "viewer"), ("user", "totp", "nobody", "--off"),
        ("user", "totp", "nobody"), ("token", "add", "--tag", "web", "--may-reboot"),
        ("token", "add", "--role", "admin", "--tag", "web"), ("token", "add", "--role", "viewer", "--may-reboot"),
        ("token", "add", "--admin", "--role", "viewer"),
        ("token", "add", "--role", "viewer", "--host", "978a225b-3d7b-40e9-acd7-ce9b62f68444"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_rights_that_no_role_can_have_are_a_usage_error(endpoint: LocalEndpoint, arguments: tuple[str, ...]) -> None:
    before = endpoint.run("user", "list").stdout

    assert endpoint.run(*arguments).returncode == 2
    assert endpoint.run("user", "list").stdout == before
