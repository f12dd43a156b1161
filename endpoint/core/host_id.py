"""Host ids in canonical form."""

import re

_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


def parse_host_id(text: object) -> str | None:
    """Return the host id in lower case, from `urn:uuid:...` or a bare UUID; None: not a host id."""
    found = _UUID.fullmatch(str(text).lower())
    return found.group(1) if found else None
