"""Orders: read from any form or JSON, written back as the same, and refused with the name of the wrong field."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.core.deploy.order import LIFETIMES, NAMES, DeployOrder, Upgrade, order_pairs
from endpoint.errors import RefusedError

FIXES = ("CVE-2026-12345", "openssl", "libc6:amd64")


def orders() -> st.SearchStrategy[DeployOrder]:
    flag = st.booleans()
    made = st.builds(
        DeployOrder,
        upgrade=st.sampled_from(Upgrade),
        fixes=st.lists(st.sampled_from(FIXES), unique=True).map(tuple),
        reboot=flag,
        docker=flag,
        weave=flag,
        in_window=flag,
        at_once=st.sampled_from(["1", "250", "10%", "100%"]),
        stop_after=st.integers(1, 99),
        lifetime=st.sampled_from(LIFETIMES),
        comment=st.sampled_from(["", "INC-1 & <b>"]),
        exact=flag,
        sign=flag,
    )

    def is_possible(order: DeployOrder) -> bool:
        named = order.upgrade is Upgrade.FIXES
        return bool(order.works) and bool(order.fixes) == named and not (named and order.exact)

    return made.filter(is_possible)


@given(orders())
def test_the_fields_of_an_order_are_read_as_the_same_order(order: DeployOrder) -> None:
    assert DeployOrder.parse(order.pairs()) == order
    assert {name for name, _ in order.pairs()} <= NAMES


def test_an_empty_form_is_the_default() -> None:
    assert DeployOrder.parse([]) == DeployOrder()
    assert DeployOrder.parse([("at_once", ""), ("comment", " ")]) == DeployOrder()


@pytest.mark.parametrize(
    ("order", "verbs"),
    [
        (DeployOrder(), ["upgrade-security"]),
        (DeployOrder(reboot=True, docker=True), ["upgrade-security", "apply-docker"]),
        (DeployOrder(upgrade=Upgrade.FIXES, fixes=FIXES), ["upgrade-fixes"]),
        (DeployOrder(upgrade=Upgrade.NONE, reboot=True), ["reboot-if-required"]),
        (
            DeployOrder(upgrade=Upgrade.NONE, reboot=True, docker=True, weave=True),
            ["reboot-if-required", "apply-docker", "apply-weave"],
        ),
    ],
    ids=str,
)
def test_packages_come_before_engines_and_a_reboot_between_them(order: DeployOrder, verbs: list[str]) -> None:
    assert [work.verb.value for work in order.works] == verbs
    assert [work.reboot for work in order.works] == [
        "if-required" if order.reboot and work.verb.value.startswith("upgrade") else None for work in order.works
    ]


@pytest.mark.parametrize(
    ("text", "hosts", "expected"), [("2", 3, 2), ("10%", 100, 10), ("10%", 3, 1), ("100%", 7, 7), ("9", 3, 9)]
)
def test_a_share_of_the_hosts_is_at_least_one(text: str, hosts: int, expected: int) -> None:
    assert DeployOrder(at_once=text).at_once_of(hosts) == expected


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *[("upgrade", text) for text in ("all", "none", "\0")],
        *[("at_once", text) for text in ("0", "-1", "101%", "0%", "1e3", "٣", "1000000")],
        *[("stop_after", text) for text in ("0", "x", "10%")],
        *[("expires", text) for text in ("0h", "31d", "5w", "1", "h", "99999d")],
        *[("when", "never"), ("reboot", "always"), ("docker", "on"), ("comment", "a\nb"), ("comment", "x" * 201)],
        *[("fixes", text) for text in ("openssl", "--force", "A", "../x", " ".join(f"a{n}" for n in range(51)))],
    ],
    ids=str,
)
def test_a_wrong_field_is_named(field: str, text: str) -> None:
    pairs = [(field, text)]
    if field == "fixes" and text != "openssl":
        pairs.append(("upgrade", "fixes"))

    with pytest.raises(RefusedError) as refused:
        DeployOrder.parse(pairs)

    assert (refused.value.status, refused.value.detail.partition(":")[0]) == (400, field)


def test_named_fixes_have_no_plan_that_they_could_be_held_to() -> None:
    with pytest.raises(RefusedError) as refused:
        DeployOrder.parse([("upgrade", "fixes"), ("fixes", "openssl"), ("exact", "yes")])

    assert (refused.value.status, refused.value.detail.partition(":")[0]) == (400, "exact")


def test_fixes_are_taken_from_one_field_or_several_in_any_spelling() -> None:
    several = DeployOrder.parse([("upgrade", "fixes"), ("fixes", "cve-2026-12345, openssl"), ("fixes", "openssl a1")])

    assert several.fixes == ("CVE-2026-12345", "openssl", "a1")


def test_json_is_read_as_a_form() -> None:
    document = {"upgrade": "fixes", "fixes": ["openssl", "a1"], "docker": True, "weave": False, "at_once": 2, "x": {}}

    order = DeployOrder.parse(order_pairs(document))

    assert (order.fixes, order.docker, order.weave, order.at_once) == (("openssl", "a1"), True, False, "2")
    assert order.expires_in == timedelta(days=1)


@pytest.mark.parametrize("value", [None, {}, [[]], 1.5, [None]], ids=str)
def test_json_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(RefusedError) as refused:
        order_pairs({"fixes": value})

    assert refused.value.status == 400
