"""`weave launch`: the router's words and containers."""

import contextlib
import http.client
import ipaddress
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.support.weave_programs.arguments import DEFAULT_RANGE, given
from tests.support.weave_programs.docker_api import RefusedError, ask
from tests.support.weave_programs.helper import ROUTER, STAMPED, USER, VERSION, EndedError, api, get, router
from tests.support.weave_programs.stamped import fault

_CAPABILITIES = ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "NET_RAW", "DAC_READ_SEARCH"]
_BINDS = [
    *("/:/host", "/var/run/docker.sock:/var/run/docker.sock", "/run/docker/plugins:/run/docker/plugins"),
    "/var/run/weave:/var/run/weave",
]
_FROM_VARIABLES = (
    ("WEAVE_PORT", "--port", "6783"),
    ("", "--nickname", ""),
    ("", "--host-root=/host", ""),
    ("DOCKER_BRIDGE", "--docker-bridge", "docker0"),
    ("", "--weave-bridge", "weave"),
    ("", "--datapath", "datapath"),
    ("WEAVE_MTU", "--mtu", ""),
    ("", "--ipalloc-range", DEFAULT_RANGE),
    ("", "--dns-listen-address", "172.17.0.1:53"),
    ("WEAVE_HTTP_ADDR", "--http-addr", "127.0.0.1:6784"),
    ("WEAVE_STATUS_ADDR", "--status-addr", "127.0.0.1:6782"),
    ("", "--resolv-conf", "/var/run/weave/etc/resolv.conf"),
)
"""Variable, the script's option and its default, in the order seen (W1, I2)."""
_FLAGS = (("WEAVE_NO_FASTDP", "--no-fastdp"), ("WEAVE_NO_BRIDGED_FASTDP", "--no-bridged-fastdp"))


