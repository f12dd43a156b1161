"""Previews: which hosts get which steps, who is left out and why; what is created is what was shown."""

import json
import random
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from endpoint.core.deploy.facts import engines, plan_id, windows
from endpoint.core.deploy.new_deployment import new_deployment
from endpoint.core.deploy.order import DeployOrder, Upgrade
from endpoint.core.deploy.preview import Candidate, EngineFacts, preview
from endpoint.core.deployment_report import deployment_document
from endpoint.core.deployments import RequestStatus
from endpoint.core.host_query import HostQuery
from endpoint.core.request_arguments import Verb
from tests.report.given import check

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
ALL = frozenset(verb.value for verb in Verb)
PLAN = "0123456789ab"
SWARM = ("swarm",)
DOCKER = EngineFacts(plan_id="ba9876543210", installed="20.10", target="26.1", has_work=True)
SECURITY = DeployOrder()
FIXES = DeployOrder(upgrade=Upgrade.FIXES, fixes=("openssl", "CVE-2026-1000"))
REBOOT = DeployOrder(upgrade=Upgrade.NONE, reboot=True)
EXACT = DeployOrder(exact=True)
WEB, DB = HostQuery(tags=("web",)), HostQuery(tags=("db",))


def new_id() -> str:
    return str(uuid.uuid4())


