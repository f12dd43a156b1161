"""The configured FleetLock server, the requests to it, and this host's name there. Pure."""

import json
from datetime import timedelta
from enum import Enum

from agent.core.frozen import frozen

ACQUIRE, RELEASE = "/v1/pre-reboot", "/v1/steady-state"
PROTOCOL_HEADER = "fleet-lock-protocol"
"""Must be "true": it keeps a redirected or forged form from taking a lock."""
REASON_HEADER = "Maestro-Lock-Reason"
"""Of maestro-endpoint, which shows it beside the holder."""
ENDPOINT_URL = "endpoint"
"""The value of `reboot.fleetlock_url` for the endpoint that reports are sent to."""
_LONGEST_REASON = 256


class IdScheme(Enum):
    """How this host's id is made, as `reboot.fleetlock_id` names it; any other text is the id itself."""

    APP = "app"
    """The host ID of the agent's reports, a keyed hash of machine-id (sd_id128_get_machine_app_specific(3))."""
    ZINCATI = "zincati"
    """Zincati's, with which poseidon/fleetlock finds the Kubernetes node."""


@frozen
class LockServer:
    """The server and how it is reached."""

    url: str
    """Base URL without a slash at its end."""
    group: str
    id: str
    token_file: str = ""
    enrolled_in: str = ""
    """Of the agent's own endpoint: the state directory, if the token there is one of enrolment."""
    is_endpoint: bool = False
    """Whether it is the agent's own endpoint: the daemon's credential is the token, if no file is named, and a header
    has the reason, which the protocol has no place for."""
    ca_file: str = ""
    """Empty: the system's CAs."""
    client_cert: str = ""
    client_key: str = ""
    proxy: str = ""


@frozen
class LockTimeouts:
    """How long one call may take, from the connection to the end of the answer."""

    acquire: timedelta = timedelta(minutes=4)
    """poseidon/fleetlock drains the Kubernetes node meanwhile. Below the 5 min after which a silent job is stalled."""
    release: timedelta = timedelta(seconds=30)


def joined(base: str, path: str) -> str:
    """Return the URL of a call. RFC 3986 would replace the last segment of a base without a slash at its end."""
    return f"{base.rstrip('/')}{path}"


def reason_header(reason: str) -> str:
    """Return a reason as the value of a header: ASCII, in one line, at most 256 characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in reason).strip()[:_LONGEST_REASON]


def request_body(lock_id: str, group: str) -> bytes:
    """Return the body of both calls: these two keys and nothing else."""
    return json.dumps({"client_params": {"id": lock_id, "group": group}}, separators=(",", ":")).encode("ascii")
