"""The worker: one connection, one request, one job, exit. systemd passes the accepted connection (Accept=yes).

Untrusted input: the peer is identified by SO_PEERCRED, the request is validated against a closed list, and a peer that
is slow, silent or gone costs a few seconds before the job and nothing during it.
"""

import gc
import os
import select
import socket
import sys
import time
from contextlib import suppress
from datetime import datetime

from agent.config.accepted import load_in_use
from agent.core.frozen import replace
from agent.core.job_control import JobControl
from agent.core.job_kinds import REBOOT_JOBS, REQUEST_JOBS, WINDOW_JOBS, JobKind
from agent.core.model.scope import Scope
from agent.core.policy.policy import DailyJobMode, Policy
from agent.core.schedule.jobs import enabled_jobs
from agent.core.schedule.slots import JobAttempts
from agent.errors import AgentError, ExitCode, UsageError
from agent.host import log
from agent.host.machine.boot_id import boot_id
from agent.host.machine.local_zone import local_zone
from agent.host.machine.os_release import read_distro
from agent.host.machine.user import DAEMON_USER
from agent.host.process.peer import PeerCredentials, peer_credentials, uid_of
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.state.timestamps import utc_now
from agent.worker.line_sender import LineSender
from agent.worker.protocol import (
    MAX_CARRIED_BYTES,
    JobAnswer,
    JobRequest,
    decode_request,
    encode_answer,
    encode_progress,
)
from agent.worker.provision_runs import provision_run
from agent.worker.reboot_runs import reboot_runs
from agent.worker.request_runs import RequestsWatch
from agent.worker.runner import run_in_process, stop_on_signal
from agent.worker.window_jobs import may_upgrade, window_runs

_REQUEST_TIMEOUT_S = 5.0
"""Time limit for the peer to send its request."""
_KEEPALIVE_S = 30.0
"""Longest time without a line while the job makes progress."""


def main_and_exit() -> None:
    """Serve one connection and end the process at once: to tear the interpreter down takes as long as a short job.

    The cyclic collector is off until here, for the imports: they leave no garbage.
    """
    gc.freeze()
    gc.enable()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has gone, or the stream is closed
            stream.flush()
    os._exit(code)


def main() -> int:
    """Serve the connection on standard input; return the exit code of this process, 0 unless it has a bug."""
    log.set_up(to_stderr=True)
    try:
        connection = socket.socket(fileno=0)
        peer = peer_credentials(connection)
    except OSError as error:
        print(f"maestro-agent worker: standard input is no local socket: {error}", file=sys.stderr)
        return ExitCode.USAGE
    connection.setblocking(False)
    serve(connection, peer)
    connection.detach()  # the end of this process closes it
    return ExitCode.OK


def serve(connection: socket.socket, peer: PeerCredentials) -> None:
    """Read one request, run its job and send the answer; a peer that is neither root nor the daemon gets none."""
    fields = {"pid": peer.pid, "uid": peer.uid}
    if peer.uid not in {0, uid_of(DAEMON_USER)}:
        log.event(log.LogEvent.REQUEST_REJECTED, **fields, reason="neither root nor the daemon")
        return  # no answer: an unknown user learns nothing here
    lines = LineSender(connection.fileno())
    try:
        request = decode_request(_read_line(connection), DEFAULT_DIRECTORY)
        if peer.uid != 0:
            request = _restrict_to_schedule(request)
    except AgentError as error:
        log.event(log.LogEvent.REQUEST_REJECTED, **fields, reason=str(error))
        lines.answer(encode_answer(JobAnswer(exit_code=error.exit_code, error=str(error))))
        return
    job = request.kind.value
    log.event(
        log.LogEvent.REQUEST_ACCEPTED, **fields, job=job, scope=request.scope.value, requested_by=request.requested_by
    )
    answer = _answer(request, lines)
    # A job that was recorded has logged its own failure.
    failed = answer.error and not answer.recorded and answer.exit_code != ExitCode.BUSY
    name = log.LogEvent.REQUEST_FAILED if failed else log.LogEvent.REQUEST_ANSWERED
    log.event(name, **fields, job=job, exit_code=answer.exit_code, error=answer.error)
    lines.answer(encode_answer(answer))


def _answer(request: JobRequest, lines: LineSender) -> JobAnswer:
    """Run the job; every error becomes an answer."""
    link = ProgressSender(lines)
    try:
        answer = run_in_process(request, JobControl(progress=link.progress, stop=stop_on_signal(), alive=link.alive))
    except AgentError as error:
        answer = JobAnswer(exit_code=error.exit_code, error=str(error))
    except Exception as error:  # noqa: BLE001 - the job's boundary: the peer gets an answer
        log.exception(log.LogEvent.REQUEST_BUG, job=request.kind.value)
        message = f"internal error (`journalctl -t maestro-agent -p err` shows more): {error}"
        answer = JobAnswer(exit_code=ExitCode.FAILED, error=message)
    return replace(answer, document=None) if request.omit_document else answer


