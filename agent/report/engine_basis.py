"""Phrases for what a forecast of downtime was computed from. Light: `docker` shows them from the record."""

from collections.abc import Iterable, Mapping

from agent.report.text import counted

_PHRASES: Mapping[str, tuple[str, str]] = {
    "live-restore": ("", "live-restore keeps the containers running"),
    "running-containers": ("container", "to restart"),
    "slow-stopped-first": ("slow container", "stopped first"),
    "slow-containers": ("slow container", "for the engine to stop"),
    "unknown-stop": ("container", "that may be slow"),
    "weave-containers": ("container", "on Weave's network"),
    "engine-killed": ("", "systemd kills the engine at its limit"),
    "engine-perhaps-killed": ("", "systemd may kill the engine at its limit"),
    "router-stop-and-launch": ("", "the router is stopped and launched"),
}
"""By code: the noun that is counted, or none, and the rest."""


def basis_text(codes: Iterable[str]) -> str:
    """Return the phrases of codes such as "slow-containers 3"; a code of a later version as it is."""
    return ", ".join(map(_phrase, codes))


def _phrase(code: str) -> str:
    name, _, number = code.partition(" ")
    if name not in _PHRASES:
        return code
    noun, rest = _PHRASES[name]
    return f"{counted(int(number), noun)} {rest}" if noun and number.isdigit() else rest
