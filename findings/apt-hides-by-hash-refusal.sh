#!/bin/sh
# Finding: when a by-hash path is refused, apt's error has another URL, and with apt 2.6 the status of a request not to it.
#
# With `Acquire-By-Hash: yes` in the Release file apt requests an index by its hash first, and by its plain name if that
# fails. If a proxy or a mirror refuses the by-hash paths (403) and has no plain file (404), the error names the plain URL
# only. apt 2.6 gives it the 403, which that URL never had: a person who fetches it by hand gets a 404. apt 3 prints both
# below the `Err:` line, both as if of one URL, and its final error has the 404 alone. No output names by-hash, so the rule
# that is at fault cannot be found from it.
#
# Seen with apt 2.6.1 (Debian 12); with 3.0.4 (13) and 3.3.3 (testing) the last line has the 404:
#     server: 403 /by-hash/SHA256/...; 404 /Packages
#     apt: Failed to fetch /Packages 403 Forbidden
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
Acquire::Languages "none";
Acquire::http::Proxy "DIRECT";
APT::Sandbox::User "root";
CONF

cat >server.py <<'PY'
"""A server with a Release file only, which refuses by-hash paths, and writes its answers."""

import hashlib
import http.server

RELEASE = f"""\
Suite: stable
Date: Sat, 28 Nov 2026 00:00:00 UTC
Acquire-By-Hash: yes
Architectures: amd64
Components: main
SHA256:
 {hashlib.sha256(b"index").hexdigest()} 5 main/binary-amd64/Packages
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = RELEASE.encode() if self.path.endswith("/Release") else b""
        status = 200 if body else 403 if "/by-hash/" in self.path else 404
        with open("answers", "a") as log:
            log.write(f"{status} {self.path}\n")
        self.send_response(status)
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

apt-get --version | head -n 1
echo "deb [trusted=yes arch=amd64] http://127.0.0.1:$(cat port)/archive stable main" >etc/sources.list
APT_CONFIG="$work/apt.conf" timeout 60 apt-get -q update >output 2>&1 || true
answers=$(sed -n 's/^\(40.\) .*binary-amd64\(.*SHA256.\).*/\1 \2...; /p; s/^\(40.\) .*binary-amd64\(.Packages\)$/\1 \2/p' answers |
    tr -d '\n')
error=$(sed -n 's/^E: \(Failed to fetch \).*binary-amd64\(.Packages\)  \(40. \) *\([A-Z][A-Za-z ]*\) .*/\1\2 \3\4/p' output)
echo "server: $answers"
echo "apt: $error"
[ "$answers" = "403 /by-hash/SHA256/...; 404 /Packages" ] && ! grep -q by-hash output &&
    case $error in
        "Failed to fetch /Packages 403 Forbidden" | "Failed to fetch /Packages 404 Not Found") true ;;
        *) false ;;
    esac
