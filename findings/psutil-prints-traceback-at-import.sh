#!/bin/sh
# Finding: `import psutil` prints a traceback and succeeds under ProcSubset=pid; its calls raise no psutil.Error.
#
# With the setting ProcSubset=pid systemd gives a hardened service a /proc with processes and nothing else, by proc's mount
# option subset=pid. psutil reads /proc/stat while it is imported. Where the file is missing it prints a traceback by
# itself and goes on, so each start of the service logs one, although nothing failed and `except` cannot catch it. Then
# Process() fails even for the process itself, which is in /proc. The error is FileNotFoundError; the documented base
# class of psutil's exceptions, psutil.Error, does not catch it.
#
# Seen with the Debian 12 package python3-psutil 5.9.4-1+b1; 6.1.1 prints no traceback and raises the same, 7.2.2 neither:
#     import: exit 0, FileNotFoundError: [Errno 2] No such file or directory: '/proc/stat'
#     Process() raises FileNotFoundError, psutil.Error: False
#
# Needs root (for a mount namespace), and Debian 12's archive and Python. Works in a temporary folder; installs nothing.
# Exits 1 if the behaviour differs.
set -eu

version=5.9.4-1+b1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download "python3-psutil=$version" >/dev/null 2>&1
dpkg-deb -x python3-psutil_*.deb unpacked
export PYTHONPATH="$work/unpacked/usr/lib/python3/dist-packages"

cat >probe.py <<'PY'
import psutil

try:
    psutil.Process()
except Exception as error:
    print(f"Process() raises {type(error).__name__}, psutil.Error: {isinstance(error, psutil.Error)}")
PY

/usr/bin/python3 -c 'import psutil; print("psutil", psutil.__version__)'
# Only the processes of a new namespace see this /proc.
probed=0
unshare --fork --pid --mount sh -c 'mount -t proc -o subset=pid proc /proc && exec /usr/bin/python3 probe.py' \
    >output 2>errors || probed=$?
last=$(tail -n 1 errors)
raised=$(cat output)
echo "import: exit $probed, $last"
echo "$raised"
[ "$probed" = 0 ] && grep -q '^Traceback' errors &&
    [ "$last" = "FileNotFoundError: [Errno 2] No such file or directory: '/proc/stat'" ] &&
    [ "$raised" = "Process() raises FileNotFoundError, psutil.Error: False" ]
