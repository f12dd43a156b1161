"""Plans by real libapt where `APT::Default-Release` has apt prefer a version below the security update."""

from pathlib import Path

import pytest

from agent.core.model.scope import Scope
from tests.support.private_apt import PrivateApt
from tests.support.repository import Signer, package

_PLAN = """
import json, sys
import apt_pkg
from agent.core.model.scope import Scope
from agent.core.packages.decide import decide
from agent.core.packages.dropped import NOTHING_DROPPED
from agent.core.policy.origins import parse_pattern
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import scan
from agent.host.apt.configuration import configure
from agent.host.apt.resolve import StepOrigins, resolve
from tests.core import given

scope = Scope(json.loads(sys.argv[1]))
configure()
apt_pkg.config.set("APT::Default-Release", "stable")
patterns = (parse_pattern("origin=Security,codename=stable-security", {}),)
updates = scan(PackageCache(), patterns).updates
cache = PackageCache()
security = cache.allowed(patterns)
origins = StepOrigins(allowed=security if scope is Scope.SECURITY else cache.allowed(None), security=security)
facts = given.facts(*updates)
plan = decide(given.policy(), facts, scope, NOTHING_DROPPED, lambda found, veto: resolve(cache, found, origins, veto))
print(json.dumps({
    "offered": [one.candidate for one in updates],
    "install": [[one.candidate, one.security] for one in plan.install],
    "held": [one.candidate for one in plan.held],
    "others": [one.candidate for one in plan.others],
}))
"""


@pytest.mark.parametrize("scope", Scope)
def test_every_scope_installs_the_security_update_that_is_the_highest_version(
    scope: Scope, tmp_path: Path, signer: Signer
) -> None:
    apt = PrivateApt(tmp_path, signer)
    apt.install(package("openssl", "3.5.0-1"))
    apt.repository("Debian", package("openssl", "3.5.1-1"))
    apt.repository("Security", package("openssl", "3.5.1-1+deb13u2"), suite="stable-security")

    found = apt.run(_PLAN, scope.value)

    assert found == {
        "offered": ["3.5.1-1+deb13u2", "3.5.1-1"],
        "install": [["3.5.1-1+deb13u2", True]],
        "held": [],
        "others": [],
    }
