"""A booted machine on which `weave upgrade` has what it needs: images, scripts with checksums, a manifest."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.engines import engine_machine
from tests.support.recorded import RECORD
from tests.support.weave_double import SCRIPT, Peer, WeaveDouble, script_text

OLD, NEW = "2.8.3", "2.9.0"
"""Versions of one vendor."""
PASSWORD = "c0rrect-Horse-77"  # noqa: S105 - an example
SNAPSHOT = f"{RECORD}/weave-snapshot.json"
SCRIPTS = "/srv/weave-scripts"
_PEER = Peer(name="ce:2c:3b:a6:0f:10", nickname="w2", password=PASSWORD, inbound=True)


@contextlib.contextmanager
def weave_machine(layers: tuple[Path, ...]) -> Iterator[WeaveDouble]:
    """Boot a machine on layers with engine and agent; the daemon is stopped, and the manifest wants `NEW`."""
    with engine_machine(layers=layers) as engine:
        weave = WeaveDouble(engine)
        weave.load(OLD, NEW)
        engine.machine.run("echo 192.0.2.2 w2 >> /etc/hosts; systemctl stop maestro-agent.service")
        for version in (OLD, NEW):
            engine.machine.write(f"{SCRIPTS}/weave-{version}", script_text(version))
        sums = ", ".join(
            f'"{version}" = "{hashlib.sha256(script_text(version).encode()).hexdigest()}"' for version in (OLD, NEW)
        )
        engine.machine.write(
            "/etc/maestro-agent/config.d/weave.toml", f'[weave]\nsource = "{SCRIPTS}"\nsha256 = {{{sums}}}\n'
        )
        want(weave, NEW)
        yield weave


def want(weave: WeaveDouble, version: str) -> None:
    """Have the manifest want a version."""
    weave.machine.write("/etc/maestro-agent/manifest.yml", f"docker:\n  configuration:\n    weave_version: {version}\n")


def begin(weave: WeaveDouble) -> None:
    """Return to the old script, no router, no record, and one simulated peer."""
    weave.remove()
    weave.machine.run(f"rm -rf /var/log/weave-double.log {RECORD}/*")
    weave.install_script(OLD)
    weave.simulate_peers(w2=_PEER)


def launch(weave: WeaveDouble) -> None:
    """Launch the old router with a peer, a password and an MTU."""
    weave.launch("--ipalloc-range 10.32.0.0/12 w2", WEAVE_PASSWORD=PASSWORD, WEAVE_MTU="1300")


def seen(weave: WeaveDouble) -> dict[str, Any]:
    """Return what has to be the same after an upgrade."""
    shown, report = weave.inspect(), weave.report()
    return {
        "args": shown["Args"],
        "password": f"WEAVE_PASSWORD={PASSWORD}" in shown["Config"]["Env"],
        "name": report["Router"]["Name"],
        "targets": report["Router"]["Targets"],
        "connections": [one["State"] for one in report["Router"]["Connections"]],
        "range": report["IPAM"]["Range"],
    }


def script(weave: WeaveDouble) -> str:
    """Return the installed script."""
    return weave.machine.path(SCRIPT).read_text()


def nothing_kept(weave: WeaveDouble) -> bool:
    """Return whether no file of an upgrade is left."""
    return weave.machine.run(f"ls {SNAPSHOT} {RECORD}/weave-kept {SCRIPT}.maestro-new").stdout == ""
