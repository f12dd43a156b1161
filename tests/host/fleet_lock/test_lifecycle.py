"""A slot from its intent to its release: killed hosts, kept slots, changed configurations, damaged records."""

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockPhase
from agent.core.fleet_lock.server import LockServer as Configured
from agent.errors import HostError, RecordError
from agent.host.fleet_lock import LocalFleetLock, LockOwner
from agent.state.store import Store
from tests.support.lock_hosts import GROUP, KilledError, LockHost
from tests.support.lock_servers import ACQUIRE, RELEASE, Heathcliff, LockServer, lock_server

KILLS = [(0, None), (None, 0), (1, None), (None, 1)]
"""Before or after which write of the record the process ends."""


@pytest.fixture
def semaphores() -> Heathcliff:
    return Heathcliff(slots={GROUP: 1})


@pytest.fixture
def server(semaphores: Heathcliff) -> Iterator[LockServer]:
    with lock_server(semaphores) as served:
        yield served


@pytest.fixture
def host(tmp_path: Path, server: LockServer) -> LockHost:
    return LockHost(name="host-a", directory=tmp_path / "a", url=server.url)


def held(host: LockHost) -> HeldLock:
    found = host.record.load().lock
    assert found is not None
    return found


def test_a_server_over_http_is_reached_without_the_proxy(host: LockHost) -> None:
    """It would get the token in clear text."""
    assert host.lock(server=replace(host.server, proxy="http://127.0.0.1:9")).acquire("kernel").granted


def test_a_slot_is_recorded_with_its_server_its_boot_and_its_run(host: LockHost, server: LockServer) -> None:
    host.lock().acquire("linux-image-6.1.0-28")

    assert held(host) == HeldLock(
        phase=LockPhase.HELD,
        url=server.url,
        group=GROUP,
        id="host-a",
        since=host.clock.now,
        boot_id="host-a-1",
        soft_reboots=0,
        machine="host-a",
        run_id="run-1",
        reason="linux-image-6.1.0-28",
    )


def test_without_a_server_every_reboot_is_granted_and_nothing_is_recorded(host: LockHost) -> None:
    lock = LocalFleetLock(None, host.record, LockOwner(boot=lambda: pytest.fail("not needed")))

    assert not lock.configured
    assert lock.acquire("kernel") == LockAnswer(granted=True)
    assert not host.store.has("fleet-lock")


@pytest.mark.parametrize(("before", "after"), KILLS)
def test_a_host_that_is_killed_while_it_takes_a_slot_gives_it_back_in_its_next_job(
    host: LockHost, semaphores: Heathcliff, before: int | None, after: int | None
) -> None:
    with pytest.raises(KilledError):
        host.lock(kill_before=before, kill_after=after).acquire("kernel")
    host.lock().release_leftover(reboot_pending=False)
    host.clock.pass_by(timedelta(minutes=30))
    host.lock().release_leftover(reboot_pending=False)

    assert not semaphores.holders()
    assert host.record.load().lock is None


@pytest.mark.parametrize(("before", "after"), KILLS)
def test_a_host_that_is_killed_while_it_gives_a_slot_back_does_so_in_its_next_job(
    host: LockHost, semaphores: Heathcliff, before: int | None, after: int | None
) -> None:
    host.lock().acquire("kernel")
    with pytest.raises(KilledError):
        host.lock(kill_before=before, kill_after=after).release()
    host.lock().release_leftover(reboot_pending=False)
    host.clock.pass_by(timedelta(minutes=5))
    host.lock().release_leftover(reboot_pending=False)

    assert not semaphores.holders()
    assert host.record.load().lock is None


