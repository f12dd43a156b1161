"""The tests' double of Weave on a machine with a real engine, held to weave-behaviour.md and docker-weave.md 3.

How to use it::

    weave = WeaveDouble(engine)            # engine: EngineMachine (tests.support.engines)
    weave.load("2.8.1", "2.9.0")           # the images weave, weaveexec, weavedb of these versions
    weave.install_script("2.8.1")          # /usr/local/bin/weave
    weave.simulate_peers(w2=Peer(...))     # further machines: they are in /report only
    weave.launch("w2", WEAVE_PASSWORD="s") # `weave launch w2`; must succeed
    weave.run("stop")                      # any command of the script: the finished process
    weave.attach_kinds()                   # a container of each kind, weave-behaviour.md 2.1
    weave.set_fault("2.9.0", launch={"code": 1, "text": "…"})

Real: the containers `weave`, `weavedb`, `weavevolumes-VERSION`, Docker's network `weave` by a plugin of the first kind
on /run/docker/plugins/{weave,weavemesh}.sock, the bridge, addresses and traffic within the machine, the refusals of
Docker's API, `docker run --rm -t` of the script with its CRLF, restart policies, what a restart of the engine does.
Simulated: peers, IPAM between machines. Another: the containers are not privileged (no CAP_SYS_RESOURCE here), there
is no DNS, no port 6783, `setup` loads from /srv/weave/published/VERSION.tar (`publish()`) instead of a registry.

Faults (`set_fault(version or "*", NAME=VALUE)`, read again at each command and each request):
- launch={"code": 1, "text": "…"}: `weave launch` says so and changes nothing.
- dies="text": the router ends with 1 and this line in its log, so it is restarted again and again.
- never_ready=True: /status is 503, Ready false. awaiting_consensus=True: IPAM without a quorum, Ready true.
- peer_name="…": the router has another name at its next launch.
"""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.conftest import CHECKOUT
from tests.support.engines import IMAGE, EngineMachine
from tests.support.weave_images import Release, load_images, write_images

SCRIPT = "/usr/local/bin/weave"
LOG = "/var/log/weave-double.log"
VERSIONS = ("2.8.1", "2.8.2", "2.8.3", "2.9.0")
_FAULTS = "/etc/weave-double.json"
_TEMPLATE = CHECKOUT / "tests/support/weave_programs/script.sh"
_FIRST_WITH_TERMINAL = (2, 8, 3)
_OTHER_SERVER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status})
        self.end_headers()
while True:
    try:
        server = http.server.HTTPServer(("127.0.0.1", 6784), Handler)
        break
    except OSError:
        time.sleep(0.02)
server.serve_forever()
"""
_LOOP = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another machine of the network, in /report only."""

    name: str
    nickname: str = "peer"
    password: str = ""
    range: str = "10.32.0.0/12"
    down: bool = False
    inbound: bool = False
    """It is listed with a port of the moment (I6)."""


def script_text(version: str, *, stamped: str | None = "", user: str = "") -> str:
    """Return the script of a version; `stamped`: another SCRIPT_VERSION, or None for a script without one."""
    release = Release(version=version)
    numbers = tuple(int(one) for one in version.split("."))
    text = _TEMPLATE.read_text().replace("@USER@", user or release.user)
    text = text.replace(" @TTY@", " -t" if numbers >= _FIRST_WITH_TERMINAL else "")
    if stamped is None:
        return text.replace('SCRIPT_VERSION="@VERSION@"\n', "")
    return text.replace("@VERSION@", stamped or version)