def launch(words: list[str]) -> None:
    """Make and start the router, and wait for it; without a deadline (I9)."""
    forced = fault("launch", VERSION)
    if forced:
        raise EndedError(int(forced["code"]), str(forced["text"]))
    _refuse_another_router()
    if not any(word.startswith(("--ipalloc-range", "--no-default-ipalloc")) for word in words):
        _refuse_overlap()
    restart = "--no-restart" not in words
    own, password, address_range = _operators(words)
    env = _environment(password)
    args = [*_scripts_words(address_range), "-H", "unix:///var/run/weave/weave.sock", "--plugin", "--proxy", *own]
    tag = os.environ.get("WEAVE_VERSION") or STAMPED["script"]
    _make_data_containers(tag)
    body = {
        "Image": f"{USER}/weave:{'latest' if tag == 'unreleased' else tag}",
        "Cmd": args,
        "Env": env,
        "HostConfig": {
            "NetworkMode": "host",
            "PidMode": "host",
            "RestartPolicy": {"Name": "always" if restart else "no"},
            "Binds": _BINDS,
            "VolumesFrom": ["weavedb", f"weavevolumes-{VERSION}"],
            "CapAdd": _CAPABILITIES,
            "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        },
    }
    made = _create(ROUTER, body)
    ask("POST", f"/containers/{made}/start", version=api())
    _wait_for_router(made, given(args, {}).http_address)
    print(made)


def _refuse_another_router() -> None:
    found = _present()
    if found:
        runs = found["State"]["Running"]
        if not found["Config"]["Image"].startswith(f"{USER}/weave"):
            raise EndedError(2, f"Found another {'running ' if runs else ''}container named {ROUTER!r}. Aborting.")
        if found["State"]["Restarting"]:
            raise EndedError(1, "weave container is restarting.")
        if runs:
            raise EndedError(3, "weave is already running; you can stop it with 'weave stop'.")
    try:
        if 200 <= get("/status")[0] < 300:
            raise EndedError(1, "Weave Net is already running")
    except (OSError, http.client.HTTPException):
        pass
    if found:
        ask("DELETE", f"/containers/{ROUTER}", version=api())


def _refuse_overlap() -> None:
    """Refuse the default range where a route of the host overlaps it; a given range is only warned of (2.5)."""
    with open("/proc/net/route", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    for link, address, mask in ((row[0], row[1], row[7]) for row in rows):
        numbers = [ipaddress.IPv4Address(int(one, 16).to_bytes(4, "little")) for one in (address, mask)]
        network = ipaddress.IPv4Network(f"{numbers[0]}/{numbers[1]}")
        if link != "weave" and network.prefixlen and network.overlaps(ipaddress.IPv4Network(DEFAULT_RANGE)):
            raise EndedError(1, f"ERROR: Default --ipalloc-range {DEFAULT_RANGE} overlaps with existing route on host.")


def _present() -> Any:
    try:
        return router()
    except RefusedError as error:
        raise EndedError(1, f"unable to create container: {error}") from None


def _operators(words: Sequence[str]) -> tuple[list[str], str, str]:
    """Return the operator's words for the router, a password and a range; the script takes three options out (I2)."""
    own, password, address_range = [], os.environ.get("WEAVE_PASSWORD", ""), DEFAULT_RANGE
    pending = [word for word in words if word != "--no-restart"]
    while pending:
        name, equals, value = pending[0].partition("=")
        if name in {"--password", "--ipalloc-range"}:
            value = value if equals else pending.pop(1)
            password, address_range = (value, address_range) if name == "--password" else (password, value)
            pending.pop(0)
        else:
            own.append(pending.pop(0))
    return own, password, address_range


def _environment(password: str) -> list[str]:
    """Return the variables of the router; a name alone is one that is not set (I1)."""
    names = ["DOCKER_BRIDGE", "WEAVE_DEBUG", "WEAVE_HTTP_ADDR"]
    names += ["IPTABLES_BACKEND"] if VERSION >= "2.9" else []
    found = [f"{name}={os.environ[name]}" if os.environ.get(name) else name for name in names]
    found.append(f"WEAVE_PASSWORD={password}" if password else "WEAVE_PASSWORD")
    words = os.environ.get("WEAVE_DOCKER_ARGS", "").split()
    given_more = [value for option, value in pairwise(words) if option == "-e"]
    return [*found, f"EXEC_IMAGE={USER}/weaveexec", "CHECKPOINT_DISABLE", *given_more]


def _scripts_words(address_range: str) -> Iterator[str]:
    """Yield the words that the script adds, from its environment and the machine."""
    computed = {"--nickname": os.uname().nodename, "--ipalloc-range": address_range}
    for variable, option, default in _FROM_VARIABLES:
        value = computed.get(option) or os.environ.get(variable) or default
        if option == "--host-root=/host":
            yield option
        elif value:
            yield from (option, value)
        if option == "--mtu":
            yield from (flag for name, flag in _FLAGS if os.environ.get(name))


def _make_data_containers(tag: str) -> None:
    """Make `weavedb` and `weavevolumes-VERSION` unless they are there; then stale sockets go, too (W7)."""
    wanted = {
        "weavedb": {"Image": f"{USER}/weavedb:latest", "Volumes": {"/weavedb": {}}},
        f"weavevolumes-{VERSION}": {
            "Image": f"{USER}/weaveexec:{'latest' if tag == 'unreleased' else tag}",
            "Volumes": {"/w": {}, "/w-noop": {}, "/w-nomcast": {}},
        },
    }
    for name, body in wanted.items():
        try:
            ask("GET", f"/containers/{name}/json", version=api())
        except RefusedError:
            for socket_name in ("weave", "weavemesh"):
                path = f"/host/run/docker/plugins/{socket_name}.sock"
                if os.path.exists(path):
                    os.unlink(path)
            _create(name, {**body, "Labels": {"weavevolumes": ""}, "Entrypoint": ["data-only"], "Cmd": []})


def _create(name: str, body: Mapping[str, object]) -> str:
    try:
        return str(ask("POST", f"/containers/create?name={name}", body, version=api())["Id"])
    except RefusedError as error:
        missing = error.status == 404
        reason = "no such image" if missing else str(error)
        raise EndedError(1, f"unable to create container: {reason}") from None


def _wait_for_router(made: str, address: str) -> None:
    while True:
        shown = ask("GET", f"/containers/{made}/json", version=api())
        if shown["RestartCount"] or not shown["State"]["Running"]:
            raise EndedError(1, "The weave container has died. Consult the container logs for further details.")
        with contextlib.suppress(OSError):
            if get("/status", address)[0] in {200, 503}:
                return
        time.sleep(0.1)
