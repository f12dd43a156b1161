"""What a person may have meant by a command that does not exist."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_MEANT = {
    "check": ("update", "list", "refresh", "plan", "pending", "simulate", "list-upgrades", "security-status"),
    "config": ("configuration", "configure", "conf", "settings", "validate"),
    "explain": ("info", "show", "why", "policy", "search", "hold", "held"),
    "follow": ("watch", "tail", "progress", "attach"),
    "history": ("log", "logs", "list-runs", "runs", "undo", "rollback"),
    "lock": ("unlock", "release", "locks", "fleetlock"),
    "reboot": ("shutdown", "reboot-now", "restart-host"),
    "report": ("send", "push", "publish", "metrics"),
    "restart-services": ("restart", "needrestart", "restart-service", "try-restart"),
    "run": ("daemon", "start", "serve"),
    "status": ("list", "state", "health", "ls", "overview"),
    "upgrade": (
        "update",
        "install",
        "dist-upgrade",
        "full-upgrade",
        "safe-upgrade",
        "fix",
        "apply",
        "patch",
        "run-now",
    ),
}
"""Words of other programs (apt, pro, systemctl) by the command that does that here."""


def suggestion(word: str, commands: Iterable[str]) -> str:
    """Return the end of a message: "; did you mean `maestro-agent status`?"."""
    lowered = word.lower().lstrip("-")
    meant = [command for command, words in _MEANT.items() if lowered in words]
    if lowered.startswith("cve-") or re.fullmatch(r"[a-z0-9][a-z0-9.+-]*[0-9.+][a-z0-9.+-]*", lowered):
        meant = [f"explain {word}"]
    found = meant or get_close_matches(lowered, list(commands), n=2, cutoff=0.6)
    named = " or ".join(f"`maestro-agent {command}`" for command in found)
    return f"; did you mean {named}?" if named else "; `maestro-agent help` lists the commands"
