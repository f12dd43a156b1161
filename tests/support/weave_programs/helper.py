"""What the helper's commands share: its version, Docker, the router."""

import os
import urllib.error
import urllib.request
from typing import Any

from tests.support.weave_programs.docker_api import RefusedError, ask
from tests.support.weave_programs.stamped import api_version, stamp

ROUTER = "weave"
STAMPED = stamp()
VERSION = STAMPED["version"]
USER = os.environ.get("DOCKERHUB_USER") or STAMPED["user"]


class EndedError(Exception):
    """The command ends with this code, and this text on standard error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def api(older: str = "1.18") -> str:
    """Return the version of the API that this Weave asks for; 2.8.1 has another for the network (I15)."""
    asked = api_version(VERSION, os.environ.get("DOCKER_API_VERSION"))
    return older if asked == "1.18" else asked


def router() -> Any:
    try:
        return ask("GET", f"/containers/{ROUTER}/json", version=api())
    except RefusedError as error:
        if error.status == 404:
            return None
        raise


def address() -> str:
    return os.environ.get("WEAVE_HTTP_ADDR") or "127.0.0.1:6784"


def get(path: str, at: str = "") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{at or address()}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
