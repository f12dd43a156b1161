"""An earlier revision of this tree beside it on one machine, on paths of its own.

The revision comes from git: ea69c981, the last one whose heartbeats were processes, or what MAESTRO_BENCH_BEFORE names.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.roots import CHECKOUT
from tests.support.machine import Machine

REVISION = os.environ.get("MAESTRO_BENCH_BEFORE", "ea69c981")
PLACE = "/srv/before"
COMMAND = f"{PLACE}/usr/bin/maestro-agent"
_EXPORT = "export-endpoint"
_FIRST_HIDDEN = re.compile(r'_PARTS = \{\s*"([a-z-]+)"')
"""In agent/cli/main.py of revisions before the rooms were laid: their own word for the same."""


def is_known() -> bool:
    """Whether this checkout has the revision; prints that it has not."""
    found = subprocess.run(["git", "cat-file", "-e", REVISION], cwd=CHECKOUT, stderr=subprocess.DEVNULL, check=False)
    if found.returncode:
        print(f"\nnothing to compare with: this checkout has no revision {REVISION}")
        return False
    return True


def install(running: Machine, scratch: Path) -> None:
    """Put the earlier tree beside this one; `scratch` is emptied."""
    tree, installed = scratch / "tree", scratch / "installed"
    shutil.rmtree(scratch, ignore_errors=True)
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", REVISION], cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    subprocess.run(["make", "-s", "-C", str(tree), "install", f"DESTDIR={installed}"], check=True)
    for script in (installed / "usr/bin/maestro-agent", installed / "usr/libexec/maestro-agent/worker"):
        script.write_text(re.sub(r'"(/usr/share/maestro-agent)"', rf'"{PLACE}\1"', script.read_text()))
    shutil.copytree(installed, running.path(PLACE))
    running.check(f"python3 -m compileall -q {PLACE}")


def export_verb(running: Machine) -> str:
    """Return the hidden command of the earlier tree that exports to the endpoint."""
    main = running.path(f"{PLACE}/usr/share/maestro-agent/agent/cli/main.py")
    found = _FIRST_HIDDEN.search(main.read_text())
    return found[1] if found else _EXPORT
