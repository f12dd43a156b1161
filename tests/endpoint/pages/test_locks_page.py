"""Reboot slots: who holds one is shown within the scope, and a person with the right to reboot releases one."""

import pytest

from endpoint.core.people import PersonRole
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.reporting import reporting_host
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint(locks={"groups": {"default": 1, "db": 1}})


def take(endpoint: LocalEndpoint, box: Outbox, group: str = "default") -> int:
    client = endpoint.client(endpoint.any_host_token)
    return client.fleet_lock("pre-reboot", box.host.replace("-", ""), group).status


def page(visitor: Visitor) -> str:
    answer = visitor.get("/locks")
    assert answer.status == 200, answer.body
    return answer.body.decode()


def release(visitor: Visitor, box: Outbox, **changes: object) -> int:
    """Send the form, with its token from another page if this one has no form."""
    values = {"group": "default", "client": box.host.replace("-", ""), "why": "it burned down", **changes}
    return visitor.submit("/locks/release", values, page="/locks").status


def test_holders_and_those_who_wait_are_shown_by_name(endpoint: LocalEndpoint) -> None:
    first, second = reporting_host(endpoint, name="first"), reporting_host(endpoint, name="second")
    assert (take(endpoint, first), take(endpoint, second)) == (200, 423)

    shown = page(log_in(endpoint))

    assert f'<a href="/hosts/{first.host}">first</a>' in shown
    assert f'<a href="/hosts/{second.host}">second</a>' in shown
    assert "1 held, 1 waiting" in shown


def test_a_slot_is_released_and_that_is_recorded(endpoint: LocalEndpoint) -> None:
    visitor, box = log_in(endpoint, name="alice"), reporting_host(endpoint, name="first")
    take(endpoint, box)

    assert release(visitor, box) == 303

    shown = page(visitor)
    assert "0 held" in shown
    assert "it burned down" in shown
    audit = visitor.get("/audit?action=slot-released").body.decode()
    assert "it burned down" in audit
    assert "alice" in audit
    assert release(visitor, box) == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"why": ""}, 400),
        ({"why": "a\nb"}, 400),
        ({"why": "x" * 257}, 400),
        ({"client": "nobody"}, 404),
        ({"group": "db"}, 404),
        ({"since": "2020-01-01T00:00:00Z"}, 409),
    ],
    ids=["no reason", "two lines", "long", "another client", "another group", "an older slot"],
)
def test_a_bad_release_changes_nothing(endpoint: LocalEndpoint, changes: dict[str, object], status: int) -> None:
    visitor, box = log_in(endpoint), reporting_host(endpoint)
    take(endpoint, box)

    assert release(visitor, box, **changes) == status
    assert "1 held" in page(visitor)


@pytest.mark.parametrize(
    ("role", "may_reboot"), [(PersonRole.VIEWER, True), (PersonRole.OPERATOR, False)], ids=["viewer", "operator"]
)
def test_only_who_may_reboot_releases(endpoint: LocalEndpoint, role: PersonRole, may_reboot: bool) -> None:  # noqa: FBT001 - a parameter of the test
    box, visitor = reporting_host(endpoint), log_in(endpoint, role, may_reboot=may_reboot)
    take(endpoint, box)

    assert release(visitor, box) == 403
    assert "Release the slot" not in page(visitor)


def test_slots_of_hosts_outside_of_the_scope_are_neither_shown_nor_counted_nor_released(
    endpoint: LocalEndpoint,
) -> None:
    own, other = reporting_host(endpoint, name="own", tag="web"), reporting_host(endpoint, name="other")
    assert (take(endpoint, other), take(endpoint, own), take(endpoint, other, "db")) == (200, 423, 200)
    visitor = log_in(endpoint, PersonRole.OPERATOR, tags={"web"}, may_reboot=True)

    shown = page(visitor)

    assert "own" in shown
    assert other.host not in shown
    assert "0 held by hosts of your scope, 1 waiting" in shown
    assert "Group db" not in shown
    assert release(visitor, other) == 404
