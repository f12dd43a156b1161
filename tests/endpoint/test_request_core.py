"""Requests, pure: which event changes what, what is a failure, and a deployment's limits in any order of events."""

import random
from dataclasses import dataclass, field, replace

import pytest

from endpoint.core.deployment_phase import phase_of
from endpoint.core.deployments import (
    ENDED,
    IN_FLIGHT,
    UNSENT,
    Deployment,
    DeploymentStatus,
    QueuedRequest,
    RequestStatus,
    RequestStep,
    advances,
    goes_on,
    is_failure,
)
from endpoint.core.request_exchange import MAX_CANCELLED, MAX_REQUESTS, ExchangeView, cancel, exchange, expire

S = RequestStatus
HOST = "h1"
DEPLOYMENT = Deployment(id="d", status=DeploymentStatus.ACTIVE, at_once=2, stop_after=1, expires_s=1000.0)
STEPS = (S.RECEIVED, S.ACCEPTED, S.RUNNING, *sorted(ENDED, key=lambda status: status.value))


def queued(identity: str = "r1", status: RequestStatus = S.QUEUED, **changes: object) -> QueuedRequest:
    made = QueuedRequest(id=identity, deployment="d", host_id=HOST, status=status)
    return replace(made, **changes)  # type: ignore[arg-type]


def step(status: RequestStatus, identity: str = "r1", host: str = HOST, why: str | None = None) -> RequestStep:
    return RequestStep(request_id=identity, host_id=host, status=status, why=why)


def view(
    *requests: QueuedRequest, steps: tuple[RequestStep, ...] = (), now_s: float = 0.0, **changes: object
) -> ExchangeView:
    deployment = replace(
        DEPLOYMENT,
        in_flight=sum(request.status in IN_FLIGHT for request in requests),
        **changes,  # type: ignore[arg-type]
    )
    hosts = frozenset(request.host_id for request in requests)
    return ExchangeView(requests=requests, deployments={"d": deployment}, hosts=hosts, steps=steps, now_s=now_s)


def test_each_status_is_unsent_in_flight_or_ended() -> None:
    assert sorted([*UNSENT, *IN_FLIGHT, *ENDED], key=list(S).index) == list(S)


@pytest.mark.parametrize(
    ("known", "event", "expected"),
    [
        (None, S.RECEIVED, True),
        (None, S.DONE, True),
        (S.RECEIVED, S.RECEIVED, False),
        (S.RUNNING, S.ACCEPTED, False),
        (S.ACCEPTED, S.EXPIRED, True),
        (S.RUNNING, S.FAILED, True),
        (S.DONE, S.FAILED, False),
        (S.CANCELLED, S.RUNNING, False),
    ],
    ids=str,
)
def test_only_a_later_step_changes_a_request(
    known: RequestStatus | None,
    event: RequestStatus,
    expected: bool,  # noqa: FBT001
) -> None:
    request = queued(status=known or S.DELIVERED, host_step=known)

    assert advances(request, step(event)) is expected
    assert not advances(request, step(event, host="h2"))


def test_what_the_endpoint_assumed_yields_to_the_host() -> None:
    assumed = queued(status=S.EXPIRED)

    made = exchange(view(assumed, steps=(step(S.RUNNING),)))

    assert made.requests[0].request.status is S.RUNNING
    assert made.deployments["d"].in_flight == 1