@pytest.mark.parametrize("path", [ACQUIRE, RELEASE])
def test_a_process_that_is_killed_by_sigkill_during_a_call_leaves_what_the_next_one_needs(
    host: LockHost, server: LockServer, semaphores: Heathcliff, path: str
) -> None:
    if path == RELEASE:
        host.lock().acquire("kernel")
    waiting, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.read(waiting, 1)  # until its first request will kill it
            (host.lock().acquire("kernel") if path == ACQUIRE else host.lock().release())
        finally:
            os._exit(0)
    server.on_request = lambda: os.kill(child, signal.SIGKILL)
    os.write(ready, b"x")
    _, status = os.waitpid(child, 0)
    os.close(waiting)
    os.close(ready)
    server.on_request = lambda: None

    assert os.WIFSIGNALED(status)
    assert held(host).phase is (LockPhase.INTENT if path == ACQUIRE else LockPhase.RELEASING)
    host.lock().release_leftover(reboot_pending=False)
    assert not semaphores.holders()


def test_a_slot_of_a_reboot_that_is_not_verified_yet_is_no_leftover(host: LockHost, semaphores: Heathcliff) -> None:
    host.lock().acquire("kernel")
    host.boots += 1

    assert host.lock().release_leftover(reboot_pending=True) is None
    assert semaphores.holders()
    assert host.lock().release().granted
    assert not semaphores.holders()


def test_a_host_that_came_back_ill_keeps_its_slot_until_a_person_releases_it(
    host: LockHost, semaphores: Heathcliff
) -> None:
    host.lock().acquire("kernel")
    host.boots += 1
    host.lock().keep("cron.service failed")

    assert host.lock().release_leftover(reboot_pending=False) is None
    assert held(host).kept == "cron.service failed"
    assert host.lock().release().granted
    assert not semaphores.holders()


def test_a_host_that_came_back_ill_may_reboot_again_with_its_slot(host: LockHost) -> None:
    host.lock().acquire("kernel")
    taken_at = held(host).since
    host.boots += 1
    host.lock().keep("cron.service failed")
    host.clock.pass_by(timedelta(hours=1))

    assert host.lock().acquire("cron").granted
    assert (held(host).kept, held(host).run_id, held(host).since) == ("cron.service failed", "run-2", taken_at)


def test_a_slot_that_a_person_released_at_the_server_is_not_taken_for_held(
    host: LockHost, semaphores: Heathcliff
) -> None:
    host.lock().acquire("kernel")
    semaphores.held = {(GROUP, "host-b")}

    assert host.lock().acquire("kernel").why == "fleet-lock"
    assert host.record.load().lock is None


