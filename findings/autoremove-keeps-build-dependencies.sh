#!/bin/sh
# Finding: `apt-get autoremove` keeps dpkg-dev, and with it make, patch and binutils, for as long as apt is installed.
#
# `apt-get build-dep` can mark what it installs as automatic, so that autoremove takes it away again. But apt suggests
# dpkg-dev, and autoremove follows suggestions of installed packages (APT::AutoRemove::SuggestsImportant, default true).
# apt is always installed, so no build environment with dpkg-dev is ever removed as a whole. Nothing in the output says
# which suggestion keeps it.
#
# Seen with apt 2.6.1 and dpkg-dev 1.21.23 (Debian 12):
#     autoremove: nothing
#     autoremove without suggestions: Remv dpkg-dev [1.21.23]
#
# Needs Debian 12's archive. Simulates on a package database of its own, in a temporary folder; installs nothing. Exits 1
# if the behaviour differs.
set -eu

apt_version=2.6.1 dev_version=1.21.23
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user downloads into it
cd "$work"
apt-get -q download "apt=$apt_version" "dpkg-dev=$dev_version" >/dev/null 2>&1
mkdir -p lists/partial archives/partial
# Without the settings of this machine: images for containers often change this one.
echo 'Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";' >apt.conf
export APT_CONFIG="$work/apt.conf"

# Both as installed, with no other relation than what apt suggests.
: >status
for archive in apt_*.deb dpkg-dev_*.deb; do
    {
        dpkg-deb -f "$archive" Package Version Architecture Maintainer Suggests Description
        echo "Status: install ok installed"
        echo
    } >>status
done
printf 'Package: dpkg-dev\nArchitecture: %s\nAuto-Installed: 1\n\n' "$(dpkg --print-architecture)" >extended_states

# autoremove OPTION...: what it would remove, or "nothing".
autoremove() {
    apt-get -q -s -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::State::lists="$work/lists" \
        -o Dir::Cache="$work" -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::extended_states="$work/extended_states" "$@" autoremove 2>/dev/null |
        grep '^Remv' || echo nothing
}

apt-get --version | head -n 1
kept=$(autoremove)
removed=$(autoremove -o APT::AutoRemove::SuggestsImportant=false)
echo "autoremove: $kept"
echo "autoremove without suggestions: $removed"
[ "$kept" = nothing ] && [ "$removed" = "Remv dpkg-dev [$dev_version]" ]
