"""Runs inside a machine: has the worker run one job as the daemon does, over a socket. Standard library only."""

import json
import os
import socket
import sys

WORKER = "/usr/libexec/maestro-agent/worker"
DONE = (0, 10)
"""Exit codes of a job that did what it was for: nothing left, or something that needs a person."""


def main() -> int:
    """Request the job that the argument names, a scheduled one; return 0 if it succeeded."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        os.dup2(theirs.fileno(), 0)
        os.execv(WORKER, [WORKER])  # noqa: S606 - the agent's own
    theirs.close()
    fields = {"refresh": True, "plan_id": None, "wait": False, "omit_document": True, "requested_by": "schedule"}
    request = {"schema": "maestro.job-request/1", "job": sys.argv[1], "scope": "security", **fields}
    ours.sendall(json.dumps(request).encode() + b"\n")
    received = b""
    while more := ours.recv(65536):
        received += more
    os.waitpid(child, 0)
    answer = json.loads(received.splitlines()[-1])
    if answer.get("exit_code") not in DONE or answer.get("error"):
        print(received.decode(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
