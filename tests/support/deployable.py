"""Hosts that a deployment may select: each reports what it allows, and what is pending there."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Raw
from tests.support.request_hosts import RequestHost

PLAN = "0123456789ab"
VERBS = ["check", "upgrade-security", "upgrade-fixes", "reboot-if-required", "apply-docker"]
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
DOCKER: Raw = {
    "schema": "maestro.engine-plan/1", "component": "docker", "unseen": None, "id": "ba9876543210",
    "flavour": "distribution", "installed": "20.10", "running": "20.10", "wanted": "26.1", "candidate": "26.1",
    "blocked": [],
}  # fmt: skip


def deployable(endpoint: LocalEndpoint, name: str, *tags: str, **changes: Any) -> RequestHost:
    """Report a host that takes requests; `changes` are parts of its report, merged into them."""
    host = RequestHost(client=endpoint.client(endpoint.any_host_token), name=name)
    assert host.post(report_of(host, **changes)).statuses == ["accepted"]
    if tags:
        assert endpoint.run("tag", host.host_id, "--add", *tags).returncode == 0
    return host


def older(endpoint: LocalEndpoint, name: str) -> RequestHost:
    """Report a host whose agent takes no requests."""
    made = replace(RequestHost(client=endpoint.client(endpoint.any_host_token), name=name), headers={})
    made.report()
    return made


def report_of(host: RequestHost, **changes: Any) -> Raw:
    """Return a state message of a host."""
    state = host.box.state()
    body = state["body"]
    body["host"]["name"] = host.name
    body["requests"] = {"allow": VERBS, "signed": False, "windows": ["upgrade-security"]}
    body["updates"]["plan_id"] = PLAN
    body["reboot"] = {"required": True, "packages": ["linux-image"], "since": None}
    for part, value in changes.items():
        body[part] = {**(body.get(part) or {}), **value} if isinstance(value, dict) else value
    return state


def hidden_fields(page: bytes, do: str) -> dict[str, str]:
    """Return the hidden fields of the form with a button."""
    text = page.decode()
    form = next(one for one in text.split("<form")[1:] if f'value="{do}"' in one.partition("</form>")[0])
    return {name: unescape(value) for name, value in HIDDEN.findall(form.partition("</form>")[0])}
