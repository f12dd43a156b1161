"""Where a tag of a host comes from. Pure."""

from enum import Enum


class TagSource(Enum):
    """Who gave a tag; rights count the endpoint's own only, or a host could tag itself into them."""

    ENDPOINT = "endpoint"
    AGENT = "agent"
