"""The root half: one connection, one request, one job, and the end. systemd hands it the connection (accept(2)).

It believes nobody: who asks is what the kernel says, what is asked is on a closed list, and a peer that is slow,
silent or gone costs a few seconds before the job, and nothing during it.
"""

import select
import socket
import sys
import time
import traceback
from dataclasses import replace

from agent.config.load import load
from agent.core.model.plan import Scope
from agent.core.ports import StopReason
from agent.errors import AgentError, ExitCode, UsageError
from agent.host import log
from agent.host.machine.os_release import read_distro
from agent.host.process.peer import PeerCredentials, peer_credentials, uid_of
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.store import DEFAULT_DIRECTORY
from agent.worker.protocol import (
    LONGEST_REQUEST,
    JobAnswer,
    JobRequest,
    Verb,
    decode_request,
    encode_answer,
    encode_progress,
)
from agent.worker.runner import run_in_process, stop_on_signal

DAEMON_USER = "maestro-agent"
_REQUEST_S = 5.0
"""How long a peer may take to say what it wants."""
_ANSWER_S = 10.0
"""How long a peer may take to listen to the answer."""
_BEAT_S = 30.0
"""How often a job that has nothing to tell shows that it comes on."""


def main() -> int:
    """Serve the connection on standard input; return the exit code of this process, 0 unless it has a bug."""
    log.set_up()
    try:
        connection = socket.socket(fileno=0)
        peer = peer_credentials(connection)
    except OSError as error:
        print(f"maestro-agent worker: standard input is no local socket: {error}", file=sys.stderr)
        return ExitCode.USAGE
    connection.setblocking(False)
    _serve(connection, peer)
    connection.detach()  # the end of this process closes it
    return ExitCode.OK


def _serve(connection: socket.socket, peer: PeerCredentials) -> None:
    fields = {"pid": peer.pid, "uid": peer.uid}
    if peer.uid not in {0, uid_of(DAEMON_USER)}:
        log.event("request.refused", **fields, reason="neither root nor the daemon")
        return  # not a word: a stranger learns nothing here
    try:
        request = decode_request(_read_line(connection), DEFAULT_DIRECTORY)
        if peer.uid != 0:
            request = _restrict_to_schedule(request)
    except AgentError as error:
        log.event("request.refused", **fields, reason=str(error))
        _send(connection, encode_answer(JobAnswer(exit_code=error.exit_code, error=str(error))), _ANSWER_S)
        return
    log.event(
        "request.taken", **fields, verb=request.verb.value, scope=request.scope.value, requested_by=request.requested_by
    )
    try:
        answer = run_in_process(
            request, lambda said: _send(connection, encode_progress(said), 0), _with_keepalive(connection)
        )
    except AgentError as error:
        answer = JobAnswer(exit_code=error.exit_code, error=str(error))
    except Exception as error:  # noqa: BLE001 - the job's own boundary: whoever asked is told
        traceback.print_exc()
        answer = JobAnswer(exit_code=ExitCode.FAILED, error=f"internal error, see the journal of this unit: {error}")
    if request.omit_document:
        answer = replace(answer, document=None)
    log.event("request.answered", **fields, verb=request.verb.value, exit_code=answer.exit_code, error=answer.error)
    _send(connection, encode_answer(answer), _ANSWER_S)


def _restrict_to_schedule(request: JobRequest) -> JobRequest:
    """Return a request of the half without power: it may have done on schedule what the configuration says, no more.

    Raises:
        UsageError: it is anything else.
        ConfigError: the configuration is wrong.
    """
    if request.wait or request.plan_id is not None or request.scope is not Scope.SECURITY:
        raise UsageError("request: only root may choose a scope or a plan, or wait for another job")
    policy, _ = load(None, read_distro())
    if request.verb is Verb.UPGRADE and not policy.agent.upgrade:
        raise UsageError("request: the configuration has no upgrades on schedule (agent.upgrade)")
    return replace(request, requested_by=REQUESTED_BY_SCHEDULE)


def _with_keepalive(connection: socket.socket) -> StopReason:
    """Show a sign of life now and then, for as long as the job asks whether it is to stop: so it comes on."""
    asked, shown = stop_on_signal(), time.monotonic()

    def stop() -> str:
        nonlocal shown
        if time.monotonic() - shown >= _BEAT_S:
            shown = time.monotonic()
            _send(connection, encode_progress(""), 0)
        return asked()

    return stop


def _read_line(connection: socket.socket) -> bytes:
    """Read up to the first newline.

    Raises:
        UsageError: it does not come in time, is too long, or never ends.
    """
    deadline = time.monotonic() + _REQUEST_S
    data = b""
    while b"\n" not in data:
        if len(data) > LONGEST_REQUEST:
            raise UsageError(f"request: longer than {LONGEST_REQUEST} bytes")
        readable, _, _ = select.select([connection], [], [], max(deadline - time.monotonic(), 0))
        if not readable:
            raise UsageError(f"request: not complete after {_REQUEST_S:.0f} s")
        try:
            chunk = connection.recv(LONGEST_REQUEST)
        except OSError as error:
            raise UsageError(f"request: {error.strerror}") from error
        if not chunk:
            raise UsageError("request: ended without a newline")
        data += chunk
    return data.partition(b"\n")[0]


def _send(connection: socket.socket, data: bytes, patience_s: float) -> None:
    """Send what the peer takes within the time; whether it listens, and to the end, is its own business.

    A line that was begun is finished, or the next one would be read as its rest.
    """
    deadline = time.monotonic() + patience_s
    begun = False
    while data:
        try:
            data = data[connection.send(data) :]
            begun = True
        except BlockingIOError:
            if not begun and time.monotonic() >= deadline:
                return
            _, writable, _ = select.select([], [connection], [], _ANSWER_S)
            if not writable:
                return
        except OSError:
            return
