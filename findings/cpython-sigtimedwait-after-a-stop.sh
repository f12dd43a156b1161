#!/bin/sh
# Finding: CPython's signal.sigtimedwait() returns a signal that never came if the process was stopped until after its timeout.
#
# A stop (SIGSTOP, a debugger, a frozen control group) interrupts the system call, and Python calls it again for the rest of
# the time (PEP 475). If none is left, it leaves its loop and returns the struct_siginfo that the system call should have
# filled, instead of None: the numbers are those that happened to be in memory. A daemon that waits for its signals in this
# way gets a signal number that is not in its set, or by chance one that is. So: compare si_signo with the set.
#
# Seen with Debian 12's python3.11 3.11.2-6+deb12u9; 3.13.5 and 3.14.8 of later releases do the same:
#     not stopped: None
#     stopped: a struct_siginfo, of a signal in the set: False
#
# Needs Debian 12's archive. Works in a temporary folder; installs nothing. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
version=3.11.2-6+deb12u9
apt-get -q download "python3.11-minimal=$version" "libpython3.11-minimal=$version" >/dev/null 2>&1
for archive in *.deb; do
    dpkg-deb -x "$archive" root
done

cat >wait.py <<'PY'
import os
import signal
import sys
import time

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # nobody sends it
if sys.argv[1] == "stopped":
    waiting = os.getpid()
    if os.fork() == 0:
        time.sleep(0.3)  # of the second that the other one waits
        os.kill(waiting, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(waiting, signal.SIGCONT)
        os._exit(0)
received = signal.sigtimedwait({signal.SIGUSR1}, 1)
known = received is not None and received.si_signo == signal.SIGUSR1
print(received if received is None else f"a struct_siginfo, of a signal in the set: {known}")
PY

results=$(
    for how in "not stopped" stopped; do
        echo "$how: $(root/usr/bin/python3.11 -I wait.py "$how")"
    done
)
echo "$results"
[ "$results" = "not stopped: None
stopped: a struct_siginfo, of a signal in the set: False" ]
