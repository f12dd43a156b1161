"""Random schedules of requests, between the agent's record and the endpoint's tables: deliver, duplicate, reorder,
expire, cancel, kill, reboot, clock jump, an endpoint restored from a backup, and a compromised unprivileged half.

Whatever happens: no work twice, none that nobody permitted, and what is reported is what was done.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.requests import book
from agent.core.requests.ending import NO_TRACE
from agent.core.requests.model import Verb
from agent.state.timestamps import parse_utc
from endpoint.core.deployment_report import RequestRecord
from endpoint.core.deployments import ENDED, RequestStatus
from endpoint.store.database import Database
from tests.support import bases
from tests.support.request_schedules import (
    LASTING,
    UPGRADES,
    VERBS,
    Clock,
    ScheduledEndpoint,
    ScheduledHost,
    forged,
)

SCHEDULES = 2000 if bases.thorough() else 40
PARTS = 4
"""So that several processes of a run share them."""
STEPS = 40
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database, made once."""
    path = tmp_path_factory.mktemp("schedules") / "endpoint.db"
    database = Database(f"sqlite:///{path}", connections=1)
    database.create()
    database.close()
    return path


class Site:
    """One schedule: an endpoint, two hosts, and the next thing that happens."""

    def __init__(self, directory: Path, template: Path, seed: int) -> None:
        directory.mkdir()
        self.rng = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.clock = Clock()
        self.endpoint = ScheduledEndpoint(directory / "endpoint.db", template, self.clock, self.rng)
        self.calm = seed % 10 == 0
        """Nothing is killed, forged, cancelled or set: then everything must be done."""
        self.signed = self.rng.random() < 0.5
        self.hosts = [
            ScheduledHost(
                directory=directory / f"host-{number}",
                endpoint=self.endpoint,
                clock=self.clock,
                rng=self.rng,
                signed=self.signed,
                failing=not self.calm,
            )
            for number in range(2)
        ]
        self.restored_s: float | None = None

    def step(self) -> None:
        calm = [
            self.create,
            self.create,
            self.contact,
            self.contact,
            self.contact,
            self.carry,
            self.work,
            self.work,
            self.sign,
        ]
        wild = [
            *(self.wait, self.wait_long, *([self.kill_work] * 5), self.kill_carry, self.boot, self.cancel, self.forge),
            *(self.forge, self.jump, self.jump, self.backup, self.restore, *([self.lose_an_hour] * 3), self.configure),
            *(self.unreachable, self.endpoint.expire, self.replay_all),
        ]
        self.rng.choice([*calm, self.boot, self.wait] if self.calm else [*calm, *calm, *wild])()

    @property
    def host(self) -> ScheduledHost:
        return self.rng.choice(self.hosts)

    def create(self) -> None:
        verb = self.rng.choice(VERBS)
        arguments: dict[str, object] = {"fixes": ["openssl"]} if verb is Verb.UPGRADE_FIXES else {}
        if verb in UPGRADES and self.rng.random() < 0.3:
            arguments["reboot"] = "if-required"
        if verb in LASTING and not self.calm and self.rng.random() < 0.2:
            arguments["when"] = "window"
        lives = timedelta(days=20) if self.calm else self.rng.choice([HOUR, 12 * HOUR, 72 * HOUR, 200 * HOUR])
        hosts = [host.id for host in self.hosts[: self.rng.choice([1, 2])]]
        self.endpoint.create(verb, hosts, arguments, lives=lives, at_once=self.rng.choice([1, 2]), sign=self.signed)

    def sign(self) -> None:
        self.endpoint.sign()

    def contact(self) -> None:
        self.host.contact(asked=self.rng.random() < 0.9, answered=self.rng.random() < 0.8)

    def carry(self) -> None:
        self.host.carry(twice=self.rng.random() < 0.3)

    def work(self) -> None:
        self.host.work()

    def kill_work(self) -> None:
        host = self.host
        host.contact()
        host.carry()
        if self.rng.random() < 0.7:
            host.kill_in = self.rng.randrange(1, 9)
        else:
            host.store.kill = self.rng.choice(["before", "after"])
        host.work()

    def kill_carry(self) -> None:
        host = self.host
        host.store.kill = self.rng.choice(["before", "after"])
        host.carry()

    def boot(self) -> None:
        self.host.boot()

    def cancel(self) -> None:
        self.endpoint.cancel(self.rng)

    def forge(self) -> None:
        host = self.host
        host.receive(forged(self.rng, host, [other for other in self.hosts if other is not host]))

    def wait(self) -> None:
        self.clock.now += timedelta(minutes=self.rng.choice([1, 11, 45]))

    def wait_long(self) -> None:
        self.clock.now += timedelta(hours=self.rng.choice([3, 20, 60]))

    def jump(self) -> None:
        self.host.offset = timedelta(days=self.rng.choice([0, 0, 0, -2, -400, 3, 90]))

    def backup(self) -> None:
        self.endpoint.backup()

    def restore(self) -> None:
        self.restored_s = self.clock.now.timestamp()
        self.endpoint.restore()

    def lose_an_hour(self) -> None:
        """Restore the endpoint from a backup that is older than what the hosts have done and reported since."""
        self.backup()
        for host in self.hosts:
            acts: list[Callable[[], None]] = [host.work, host.contact, host.carry, host.boot, host.work]
            for act in self.rng.sample(acts, len(acts)):
                act()
            host.contact()
        self.restore()

    def replay_all(self) -> None:
        """Carry every request again that ever came, in any order, to a host with any clock."""
        host = self.host
        host.offset = timedelta(days=self.rng.choice([0, -1, -10]))
        for document in self.rng.sample(host.seen, len(host.seen)):
            host.receive(document)

    def configure(self) -> None:
        host = self.host
        host.allow = frozenset(verb for verb in VERBS if self.rng.random() < 0.7)

    def unreachable(self) -> None:
        self.endpoint.reachable = not self.endpoint.reachable

    def settle(self) -> None:
        """Let everything come to an end: no more faults, and time enough."""
        self.endpoint.reachable = True
        for host in self.hosts:
            host.offset = timedelta(0)
        waits = [timedelta(minutes=11)] * 2 + ([] if self.calm else [400 * HOUR, 2 * HOUR, 2 * HOUR])
        for wait in waits:
            self.endpoint.sign()
            self.endpoint.resume()
            for _ in range(12 if self.calm else 2):
                for host in self.hosts:
                    host.boot()
                    host.contact()
                    host.carry()
                    host.work()
                    host.boot()
                    host.contact()
            self.endpoint.expire()
            self.clock.now += wait

    def check_deeds(self) -> None:
        """Nothing happened twice, and nothing that nobody permitted."""
        for host in self.hosts:
            assert all(count == 1 for count in host.effects.values()), host.effects
            assert [deed.request for deed in host.deeds if not deed.permitted] == []

    def is_unasked(self, request: RequestRecord, restored_s: float) -> bool:
        """Whether a request has ended without another answer of its host, as it may after the restoration of a backup.

        It was not delivered by the backup, its deployment has stopped, it had expired by then, or a person ended it.
        """
        expires_s = parse_utc(str(self.endpoint.made[request.id]["expires_at"])).timestamp()
        asked = request.delivered_s is not None and request.delivered_s >= expires_s > restored_s
        return request.status is RequestStatus.CANCELLED or (request.status is RequestStatus.EXPIRED and not asked)

    def check_reports(self) -> None:
        """What the endpoint shows is what the hosts did."""
        effects = {request: count for host in self.hosts for request, count in host.effects.items()}
        for identity, request in self.endpoint.requests().items():
            told = (request.status, request.why, effects.get(identity, 0))
            assert request.status in ENDED, told
            if request.status is RequestStatus.DONE:
                assert effects.get(identity) == 1, told
            elif request.status is RequestStatus.FAILED:
                lasting = self.endpoint.made[identity]["verb"] in {verb.value for verb in LASTING}
                assert not (lasting and request.detail == NO_TRACE and effects.get(identity)), told
            elif self.restored_s is not None and self.is_unasked(request, self.restored_s):
                continue
            elif request.why != "stale":  # that says that it may have been done
                assert identity not in effects, told


