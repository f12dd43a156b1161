"""Host ids in canonical form, and UUIDs in paths."""

import re

from endpoint.errors import RefusedError

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Of hosts, instances and requests."""
_HOST_ID = re.compile(rf"(?:urn:uuid:)?({UUID.pattern})")


def parse_host_id(text: object) -> str | None:
    """Return the host id in lower case, from `urn:uuid:...` or a bare UUID; None: not a host id."""
    found = _HOST_ID.fullmatch(str(text).lower())
    return found.group(1) if found else None


def require_path_uuid(name: str, text: str) -> None:
    """Check a part of a path.

    Raises:
        RefusedError: it is not a UUID in lower case.
    """
    if not UUID.fullmatch(text):
        raise RefusedError(400, f"{name} in the path is not a UUID in lower case")
