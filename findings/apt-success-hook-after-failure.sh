#!/bin/sh
# Finding: apt runs APT::Update::Post-Invoke-Success although every source failed.
#
# apt.conf(5) does not describe the hook; by its name, and by its use in Ubuntu's update-notifier-common (it touches
# /var/lib/apt/periodic/update-success-stamp), it runs after an update that succeeded. libapt runs it unless every item
# failed (AcquireUpdate in apt-pkg/update.cc), and an InRelease file that is missing counts as done. So where a
# repository is gone (404), apt-get exits 100 and the stamp says that the lists were updated just now. The change time of
# a Release file in apt's lists is better evidence: it is set by each successful update (also by `Hit`), and by none in
# which the source could not be reached. An update that fails after the server confirmed the file (304, and then its key
# is missing, or it expired) sets it, too.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     apt-get update: exit 100; the hook ran
#
# Works in a temporary folder, without a network; changes nothing of the machine. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial
: >state/status
echo "deb file:$work/gone stable main" >etc/sources.list
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
APT::Update::Post-Invoke-Success { "touch $work/succeeded"; };
CONF

apt-get --version | head -n 1
updated=0
APT_CONFIG="$work/apt.conf" apt-get -q update >output 2>&1 || updated=$?
[ -e succeeded ] && hook="the hook ran" || hook="the hook did not run"
echo "apt-get update: exit $updated; $hook"
[ "$updated" = 100 ] && [ -e succeeded ]