def _restrict_to_schedule(request: JobRequest) -> JobRequest:
    """Return a request of the daemon's user: only what the configuration schedules is allowed, and only when.

    Raises:
        UsageError: it is anything else.
        ConfigError: the configuration is wrong.
    """
    limited = request.plan_id is not None or request.packages or request.scope is not Scope.SECURITY
    chosen = limited or request.options or request.session
    if request.wait or chosen or not request.prefetch:
        raise UsageError("request: only root may choose a scope, a plan, packages or options, or wait for another job")
    policy = load_in_use(DEFAULT_DIRECTORY, read_distro()).policy
    _require_due(request.kind, policy)
    return replace(request, requested_by=REQUESTED_BY_SCHEDULE)


def _require_due(kind: JobKind, policy: Policy) -> None:
    """Check that the configuration, or a document that only root writes, asks for a job now.

    Raises:
        UsageError: nothing does.
    """
    if kind in WINDOW_JOBS:
        now = utc_now()
        start = window_runs(policy, Store(DEFAULT_DIRECTORY), {}, now, local_zone()).get(kind)
        if start is None or start > now:
            raise UsageError(f"request: {kind.value} is outside its maintenance window")
    elif kind in {*REBOOT_JOBS, JobKind.PROVISION}:
        start, now = _asked_for_at(kind, policy), utc_now()
        if start is None or start > now:
            raise UsageError(f"request: nothing that root has written asks for {kind.value} now")
    elif kind in REQUEST_JOBS:
        _restrict_requests(kind, policy)
    elif kind not in enabled_jobs(policy.agent) or _is_delegated(kind, policy):
        raise UsageError(f"request: {kind.value} is not scheduled by the configuration")
    elif kind is JobKind.UPGRADE and not may_upgrade(policy.agent, utc_now(), local_zone()):
        raise UsageError(f"request: {kind.value} is outside agent.upgrade_window")


def _restrict_requests(kind: JobKind, policy: Policy) -> None:
    """Check a job for requests of the endpoint: what arrives is verified by the job, what runs is on record.

    Raises:
        UsageError: the configuration allows no request, or none is due.
    """
    if kind is JobKind.REQUEST:
        if not policy.requests.allow:
            raise UsageError("request: the configuration allows no request of an endpoint (requests.allow)")
        return
    now = utc_now()
    start = RequestsWatch(Store(DEFAULT_DIRECTORY)).next_at(policy, JobAttempts(), now, local_zone())
    if start is None or start > now:
        raise UsageError("request: no request of the endpoint is due")


def _is_delegated(job: JobKind, policy: Policy) -> bool:
    """Return whether the configuration leaves the daily upgrade to the distribution's job, on or not."""
    return job is JobKind.UPGRADE and policy.unattended_upgrades.mode is DailyJobMode.DELEGATE


def _asked_for_at(kind: JobKind, policy: Policy) -> datetime | None:
    """Return when root's documents ask for a reboot, its verification or provisioning; None: they do not."""
    store, now = Store(DEFAULT_DIRECTORY), utc_now()
    if kind is JobKind.PROVISION:
        return provision_run(policy.provision, store, None, now)
    return reboot_runs(policy, store, {}, boot_id=boot_id(), now=now, local=local_zone()).get(kind)


class ProgressSender:
    """Sends progress lines to the peer, and an empty one as keep-alive when none was sent for a while."""

    def __init__(self, lines: LineSender) -> None:
        """Take what sends; the keep-alive interval starts now."""
        self._lines = lines
        self._sent_s = time.monotonic()

    def progress(self, message: str) -> None:
        """Send a progress line, unless the peer's buffer is full."""
        self._sent_s = time.monotonic()
        self._lines.progress(encode_progress(message))

    def alive(self) -> None:
        """Send a keep-alive if the last line is too long ago; the job calls this while it makes progress."""
        if time.monotonic() - self._sent_s >= _KEEPALIVE_S:
            self.progress("")


def _read_line(connection: socket.socket) -> bytes:
    """Read up to the first newline.

    Raises:
        UsageError: it is too long, incomplete, or does not arrive in time.
    """
    deadline = time.monotonic() + _REQUEST_TIMEOUT_S
    data = b""
    while b"\n" not in data:
        if len(data) > MAX_CARRIED_BYTES:
            raise UsageError(f"request: longer than {MAX_CARRIED_BYTES} bytes")
        readable, _, _ = select.select([connection], [], [], max(deadline - time.monotonic(), 0))
        if not readable:
            raise UsageError(f"request: not complete after {_REQUEST_TIMEOUT_S:.0f} s")
        try:
            chunk = connection.recv(MAX_CARRIED_BYTES)
        except OSError as error:
            raise UsageError(f"request: {error.strerror}") from error
        if not chunk:
            raise UsageError("request: ended without a newline")
        data += chunk
    return data.partition(b"\n")[0]
