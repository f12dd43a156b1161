"""What Weave's router was launched with, from `docker inspect weave`: the script's own words and the operator's. Pure.

The script puts its environment into option words (W1), then `--plugin --proxy`, then the operator's words (I2). To
launch the same again, the option words become environment variables again. No result holds WEAVE_PASSWORD.
"""

from collections.abc import Iterator, Sequence

from agent.core.model.weave import RouterArguments

DEFAULT_HTTP_ADDRESS = "127.0.0.1:6784"
PASSWORD = "WEAVE_PASSWORD"  # noqa: S105 - the name of a variable
API_VERSION = "DOCKER_API_VERSION"
DEFAULT_RANGE = "10.32.0.0/12"
_FROM_OPTION = {
    "--port": ("WEAVE_PORT", "6783"),
    "--mtu": ("WEAVE_MTU", ""),
    "--docker-bridge": ("DOCKER_BRIDGE", "docker0"),
    "--http-addr": ("WEAVE_HTTP_ADDR", DEFAULT_HTTP_ADDRESS),
    "--status-addr": ("WEAVE_STATUS_ADDR", "127.0.0.1:6782"),
}
"""The script's option words that come from its environment, with the script's default."""
_FROM_FLAG = {"--no-fastdp": "WEAVE_NO_FASTDP", "--no-bridged-fastdp": "WEAVE_NO_BRIDGED_FASTDP"}
_COMPUTED = frozenset(
    {"--nickname", "--host-root", "--weave-bridge", "--datapath", "--dns-listen-address", "--resolv-conf"}
)
"""The script's option words that it computes at each launch."""
_FROM_ENVIRONMENT = ("WEAVE_DEBUG", "IPTABLES_BACKEND", "CHECKPOINT_DISABLE")
"""Variables that the script passes to the router as they are."""
_PASSWORDS = frozenset({"--password", "-password"})
"""The router has the second spelling from its first versions."""
_PROXY_SOCKET = "unix:///var/run/weave/weave.sock"
_FLAGS = frozenset(
    {
        *("--plugin", "--proxy", "--no-dns", "--no-discovery", "--resume", "--no-restart", "--awsvpc", "--pktdebug"),
        *("--no-fastdp", "--no-bridged-fastdp", "--no-multicast-route", "--no-default-ipalloc", "--without-dns"),
        *("--no-rewrite-hosts", "--rewrite-inspect", "--tls", "--tlsverify", "--no-ipmasq", "--expect-npc", "--help"),
        *("--no-masq-local", "--plugin-v2", "--observer", "--pkt-debug", "--version"),
    }
)
"""Options without a value."""
Option = tuple[str, tuple[str, ...]]
"""An option's name, or "" for a peer, and its words."""


def router_arguments(args: Sequence[str], environment: Sequence[str], restart_policy: str) -> RouterArguments:
    """Return what to launch again, from Args, Config.Env and HostConfig.RestartPolicy.Name of the container."""
    head, tail = _split(args)
    variables = dict(one.split("=", 1) for one in environment if "=" in one)
    options = list(options_of(head))
    own = [one for one in options_of(tail) if one[0] not in _PASSWORDS]
    words = (*_operators(options), *(word for _, found in own for word in found))
    given_range = _value(own, "--ipalloc-range")
    scripts_range = _value(options, "--ipalloc-range")
    if not given_range and scripts_range not in {"", DEFAULT_RANGE}:
        words = ("--ipalloc-range", scripts_range, *words)
    return RouterArguments(
        words=words,
        environment=tuple(sorted({**_variables(options), **_passed(variables)}.items())),
        encrypted=bool(variables.get(PASSWORD)) or any(name in _PASSWORDS for name, _ in options_of(tail)),
        peers=tuple(found[0] for name, found in own if not name),
        ipalloc_range=given_range or scripts_range,
        restart=restart_policy != "no",
    )


def http_address(args: Sequence[str]) -> tuple[str, int] | None:
    """Return where the router serves `/report`; None if its address is none of this machine's IPv4 form HOST:PORT."""
    text = _value(list(options_of(args)), "--http-addr") or DEFAULT_HTTP_ADDRESS
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 1 << 16:
        return None
    return ("127.0.0.1" if host in {"", "0.0.0.0"} else host, int(port))  # noqa: S104 - connects, and does not listen


def variable(environment: Sequence[str], name: str) -> str:
    """Return a variable of Config.Env; empty if it is not set. A name without "=" is not set (I1)."""
    return next((one.partition("=")[2] for one in environment if one.startswith(f"{name}=")), "")


def options_of(words: Sequence[str]) -> Iterator[Option]:
    """Yield the options and peers among words of the router, in order."""
    pending = list(words)
    while pending:
        word = pending.pop(0)
        name, equals, _ = word.partition("=")
        if not word.startswith("-"):
            yield "", (word,)
        elif equals or name in _FLAGS or not pending:
            yield name, (word,)
        else:
            yield name, (word, pending.pop(0))


def _split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words before the script's `--plugin --proxy`, and those after it; without the pair all are words."""
    words = list(args)
    ends = (at for at in range(len(words) - 1) if words[at : at + 2] == ["--plugin", "--proxy"])
    at = next(ends, None)
    return ([], words) if at is None else (words[:at], words[at + 2 :])


def _value(options: Sequence[Option], name: str) -> str:
    """Return the value of an option, its last one as the router takes it; empty if it is not given."""
    found = [words for one, words in options if one == name]
    if not found:
        return ""
    return found[-1][1] if len(found[-1]) > 1 else found[-1][0].partition("=")[2]


def _operators(options: Sequence[Option]) -> Iterator[str]:
    """Yield the operator's words among the script's: options of the proxy, which the script moves to the front."""
    known = {*_FROM_OPTION, *_FROM_FLAG, *_COMPUTED, *_PASSWORDS, "--ipalloc-range"}
    for name, words in options:
        if name not in known and words != ("-H", _PROXY_SOCKET):
            yield from words


def _variables(options: Sequence[Option]) -> dict[str, str]:
    valued = {name: (_value(options, option), default) for option, (name, default) in _FROM_OPTION.items()}
    given = {name for name, _ in options}
    return {
        **{name: value for name, (value, default) in valued.items() if value not in {"", default}},
        **{name: "1" for option, name in _FROM_FLAG.items() if option in given},
    }


def _passed(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables that reach the router; its API version needs WEAVE_DOCKER_ARGS, too (I16)."""
    passed = {name: variables[name] for name in _FROM_ENVIRONMENT if variables.get(name)}
    api = variables.get(API_VERSION, "")
    return {**passed, API_VERSION: api, "WEAVE_DOCKER_ARGS": f"-e {API_VERSION}={api}"} if api else passed
