"""The configured FleetLock server, the requests to it, and this host's name there. Pure."""

import json
import re
from dataclasses import dataclass
from enum import Enum

ACQUIRE, RELEASE = "/v1/pre-reboot", "/v1/steady-state"
PROTOCOL_HEADER = "fleet-lock-protocol"
"""Must be "true": it keeps a redirected or forged form from taking a lock."""
DEFAULT_GROUP = "default"
_GROUP = re.compile(r"[A-Za-z0-9.-]{1,128}")
"""The protocol's set of characters."""
_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


class IdScheme(Enum):
    """How this host's id is made, as `reboot.fleetlock_id` names it; any other text is the id itself."""

    APP = "app"
    """The host ID of the agent's reports, a keyed hash of machine-id (sd_id128_get_machine_app_specific(3))."""
    ZINCATI = "zincati"
    """Zincati's, with which poseidon/fleetlock finds the Kubernetes node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockServer:
    """The server and how it is reached."""

    url: str
    """Base URL without a slash at its end."""
    group: str
    id: str
    token_file: str = ""
    inherits_token: bool = False
    """Whether the daemon's credential is the token, if no file is named: for the agent's own endpoint."""
    ca_file: str = ""
    """Empty: the system's CAs."""
    client_cert: str = ""
    client_key: str = ""
    proxy: str = ""


def is_group(text: str) -> bool:
    """Return whether a text may be a group."""
    return _GROUP.fullmatch(text) is not None


def is_lock_id(text: str) -> bool:
    """Return whether a text may be an id: ASCII, for some servers make keys of a database of it."""
    return _ID.fullmatch(text) is not None


def joined(base: str, path: str) -> str:
    """Return the URL of a call. RFC 3986 would replace the last segment of a base without a slash at its end."""
    return f"{base.rstrip('/')}{path}"


def request_body(lock_id: str, group: str) -> bytes:
    """Return the body of both calls: these two keys and nothing else."""
    return json.dumps({"client_params": {"id": lock_id, "group": group}}, separators=(",", ":")).encode("ascii")
