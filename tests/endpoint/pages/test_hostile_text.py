"""Every text that a host reports is shown as text on every page: no markup, no control character, no reordering."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from endpoint.http.validation import Validators
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.reporting import CVE
from tests.support.reports import DOCUMENTS, full
from tests.support.visitor import visitor as log_in

HOSTILE = "\"'><script>alert(1)</script><svg/onload=alert(2)>\u202egnp.exe\x1b[31m\x7f{{7*7}}`b`"
MARKUP = ("<script>alert", "<svg/onload", "\u202e", "\x1b", "\x7f")


def leaves(raw: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each text of a document."""
    pairs: list[tuple[Any, Any]] = list(raw.items()) if isinstance(raw, dict) else []
    pairs += enumerate(raw) if isinstance(raw, list) else []
    for name, part in pairs:
        yield from leaves(part, (*path, name))
    if isinstance(raw, str):
        yield path


def replaced(raw: Any, path: tuple[Any, ...], value: object) -> Any:
    changed = copy.deepcopy(raw)
    part = changed
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return changed


def hostile(message: dict[str, Any], validators: Validators) -> tuple[dict[str, Any], int]:
    """Return a message in which each text that the schema leaves open is hostile, and how many are."""
    changed, count = message, 0
    for path in leaves(message["body"]):
        one = replaced(changed, ("body", *path), HOSTILE)
        if path != ("host", "id") and path[:1] != ("hash",) and validators.body(one, precisely=False) is None:
            changed, count = one, count + 1
    return changed, count


@pytest.fixture
def hostile_host(make_endpoint: MakeEndpoint) -> tuple[LocalEndpoint, Outbox]:
    """Return an endpoint with one host whose texts are all hostile; its CVE is still one."""
    endpoint, box, validators = make_endpoint(), Outbox(), Validators()
    report = full()
    report["host"].update(id=box.host, instance_id=box.instance, tags=["tag"])
    state, texts = hostile(box.state(**{name: part for name, part in report.items() if name != "hash"}), validators)
    state["body"]["updates"]["items"][0]["cves"] = [CVE]
    events = [hostile(box.event(kind, copy.deepcopy(document)), validators)[0] for kind, document in DOCUMENTS.items()]
    assert texts > 80
    client = endpoint.client(endpoint.any_host_token)
    assert set(client.post(box.batch(state, *events)).statuses) == {"accepted"}
    assert client.fleet_lock("pre-reboot", box.host).status == 200
    assert endpoint.run("request", "check", "--host", box.host).returncode == 0
    return endpoint, box


def test_every_page_shows_hostile_text_as_text(hostile_host: tuple[LocalEndpoint, Outbox]) -> None:
    endpoint, box = hostile_host
    visitor = log_in(endpoint)
    pages = [
        rule.rule
        for rule in endpoint.app.url_map.iter_rules()
        if "GET" in rule.methods and not rule.arguments and not rule.rule.startswith(("/v1/", "/login", "/hosts."))
    ]
    answers = {path: visitor.get(path) for path in (*pages, f"/hosts/{box.host}", f"/fixes/{CVE}")}

    shown = {path: answer.body.decode() for path, answer in answers.items() if answer.status == 200}
    assert {"/", "/fixes", "/locks", "/audit", f"/hosts/{box.host}", f"/fixes/{CVE}"} <= set(shown)
    assert {path: one for path, text in shown.items() for one in MARKUP if one in text} == {}
    assert "&lt;script&gt;alert(1)" in shown[f"/hosts/{box.host}"]
    assert "\\u202egnp.exe\\x1b[31m\\x7f" in shown[f"/hosts/{box.host}"]


def test_documents_hold_hostile_text_as_it_is(hostile_host: tuple[LocalEndpoint, Outbox]) -> None:
    endpoint, _ = hostile_host

    answer = endpoint.client(endpoint.token("--admin")).get(f"/v1/fixes/{CVE}")

    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body)["hosts"][0]["name"] == HOSTILE
