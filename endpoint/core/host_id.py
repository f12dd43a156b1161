"""Host ids as the endpoint writes them."""

import re

_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


def parse_host_id(text: object) -> str | None:
    """Return the host id that a text is, as `urn:uuid:...` or bare; None where it is none."""
    found = _UUID.fullmatch(str(text).lower())
    return found.group(1) if found else None
