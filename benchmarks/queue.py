"""What the queue of requests costs the endpoint: reports a second with and without it, in one run, as ratios.

Each round measures all cases one after the other, each time beginning with another, so that other load affects all of
them equally. Single rounds of PostgreSQL differ by a third, with its checkpoints and the disk; figures are of the sums
of many short ones.
"""

from collections import defaultdict

from benchmarks.figures import Aims
from benchmarks.reports import HOSTS, Load, built_reports, endpoint_server, measure
from tests.support.endpoint_server import EndpointServer
from tests.support.messages import Outbox
from tests.support.request_hosts import TAKES, step_document

ROUNDS = 36
REPORTS = 500
AT_ONCE = 50
_AIM, _MOST = 0.9, 1.1
_TAKES = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in TAKES.items())
NONE, EMPTY, FULL = "no queue", "an empty queue", f"a request for each host, {AT_ONCE} of them running"


def requests(aims: Aims) -> None:
    """Measure both databases."""
    aims.where = "requests"
    for database in ("sqlite", "postgresql"):
        with endpoint_server(database) as server:
            loads = _measure(server)
        for case, found in loads.items():
            print(f"\n{database}, {case}: {_per_second(found):.0f} reports/s, "
                  f"{_cpu_ms(found):.2f} ms of the endpoint's processor each")  # fmt: skip
        for case in (EMPTY, FULL):
            throughput = _per_second(loads[case]) / _per_second(loads[NONE])
            processor = _cpu_ms(loads[case]) / _cpu_ms(loads[NONE])
            aims.at_most(f"processor time on {database} with {case}, as a multiple of that without,", processor, _MOST)
            aims.at_least(f"throughput on {database} with {case}, as a share of that without,", throughput, _AIM)


def _per_second(loads: list[Load]) -> float:
    return len(loads) / sum(1 / load.per_second for load in loads)


def _cpu_ms(loads: list[Load]) -> float:
    return 1000 * sum(load.endpoint_cpu_s for load in loads) / (REPORTS * len(loads))


def _measure(server: EndpointServer) -> dict[str, list[Load]]:
    token, loads = server.token("--name", "load"), defaultdict[str, list[Load]](list)
    fleets = {case: [Outbox() for _ in range(HOSTS)] for case in (NONE, EMPTY, FULL)}
    headers = {NONE: "", EMPTY: _TAKES, FULL: _TAKES}
    for case, hosts in fleets.items():
        measure(server, built_reports(token, hosts, HOSTS, headers[case]))
    _queue(server, token, fleets[FULL])
    cases = list(fleets)
    for number in range(ROUNDS):
        first = number % len(cases)
        for case in cases[first:] + cases[:first]:
            loads[case].append(measure(server, built_reports(token, fleets[case], REPORTS, headers[case])))
    return loads


def _queue(server: EndpointServer, token: str, hosts: list[Outbox]) -> None:
    """Request something of each host, and let as many as permitted begin."""
    done = server.run("request", "check", "--at-once", str(AT_ONCE), "--host", *(host.host for host in hosts))
    assert done.returncode == 0, done.stderr
    client, running = server.client(token), 0
    for host in hosts:
        answer = client.post(host.batch(host.heartbeat()), **TAKES)
        for request in answer.json.get("requests", []):
            client.post(host.batch(host.event("request-running", step_document(request["id"]))), **TAKES)
            running += 1
    assert running == AT_ONCE, running