@contextmanager
def site(directory: Path, template: Path, seed: int) -> Iterator[Site]:
    made = Site(directory, template, seed)
    try:
        yield made
    finally:
        made.endpoint.close()
        shutil.rmtree(directory)  # 2,000 databases


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what sets how much a record keeps; its writes need not survive a power cut of this machine."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)

    def keep(entries: int) -> None:
        monkeypatch.setattr(book, "KEPT", entries)
        monkeypatch.setattr(book, "_SPARED", 2 * entries)

    return keep


@pytest.mark.parametrize("part", range(PARTS))
def test_every_request_happens_once_or_is_reported_as_not_done(
    tmp_path: Path, template: Path, quick: Callable[[int], None], part: int
) -> None:
    done = 0
    for seed in range(part, SCHEDULES, PARTS):
        quick(6 if seed % 3 == 0 and seed % 10 else 500)
        with site(tmp_path / str(seed), template, seed) as made:
            for _ in range(STEPS):
                made.step()
                made.check_deeds()
            made.settle()
            made.check_deeds()
            made.check_reports()
            statuses = [request.status for request in made.endpoint.requests().values()]
            assert not made.calm or set(statuses) <= {RequestStatus.DONE}, f"schedule {seed}: {statuses}"
            done += statuses.count(RequestStatus.DONE)
    assert done > SCHEDULES / PARTS, "the schedules did not only refuse"
