#!/bin/sh
# Finding: of the intervals of APT::Periodic only "0" is off; "00", "0d" and an empty value run at every start of the timer,
# and "08" or "1.5" stop apt's daily script with an error of the shell, so that nothing it would do afterwards is done.
#
# apt.systemd.daily compares the text of an interval with "0" and "always" and computes with anything else. The comments at
# its top name n, ns, nm, nh, nd and "always", and 0 as off; no message says that a value was not understood. An interval
# with a leading zero is octal for the shell: "07" is seven days, "08" is an error.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing), whose script is the same file; a stamp of today:
#     0 off, 00 on, 0d on, empty on, 7d off, 07 off, 08 error, 1.5 error, Always off, always on
#
# Needs apt. Runs only the function check_stamp of the installed script, with a stamp in a temporary folder; changes nothing of
# the machine. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n '/^check_stamp()/,/^}/p' /usr/lib/apt/apt.systemd.daily >"$work/function"
cat - "$work/function" >"$work/script" <<'SCRIPT'
debug_echo() { :; }
SCRIPT
cat >>"$work/script" <<'SCRIPT'
if check_stamp "$1" "$2"; then echo on; else echo off; fi
SCRIPT
[ -s "$work/function" ]

answer() { # what the script decides for an interval, if its last run was today
    touch "$work/stamp"
    sh "$work/script" "$work/stamp" "$1" 2>/dev/null || echo error
}

dpkg-query -W apt
seen=
for interval in 0 00 0d "" 7d 07 08 1.5 Always always; do
    seen="$seen${seen:+, }${interval:-empty} $(answer "$interval")"
done
echo "$seen"
[ "$seen" = "0 off, 00 on, 0d on, empty on, 7d off, 07 off, 08 error, 1.5 error, Always off, always on" ]
