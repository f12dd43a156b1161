"""The helper in the image weaveexec: the script hands it a command after `--local`. Exit codes and texts: 2.5, 3.2."""

import sys
import urllib.request
from collections.abc import Callable, Sequence

from tests.support.weave_programs import links
from tests.support.weave_programs.docker_api import RefusedError, ask
from tests.support.weave_programs.helper import ROUTER, STAMPED, EndedError, address, api, get, router
from tests.support.weave_programs.launching import launch


def main(words: list[str]) -> int:
    """Run one command."""
    command, *rest = words
    commands: dict[str, Callable[[list[str]], None]] = {
        "launch": launch, "stop": stop, "status": status, "report": report, "version": version, "connect": connect,
        "forget": forget, "attach": attach, "detach": detach, "ps": attached, "reset": reset, "rmpeer": rmpeer,
    }  # fmt: skip
    try:
        if command not in commands:
            raise EndedError(1, "Usage: weave COMMAND\n" + "\n".join(f"weave {name}" for name in sorted(commands)))
        commands[command](rest)
    except EndedError as ended:
        print(ended, file=sys.stderr)
        return ended.code
    return 0


def stop(_: list[str]) -> None:
    """Delete the network unless a container that runs is on it (W4), stop the router; 0 in every state seen."""
    try:
        ask("DELETE", f"/networks/{ROUTER}", version=api("1.21"))
    except RefusedError as error:
        if error.status == 400:
            print(f"unable to connect to docker: {error}", file=sys.stderr)
        elif error.status == 403:
            print(f"WARNING: the following containers are still attached to network: {error}", file=sys.stderr)
        elif error.status != 404:
            print(error, file=sys.stderr)
    try:
        found = router()
    except RefusedError:
        found = None
    if found is None or not found["State"]["Running"]:
        print("Weave is not running (ignore on Kubernetes).", file=sys.stderr)
        return
    ask("POST", f"/containers/{ROUTER}/stop", version=api())


def status(words: list[str]) -> None:
    """Print the page, between two empty lines; unknown ones end with 1."""
    print()
    try:
        code, text = get("/status" + "".join(f"/{word}" for word in words))
    except OSError:
        text, code = "", 0
    print(text)
    if code == 0:
        raise EndedError(1, _absence())
    if code == 404:
        raise EndedError(1, "Usage: weave status [targets | connections | peers | dns | ipam]")


def report(words: list[str]) -> None:
    """Print the report; the exit code without a router is curl's."""
    template = words[1] if words[:1] == ["-f"] else ""
    if template and template != "{{.Version}}":
        raise EndedError(1, "error during template execution")
    try:
        _, text = get("/report" + (f"?format={template}" if template else "?format=json"))
    except OSError:
        raise EndedError(7, _absence()) from None
    print(text, end="" if template else "\n")


def version(_: list[str]) -> None:
    """Print the version of the router if it answers, else the one of this image (M5)."""
    try:
        print(f"weave {get('/report?format={{.Version}}')[1]}")
    except OSError:
        print(f"weave {STAMPED['reports']}")


def connect(words: list[str]) -> None:
    """Add peers."""
    _post("/connect", words)


def forget(words: list[str]) -> None:
    """Remove peers."""
    _post("/forget", words)


def attach(words: list[str]) -> None:
    """Give a container an interface in the network; Docker shows nothing of it (2.1)."""
    shown = ask("GET", f"/containers/{words[-1]}/json")
    address = words[0] if len(words) > 1 else _post(f"/attach/{shown['Id']}", [])
    links.attach(shown["State"]["Pid"], address)
    print(address.partition("/")[0])


def detach(words: list[str]) -> None:
    """Take it away again."""
    links.detach(ask("GET", f"/containers/{words[-1]}/json")["State"]["Pid"])


def attached(_: list[str]) -> None:
    """Print the containers that have an interface in the network: id, hardware address, address."""
    for one in ask("GET", "/containers/json"):
        pid = ask("GET", f"/containers/{one['Id']}/json")["State"]["Pid"]
        if one["Names"] != [f"/{ROUTER}"]:
            for mac, address in links.addresses(pid):
                print(one["Id"][:12], mac, address)


def reset(_: list[str]) -> None:
    """Cut everything off; the agent never calls this (W22)."""
    stop([])
    for name in (ROUTER, "weavedb"):
        ask("DELETE", f"/containers/{name}?v=1&force=1", version=api())


def rmpeer(_: list[str]) -> None:
    """Take over the addresses of a peer; the agent never calls this (W22)."""


def _absence() -> str:
    """Return what is said of a router that does not answer; refused by Docker, it is not even there (W6)."""
    try:
        found = router()
    except RefusedError:
        found = None
    if found is None:
        return "weave container is not present. Have you launched it?"
    return f"weave container is {'restarting' if found['State']['Restarting'] else 'not running'}."


def _post(path: str, peers: Sequence[str]) -> str:
    body = "&".join(f"peer={one}" for one in peers).encode()
    try:
        with urllib.request.urlopen(f"http://{address()}{path}", body, timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        raise EndedError(1, _absence()) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
