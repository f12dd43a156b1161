"""Which hosts a request is for, of many."""

from typing import Any

import pytest

from endpoint.core.host_choice import LeftOut, Wanted, choose
from endpoint.errors import UsageError


class Row(dict[str, Any]):
    """A row of `maestro.fleet/1` that is compared with no other: that takes hours for a large fleet."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        raise AssertionError


def row(name: str, **changes: object) -> Row:
    return Row(
        {"host_id": f"id-{name}", "name": name, "agents": 1, "takes_requests": True, "requests_signed": None} | changes
    )


ROWS = [row("db1"), row("old1", takes_requests=False), row("web1", requests_signed=True), row("web2", agents=2)]
TAGS = {"id-db1": {"db"}, "id-web1": {"web"}, "id-web2": {"web"}, "id-gone": {"gone"}}


@pytest.mark.parametrize(
    ("wanted", "chosen", "left_out"),
    [
        (Wanted(everyone=True), ["db1", "web1"], {"old1": LeftOut.NO_REQUESTS, "web2": LeftOut.SHARED_ID}),
        (Wanted(tags=("web", "db")), ["db1", "web1"], {"web2": LeftOut.SHARED_ID}),
        (Wanted(names=("web1", "old1", "id-old1")), ["old1", "web1"], {}),
    ],
    ids=str,
)
def test_each_host_is_chosen_once_in_the_order_of_the_fleet(
    wanted: Wanted, chosen: list[str], left_out: dict[str, LeftOut]
) -> None:
    made = choose(ROWS, TAGS, wanted)

    assert [host.name for host in made.hosts] == chosen
    assert {host.name: why for host, why in made.left_out} == left_out
    assert [host.name for host in made.hosts if host.asks_for_signature] == [name for name in chosen if name == "web1"]


@pytest.mark.parametrize(
    ("rows", "wanted", "says"),
    [
        (ROWS, Wanted(tags=("gone",)), "fleet"),
        ([], Wanted(everyone=True), "fleet"),
        (ROWS[1:2], Wanted(everyone=True), "allow"),
        (ROWS, Wanted(tags=("no-such",)), "no-such"),
        (ROWS, Wanted(names=("web2",)), "web2"),
    ],
    ids=["its-host-is-forgotten", "nobody-has-reported", "takes-none", "unused-tag", "clone"],
)
def test_whoever_chooses_no_host_is_told_why(rows: list[Row], wanted: Wanted, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        choose(rows, TAGS, wanted)

    assert says in str(refused.value)
    assert " 0 " not in str(refused.value)


def test_no_name_of_a_host_reaches_a_terminal_as_it_is() -> None:
    hostile = "\x1b[2Jweb1\n"

    (host,) = choose([row(hostile)], {}, Wanted(everyone=True)).hosts
    with pytest.raises(UsageError) as refused:
        choose([row(hostile, agents=2)], {}, Wanted(names=(hostile,)))

    assert host.label.isprintable()
    assert "web1" in host.label
    assert str(refused.value).isprintable()