def test_a_slot_is_given_back_where_it_was_taken_and_credentials_stay_with_their_server(
    host: LockHost, server: LockServer, semaphores: Heathcliff, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret-of-the-new-server")
    host.lock().acquire("kernel")
    new_semaphores = Heathcliff(slots={"other": 1})
    with lock_server(new_semaphores) as new:
        changed = replace(host.server, url=new.url, group="other", id="new-name", token_file=str(tmp_path / "token"))
        assert host.lock(server=changed).acquire("kernel").granted

    assert not semaphores.holders()
    assert new_semaphores.holders() == {("other", "new-name")}
    assert [path for path, _, _ in server.requests] == [ACQUIRE, RELEASE]
    assert all("authorization" not in headers for _, headers, _ in server.requests)
    assert new.requests[0][1]["authorization"] == "Bearer secret-of-the-new-server"
    assert "secret" not in Path(host.store.path("fleet-lock")).read_text()


def test_no_slot_is_taken_while_an_earlier_one_at_another_server_cannot_be_given_back(
    host: LockHost, semaphores: Heathcliff
) -> None:
    host.lock().acquire("kernel")
    changed = replace(host.server, group="other")
    with lock_server(Heathcliff(slots={"other": 1})) as new:
        gone = replace(held(host), url="http://127.0.0.1:1")
        host.record.save(replace(host.record.load(), lock=gone), host.clock.now)
        answer = host.lock(server=replace(changed, url=new.url)).acquire("kernel")

        assert (answer.granted, answer.why) == (False, "lock-unreachable")
        assert not new.requests
    assert semaphores.holders()


def test_a_record_whose_server_is_gone_can_be_forgotten(host: LockHost) -> None:
    host.lock().acquire("kernel")
    host.lock().forget()

    assert not host.store.has("fleet-lock")


def test_a_damaged_record_grants_nothing_and_a_person_releases_what_it_may_name(
    host: LockHost, semaphores: Heathcliff
) -> None:
    host.lock().acquire("kernel")
    Path(host.store.path("fleet-lock")).write_text("{")

    assert host.lock().acquire("kernel").why == "lock-unreachable"
    with pytest.raises(RecordError):
        host.lock().release_leftover(reboot_pending=False)
    assert semaphores.holders()
    assert host.lock().release().granted
    assert not semaphores.holders()
    assert host.lock().acquire("kernel").granted


class _FullDisk(Store):
    """A store whose disk is full after so many writes."""

    left = 0

    def write(self, name: str, document: dict[str, object], *, mode: int = 0o644) -> None:
        if self.left == 0:
            raise HostError(os.strerror(errno.ENOSPC))
        self.left -= 1
        super().write(name, document, mode=mode)


@pytest.mark.parametrize("writes", [0, 1])
def test_on_a_full_disk_no_slot_is_held(host: LockHost, semaphores: Heathcliff, writes: int) -> None:
    store = _FullDisk(str(host.directory))
    store.left = writes
    lock = host.lock()
    lock._record = type(host.record)(store)  # noqa: SLF001 - the disk of this job alone

    with pytest.raises(HostError):
        lock.acquire("kernel")
    assert not semaphores.holders()


def test_a_clock_that_was_set_back_does_not_keep_a_record_for_ever(host: LockHost, server: LockServer) -> None:
    host.meets(server, "delayed")
    host.lock().acquire("kernel")
    host.faults_end(server)
    host.clock.pass_by(-timedelta(days=1))
    host.lock().release_leftover(reboot_pending=False)

    assert host.record.load().lock is None


@pytest.mark.parametrize(
    "broken",
    [
        lambda server: replace(server, token_file="/nowhere"),  # noqa: S106 - a path
        lambda server: replace(server, ca_file="/nowhere"),
        lambda server: replace(server, client_cert="/nowhere"),
    ],
    ids=["token", "ca", "certificate"],
)
def test_credentials_that_cannot_be_read_send_nothing_and_leave_no_record(
    host: LockHost, server: LockServer, broken: Callable[[Configured], Configured]
) -> None:
    answer = host.lock(server=broken(host.server)).acquire("kernel")

    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert "/nowhere" in answer.detail
    assert not server.requests
    assert host.record.load().lock is None


def copy_of(host: LockHost, directory: Path) -> LockHost:
    """Return the machine that boots from a copy of the host's disk, with an id of its own."""
    shutil.copytree(host.directory, directory)
    return replace(host, name="copy", directory=directory, boots=2)


@pytest.mark.parametrize("kept", ["", "cron.service failed"], ids=["held", "kept"])
def test_a_copy_of_the_disk_does_not_give_the_slot_of_the_original_back(
    host: LockHost, semaphores: Heathcliff, tmp_path: Path, kept: str
) -> None:
    host.lock().acquire("kernel")
    if kept:
        host.lock().keep(kept)
    copy = copy_of(host, tmp_path / "copy")

    assert copy.lock().held() is None
    assert copy.lock().release_leftover(reboot_pending=False) is None
    assert not copy.store.has("fleet-lock")
    assert semaphores.holders() == {(GROUP, "host-a")}


def test_a_copy_of_the_disk_asks_for_a_slot_of_its_own(host: LockHost, semaphores: Heathcliff, tmp_path: Path) -> None:
    host.lock().acquire("kernel")
    copy = copy_of(host, tmp_path / "copy")

    refused = copy.lock().acquire("kernel")
    host.lock().release()

    assert (refused.why, copy.lock().acquire("kernel").granted) == ("fleet-lock", True)
    assert semaphores.holders() == {(GROUP, "copy")}


def test_a_record_without_a_machine_is_of_this_one(host: LockHost, semaphores: Heathcliff) -> None:
    host.lock().acquire("kernel")
    record = host.record.load()
    host.record.save(replace(record, lock=replace(held(host), machine="")), host.clock.now)

    assert host.lock().release_leftover(reboot_pending=False) == LockAnswer(granted=True)
    assert not semaphores.holders()
