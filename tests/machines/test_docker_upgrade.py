"""`docker upgrade` on a machine with a real engine, as an operator runs it: command, worker, record."""

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.recorded import WORKER, Kept

pytestmark = pytest.mark.xdist_group("engines-2")
MANIFEST = "/etc/maestro-agent/manifest.yml"
STATE = "/var/lib/maestro-agent"
POLICIES = ("no", "always", "unless-stopped", "on-failure:3")


def prepared(kept_engine: tuple[Kept, EngineMachine]) -> tuple[Kept, EngineMachine]:
    """Have a container of every policy, a slow one, one that its owner stopped, and a manifest."""
    kept, engine = kept_engine
    for policy in POLICIES:
        engine.run_container(policy.partition(":")[0], policy=policy)
    engine.run_container("slow", policy="always", handles_stop=False, stop_timeout=3)
    engine.run_container("off", policy="always")
    engine.docker("stop off")
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
    return kept, engine


def hook(engine: EngineMachine, directory: str, script: str) -> None:
    path = f"/etc/maestro-agent/hooks/{directory}/10-test"
    engine.machine.write(path, f"#!/bin/sh\n{script}\n")
    engine.machine.check(f"chmod 755 {path}")


def test_docker_is_upgraded_by_the_manifest_and_every_container_is_as_before(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    hook(engine, "pre-docker.d", "cat > /run/before.json")
    hook(engine, "post-docker.d", "cat > /run/after.json")
    engine.machine.check("echo '# mine' >> /etc/default/docker")
    before = engine.states()
    kept.agent("check")

    plan = kept.agent("docker plan --json").json
    done = kept.agent(f"docker upgrade --plan {plan['id']} --json", timeout=400)
    shown = kept.agent("history last --json").json
    again = kept.agent("docker upgrade --json", timeout=200)

    assert (done.code, done.json["result"], done.json["running"]) == (0, "upgraded", NEWER)
    assert engine.engine_version() == NEWER
    assert engine.states() == before
    assert {name: done.json[f"containers_{name}"] for name in ("lost", "started", "stopped")} == {
        "lost": [],
        "started": ["no", "on-failure"],
        "stopped": ["off"],
    }
    assert done.json["downtime"]["engine_s"] > 0
    assert {**shown, "generated_at": ""} == {**done.json, "generated_at": ""}
    assert engine.machine.path("/etc/default/docker").read_text().endswith("# mine\n")
    assert (again.code, again.json["result"]) == (0, "unchanged")
    assert kept.status()["docker"]["running"] == NEWER
    assert not engine.machine.path(f"{STATE}/docker-snapshot.json").exists()
    assert not engine.machine.path(f"{STATE}/docker-packages").exists()
    assert '"maestro.engine-plan/1"' in engine.machine.path("/run/before.json").read_text()
    assert '"result": "upgraded"' in engine.machine.path("/run/after.json").read_text()


def test_d73_a_reboot_that_the_packages_require_is_shown_and_not_done(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = kept_engine
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
    requires = 'DPkg::Post-Invoke {"touch /run/reboot-required";};\n'
    engine.machine.write("/etc/apt/apt.conf.d/99requires", requires)
    boot = engine.machine.check("cat /proc/sys/kernel/random/boot_id")

    done = kept.agent("docker upgrade --json", timeout=400)

    assert (done.code, done.json["result"]) == (0, "upgraded")
    assert kept.status()["reboot"]["required"] is True
    assert engine.machine.check("cat /proc/sys/kernel/random/boot_id") == boot


def test_an_engine_that_runs_an_older_version_is_only_restarted_and_a_hook_may_defer_that(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    engine.install_engine(NEWER)
    before, pid = engine.states(), engine.engine_pid()
    hook(engine, "pre-docker.d", "echo busy; exit 75")

    deferred = kept.agent("docker upgrade --json", timeout=200)
    still = engine.engine_pid()
    engine.machine.check("rm /etc/maestro-agent/hooks/pre-docker.d/10-test")
    done = kept.agent("docker upgrade --json", timeout=200)

    assert (deferred.code, [one["why"] for one in deferred.json["blocked"]]) == (10, ["hook-deferred"])
    assert still == pid
    assert (done.code, done.json["result"], done.json["from"], done.json["running"]) == (0, "restarted", OLDER, NEWER)
    assert done.json["packages"] == []
    assert engine.states() == before


def test_d53_a_killed_upgrade_is_shown_and_the_next_check_finishes_it(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = prepared(kept_engine)
    before = engine.states()
    kept.agent("check")

    with engine.machine.start("maestro-agent docker upgrade --json") as command:
        kept.wait("the restart", f"grep -Eq 'phase.*(restarting|restoring)' {STATE}/docker-snapshot.json", 200)
        engine.machine.kill("KILL", WORKER)
        command.wait(timeout=60)
    shown = kept.status()["docker"]["last_upgrade"]
    kept.agent("check --wait", timeout=300)
    run = kept.agent("docker upgrade --json", timeout=300).json

    results = [one["result"] for one in kept.agent("history --json").json["runs"]]
    assert (shown["result"], shown["finished_at"]) == ("interrupted", None)
    assert results[:2] == ["unchanged", "upgraded"]
    assert run["running"] == NEWER
    assert engine.states() == before
    assert not engine.machine.path(f"{STATE}/docker-snapshot.json").exists()


def lost_at_a_check(kept: Kept) -> list[str]:
    """Return what a check sees to be lost by the last upgrade."""
    kept.agent("check")
    names: list[str] = kept.status()["docker"]["lost"]["containers"]
    return names


def test_a_container_that_cannot_start_for_its_own_reasons_is_reported_and_the_others_keep_the_new_engine(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    engine.machine.check("mkdir /srv/shared")
    engine.run_container("bound", policy="always", options="--mount type=bind,src=/srv/shared,dst=/shared")
    engine.machine.check("rmdir /srv/shared")
    before = engine.states()

    done = kept.agent("docker upgrade --json", timeout=400)
    down = lost_at_a_check(kept)
    after = engine.states()
    engine.machine.check("mkdir /srv/shared && docker start bound")
    back = lost_at_a_check(kept)

    assert (done.code, done.json["result"], done.json["running"]) == (1, "upgraded", NEWER)
    assert (down, back) == (["bound"], [])
    assert done.json["rollback"] is None
    assert done.json["containers_lost"] == ["bound"]
    assert "/srv/shared" in done.json["message"]
    assert after == {**before, "bound": "exited"}
    assert not engine.machine.path(f"{STATE}/docker-snapshot.json").exists()


def test_d10_d11_a_downgrade_across_a_major_version_needs_its_option_and_removes_the_new_client(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    engine.install_engine(NEWER)
    engine.restart()
    engine.docker("stop off")
    engine.docker("start no on-failure")
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {OLDER}\n")
    before = engine.states()

    refused = kept.agent("docker upgrade --allow-downgrade --json", timeout=200)
    done = kept.agent("docker upgrade --allow-major-downgrade --json", timeout=400)

    assert (refused.code, [one["why"] for one in refused.json["blocked"]]) == (10, ["downgrade-refused"])
    assert (done.code, done.json["result"], done.json["running"]) == (0, "upgraded", OLDER)
    assert engine.machine.version("docker-cli") is None
    assert engine.states() == before
