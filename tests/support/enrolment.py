"""Agents that enrol: what they send, and what they get."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.support.endpoint_server import Answer, Requests
from tests.support.messages import Outbox


@dataclass(kw_only=True)
class Newcomer:
    """An agent that has an enrolment key and no token."""

    host_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    instance_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    name: str | None = "new-1"

    def document(self, **changes: object) -> dict[str, Any]:
        """Return `maestro.enrolment/1`."""
        return {
            "schema": "maestro.enrolment/1", "host_id": self.host_id, "instance_id": self.instance_id,
            "name": self.name, "agent_version": "0.5.0", **changes,
        }  # fmt: skip

    def ask(self, client: Requests, **changes: object) -> Answer:
        """Ask with the client's credentials, which are to be an enrolment key."""
        data = json.dumps(self.document(**changes)).encode()
        return client.send("POST", "/v1/enrol", data, Content_Encoding="identity")

    def report(self, client: Requests) -> Answer:
        """Send the first event with the client's credentials."""
        box = Outbox(host=self.host_id, instance=self.instance_id)
        return client.post(box.batch(box.event()))