@pytest.mark.parametrize(
    ("before", "after", "why", "expected"),
    [
        (S.RUNNING, S.FAILED, "interrupted", True),
        (S.RECEIVED, S.REFUSED, "bad-signature", True),
        (S.RECEIVED, S.REFUSED, "plan-changed", True),
        (S.RECEIVED, S.REFUSED, None, True),
        (S.RECEIVED, S.REFUSED, "a-reason-of-a-newer-agent", True),
        (S.RECEIVED, S.REFUSED, "not-allowed", False),
        (S.RECEIVED, S.REFUSED, "no-window", False),
        (S.RECEIVED, S.REFUSED, "not-in-plan", False),
        (S.DELIVERED, S.EXPIRED, None, True),
        (S.QUEUED, S.EXPIRED, None, False),
        (S.WAITING_SIGNATURE, S.EXPIRED, None, False),
        (S.RUNNING, S.DONE, None, False),
        (S.ACCEPTED, S.CANCELLED, None, False),
    ],
    ids=str,
)
def test_a_failure_is_what_speaks_against_going_on(
    before: RequestStatus,
    after: RequestStatus,
    why: str | None,
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_failure(queued(status=before), after, why) is expected


def test_the_refusal_of_a_cancelled_request_is_no_failure_and_its_failed_run_is_one() -> None:
    cancelled = queued(status=S.DELIVERED, cancelling=True)

    assert not is_failure(cancelled, S.REFUSED, "not-confirmed")
    assert is_failure(cancelled, S.FAILED, None)


USUAL = (S.RECEIVED, S.ACCEPTED, S.RUNNING)


@pytest.mark.parametrize(
    ("reported", "failures"),
    [
        ((S.FAILED,), 1),
        ((*USUAL, S.FAILED), 1),
        ((S.RECEIVED, S.REFUSED), 1),
        ((S.EXPIRED,), 1),
        ((S.RECEIVED, S.ACCEPTED, S.EXPIRED), 1),
        (USUAL, 0),
        ((S.DONE,), 0),
        ((*USUAL, S.DONE), 0),
    ],
    ids=lambda value: "-".join(step.value for step in value) if isinstance(value, tuple) else str(value),
)
@pytest.mark.parametrize(
    "known",
    [
        {"delivered_s": 1.0},
        {"delivered_s": 1.0, "host_step": S.ACCEPTED},
        {"host_step": S.RECEIVED},
    ],
    ids=["sent", "accepted", "sent-after-the-backup"],
)
def test_a_host_whose_end_was_assumed_counts_by_what_it_reports(
    known: dict[str, object], reported: tuple[RequestStatus, ...], failures: int
) -> None:
    sent = replace(queued(status=S.ACCEPTED), **known)  # type: ignore[arg-type]

    assumed, after = assumed_and_reported(sent, reported)

    assert (assumed.status, assumed.failures) == (DeploymentStatus.ACTIVE, 1)
    assert (after.failures, after.in_flight) == (failures, reported[-1] is S.RUNNING)


def test_an_end_of_a_cancelled_request_that_was_assumed_takes_back_the_failure_of_no_other() -> None:
    sent = queued(status=S.ACCEPTED, delivered_s=1.0, cancelling=True)

    failed, done = (assumed_and_reported(sent, (*USUAL, end), failures=1)[1] for end in (S.FAILED, S.DONE))

    assert (failed.failures, done.failures) == (2, 1)


def test_a_deployment_that_was_stopped_by_an_assumption_stays_so_until_a_person_resumes_it() -> None:
    sent = queued(status=S.ACCEPTED, delivered_s=1.0)

    assumed, after = assumed_and_reported(sent, (*USUAL, S.DONE), stop_after=1)

    assert assumed.status is after.status is DeploymentStatus.STOPPED
    assert after.failures == 0


def assumed_and_reported(
    sent: QueuedRequest, reported: tuple[RequestStatus, ...], *, stop_after: int = 9, failures: int = 0
) -> tuple[Deployment, Deployment]:
    """Return a deployment after the end of its only request was assumed, and after its host has reported steps."""
    late = 8 * 86400.0
    assumed = expire(replace(DEPLOYMENT, in_flight=1, stop_after=stop_after, failures=failures), (sent,), late)
    ended = assumed.requests[0].request
    assert ended.status is S.EXPIRED
    steps = tuple(step(status) for status in reported)
    after = exchange(
        ExchangeView(requests=(ended,), deployments=assumed.deployments, hosts=frozenset(), steps=steps, now_s=late + 1)
    )
    return assumed.deployments["d"], after.deployments["d"]


def test_a_receipt_is_bounded() -> None:
    many = [queued(f"r{number}") for number in range(MAX_REQUESTS + 5)]
    cancelled = [queued(f"c{number}", S.DELIVERED, cancelling=True) for number in range(MAX_CANCELLED + 5)]

    made = exchange(view(*many, *cancelled, at_once=1000))

    assert made.deliver[HOST] == [f"r{number}" for number in range(MAX_REQUESTS)]
    assert len(made.cancelled[HOST]) == MAX_CANCELLED
    assert made.deployments["d"].in_flight == MAX_REQUESTS + len(cancelled)


@pytest.mark.parametrize(
    ("status", "changes", "delivered"),
    [
        (S.QUEUED, {}, ["r1"]),
        (S.DELIVERED, {}, ["r1"]),
        (S.WAITING_SIGNATURE, {}, []),
        (S.RECEIVED, {}, []),
        (S.QUEUED, {"status": DeploymentStatus.STOPPED}, []),
        (S.DELIVERED, {"status": DeploymentStatus.STOPPED}, []),
        (S.QUEUED, {"expires_s": 0.0}, []),
        (S.QUEUED, {"at_once": 0}, []),
    ],
    ids=str,
)
def test_what_is_delivered(status: RequestStatus, changes: dict[str, object], delivered: list[str]) -> None:
    assert exchange(view(queued(status=status), **changes)).deliver[HOST] == delivered  # type: ignore[arg-type]


def test_a_host_that_takes_no_requests_in_this_response_gets_none() -> None:
    made = exchange(replace(view(queued()), hosts=frozenset()))

    assert (dict(made.deliver), made.changes) == ({}, False)


def test_a_slot_that_becomes_free_is_taken_in_the_same_contact() -> None:
    full = view(queued("r0", S.RUNNING), queued("r1"), steps=(step(S.DONE, "r0"),), at_once=1)

    made = exchange(full)

    assert made.deliver[HOST] == ["r1"]
    assert made.deployments["d"].in_flight == 1


def test_expiry_and_cancellation_leave_what_runs_to_its_host() -> None:
    requests = tuple(queued(f"r{number}", status) for number, status in enumerate(S) if status not in ENDED)
    deployment = replace(DEPLOYMENT, in_flight=4, stop_after=9)

    again = tuple(replace(request, delivered_s=1000.0) for request in requests)
    soon, silent, lost = (expire(deployment, requests, now_s) for now_s in (1000.0, 604_799.0, 605_800.0))
    early, late = (expire(deployment, again, now_s) for now_s in (4599.0, 4600.0))
    cancelled, over = (cancel(deployment, requests, now_s) for now_s in (999.0, 1000.0))

    for unsent in (soon, silent, early):
        assert [change.request.id for change in unsent.requests] == ["r0", "r1"]
    for ended in (late, lost):
        assert [change.request.id for change in ended.requests] == ["r0", "r1", "r2", "r3", "r4"]
    assert [(change.request.status in ENDED, change.request.cancelling) for change in cancelled.requests] == [
        *[(True, True)] * 2,
        *[(False, True)] * 4,
    ]
    assert over.deployments["d"].in_flight == 0
    assert cancel(deployment, requests, 0.0, lost=True).deployments["d"].in_flight == 0
    assert expire(deployment, requests, 999.0).requests == []


@pytest.mark.parametrize("status", [S.RECEIVED, S.ACCEPTED, S.RUNNING])
@pytest.mark.parametrize("of", DeploymentStatus)
def test_a_host_that_is_silent_about_a_request_gets_it_again_once_an_hour(
    status: RequestStatus, of: DeploymentStatus
) -> None:
    known = queued("r1", status, host_step=status, delivered_s=10.0, changed_s=20.0)

    early = exchange(view(known, status=of, now_s=3619.0))
    due = exchange(view(known, status=of, now_s=3620.0))
    noted = due.requests[0].request
    next_early = exchange(view(noted, status=of, now_s=7219.0))

    assert (early.deliver[HOST], early.requests) == ([], [])
    assert due.deliver[HOST] == ["r1"]
    assert (due.requests[0].again, noted.delivered_s, noted.status) == (True, 3620.0, status)
    assert due.deployments["d"].in_flight == 1
    assert next_early.deliver[HOST] == []


@pytest.mark.parametrize("changes", [{}, {"cancelling": True}], ids=["wanted", "cancelled"])
def test_the_first_delivery_after_the_expiry_is_recorded(changes: dict[str, object]) -> None:
    sent = queued("r1", S.DELIVERED, delivered_s=10.0, **changes)

    before, after = (exchange(view(sent, now_s=now_s)) for now_s in (999.0, 1000.0))

    assert before.requests == []
    assert [change.request.delivered_s for change in after.requests] == [1000.0]
    assert exchange(view(after.requests[0].request, now_s=1300.0)).requests == []


def test_the_refusal_of_another_request_with_the_same_id_does_not_end_the_one_that_the_host_has() -> None:
    refused = step(S.REFUSED, why="duplicate-id")

    assert not advances(queued(status=S.DELIVERED), refused), "as on an endpoint restored from a backup"
    assert not advances(queued(status=S.ACCEPTED, host_step=S.ACCEPTED), refused)


@pytest.mark.parametrize("status", [S.WAITING_SIGNATURE, S.QUEUED, S.ACCEPTED])
def test_a_host_gets_each_cancellation_until_it_has_answered_or_nothing_would_begin_any_more(
    status: RequestStatus,
) -> None:
    """Also of one that was not sent as far as an endpoint knows that was restored from a backup."""
    made = cancel(DEPLOYMENT, (queued(status=status),), 10.0, lost=True)
    cancelled = made.requests[0].request

    before, after = (exchange(view(cancelled, now_s=now_s)) for now_s in (999.0, 1000.0))
    answered = exchange(view(cancelled, steps=(step(S.CANCELLED),), now_s=20.0))
    running = exchange(view(cancelled, steps=(step(S.RUNNING),), now_s=20.0))

    assert (before.cancelled[HOST], before.deliver[HOST], before.changes) == (["r1"], [], False)
    assert after.cancelled[HOST] == answered.cancelled[HOST] == []
    assert (running.cancelled[HOST], running.requests[0].request.status) == (["r1"], S.RUNNING)


def test_a_request_that_only_a_failure_before_it_has_cancelled_is_not_recalled() -> None:
    assert exchange(view(queued(status=S.CANCELLED))).cancelled[HOST] == []


WHYS = ("not-allowed", "bad-signature", None)


@dataclass(kw_only=True)
class World:
    """A deployment whose hosts report steps in any order and repeatedly, and steps of requests that are not theirs."""

    chance: random.Random
    deployment: Deployment
    requests: dict[str, QueuedRequest]
    delivered: set[str] = field(default_factory=set)

    def contact(self) -> list[str]:
        """Let three hosts report and be answered; return the requests that were delivered for the first time."""
        hosts = frozenset(self.chance.sample(sorted({one.host_id for one in self.requests.values()}), 3))
        steps = tuple(found for host in sorted(hosts) for found in self._steps(host))
        named = {one.request_id for one in steps}
        requests = tuple(one for one in self.requests.values() if one.host_id in hosts or one.id in named)
        made = exchange(
            ExchangeView(requests=requests, deployments={"d": self.deployment}, hosts=hosts, steps=steps, now_s=0.0)
        )
        for change in made.requests:
            self.requests[change.request.id] = change.request
        self.deployment = made.deployments.get("d", self.deployment)
        new = [identity for ids in made.deliver.values() for identity in ids if identity not in self.delivered]
        self.delivered.update(new)
        return new

    def _steps(self, host: str) -> list[RequestStep]:
        known = [one.id for one in self.requests.values() if one.id in self.delivered or one.host_id != host]
        return [
            step(self.chance.choice(STEPS), self.chance.choice(known), host, self.chance.choice(WHYS))
            for _ in range(self.chance.randrange(3))
        ]


@pytest.mark.parametrize("seed", range(100))
def test_no_order_of_events_breaks_the_limits(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a reproducible schedule
    limit = chance.randrange(1, 6)
    world = World(
        chance=chance,
        deployment=replace(DEPLOYMENT, at_once=limit, stop_after=chance.choice((1, 3, 100))),
        requests={
            f"r{number}": QueuedRequest(id=f"r{number}", deployment="d", host_id=f"h{number % 12}", status=S.QUEUED)
            for number in range(20)
        },
    )

    for _ in range(60):
        stopped = world.deployment.status is DeploymentStatus.STOPPED
        delivered = world.contact()

        assert not (stopped and delivered)
        flying = sum(request.status in IN_FLIGHT for request in world.requests.values())
        assert flying == world.deployment.in_flight <= limit
        assert stopped <= (world.deployment.failures >= world.deployment.stop_after)


def chain(*statuses: RequestStatus) -> tuple[QueuedRequest, ...]:
    """Return the steps of one host."""
    return tuple(queued(f"r{number}", status, step=number) for number, status in enumerate(statuses, 1))


@pytest.mark.parametrize(
    ("statuses", "delivered"),
    [
        ((S.QUEUED, S.QUEUED), ["r1"]),
        ((S.DELIVERED, S.QUEUED), ["r1"]),
        ((S.RUNNING, S.QUEUED), []),
        ((S.DONE, S.QUEUED), ["r2"]),
        ((S.WAITING_SIGNATURE, S.QUEUED), []),
    ],
    ids=str,
)
def test_a_host_has_one_step_at_a_time(statuses: tuple[RequestStatus, ...], delivered: list[str]) -> None:
    made = exchange(view(*chain(*statuses), at_once=9))

    assert made.deliver[HOST] == delivered
    assert made.deployments.get("d", DEPLOYMENT).in_flight <= 1


def test_the_next_step_is_delivered_with_the_receipt_for_the_end_of_the_one_before() -> None:
    made = exchange(view(*chain(S.RUNNING, S.QUEUED), steps=(step(S.DONE, "r1"),), at_once=1))

    assert made.deliver[HOST] == ["r2"]
    assert made.deployments["d"].in_flight == 1


@pytest.mark.parametrize(
    ("status", "why", "expected"),
    [
        (S.DONE, None, True),
        (S.REFUSED, "not-in-plan", True),
        (S.REFUSED, "not-allowed", True),
        (S.REFUSED, "bad-signature", False),
        (S.FAILED, None, False),
        (S.EXPIRED, None, False),
        (S.CANCELLED, None, False),
    ],
    ids=str,
)
def test_the_steps_after_a_failure_do_not_begin(
    status: RequestStatus,
    why: str | None,
    expected: bool,  # noqa: FBT001
) -> None:
    made = exchange(view(*chain(S.RUNNING, S.QUEUED), steps=(step(status, "r1", why=why),), stop_after=9))

    assert goes_on(status, why) is expected
    assert [change.ends_later_steps for change in made.requests if change.request.id == "r1"] == [not expected]
    assert made.deliver[HOST] == (["r2"] if expected else [])


def test_steps_of_other_hosts_and_deployments_wait_for_nobody() -> None:
    of_other_host = queued("r3", step=2, host_id="h2")
    first, second = chain(S.RUNNING, S.QUEUED)

    made = exchange(view(first, replace(second, deployment="d"), of_other_host, at_once=9))

    assert (made.deliver[HOST], made.deliver["h2"]) == ([], ["r3"])


@pytest.mark.parametrize(
    ("status", "counts", "phase"),
    [
        (DeploymentStatus.ACTIVE, {S.QUEUED: 2}, "queued"),
        (DeploymentStatus.ACTIVE, {S.QUEUED: 2, S.DONE: 1}, "running"),
        (DeploymentStatus.ACTIVE, {S.RUNNING: 1, S.FAILED: 1}, "running"),
        (DeploymentStatus.ACTIVE, {S.WAITING_SIGNATURE: 1, S.QUEUED: 1}, "waiting-signature"),
        (DeploymentStatus.ACTIVE, {S.WAITING_SIGNATURE: 1, S.RUNNING: 1}, "running"),
        (DeploymentStatus.STOPPED, {S.QUEUED: 1, S.FAILED: 1}, "stopped"),
        (DeploymentStatus.STOPPED, {S.FAILED: 1, S.DONE: 1}, "failed"),
        (DeploymentStatus.CANCELLED, {S.RUNNING: 1, S.CANCELLED: 1}, "cancelling"),
        (DeploymentStatus.CANCELLED, {S.DONE: 1, S.CANCELLED: 1}, "cancelled"),
        (DeploymentStatus.ACTIVE, {S.DONE: 3, S.QUEUED: 0}, "done"),
        (DeploymentStatus.ACTIVE, {S.DONE: 3, S.REFUSED: 1}, "failed"),
        (DeploymentStatus.ACTIVE, {S.EXPIRED: 3}, "failed"),
        (DeploymentStatus.ACTIVE, {}, "done"),
    ],
    ids=str,
)
def test_the_phase_is_what_a_person_wants_to_know_first(
    status: DeploymentStatus, counts: dict[RequestStatus, int], phase: str
) -> None:
    assert phase_of(status, counts).value == phase
