"""`status` after a refresh that failed: attention with the cause while the last good lists are young, then unknown."""

import json

from tests.support.repository import package
from tests.support.scenario import Scenario


def test_a_mirror_that_is_away_makes_the_health_unknown_only_once_its_lists_are_old(host: Scenario) -> None:
    host.repository("security", package("a", "2"))
    host.check()
    healthy = host.agent("status --json")
    host.machine.check("mv /srv /gone")

    check = host.agent("check")
    young = host.agent("status --json", user="65534")
    text = host.agent("status").out
    offline = host.agent("check --no-refresh --json")
    state = host.machine.path("/var/lib/maestro-agent/state.json")
    state.write_text(json.dumps({**json.loads(state.read_text()), "fresh_until": "2026-01-01T00:00:00Z"}))
    old = host.agent("status --json")

    assert (healthy.code, healthy.json["health"]) == (0, "healthy")
    assert check.code == 3, "the refresh that it was asked for failed"
    assert (young.code, young.json["health"], young.json["plan"]["lists"]["state"]) == (10, "attention", "partial")
    assert offline.json["lists"]["state"] == "partial"
    assert (old.code, old.json["health"]) == (3, "unknown")
    (source,) = (error["source"] for error in young.json["plan"]["lists"]["errors"])
    for answer in (young, old):
        (reason,) = answer.json["reasons"]
        assert reason.count(source) == 1
        assert "maestro-agent check" not in reason
    assert text.count(source) == 1
    assert "with a refresh" not in check.out + check.err
