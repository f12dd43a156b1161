#!/bin/sh
# Finding: after one refused connection, apt gives up every other port of that host, with "Could not resolve" or no reason.
#
# libapt's http method remembers an address that refused a connection and leaves it out until the method ends. It keeps
# the address without the port. So if one service of a machine is down, for example a package cache on port 3142, the
# sources of another service on the same machine fail too, although it runs: apt makes no connection to it. For a host
# that is an IP address the reason is "Could not resolve", for a name "Unable to connect to NAME:PORT:" and nothing
# behind. apt-get exits 0, as after any fault that it takes for temporary.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     the second source alone: 1 release file
#     behind a refused one: 0 release files, Could not resolve '127.0.0.1'; exit 0, 0 requests
#
# Needs Python 3. Works in a temporary folder, with a server on an ephemeral port of 127.0.0.1; changes nothing of the
# machine. Exits 1 if the behaviour differs.
set -eu

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
mkdir -p etc/apt.conf.d etc/preferences.d etc/sources.list.d state/lists/partial cache/archives/partial
mkdir -p www/archive/dists/stable
: >state/status
printf 'Suite: stable\nDate: Sat, 28 Nov 2026 00:00:00 UTC\nArchitectures: all\nComponents: main\nSHA256:\n' \
    >www/archive/dists/stable/Release
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
APT::Sandbox::User "root";
CONF

python3 -u -m http.server --bind 127.0.0.1 --directory www 0 >started 2>requests &
server=$!
while ! grep -q port started; do
    kill -0 "$server"
    sleep 0.1
done
up=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' started)
# A free port: nothing listens on it after this.
down=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

update() { # the ports of the sources
    for port; do
        echo "deb [trusted=yes] http://127.0.0.1:$port/archive stable main"
    done >etc/sources.list
    rm -rf state/lists
    mkdir -p state/lists/partial
    : >requests
    updated=0
    APT_CONFIG="$work/apt.conf" timeout 60 apt-get -q update >output 2>&1 || updated=$?
    releases=$(find state/lists -name '*_Release' | wc -l)
    requests=$(grep -c GET requests || true)
}

apt-get --version | head -n 1
update "$up"
alone=$releases
echo "the second source alone: $alone release file"
update "$down" "$up"
reason=$(sed -n "/^W: Failed to fetch http:..127.0.0.1:$up/s/.*InRelease  //p" output)
echo "behind a refused one: $releases release files, $reason; exit $updated, $requests requests"
[ "$alone $releases $updated $requests" = "1 0 0 0" ] && [ "$reason" = "Could not resolve '127.0.0.1'" ]
