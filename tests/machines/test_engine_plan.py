"""`docker plan` on a machine with a real engine, a manifest, and a source of several engines."""

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.recorded import Kept

pytestmark = pytest.mark.xdist_group("engines-1")
MANIFEST = "/etc/maestro-agent/manifest.yml"


def want(engine: EngineMachine, version: str) -> None:
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {version}\n")


def test_the_plan_names_packages_steps_and_what_happens_to_each_container(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = kept_engine
    engine.run_container("always", policy="always")
    engine.run_container("once", policy="no")
    engine.run_container("slow", policy="always", handles_stop=False, stop_timeout=5)
    before = engine.running()
    want(engine, NEWER)

    answer = kept.agent("docker plan --json")

    plan = answer.json
    assert answer.code == 10
    assert (plan["installed"], plan["running"], plan["wanted"], plan["candidate"]) == (OLDER, OLDER, NEWER, NEWER)
    assert {"docker.io", "docker-cli"} <= {one["package"] for one in plan["packages"]}
    assert plan["blocked"] == []
    assert {one["name"]: one["will"] for one in plan["containers"]} == {
        "always": "restarts",
        "once": "needs-start",
        "slow": "restarts",
    }
    assert plan["order"] == ["save", "download", "install", "validate", "stop-slow", "restart", "start", "verify"]
    low, high = plan["downtime"]["expected_s"]
    assert 0 < low < high
    assert engine.running() == before
    assert engine.engine_version().startswith(OLDER)


def test_a_version_that_no_source_offers_is_blocked_with_the_nearest(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    want(engine, "27.3.1")

    answer = kept.agent("docker plan --json")

    assert answer.code == 10
    assert [one["why"] for one in answer.json["blocked"]] == ["version-unavailable"]
    assert NEWER in answer.json["blocked"][0]["detail"]


def test_without_a_manifest_there_is_nothing_to_do(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, _ = kept_engine

    answer = kept.agent("docker plan --json")

    assert (answer.code, answer.json["wanted"], answer.json["packages"]) == (0, None, [])


def test_a_wrong_manifest_blocks_docker_and_nothing_else(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    engine.machine.write(MANIFEST, "docker:\n  configuration:\n    docker_verison: 26.1.5\n")

    answer = kept.agent("docker plan --json")
    checked = kept.agent("check --no-refresh --json")

    assert [one["why"] for one in answer.json["blocked"]] == ["config-invalid"]
    assert checked.json["schema"] == "maestro.plan/1"
