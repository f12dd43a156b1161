"""A host as the endpoint sees it: it reports, takes requests, and sends an event for each step of their lives."""

from dataclasses import dataclass, field

from tests.support.endpoint_server import Answer, Requests
from tests.support.messages import HASH, MOMENT, Outbox, Raw

TAKES = {"Maestro_Requests": "1"}


def step_document(request_id: str, **changes: str | None) -> Raw:
    """Return what an event `request-*` says."""
    return {
        "request_id": request_id, "verb": "check", "at": MOMENT, "why": None, "detail": None, "run": None,
        "signed_by": None, **changes,
    }  # fmt: skip


@dataclass(kw_only=True)
class RequestHost:
    """One host that takes requests, on a connection to the endpoint."""

    client: Requests
    name: str = "web1"
    box: Outbox = field(default_factory=Outbox)
    headers: dict[str, str] = field(default_factory=lambda: dict(TAKES))
    pending: list[Raw] = field(default_factory=list)
    """Events that were not acknowledged yet."""

    @property
    def host_id(self) -> str:
        return self.box.host

    def report(self) -> Answer:
        """Send the state, as a first contact does."""
        state = self.box.state()
        state["body"]["host"]["name"] = self.name
        return self.post(state)

    def beat(self) -> Answer:
        self.box.others += 1
        return self.client.beat(self.box.host, self.box.instance, self.box.others, HASH, **self.headers)

    def step(self, request_id: str, step: str, **changes: str | None) -> Answer:
        """Send the event for one step of a request."""
        return self.post(self.box.event(f"request-{step}", step_document(request_id, **changes)))

    def post(self, *messages: Raw) -> Answer:
        return self.client.post(self.box.batch(*messages), **self.headers)

    def offered(self) -> list[Raw]:
        """Return the requests in the answer to a heartbeat."""
        answer = self.beat()
        assert answer.status in {200, 204}, answer.body
        return [] if answer.status == 204 else list(answer.json.get("requests", []))
