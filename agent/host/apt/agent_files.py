"""Paths of the agent's own files."""

from pathlib import Path

from agent.core.frozen import frozen


@frozen
class AgentFiles:
    """Paths of the agent's own files for work with packages."""

    dpkg_log: Path
    """Gets the output of dpkg and the maintainer scripts."""
    download_log: Path
    """Lists downloaded archives until their removal."""
    scratch: Path
    """Directory for archives that are only read."""
