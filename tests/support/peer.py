"""The distribution's own `unattended-upgrade`, run as a black box on a throwaway machine."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.support.machine import Machine

COMMAND = "unattended-upgrade --verbose"
_CONFIGURATION = "/etc/apt/apt.conf.d/99peer"


@dataclass(frozen=True, kw_only=True)
class PeerAnswer:
    """What the peer said."""

    code: int
    log: str


def configure(machine: Machine, origins: Iterable[str], more: str = "") -> None:
    """Give the peer these allowed origins in place of its package's own; `more` is apt.conf(5) text."""
    patterns = " ".join(f'"{origin}";' for origin in origins)
    text = (
        "#clear Unattended-Upgrade::Allowed-Origins;\n"
        "#clear Unattended-Upgrade::Origins-Pattern;\n"
        f"Unattended-Upgrade::Origins-Pattern {{ {patterns} }};\n"
    )
    machine.write(_CONFIGURATION, text + more)


def run(machine: Machine, *, refresh: bool = True) -> PeerAnswer:
    """Fetch the package lists, which the peer leaves to others, and run it to its end."""
    fetched = machine.run("apt-get -q update").stderr if refresh else ""
    # Without this its order of work, a set's, would be another one in every run.
    done = machine.run(COMMAND, PYTHONHASHSEED="0")
    return PeerAnswer(code=done.returncode, log=fetched + done.stdout + done.stderr)


def dry_run(machine: Machine, words: str) -> list[str]:
    """Return what a dry run tells after these words; nothing if it does not. It ends there.

    What it does afterwards, each step in a process, was seen to hang.
    """
    with machine.start(f"exec {COMMAND} --dry-run 2>&1") as peer:
        assert peer.stdout is not None
        line = next((line for line in peer.stdout if words in line), "")
        for pid in machine.processes("unattended-upgrade"):
            machine.run(f"kill -KILL {pid}")
    return line.partition(words)[2].split()
