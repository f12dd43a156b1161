#!/bin/sh
# Finding: a Python process never notices a new time zone of the machine, until a C library in it calls localtime().
#
# `timedatectl set-timezone` replaces /etc/localtime. glibc's localtime() looks at the file again at each call and follows.
# Python's time and datetime call localtime_r(), which in glibc loads the file only once. So a daemon logs the old offset,
# and keeps old maintenance hours, until it is restarted. But as soon as any library in the process calls localtime(), or
# the program itself time.tzset(), all later Python calls have the new offset, in the middle of a run.
#
# Seen with Python 3.11.2 and glibc 2.36 (Debian 12), 3.13.5 and 2.41 (13), 3.14.8 and 2.43 (testing):
#     at start: +01:00
#     file replaced: +01:00
#     after C's localtime(): +05:00
#
# Needs root (for a mount namespace), Python 3 and glibc. Works in a temporary folder, which only its own process sees as
# /etc; changes nothing of the machine. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir etc
cat >zone.py <<'PY'
"""Replaces the file as timedatectl does, by a new one: a zone with a fixed offset, in the format of tzfile(5)."""

import os
import struct


def set_zone(hours):
    header = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4)
    with open("etc/new", "wb") as file:
        file.write(header + struct.pack(">lbb4s", hours * 3600, 0, 0, b"XXX"))
    os.replace("etc/new", "etc/localtime")
PY
cat >probe.py <<'PY'
import ctypes
import datetime
import sys

from zone import set_zone


def offset():
    return datetime.datetime.now().astimezone().isoformat()[-6:]


first = offset()
set_zone(5)
second = offset()
ctypes.CDLL(None).localtime(ctypes.byref(ctypes.c_long(0)))
third = offset()
print(f"at start: {first}\nfile replaced: {second}\nafter C's localtime(): {third}")
sys.exit((first, second, third) != ("+01:00", "+01:00", "+05:00"))
PY
python3 -c 'import platform; print("Python", platform.python_version(), *platform.libc_ver())'
python3 -c 'import zone; zone.set_zone(1)'
unset TZ
python=$(python3 -c 'import sys; print(sys.executable)')
unshare --mount sh -c 'mount --bind etc /etc && exec "$0" probe.py' "$python"
