#!/bin/sh
# Finding: the list files of a suite with + or ~ in its name are not where apt's own function for their names says.
#
# libapt names a list file by its URI, quoted (URItoFileName, in python-apt apt_pkg.uri_to_filename). The suite and the
# directory of a flat source are percent-encoded before that: `+` becomes %2b, and %252b in the file's name. A `+` in the
# URI of the source stays as it is. A program that joins the fields of the source to a URI, as sources.list(5) describes
# it, and passes it to uri_to_filename gets the name of a file that does not exist.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing), each with its python3-apt:
#     uri_to_filename: _dists_v1.2+x_Release
#     file in the lists: _dists_v1.2%252bx_Release
#
# Needs Debian's python3-apt. Works in a temporary folder, without a network; changes nothing of the machine. Exits 1 if
# the behaviour differs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial
mkdir -p 'packages/dists/v1.2+x'
: >state/status
printf 'Suite: v1.2+x\nDate: Sat, 28 Nov 2026 00:00:00 UTC\nArchitectures: all\nComponents: main\nSHA256:\n' \
    >'packages/dists/v1.2+x/Release'
echo "deb [trusted=yes] copy:$work/packages v1.2+x main" >etc/sources.list
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$work/apt.conf"

apt-get --version | head -n 1
apt-get -q update >output 2>&1
named=$(/usr/bin/python3 - <<'PY'
import apt_pkg

apt_pkg.init()
sources = apt_pkg.SourceList()
sources.read_main_list()
(source,) = sources.list
print(apt_pkg.uri_to_filename(f"{source.uri}dists/{source.dist}/Release"))
PY
)
found=$(basename state/lists/*_Release)
echo "uri_to_filename: _dists_${named#*_dists_}"
echo "file in the lists: _dists_${found#*_dists_}"
[ "${named#*_dists_}" = "v1.2+x_Release" ] && [ "${found#*_dists_}" = "v1.2%252bx_Release" ]
