"""`maestro-endpoint deploy`: as on the page, from a terminal."""

import json

import pytest

from tests.endpoint.conftest import MakeEndpoint
from tests.report.given import check
from tests.support.deployable import DOCKER, PLAN, deployable, older
from tests.support.local_endpoint import LocalEndpoint


@pytest.fixture
def own(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


def test_a_selection_gets_its_steps_and_a_dry_run_changes_nothing(own: LocalEndpoint) -> None:
    web, other = deployable(own, "web1", "web", docker=DOCKER), deployable(own, "db1", "db")
    older(own, "old1")

    shown = own.run("deploy", "tag=web", "--docker", "--reboot", "if-required", "--dry-run")
    document = own.run("deploy", "", "--dry-run", "--json")
    nothing = web.offered()
    made = own.run("deploy", "tag=web", "--docker", "--at-once", "50%", "--exact", "--comment", "INC-1", "--json")
    (request,) = web.offered()

    check("deployment-preview", json.loads(document.stdout))
    check("deployment", json.loads(made.stdout))
    assert f"plan {PLAN}" in shown.stdout
    assert [line.split()[1] for line in shown.stdout.splitlines()] == ["upgrade-security:", "apply-docker:"]
    assert (nothing, other.offered()) == ([], [])
    assert (request["verb"], request["plan_id"], request["comment"]) == ("upgrade-security", PLAN, "INC-1")


def test_a_host_keeps_its_turn_from_step_to_step(own: LocalEndpoint) -> None:
    first, second = (deployable(own, name, docker=DOCKER) for name in ("web1", "web2"))
    own.run("deploy", "", "--docker", "--at-once", "1")
    (upgrade,) = first.offered()
    waits = second.offered()

    first.step(upgrade["id"], "running")
    (docker,) = first.step(upgrade["id"], "done").json["requests"]
    still_waits = second.offered()
    first.step(docker["id"], "done")
    (begins,) = second.offered()

    assert (waits, still_waits) == ([], [])
    assert [one["verb"] for one in (upgrade, docker, begins)] == [
        "upgrade-security",
        "apply-docker",
        "upgrade-security",
    ]


def test_signatures_and_those_left_out_are_named(own: LocalEndpoint) -> None:
    deployable(own, "web1", requests={"signed": True})
    older(own, "old1")

    made = own.run("deploy", "")

    assert made.returncode == 0, made.stderr
    assert "to sign: `maestro-endpoint requests sign" in made.stdout
    assert "left out, 1" in made.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("x=1",), ("state=none",), ("", "--at-once", "0"), ("", "--upgrade", "none"), ("", "--upgrade", "fixes"),
        ("", "--fix", "openssl"), ("", "--expires", "1y"), ("tag=nobody",),
        ("web1",), ("tag=",), ("tag=web&q=",), ("&",), ("limit=1",),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_done_is_a_usage_error(own: LocalEndpoint, arguments: tuple[str, ...]) -> None:
    deployable(own, "web1")

    done = own.run("deploy", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
