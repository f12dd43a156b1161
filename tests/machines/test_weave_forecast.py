"""The forecast of `weave upgrade` against what an upgrade, and the way back, then cost, on the double of Weave.

MAESTRO_FORECAST_ROUNDS sets how many rounds there are, as in test_docker_forecast.py. The times of the real router are
in agent/core/weave/plan.py; the double's commands start containers of the real engine, too.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.machines.conftest import Layers
from tests.support.forecasts import within
from tests.support.recorded import Kept
from tests.support.repository import Signer
from tests.support.weave_double import WeaveDouble
from tests.support.weave_machine import NEW, OLD, begin, launch, want, weave_machine

pytestmark = pytest.mark.xdist_group("weave-5")

ROUNDS = int(os.environ.get("MAESTRO_FORECAST_ROUNDS", "1"))
_ANSWERS = "/srv/router-answers"
_PROBE = """import http.client, time
while True:
    try:
        router = http.client.HTTPConnection("127.0.0.1", 6784, timeout=0.5)
        router.request("GET", "/status")
        if router.getresponse().status == 200:
            print(time.monotonic(), flush=True)
    except OSError:
        pass
    time.sleep(0.05)
"""


@pytest.fixture
def weave(installed_beside_engine: Layers) -> Iterator[WeaveDouble]:
    with weave_machine(installed_beside_engine) as double:
        begin(double)
        launch(double)
        double.run_on_network("on-network")
        double.run_attached("attached")
        double.machine.write("/srv/probe.py", _PROBE)
        double.machine.check(f"systemd-run -q sh -c 'exec python3 /srv/probe.py >{_ANSWERS}'")
        double.engine.wait("an answer", f"test -s {_ANSWERS}")
        yield double


def test_the_outage_of_the_router_is_within_the_forecast(weave: WeaveDouble, signer: Signer) -> None:
    kept = Kept(weave.machine, signer, "bookworm")
    missed = []
    for target in (NEW, OLD) * ROUNDS:
        want(weave, target)
        answered = len(answers(weave))

        outcome: Any = kept.agent("weave upgrade --yes --allow-downgrade --json").json
        gap = longest_gap(weave, answered)

        assert (outcome["result"], outcome["running"], outcome["message"]) == ("upgraded", target, ""), outcome
        expected, measured = outcome["forecast"]["engine_s"], outcome["downtime"]["engine_s"]
        print(f"to {target}: router {measured:.2f} s of {expected} s, no answer for {gap:.2f} s")
        if not (within(measured, expected) and within(gap, (0, expected[1]))):
            missed.append(f"to {target}: {measured}, no answer for {gap}, not in {expected}")
    assert missed == []


def longest_gap(weave: WeaveDouble, answered: int) -> float:
    """Return the longest time without an answer of the router, after so many answers; it answers again."""
    count = len(answers(weave))
    weave.engine.wait("answers after the change", f"test $(wc -l < {_ANSWERS}) -gt {count + 1}")
    return max(later - earlier for earlier, later in pairwise(answers(weave)[answered - 1 :]))


def answers(weave: WeaveDouble) -> list[float]:
    """Return when the router answered."""
    text = weave.machine.path(_ANSWERS).read_text()
    return [float(line) for line in text[: text.rfind("\n") + 1].splitlines()]
