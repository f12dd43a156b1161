"""Hostile requests to the worker's socket, and programs that send, hold, lock and flood."""

import json

from tests.support.recorded import SOCKET

CONNECT = f"""
import socket, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect("{SOCKET}")
    return s
def answer(s):
    data = b""
    try:
        while chunk := s.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass  # it closed without having read all: unix(7) reports that instead of an end of file
    return data.decode()
"""
_FIELDS = {
    "schema": "maestro.job-request/1",
    "job": "check",
    "scope": "security",
    "refresh": False,
    "plan_id": None,
    "wait": True,
    "omit_document": False,
    "requested_by": "x",
}


def request(**changes: object) -> bytes:
    """Return a request that is right, but for these changes."""
    return f"{json.dumps({**_FIELDS, **changes})}\n".encode()


FORGERIES = {
    "too long": ([b"x" * 100000 + b"\n"], "longer than 32768 bytes"),
    "unfinished": ([b"{}"], "not complete after 5 s"),
    "one byte a second": ([bytes([byte]) for byte in request()], "not complete after 5 s"),
    "silent": ([], "not complete after 5 s"),
    "half closed": ([b"{}", None], "ended without a newline"),
    "rubbish": ([b"rubbish\n"], "request: Expecting value"),
    "no text": ([b"\xff\xfe\x00\n"], "request: "),
    "nothing but NUL": ([b"\0" * 100 + b"\n"], "request: "),
    "a list": ([b"[]\n"], "request"),
    "deep": ([b"[" * 4000 + b"\n"], "request: "),
    "another version": ([b'{"schema": "maestro.job-request/2"}\n'], "is not supported"),
    "another verb": ([request(job="no-such-job")], "'no-such-job' is not a valid"),
    "a verb that the socket does not offer": ([request(job="explain")], "not available over the socket"),
    "another scope": ([request(scope="kernel")], "'kernel' is not a valid"),
    "another directory": ([request(state_dir="/srv")], "unknown field 'state_dir'"),
    "another configuration": ([request(config="/srv/config.toml")], "unknown field 'config'"),
    "a wrong type": ([request(refresh="no")], "refresh"),
    "a missing field": ([b'{"schema": "maestro.job-request/1", "job": "check"}\n'], "scope"),
}
"""What is sent, a second apart, None being the end of it; and a part of what is answered."""
FORGE = """
import json, threading
def forge(name, parts):
    for attempt in range(20):
        answers[name] = exchange(parts)
        if answers[name]:
            return
        time.sleep(0.5)  # too many connections, those of the cases before among them
def exchange(parts):
    s = connect()
    try:
        for number, part in enumerate(parts):
            time.sleep(number > 0)
            s.sendall(part) if part is not None else s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side has had enough
    return answer(s)
answers = {}
slow = [threading.Thread(target=forge, args=one) for one in forgeries.items() if one[0] in SLOW]
for thread in slow:
    thread.start()
for name, parts in forgeries.items():
    if name not in SLOW:
        forge(name, parts)
for thread in slow:
    thread.join()
print(json.dumps(answers))
"""
SLOW = {"unfinished", "one byte a second", "silent", "half closed"}
"""Those that take time."""
LOCK_ALL = """
import contextlib, fcntl, os, time
held = []
for place in ("/var/lib/maestro-agent", "/run/maestro-agent", "/var/lib/apt", "/var/lib/dpkg"):
    for directory, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                file = open(os.path.join(directory, name))
                held.append(file)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
print(len(held), flush=True)
time.sleep(60)
"""


HOLD = (
    CONNECT
    + """
held = []
for number in range(16):
    try:
        held.append(connect())
    except OSError:
        break
print(len(held), flush=True)
time.sleep(60)
"""
)


FLOOD = (
    CONNECT
    + """
began = time.monotonic()
for number in range(200):
    try:
        s = connect()
        s.sendall(b"rubbish\\n")
    except OSError:
        pass
    time.sleep(max(0, began + number / 20 - time.monotonic()))
"""
)
"""200 in ten seconds."""
SUDDEN_FLOOD = (
    CONNECT
    + """
for number in range(1000):
    try:
        connect().close()
    except OSError:
        pass
"""
)
"""1000, as fast as the kernel takes them."""