class WeaveDouble:
    """Weave on one machine."""

    def __init__(self, engine: EngineMachine) -> None:
        self.engine = engine
        self.machine = engine.machine
        self._faults: dict[str, dict[str, Any]] = {}

    def load(self, *versions: str) -> None:
        """Load the images of versions."""
        load_images(self.machine, [Release(version=one) for one in versions])

    def publish(self, version: str) -> None:
        """Have `weave setup` of a version find its images."""
        write_images(self.machine, f"/srv/weave/published/{version}.tar", [Release(version=version)])

    def install_script(self, version: str, **changed: Any) -> None:
        """Install the script; `changed` as for `script_text`."""
        self.machine.write(SCRIPT, script_text(version, **changed), 0o755)

    def run(self, words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the script to its end."""
        given = "".join(f"{name}={shlex.quote(value)} " for name, value in environment.items())
        return self.machine.run(f"{given}weave {words}", timeout=120)

    def launch(self, words: str = "", **environment: str) -> None:
        """Launch the router, which must succeed."""
        done = self.run(f"launch {words}", **environment)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.log()}"

    def remove(self) -> None:
        """Remove every container, Docker's network and the bridge."""
        self._faults = {}
        others = "docker ps -a --format '{{.Names}}' | grep -vx weave | xargs -r docker rm -fv"
        # the router last, and its sockets with it: Docker waits 15 s at each request for a plugin that is gone
        rest = "docker network rm weave; docker rm -fv weave; rm -f /run/docker/plugins/weave*.sock; ip link del weave"
        self.machine.run(f"rm -f {_FAULTS}; {others}; {rest}; docker volume ls -q | xargs -r docker volume rm")

    def run_router_of(self, version: str) -> None:
        """Start a router without the script, with what an earlier launch would have given it."""
        image = f"{Release(version=version).user}/weave:{version}"
        binds = "-v /:/host -v /var/run/docker.sock:/var/run/docker.sock -v /run/docker/plugins:/run/docker/plugins"
        self.engine.docker(
            f"run -d --name=weave --restart=always --net=host --pid=host --volumes-from weavedb {binds} "
            f"--cap-add NET_ADMIN {image} --plugin --proxy"
        )

    def wait_until_ready(self) -> None:
        """Wait until the router answers that it is ready."""
        ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:6784/status', timeout=2)"
        self.engine.wait("the router is ready", shlex.join(["/usr/bin/python3", "-c", ask]))

    @contextlib.contextmanager
    def port_taken(self, status: int) -> Iterator[None]:
        """Have another server on port 6784, as soon as that is free, that answers every request with a status."""
        program = _OTHER_SERVER.format(status=status)
        server = self.machine.start(shlex.join(["/usr/bin/python3", "-c", program]))
        try:
            self.engine.wait("the other server listens", "ss -Hltn sport = 6784 | grep .")
            yield
        finally:
            for pid in self.machine.processes("import http.server"):
                self.machine.run(f"kill {pid}")
            server.communicate()

    def log(self) -> str:
        """Return the log of the router."""
        return self.machine.run("docker logs weave 2>&1").stdout

    def calls(self) -> list[str]:
        """Return the commands of the script so far: "2.8.1 launch w2"."""
        return self.machine.path(LOG).read_text().splitlines()

    def simulate_peers(self, **peers: Peer) -> None:
        """Have these peers there for every version, by the address with which they are launched."""
        self.set_fault("*", peers={address: asdict(peer) for address, peer in peers.items()})

    def set_fault(self, version: str, **faults: Any) -> None:
        """Show faults with this version, or "*" with every one; None removes one."""
        kept = {**self._faults.get(version, {}), **faults}
        self._faults[version] = {name: value for name, value in kept.items() if value is not None}
        self.machine.write(_FAULTS, json.dumps(self._faults))

    def inspect(self, name: str = "weave") -> Any:
        """Return `docker inspect` of a container."""
        return json.loads(self.engine.docker(f"inspect {name}"))[0]

    def report(self) -> Any:
        """Return /report."""
        return json.loads(self.get("/report", "-H", "Accept: application/json")[1])

    def get(self, path: str, *headers: str, port: int = 6784) -> tuple[int, str]:
        """Return status and text of a page of the router."""
        given = dict(one.split(": ") for one in headers if one != "-H")
        program = (
            "import sys, json, http.client; c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=5); "
            "c.request('GET', sys.argv[2], headers=json.loads(sys.argv[3])); r = c.getresponse(); "
            "print(json.dumps([r.status, r.read().decode()]))"
        )
        words = shlex.join(["/usr/bin/python3", "-c", program, str(port), path, json.dumps(given)])
        status, text = json.loads(self.machine.check(words))
        return status, text

    def run_on_network(self, name: str, policy: str = "always") -> None:
        """Start a container with `--net=weave`."""
        self.engine.run_container(name, policy=policy, options="--net=weave")

    def run_attached(self, name: str, policy: str = "always") -> str:
        """Start a container and attach it with `weave attach`; return its address."""
        self.engine.run_container(name, policy=policy)
        return self.machine.check(f"weave attach {name}").strip()

    def run_proxied(self, name: str, policy: str = "always") -> None:
        """Start a container as Weave's proxy does: in /w/w, with a path of weavevolumes bound (W2)."""
        volumes = next(one for one in self.engine.states() if one.startswith("weavevolumes-"))
        source = next(one["Source"] for one in self.inspect(volumes)["Mounts"] if one["Destination"] == "/w")
        words = f"--name={name} --restart={policy} -v {source}:/w:ro --entrypoint /w/w {IMAGE}"
        self.engine.docker(f"run -d {words} sh -c {shlex.quote(f'touch /application-runs; {_LOOP}')}")
        self.engine.wait(f"{name} is attached", f"docker exec {name} test -e /application-runs")

    def addresses(self) -> dict[str, list[str]]:
        """Return the addresses in the interfaces of Weave, by name of each container that runs."""
        return dict(self._addresses())

    def network_id(self) -> str:
        """Return the id of Docker's network; empty without it."""
        return self.machine.run("docker network inspect weave --format '{{.Id}}'").stdout.strip()

    def _addresses(self) -> Iterator[tuple[str, list[str]]]:
        for name, pid in self.engine.pids().items():
            if name != "weave":
                shown = self.machine.check(f"nsenter -t {pid} -n ip -j -4 addr show")
                links = [one for one in json.loads(shown) if one.get("ifname", "").startswith("ethwe")]
                yield name, [info["local"] for one in links for info in one["addr_info"]]
