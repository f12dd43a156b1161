#!/bin/sh
# Finding: the login in a mirror+http source is sent for the list of mirrors only, never to the mirrors.
#
# For http://USER:PASSWORD@HOST/ apt sends the login with every request. For mirror+http://USER:PASSWORD@HOST/list it
# fetches the list with the login, and then requests from the mirrors in it without one, even from a mirror on the same
# HOST: they answer 401. apt-transport-mirror(1) does not mention logins. A login in the mirror's URI in the list is sent.
#
# Seen with apt 2.6.1 (Debian 12), 3.0.4 (13) and 3.3.3 (testing):
#     http: /archive/dists/stable/Release with the login
#     mirror+http: /list with the login; /archive/dists/stable/Release without
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
: >state/status
cat >apt.conf <<CONF
Dir::Etc "$work/etc";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
APT::Sandbox::User "root";
CONF

cat >server.py <<'PY'
"""A server that asks for a login, and writes for each request whether it had one."""

import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        login = "Authorization" in self.headers
        with open("requests", "a") as log:
            log.write(f"{self.path} {'with the login' if login else 'without'}\n")
        body = b""
        if self.path == "/list":
            body = b"http://127.0.0.1:%d/archive\n" % self.server.server_port
        status = 401 if not login else 200 if body else 404
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
PY
python3 server.py >port &
server=$!
while [ ! -s port ]; do
    kill -0 "$server"
    sleep 0.1
done

requests() { # the source
    echo "deb [trusted=yes] $1 stable main" >etc/sources.list
    : >requests
    APT_CONFIG="$work/apt.conf" timeout 60 apt-get -q update >output 2>&1 || true
    awk '/^\/list / || /\/Release / { if (n++) printf "; "; printf "%s", $0 }' requests
}

apt-get --version | head -n 1
direct=$(requests "http://user:password@127.0.0.1:$(cat port)/archive")
mirrored=$(requests "mirror+http://user:password@127.0.0.1:$(cat port)/list")
echo "http: $direct"
echo "mirror+http: $mirrored"
[ "$direct" = "/archive/dists/stable/Release with the login" ] &&
    [ "$mirrored" = "/list with the login; /archive/dists/stable/Release without" ]
