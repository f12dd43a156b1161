"""Runs inside a machine: prints what the agent's own plan expects of an upgrade of Docker to a version.

Usage: python3 -m tests.support.forecast_docker VERSION
"""

import json
import sys
from datetime import datetime, timezone

from agent.core.docker.packages import DockerOptions, PackagePorts
from agent.core.docker.plan import plan_docker
from agent.core.manifest import Manifest
from agent.core.model.engine_plan import Fate
from agent.core.model.weave import NO_WEAVE
from agent.host.apt.cache import configure
from agent.host.apt.engine_packages import AptEnginePackages
from agent.host.docker.observer import LocalEngines
from agent.host.machine.os_release import read_distro


def main(version: str) -> None:
    """Plan, and print it."""
    configure()
    packages = AptEnginePackages()
    plan = plan_docker(
        LocalEngines().docker(),
        NO_WEAVE,
        Manifest(docker_version=version),
        PackagePorts(offers=packages.offers, simulate=packages.simulate),
        DockerOptions(distro=read_distro(), allow_major_downgrade=True, remove_containers=True),
        datetime.now(timezone.utc),
    )
    down = plan.downtime
    print(
        json.dumps(
            {
                "blocked": [one.why.value for one in plan.blocked],
                "packages": {one.package: one.after for one in plan.packages},
                "engine_s": [down.low_s, down.high_s] if down else None,
                "containers": {one.name: [one.low_s, one.high_s] for one in plan.containers},
                "removes": [one.name for one in plan.containers if one.will is Fate.IS_REMOVED],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
