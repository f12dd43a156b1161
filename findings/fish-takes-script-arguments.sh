#!/bin/sh
# Finding: `fish -c COMMAND -n` runs nothing and exits 0, for fish takes options behind the command as its own.
#
# For sh, dash, bash and zsh the first word behind `-c COMMAND` ends the options: `sh -c COMMAND -n` runs COMMAND. fish goes
# on reading options until the first word without a dash. So a program that runs a user's command as `$SHELL -c COMMAND
# ARGUMENT...` works in all shells but fish, and there depends on the argument: -n (only check the syntax) skips the
# command and reports success, -v prints fish's version instead, --json is an error. `fish -c COMMAND -- ARGUMENT...`
# passes them on.
#
# Seen with the Debian 12 packages fish 3.6.0-3.1+deb12u1, dash 0.5.12-2, bash 5.2.15-2+b13 and zsh 5.9-4+b15:
#     dash: ran, exit 0
#     bash: ran, exit 0
#     zsh: ran, exit 0
#     fish: did not run, exit 0
#     fish, behind --: ran, exit 0
#
# Needs Debian 12's archive. Works in a temporary folder; installs nothing. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download fish=3.6.0-3.1+deb12u1 libpcre2-32-0 dash=0.5.12-2 bash=5.2.15-2+b13 zsh=5.9-4+b15 >/dev/null 2>&1
for archive in *.deb; do
    dpkg-deb -x "$archive" root
done
libraries=$(dirname root/usr/lib/*/libpcre2-32.so.0)
export HOME="$work" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work" LD_LIBRARY_PATH="$work/$libraries"

ran() { # SHELL [--]: whether it runs the command before the argument -n
    shell=$(find "$work/root" -path "*bin/$1" -type f)
    shift
    status=0
    output=$("$shell" -c 'echo ran' "$@" -n </dev/null 2>/dev/null) || status=$?
    echo "${output:-did not run}, exit $status"
}

results=$(
    for shell in dash bash zsh fish; do
        echo "$shell: $(ran "$shell")"
    done
    echo "fish, behind --: $(ran fish --)"
)
echo "$results"
[ "$results" = "dash: ran, exit 0
bash: ran, exit 0
zsh: ran, exit 0
fish: did not run, exit 0
fish, behind --: ran, exit 0" ]
