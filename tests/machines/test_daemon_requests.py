"""Requests of a person through the worker, on a booted machine: packages, a plan, the question on a terminal."""

import json
from typing import Any

import pytest

from tests.support.recorded import Kept
from tests.support.repository import package
from tests.support.scenario import names
from tests.support.terminal import at_terminal

pytestmark = pytest.mark.xdist_group("booted-5")


def attempted(host: Kept) -> Any:
    """Return when the schedule last counted an upgrade."""
    document = json.loads(host.machine.path("/var/lib/maestro-agent/jobs.json").read_text())
    return document["jobs"].get("upgrade", {}).get("attempted_at")


def test_packages_a_plan_and_the_question_pass_through_the_worker(own: Kept) -> None:
    own.have(package("a", "2"), package("b", "2"), package("c", "2"))
    own.check("--wait")
    runs, before = len(own.agent("history --json").json["runs"]), attempted(own)

    other = own.upgrade("--wait --plan 0123456789ab")
    unknown = own.upgrade("--wait nothing-of-that-name")
    assert (other.code, unknown.code) == (6, 2)
    assert (len(own.agent("history --json").json["runs"]), attempted(own)) == (runs, before)

    part = own.upgrade("--wait b")
    assert (part.code, names(part.json["upgraded"]), part.json["requested"]) == (0, ["b"], ["b"])
    assert attempted(own) == before

    no = at_terminal(own.machine, "maestro-agent upgrade --wait", ("[y/N] ", "n\n", ""))
    assert (no.code, own.versions("a", "c")) == (1, {"a": "1", "c": "1"})

    stale = at_terminal(own.machine, "maestro-agent upgrade --wait", ("[y/N] ", "y\n", "apt-mark hold a > /dev/null"))
    assert (stale.code, own.versions("a", "c")) == (6, {"a": "1", "c": "1"})

    yes = at_terminal(own.machine, "maestro-agent upgrade --wait", ("[y/N] ", "y\n", ""))
    assert (yes.code, own.versions("a", "c")) == (10, {"a": "1", "c": "2"})
    assert "Install 1 package? [y/N] " in yes.text
