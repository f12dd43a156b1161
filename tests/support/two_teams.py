"""A fleet of two teams: what one of them has must not show to the other in any answer.

Everything of the hidden team has the word "zebra" or an id below; its host gives itself the other team's tag.
"""

import json
import re
import uuid
from datetime import datetime, timedelta, timezone

from endpoint.core.audit import AuditAction
from endpoint.core.deploy.new_deployment import NewRequest
from endpoint.core.deployment_report import DeploymentRecord
from endpoint.store.audit import Audit
from endpoint.store.deployments import DeploymentStore
from endpoint.store.tags import HostTags
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox, Raw
from tests.support.reports import DOCUMENTS, full

OURS, THEIRS, UNKNOWN = (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("ours", "theirs", "no"))
OUR_CVE, THEIR_CVE, UNKNOWN_CVE = "CVE-2026-11111", "CVE-2066-22222", "CVE-2026-33333"
OUR_DEPLOYMENT, THEIR_DEPLOYMENT, SHARED_DEPLOYMENT, UNKNOWN_DEPLOYMENT = (
    str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in ("ours", "theirs", "shared", "no")
)
TAG = "web"
HIDDEN = re.compile(f"zebra|{THEIRS}|{THEIRS[:8]}|CVE-2066|{THEIR_DEPLOYMENT}", re.IGNORECASE)
"""What no answer to a person of the team `TAG` may hold."""


def fill(endpoint: LocalEndpoint, *, with_hidden: bool) -> None:
    """Let one host report, and with another one of the hidden team; give both deployments and entries in the audit."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    agent = endpoint.client(endpoint.any_host_token)
    _report(agent.post, OURS, "web-1", hidden=False)
    HostTags(endpoint.opened).change(OURS, add=[TAG], remove=[])
    _deploy(endpoint, OUR_DEPLOYMENT, [OURS], "ours", now)
    hosts = [OURS]
    if with_hidden:
        _report(agent.post, THEIRS, "zebra-1", hidden=True)
        HostTags(endpoint.opened).change(THEIRS, add=["zebra"], remove=[])
        _deploy(endpoint, THEIR_DEPLOYMENT, [THEIRS], "zebra", now)
        assert agent.fleet_lock("pre-reboot", THEIRS, "zebra").status == 200
        Audit(endpoint.opened).note(now, "zed", AuditAction.TAGS_CHANGED, "zebra-1", "zebra", host_id=THEIRS)
        Audit(endpoint.opened).note(now, "zed", AuditAction.USER_ADDED, "zebra-ann", "operator of zebra")
        hosts.append(THEIRS)
    _deploy(endpoint, SHARED_DEPLOYMENT, hosts, "shared", now)
    Audit(endpoint.opened).note(
        now, "zoe", AuditAction.DEPLOYMENT_CREATED, "shared", f"{len(hosts)} hosts", deployment=SHARED_DEPLOYMENT
    )


def _report(post: object, host: str, name: str, *, hidden: bool) -> None:
    box = Outbox(host=host, instance=str(uuid.uuid5(uuid.NAMESPACE_DNS, host)))
    body = full()
    body["host"].update(id=host, instance_id=box.instance, name=name)
    body["fleet_lock"]["group"] = "zebra" if hidden else "web"
    for number, item in enumerate((*body["updates"]["items"], *body["updates"]["held_items"])):
        item["cves"] = [f"CVE-2026-{11111 + number}"]
    state = _hide(body) if hidden else body
    state["host"]["tags"] = [TAG] if hidden else ["own"]
    message = {**box.state(), "body": state}
    events = [box.event(kind, _hide(document) if hidden else document) for kind, document in DOCUMENTS.items()]
    answer = post(box.batch(message, *events))  # type: ignore[operator]
    assert set(answer.statuses) == {"accepted"}, answer.body


def _hide(document: Raw) -> Raw:
    """Return the document with other packages, fixes, people and units."""
    text = json.dumps(document).replace("CVE-2026-", "CVE-2066-").replace("CVE-2066-11111", THEIR_CVE)
    words = ("openssl", "libssl", "curl", "nginx", "alice", "cron.service", "linux-image", "libc6", "app.service")
    for word in words:
        text = re.sub(rf"(?<![a-z]){re.escape(word)}", f"zebra-{word}", text)
    found: Raw = json.loads(text)
    return found


def _deploy(endpoint: LocalEndpoint, identity: str, hosts: list[str], comment: str, now: datetime) -> None:
    record = DeploymentRecord(
        id=identity,
        verb="check",
        arguments={},
        plan_id=None,
        comment=comment,
        requested_by="zoe" if comment == "shared" else comment,
        created_s=now.timestamp(),
        expires_s=(now + timedelta(hours=24)).timestamp(),
        at_once=10,
        stop_after=1,
    )
    requests = [
        NewRequest(id=str(uuid.uuid5(uuid.UUID(identity), host)), host_id=host, form="{}", signature=None)
        for host in hosts
    ]
    DeploymentStore(endpoint.opened).create(record, requests)
