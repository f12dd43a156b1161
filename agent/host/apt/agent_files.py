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
    """Archives that are only read are in directories beside it: its name, and the id of the process."""