def host(number: int = 1, **changes: Any) -> Candidate:
    made = Candidate(
        host_id=str(uuid.UUID(int=number)),
        name=f"web{number}",
        allow=ALL,
        signed=False,
        windows=frozenset({"upgrade-security"}),
        plan_id=PLAN,
        pending=3,
        held=0,
        reboot_required=False,
        engines={Verb.DOCKER: DOCKER},
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("order", "changes", "why", "detail"),
    [
        (SECURITY, {"agents": 2}, "shares-its-id", ""),
        (SECURITY, {"takes_requests": False, "allow": None}, "too-old", ""),
        (SECURITY, {"takes_requests": False, "allow": frozenset()}, "takes-no-requests", ""),
        (SECURITY, {"silent": True}, "silent", ""),
        (SECURITY, {"allow": frozenset({"check"})}, "not-allowed", "upgrade-security"),
        (
            replace(SECURITY, reboot=True), {"allow": frozenset({"upgrade-security"})}, "not-allowed",
            "reboot-if-required",
        ),
        (replace(FIXES, in_window=True), {"fixes": {"openssl": "pending"}}, "no-window", "upgrade-fixes"),
        (replace(SECURITY, in_window=True, reboot=True), {}, "no-window", "reboot-if-required"),
        (replace(REBOOT, in_window=True), {"reboot_required": True}, "no-window", "reboot-if-required"),
        (SECURITY, {"pending": 0}, "nothing-pending", "upgrade-security"),
        (SECURITY, {"pending": 0, "held": 2}, "held", "upgrade-security"),
        (SECURITY, {"pending": 0, "ended": True}, "past-end", "upgrade-security"),
        (FIXES, {}, "nothing-pending", "upgrade-fixes"),
        (FIXES, {"fixes": {"openssl": "held"}}, "held", "upgrade-fixes"),
        (REBOOT, {}, "nothing-pending", "reboot-if-required"),
        (EXACT, {"plan_id": None}, "plan-unknown", "upgrade-security"),
        (EXACT, {"plan_id": None, "pending": None, "held": None}, "plan-unknown", "upgrade-security"),
        (EXACT, {"plan_id": None, "pending": 0}, "nothing-pending", "upgrade-security"),
        (
            DeployOrder(upgrade=Upgrade.NONE, docker=True, exact=True),
            {"engines": {Verb.DOCKER: replace(DOCKER, plan_id=None)}}, "plan-unknown", "apply-docker",
        ),
        (DeployOrder(upgrade=Upgrade.NONE, weave=True), {}, "nothing-pending", "apply-weave"),
        (
            DeployOrder(upgrade=Upgrade.NONE, docker=True), {"engines": {Verb.DOCKER: replace(DOCKER, blocked=SWARM)}},
            "blocked", "apply-docker",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_who_is_left_out_and_why(order: DeployOrder, changes: dict[str, Any], why: str, detail: str) -> None:
    made = preview(order, HostQuery(), [host(**changes)])

    assert made.hosts == ()
    assert [(one.why, one.detail, one.host) for one in made.left_out] == [(why, detail, "web1")]
    assert made.reasons == {why: 1}


@pytest.mark.parametrize(
    ("order", "changes", "brings"),
    [
        (SECURITY, {}, "3 security updates"),
        (SECURITY, {"pending": 1, "held": 2}, "1 security update, 2 held"),
        (SECURITY, {"pending": None}, "not known what is pending"),
        (SECURITY, {"ended": True}, "3 security updates"),
        (replace(SECURITY, reboot=True), {"pending": 0, "reboot_required": True}, "0 security updates"),
        (FIXES, {"fixes": {"openssl": "pending", "CVE-2026-1000": "held"}}, "openssl"),
        (REBOOT, {"reboot_required": True}, "required"),
        (replace(REBOOT, exact=True), {"reboot_required": True, "plan_id": None}, "required"),
        (REBOOT, {"reboot_required": None}, "not known whether required"),
        (DeployOrder(upgrade=Upgrade.NONE, docker=True), {}, "20.10 → 26.1"),
        (replace(SECURITY, in_window=True), {}, "3 security updates"),
        (replace(SECURITY, in_window=True), {"windows": None}, "3 security updates"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_each_host_gets(order: DeployOrder, changes: dict[str, Any], brings: str) -> None:
    made = preview(order, HostQuery(), [host(**changes)])

    assert [[step.brings for step in one.steps] for one in made.hosts] == [[brings]]
    assert made.left_out == ()


def test_a_host_that_was_named_and_is_not_found_is_left_out_as_unknown() -> None:
    one, two = host(1), host(2)
    named = HostQuery.of_hosts([one.host_id, two.host_id.upper()])

    shown, filtered = preview(SECURITY, named, [one]), preview(SECURITY, replace(named, tags=("web",)), [one])

    assert [(left.host_id, left.why, left.host) for left in shown.left_out] == [(two.host_id, "unknown", None)]
    assert filtered.left_out == (), "a filter was to choose among the named ones"


def test_a_step_that_is_of_no_use_on_a_host_does_not_keep_it_from_the_others() -> None:
    made = preview(replace(SECURITY, docker=True), HostQuery(), [host(1), host(2, engines={}), host(3, pending=0)])

    assert [[step.number for step in one.steps] for one in made.hosts] == [[1, 2], [1], [2]]
    assert [(one.host, one.why, one.detail) for one in made.left_out] == [
        ("web2", "nothing-pending", "apply-docker"),
        ("web3", "nothing-pending", "upgrade-security"),
    ]


def test_a_host_that_asks_for_signatures_waits_and_the_others_do_not() -> None:
    hosts = [host(1, signed=True), host(2), host(3, signed=None, allow=None)]

    mixed, all_of_them = (
        preview(SECURITY, HostQuery(), hosts),
        preview(replace(SECURITY, sign=True), HostQuery(), hosts),
    )

    assert [one.waits_for_signature for one in mixed.hosts] == [True, False, False]
    assert [one.permission_known for one in mixed.hosts] == [True, True, False]
    assert (mixed.waiting, all_of_them.waiting, preview(SECURITY, HostQuery(), hosts, sign=True).waiting) == (1, 3, 3)


def test_the_digest_changes_with_what_would_be_created_and_with_nothing_else() -> None:
    seen = preview(SECURITY, WEB, [host(1), host(2)])
    others = [
        preview(replace(SECURITY, at_once="1"), WEB, [host(1), host(2)]),
        preview(SECURITY, DB, [host(1), host(2)]),
        preview(SECURITY, WEB, [host(1)]),
        preview(SECURITY, WEB, [host(1), host(2, plan_id="f" * 12)]),
        preview(SECURITY, WEB, [host(1), host(2, signed=True)]),
    ]

    assert preview(SECURITY, WEB, [host(1), host(2, pending=9), host(3, silent=True)]).digest == seen.digest
    assert len({seen.digest, *(one.digest for one in others)}) == 1 + len(others)


def test_what_is_created_is_what_was_shown() -> None:
    order = DeployOrder(reboot=True, docker=True, exact=True, at_once="50%", stop_after=2, comment="INC-1")
    made = preview(order, WEB, [host(1, signed=True), host(2, engines={}), host(3), host(4, agents=2)])

    new = new_deployment(made, identity=str(uuid.UUID(int=99)), person="ann", now=NOW, new_id=new_id)
    forms = [json.loads(one.form) for one in new.requests]

    assert [(one["host_id"][-1], one["verb"], one["plan_id"]) for one in forms] == [
        ("1", "upgrade-security", PLAN),
        ("1", "apply-docker", DOCKER.plan_id),
        ("2", "upgrade-security", PLAN),
        ("3", "upgrade-security", PLAN),
        ("3", "apply-docker", DOCKER.plan_id),
    ]
    assert forms[0]["arguments"] == {"reboot": "if-required"}
    assert [one.step for one in new.requests] == [1, 2, 1, 1, 2]
    assert [one.status for one in new.requests].count(RequestStatus.WAITING_SIGNATURE) == 2
    assert {one["requested_by"] for one in forms} == {"ann"}
    assert {one["expires_at"] for one in forms} == {"2026-11-30T12:00:00Z"}
    assert (new.record.at_once, new.record.stop_after, new.record.plan_id) == (1, 2, None)
    check("deployment", deployment_document(new.record, (), {}, (), NOW))


def test_without_the_tick_no_request_is_limited_to_a_plan() -> None:
    new = new_deployment(preview(SECURITY, HostQuery(), [host(1)]), identity="x", person="ann", now=NOW, new_id=new_id)

    assert json.loads(new.requests[0].form)["plan_id"] is None
    assert new.record.plan_id is None


def test_any_hosts_are_either_in_a_deployment_or_left_out_with_a_reason() -> None:
    chance = random.Random(17)  # noqa: S311 - for examples
    some: dict[str, list[Any]] = {
        "agents": [1, 1, 1, 2], "silent": [False, True], "ended": [False, True], "takes_requests": [True, False],
        "allow": [None, ALL, frozenset(), frozenset({"upgrade-security"})], "signed": [None, True, False],
        "windows": [None, frozenset(), ALL], "plan_id": [None, PLAN], "pending": [None, 0, 3], "held": [None, 0, 1],
        "reboot_required": [None, True, False],
        "engines": [{}, {Verb.DOCKER: DOCKER}, {Verb.DOCKER: replace(DOCKER, blocked=SWARM)}],
    }  # fmt: skip
    for _ in range(500):
        order = DeployOrder(reboot=chance.random() < 0.5, docker=True, in_window=chance.random() < 0.5)
        hosts = [host(n, **{name: chance.choice(values) for name, values in some.items()}) for n in range(9)]
        made = preview(order, HostQuery(), hosts)
        steps = {(one.host_id, step.number) for one in made.hosts for step in one.steps}
        named = {one.host_id for one in made.hosts} | {one.host_id for one in made.left_out}
        assert named == {one.host_id for one in hosts}
        for one in made.hosts:
            facts = next(candidate for candidate in hosts if candidate.host_id == one.host_id)
            assert (facts.agents, facts.silent, facts.takes_requests) == (1, False, True)
            assert all(facts.allow is None or step.work.verb.value in facts.allow for step in one.steps)
        assert len(steps) == sum(len(one.steps) for one in made.hosts)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"wanted": None, "installed": "20.10"}, (False, None)),
        ({"wanted": "26.1", "candidate": "26.1", "installed": "20.10"}, (True, "26.1")),
        ({"wanted": "26.1", "candidate": "26.1", "installed": "26.1"}, (False, None)),
        ({"wanted": "26.1", "candidate": None, "installed": "26.0"}, (True, "26.1")),
        ({"wanted": "latest", "candidate": None, "installed": "26.0"}, (False, None)),
        ({"wanted": None, "installed": "26.1", "restart_pending": True}, (True, None)),
        ({"unseen": "no engine"}, (False, None)),
    ],
    ids=str,
)
def test_what_a_report_says_of_an_engine(section: dict[str, object], expected: tuple[bool, str | None]) -> None:
    found = engines({"docker": {"id": PLAN, **section}, "weave": None})

    assert (found[Verb.DOCKER].has_work, found[Verb.DOCKER].target) == expected
    assert list(found) == [Verb.DOCKER]


def test_what_the_host_alone_decides_is_no_block() -> None:
    blocked = [{"why": "outside-window", "detail": ""}, {"why": "swarm", "detail": ""}]

    assert engines({"docker": {"blocked": blocked}})[Verb.DOCKER].blocked == ("swarm",)


@pytest.mark.parametrize("text", [None, "", "x" * 12, "0123456789abc", "0123456789AB", 7, "0123456789ab\n"], ids=str)
def test_only_an_id_of_a_plan_gets_into_a_request(text: object) -> None:
    assert plan_id(text) is None
    assert plan_id(PLAN) == PLAN


def test_windows_are_unknown_where_a_host_reports_none() -> None:
    assert windows({}) is windows({"requests": None}) is None
    assert windows({"requests": {"windows": ["apply-docker"]}}) == frozenset({"apply-docker"})
