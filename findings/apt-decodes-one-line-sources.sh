#!/bin/sh
# Finding: the same URI with %20 works in a deb822 source and fails in a one-line source, which apt decodes.
#
# apt decodes percent escapes in each word of a `deb` line (ParseQuoteWord), because this is how a word can hold a space,
# and its http method does not encode them again: the request line has a raw space. HTTP/1.1 servers answer 400. The deb822
# reader takes the URI as it is. So a source that works stops working when it is converted to the other format, and a
# one-line source needs %2520 for a space. sources.list(5) describes neither.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     one-line: GET /my packages/dists/stable/Release HTTP/1.1 -> 400
#     deb822: GET /my%20packages/dists/stable/Release HTTP/1.1 -> 200
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
mkdir -p "www/my packages/dists/stable"
: >state/status
printf 'Suite: stable\nDate: Sat, 28 Nov 2026 00:00:00 UTC\nArchitectures: all\nComponents: main\nSHA256:\n' \
    >"www/my packages/dists/stable/Release"
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
uri="http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' started)/my%20packages"

update() { # how the Release file was requested, and answered
    : >requests
    APT_CONFIG="$work/apt.conf" timeout 60 apt-get -q update >output 2>&1 || true
    rm -f etc/sources.list etc/sources.list.d/*
    sed -n 's/.*"\(GET .*\/Release HTTP.1.1\)" \([0-9]*\) .*/\1 -> \2/p' requests
}

apt-get --version | head -n 1
echo "deb [trusted=yes] $uri stable main" >etc/sources.list
one_line=$(update)
printf 'Types: deb\nURIs: %s\nSuites: stable\nComponents: main\nTrusted: yes\n' "$uri" >etc/sources.list.d/a.sources
deb822=$(update)
echo "one-line: $one_line"
echo "deb822: $deb822"
[ "$one_line" = "GET /my packages/dists/stable/Release HTTP/1.1 -> 400" ] &&
    [ "$deb822" = "GET /my%20packages/dists/stable/Release HTTP/1.1 -> 200" ]
