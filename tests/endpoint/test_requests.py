"""Requests from the command line to the host and back: delivery, events, limits, signatures, cancellation, rights."""

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa

from endpoint.cli import request as request_command
from endpoint.cli import requests, signing
from endpoint.cli.signing import as_caller, write_forms
from endpoint.config.model import Config, Retention
from endpoint.core import deployment_text
from endpoint.core.request_arguments import Terms, Verb, Work, request_form
from endpoint.core.requests import canonical_form
from endpoint.errors import EndpointError, UsageError
from endpoint.http.retention_thread import RetentionThread
from endpoint.http.validation import strict
from endpoint.store.database import Database
from endpoint.store.deployments import DeploymentStore
from endpoint.store.tables import DEPLOYMENTS, REQUEST_ACTIONS, REQUESTS, UPKEEP
from tests.endpoint.conftest import CHECKOUT, MakeEndpoint
from tests.support.deployable import deployable
from tests.support.endpoint_server import write_config
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox, Raw
from tests.support.promtool import promtool
from tests.support.request_hosts import RequestHost


@pytest.fixture
def site(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    """Return an endpoint of its own: `--all` means all of its hosts."""
    return make_endpoint()


def host(site: LocalEndpoint, name: str = "web1", **headers: str) -> RequestHost:
    made = RequestHost(client=site.client(site.any_host_token), name=name)
    made.headers.update(headers)
    assert made.report().status == 200
    return made


def request(site: LocalEndpoint, *arguments: str) -> Raw:
    done = site.run("request", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    made: Raw = json.loads(done.stdout)
    jsonschema.validate(made, strict("maestro.deployment-1"))
    return made


def show(site: LocalEndpoint, identity: str) -> Raw:
    done = site.run("requests", "show", identity, "--json")
    assert done.returncode == 0, done.stderr
    shown: Raw = json.loads(done.stdout)
    jsonschema.validate(shown, strict("maestro.deployment-1"))
    return shown


def statuses(site: LocalEndpoint, deployment: Raw) -> list[str]:
    return [one["status"] for one in show(site, deployment["id"])["requests"]]


def forget_delivery(site: LocalEndpoint) -> None:
    """Leave of requests and deployments what a backup from before the delivery has."""
    with site.opened.writing() as connection:
        connection.execute(sa.update(REQUESTS).values(status="queued", host_step=None, delivered_at=None))
        connection.execute(sa.update(DEPLOYMENTS).values(in_flight=0))


def expire(database: Database) -> None:
    """Let all deployments have expired a second ago."""
    with database.writing() as connection:
        connection.execute(sa.update(DEPLOYMENTS).values(expires_at=datetime.now(timezone.utc).timestamp() - 1))


def counted(deployment: Raw) -> dict[str, int]:
    return {status: count for status, count in deployment["counts"].items() if count}


def test_a_request_reaches_its_host_with_the_next_receipt_and_until_an_event_of_it_arrives(site: LocalEndpoint) -> None:
    web, other = host(site), host(site, "db1")
    made = request(site, "upgrade-fixes", "--host", "web1", "--fix", "openssl", "--comment", "bitte — heute")

    answer = web.beat()
    again = web.post(web.box.state())
    received = web.step(made["requests"][0]["id"], "received")

    assert counted(made) == {"queued": 1}
    assert answer.status == 200
    assert answer.json["results"][0]["status"] == "accepted"
    jsonschema.validate(answer.json, strict("maestro.receipt-1"))
    (found,) = answer.json["requests"]
    jsonschema.validate(found, strict("maestro.request-1"))
    assert (found["id"], found["host_id"]) == (made["requests"][0]["id"], web.host_id)
    assert (found["verb"], found["arguments"]) == ("upgrade-fixes", {"fixes": ["openssl"]})
    assert (found["comment"], found["plan_id"], found["signature"]) == ("bitte — heute", None, None)
    assert again.json["requests"] == [found]
    assert "requests" not in received.json
    assert web.beat().status == 204
    assert other.beat().status == 204
    assert "batch.stored" in site.journal
    assert found["id"] in site.journal


def test_an_agent_that_takes_no_requests_gets_none(site: LocalEndpoint) -> None:
    web = host(site, Maestro_Requests="0")
    made = request(site, "check", "--host", "web1")

    answers = [web.beat(), web.post(web.box.state())]

    assert answers[0].status == 204
    assert "requests" not in answers[1].json
    assert statuses(site, made) == ["queued"]


def test_each_step_of_a_host_is_shown_until_the_end(site: LocalEndpoint) -> None:
    web = host(site)
    made = request(site, "upgrade-security", "--host", web.host_id, "--reboot", "if-required", "--when", "window")
    identity = made["requests"][0]["id"]
    assert [one["arguments"] for one in web.offered()] == [{"when": "window", "reboot": "if-required"}]

    seen = []
    for step in ("received", "accepted", "running"):
        web.step(identity, step)
        seen.append(statuses(site, made))
    web.step(identity, "done", run="20261129T150000Z-ab12", signed_by="anna", detail="3 packages\x1b[2J")
    shown = show(site, made["id"])

    assert seen == [["received"], ["accepted"], ["running"]]
    assert (shown["status"], counted(shown)) == ("ended", {"done": 1})
    (one,) = shown["requests"]
    assert (one["host"], one["run"], one["signed_by"]) == ("web1", "20261129T150000Z-ab12", "anna")
    assert one["detail"] == "3 packages?[2J"
    assert [action["action"] for action in shown["actions"]] == ["created"]
    text = site.run("requests", "show", made["id"][:8]).stdout
    assert "1 done" in text
    assert "\x1b" not in text


def test_steps_that_overtake_each_other_end_in_the_latest(site: LocalEndpoint) -> None:
    web = host(site)
    made = request(site, "check", "--host", "web1")
    (found,) = web.offered()

    web.step(found["id"], "running")
    web.step(found["id"], "received")
    first = statuses(site, made)
    web.step(found["id"], "done")
    web.step(found["id"], "failed", why="interrupted")

    assert first == ["running"]
    assert statuses(site, made) == ["done"]


def test_no_host_changes_the_request_of_another_one(site: LocalEndpoint) -> None:
    web, thief = host(site), host(site, "thief")
    made = request(site, "check", "--host", "web1")
    identity = made["requests"][0]["id"]

    stored = thief.step(identity, "failed", why="interrupted")

    assert stored.statuses == ["accepted"]
    assert statuses(site, made) == ["queued"]
    assert [one["id"] for one in web.offered()] == [identity]
    assert show(site, made["id"])["status"] == "active"


def test_a_host_confirms_its_own_request_and_no_other(site: LocalEndpoint) -> None:
    web, thief = host(site), host(site, "thief")
    made = request(site, "check", "--host", "web1")
    identity = made["requests"][0]["id"]
    own = site.client(site.token("--host", web.host_id))
    path = f"/v1/hosts/{web.host_id}/requests/{identity}"

    before = own.get(path)
    (found,) = web.offered()
    confirmed = own.get(path)
    refused = [
        site.client(site.token("--host", thief.host_id)).get(path),
        own.get(f"/v1/hosts/{web.host_id}/requests/{uuid.uuid4()}"),
        site.client(site.any_host_token).get(f"/v1/hosts/{thief.host_id}/requests/{identity}"),
        site.client().get(path),
        site.client(site.token("--admin")).get(path),
        own.get(f"/v1/hosts/{web.host_id}/requests/{identity.upper()}"),
    ]
    web.step(identity, "done")

    assert before.status == 404
    assert confirmed.status == 200
    assert canonical_form(confirmed.json) == canonical_form(found)
    assert [answer.status for answer in refused] == [403, 404, 404, 401, 403, 400]
    assert own.get(path).status == 404


def test_no_more_are_in_flight_than_permitted_and_failures_stop_the_rest(site: LocalEndpoint) -> None:
    hosts = [host(site, f"web{number}") for number in range(6)]
    made = request(site, "check", "--all", "--at-once", "2", "--stop-after", "2")
    ids = {one["host_id"]: one["id"] for one in made["requests"]}

    first = [len(one.offered()) for one in hosts]
    hosts[0].step(ids[hosts[0].host_id], "refused", why="not-allowed")
    second = [len(one.offered()) for one in hosts[2:]]
    hosts[1].step(ids[hosts[1].host_id], "failed", why="interrupted")
    third = [len(one.offered()) for one in hosts[3:]]
    hosts[2].step(ids[hosts[2].host_id], "refused", why="bad-signature")
    stopped = show(site, made["id"])
    fourth = [len(one.offered()) for one in hosts[3:]]
    resumed = site.run("requests", "resume", made["id"])
    fifth = [len(one.offered()) for one in hosts[3:]]

    assert first == [1, 1, 0, 0, 0, 0]
    assert second == [1, 0, 0, 0]
    assert third == [1, 0, 0]
    assert stopped["status"] == "stopped"
    assert [(action["action"], action["by"]) for action in stopped["actions"]][1:] == [("stopped", None)]
    assert fourth == [0, 0, 0], "not even what may be lost on the way is delivered again"
    assert resumed.returncode == 0
    assert fifth == [1, 1, 0]
    assert site.run("requests", "resume", made["id"]).returncode == 2


def test_a_stopped_deployment_that_has_expired_is_not_resumed_and_nobody_is_told_to(site: LocalEndpoint) -> None:
    hosts = [host(site, f"web{number}") for number in range(3)]
    made = request(site, "check", "--all", "--at-once", "2")
    (failing,), _ = (one.offered() for one in hosts[:2])
    hosts[0].step(failing["id"], "failed")
    before = site.run("requests", "show", made["id"]).stdout

    expire(site.opened)
    after = site.run("requests", "show", made["id"]).stdout
    resumed = site.run("requests", "resume", made["id"])

    assert ["requests resume" in text for text in (before, after)] == [True, False]
    assert resumed.returncode == 2
    assert counted(show(site, made["id"])) == {"delivered": 1, "failed": 1, "expired": 1}
    assert site.run("requests", "cancel", made["id"]).returncode == 0


def test_a_tag_or_all_leave_out_hosts_that_take_no_requests_or_share_their_id(site: LocalEndpoint) -> None:
    web, old = host(site), host(site, "old", Maestro_Requests="0")
    clone = host(site, "clone")
    other = RequestHost(client=clone.client, name="clone2", box=Outbox(host=clone.host_id))
    other.report()
    clone.beat()
    for name in ("web1", "old"):
        assert site.run("tag", name, "--add", "frontend", "eu").returncode == 0
    site.run("tag", "old", "--remove", "eu")

    everyone = request(site, "check", "--all", "--dry-run")
    tagged = request(site, "check", "--tag", "frontend", "--dry-run")

    assert [one["host_id"] for one in everyone["requests"]] == [web.host_id]
    left_out = {one["host_id"]: one["why"] for one in everyone["left_out"]}
    assert left_out == {old.host_id: "takes-no-requests", clone.host_id: "shares-its-id"}
    assert [one["host"] for one in tagged["requests"]] == ["web1"]
    assert site.run("tag").stdout.split("\n")[1].split()[:3] == ["old", "frontend", old.host_id]
    assert "nothing has been requested" in site.run("requests", "list").stdout
    for arguments in (["--tag", "nowhere"], ["--host", "web9"], ["--host", clone.host_id]):
        assert site.run("request", "check", *arguments).returncode == 2


def test_a_cve_is_the_same_fix_in_any_spelling(site: LocalEndpoint) -> None:
    host(site)

    made = request(site, "upgrade-fixes", "--host", "web1", "--fix", "cve-2026-12345", "CVE-2026-12345", "cve-tool")

    assert made["arguments"]["fixes"] == ["CVE-2026-12345", "cve-tool"]


def test_a_named_host_that_takes_no_requests_is_named_again(site: LocalEndpoint) -> None:
    host(site)
    host(site, "old", Maestro_Requests="0")

    done = site.run("request", "check", "--host", "web1", "old")
    shown = site.run("request", "check", "--host", "web1", "old", "--dry-run")

    assert [line.endswith(": old") for line in done.stdout.splitlines()] == [False, True]
    assert [line.endswith(": old") for line in shown.stdout.splitlines()] == [False, False, False, True]


def test_who_was_left_out_of_a_request_is_recorded_with_it(site: LocalEndpoint) -> None:
    host(site)
    host(site, "old", Maestro_Requests="0")

    made = request(site, "check", "--all")
    shown = show(site, made["id"])
    text = site.run("requests", "show", made["id"]).stdout

    assert [(one["host"], one["why"]) for one in shown["left_out"]] == [("old", "takes-no-requests")]
    assert shown["left_out"] == made["left_out"]
    assert [line for line in text.splitlines() if line.endswith(": old")]


def test_what_is_recorded_of_many_left_out_is_not_taken_for_all(
    site: LocalEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    host(site)
    for number in range(3):
        host(site, f"old{number}", Maestro_Requests="0")
    for module in (request_command, deployment_text):
        monkeypatch.setattr(module, "MAX_LEFT_OUT", 2)

    made = site.run("request", "check", "--all").stdout
    shown = site.run("requests", "show", made.partition(":")[0]).stdout

    said = [line.split(":")[0] for line in (made + shown).splitlines() if line.startswith("left out")]
    assert said == ["left out, 3", "left out, 2 or more"]


def test_a_cancelled_request_is_not_delivered_and_one_on_its_host_gets_the_cancellation(site: LocalEndpoint) -> None:
    web, db = host(site), host(site, "db1")
    made = request(site, "check", "--host", "web1", "db1", "--at-once", "1")
    (found,) = [*web.offered(), *db.offered()]
    first, second = (web, db) if found["host_id"] == web.host_id else (db, web)

    done = site.run("requests", "cancel", made["id"])
    shown = show(site, made["id"])
    confirm = first.client.get(f"/v1/hosts/{first.host_id}/requests/{found['id']}")
    answers = [first.beat(), first.beat()]
    first.step(found["id"], "cancelled")

    assert (done.returncode, second.offered()) == (0, [])
    assert sorted((one["status"], one["cancelling"]) for one in shown["requests"]) == [
        ("cancelled", False),
        ("delivered", True),
    ]
    assert confirm.status == 404
    assert [answer.json["requests_cancelled"] for answer in answers] == [[found["id"]]] * 2
    jsonschema.validate(answers[0].json, strict("maestro.receipt-1"))
    assert "requests" not in answers[0].json
    assert first.beat().status == 204
    assert show(site, made["id"])["status"] == "ended"
    assert site.run("requests", "cancel", made["id"]).returncode == 2


@pytest.mark.parametrize("answer", ["cancelled", "running"])
def test_a_cancellation_reaches_a_host_whose_request_a_restored_endpoint_has_forgotten_to_have_sent(
    site: LocalEndpoint, answer: str
) -> None:
    web = host(site)
    made = request(site, "upgrade-security", "--when", "window", "--host", "web1")
    (found,) = web.offered()
    web.step(found["id"], "accepted")
    forget_delivery(site)

    site.run("requests", "cancel", made["id"])
    answers = [web.beat(), web.beat()]
    web.step(found["id"], answer)

    assert [one.json.get("requests_cancelled") for one in answers] == [[found["id"]]] * 2
    assert [one.json.get("requests") for one in answers] == [None] * 2
    assert statuses(site, made) == [answer], "the host has the last word"
    assert (web.beat().status == 204) is (answer == "cancelled")


def test_one_request_of_a_deployment_can_be_cancelled(site: LocalEndpoint) -> None:
    web, db = host(site), host(site, "db1")
    made = request(site, "check", "--host", "web1", "db1")
    of_web = next(one["id"] for one in made["requests"] if one["host_id"] == web.host_id)

    site.run("requests", "cancel", of_web)

    assert (web.offered(), len(db.offered())) == ([], 1)
    assert show(site, of_web)["status"] == "active"


def test_a_lost_host_is_given_up_and_the_next_one_gets_its_turn(site: LocalEndpoint) -> None:
    lost, other = host(site), host(site, "web2")
    made = request(site, "check", "--host", "web1", "web2", "--at-once", "1")
    (found,) = [*lost.offered(), *other.offered()]
    gone, waiting = (lost, other) if found["host_id"] == lost.host_id else (other, lost)
    gone.step(found["id"], "running")

    first = site.run("requests", "cancel", found["id"])
    before = waiting.offered()
    second = site.run("requests", "cancel", found["id"], "--lost")
    after = waiting.offered()
    gone.step(found["id"], "done")

    assert (first.returncode, second.returncode) == (0, 0)
    assert (before, len(after)) == ([], 1)
    assert sorted(statuses(site, made)) == ["delivered", "done"]


def test_expired_requests_end_and_a_person_ends_one_that_runs_on_a_lost_host(site: LocalEndpoint) -> None:
    hosts = [host(site, f"web{number}") for number in range(4)]
    made = request(site, "check", "--all", "--at-once", "3", "--expires", "1h", "--stop-after", "9")
    ids = {one["host_id"]: one["id"] for one in made["requests"]}
    assert [len(one.offered()) for one in hosts] == [1, 1, 1, 0]
    hosts[0].step(ids[hosts[0].host_id], "running")
    hosts[1].step(ids[hosts[1].host_id], "accepted")
    store = DeploymentStore(site.opened)
    later = datetime.now(timezone.utc) + timedelta(hours=1, minutes=1)

    store.expire(later)
    soon = statuses(site, made)
    store.expire(later + timedelta(hours=1))
    late = statuses(site, made)
    store.expire(later + timedelta(days=7))
    lost = statuses(site, made)
    hosts[1].step(ids[hosts[1].host_id], "done")

    assert soon == ["running", "accepted", "delivered", "expired"]
    assert late == soon, "the hosts were not asked since"
    assert lost == ["running", "expired", "expired", "expired"]
    assert statuses(site, made) == ["running", "done", "expired", "expired"], "the host knows better"


def test_the_upkeep_ends_expired_requests_and_deletes_old_deployments_but_not_what_people_did(
    site: LocalEndpoint,
) -> None:
    host(site)
    made = request(site, "check", "--host", "web1", "--expires", "1h")
    config = Config(store=Retention(keep_events="2d"))
    thread = RetentionThread(config, site.opened)
    now = datetime.now(timezone.utc)

    thread.delete_if_due(now)
    for hours in (3, 51):
        moment = now + timedelta(hours=hours)
        due = sa.update(UPKEEP).values(due_at=moment.timestamp())
        site.opened.write(lambda connection, due=due: connection.execute(due))  # type: ignore[misc]
        thread.delete_if_due(moment)
        if hours == 3:
            shown = show(site, made["id"])

    assert counted(shown) == {"expired": 1}
    assert site.run("requests", "show", made["id"]).returncode == 2
    recorded = site.opened.read(lambda connection: connection.execute(sa.select(REQUEST_ACTIONS.c.action)).all())
    assert [row.action for row in recorded] == ["created"]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an OpenSSH key; `signers` beside it allows it for anna."""
    place = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place)], check=True, timeout=60)
    public = place.with_suffix(".pub").read_text().strip()
    (place.parent / "signers").write_text(f'anna namespaces="maestro-request" {public}\n')
    return place


def verified(key: Path, document: Raw) -> bool:
    signature = key.parent / "signature"
    signature.write_text(document["signature"])
    command = ["ssh-keygen", "-Y", "verify", "-f", str(key.parent / "signers"), "-I", "anna", "-n", "maestro-request"]
    done = subprocess.run(
        [*command, "-s", str(signature)], input=canonical_form(document), capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def test_each_request_of_a_signed_deployment_has_a_signature_of_its_own(site: LocalEndpoint, key: Path) -> None:
    web, db = host(site), host(site, "db1")
    made = request(site, "check", "--all", "--sign-with", str(key), "--comment", "Grüße")

    found = [*web.offered(), *db.offered()]

    jsonschema.validate(found[0], strict("maestro.request-1"))
    assert [verified(key, one) for one in found] == [True, True]
    assert not verified(key, {**found[0], "signature": found[1]["signature"]})
    assert not verified(key, {**found[0], "verb": "apply-docker"})
    assert [one["signed"] for one in made["requests"]] == [True, True]
    assert site.run("request", "check", "--all", "--sign-with", "/nowhere/key").returncode == 2


def test_a_request_that_lacks_its_signature_waits_for_it(make_endpoint: MakeEndpoint, key: Path) -> None:
    site = make_endpoint(requests={"signed": True})
    web = host(site)
    made = request(site, "check", "--host", "web1")

    before = web.offered()
    signed = site.run("requests", "sign", made["id"][:8], "--with", str(key))
    after = web.offered()

    assert (counted(made), before) == ({"waiting-signature": 1}, [])
    assert signed.returncode == 0, signed.stderr
    assert [verified(key, one) for one in after] == [True]
    assert [action["action"] for action in show(site, made["id"])["actions"]] == ["created", "signed"]
    assert site.run("requests", "sign", made["id"], "--with", str(key)).returncode == 2
    later = request(site, "check", "--host", "web1", "--sign-with", str(key))
    assert counted(later) == {"queued": 1}


def test_only_hosts_that_ask_for_signatures_wait_for_them(site: LocalEndpoint, key: Path) -> None:
    asks, other = deployable(site, "web1", requests={"signed": True}), deployable(site, "web2")

    queued = request(site, "check", "--all")
    offered = [len(one.offered()) for one in (asks, other)]
    site.run("requests", "sign", queued["id"][:8], "--with", str(key))
    (found,) = asks.offered()
    signed = request(site, "check", "--host", "web1", "--sign-with", str(key), "--dry-run")

    assert counted(queued) == {"waiting-signature": 1, "queued": 1}
    assert offered == [0, 1]
    assert found["signature"] is not None
    assert counted(signed) == {"queued": 1}


def test_a_key_need_not_be_where_the_endpoint_is(site: LocalEndpoint, key: Path, tmp_path: Path) -> None:
    hosts = [host(site, f"web{number}") for number in range(2)]
    made = request(site, "check", "--all", "--sign-later")
    place = tmp_path / "to sign"

    early = site.run("requests", "sign", made["id"], "--read", str(place))
    written = site.run("requests", "sign", made["id"], "--write", str(place))
    names = sorted(path.name for path in place.iterdir())
    (place / f"{names[0]}.sig").write_text("no signature")
    wrong = site.run("requests", "sign", made["id"], "--read", str(place))
    (place / f"{names[0]}.sig").unlink()
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", "maestro-request", names[0]]
    subprocess.run(command, cwd=place, check=True, timeout=60, capture_output=True)
    read = site.run("requests", "sign", made["id"], "--read", str(place))

    assert names == sorted(one["id"] for one in made["requests"])
    assert [one.returncode for one in (early, written, wrong, read)] == [2, 0, 2, 0]
    assert counted(show(site, made["id"])) == {"waiting-signature": 1, "queued": 1}
    assert [verified(key, one) for each in hosts for one in each.offered()] == [True]


def test_what_waits_in_the_database_is_shown_and_checked_before_a_person_signs_it(
    site: LocalEndpoint, key: Path, tmp_path: Path
) -> None:
    host(site)
    made = request(site, "upgrade-security", "--host", "web1", "--reboot", "if-required", "--sign-later")
    identity = made["requests"][0]["id"]
    place = tmp_path / "forms"

    shown = site.run("requests", "sign", made["id"], "--write", str(place)).stdout
    (place / identity).unlink()
    forged = sa.update(REQUESTS).values(document=sa.func.replace(REQUESTS.c.document, identity, str(uuid.uuid4())))
    site.opened.write(lambda connection: connection.execute(forged))
    refused = [
        site.run("requests", "sign", made["id"], *how) for how in (("--write", str(place)), ("--with", str(key)))
    ]

    assert f"reboot if required for 1 host, until {made['expires_at']}; requested by " in shown
    assert [(one.returncode, "is no request with this id" in one.stderr) for one in refused] == [(2, True)] * 2
    assert list(place.iterdir()) == []
    assert counted(show(site, made["id"])) == {"waiting-signature": 1}


def forms_of(count: int) -> dict[str, str]:
    terms = Terms(created_at="", expires_at="", requested_by="anna", comment="")
    names = [str(uuid.uuid4()) for _ in range(count)]
    return {
        name: request_form(Work(verb=Verb.CHECK), terms, identity=name, host_id=name, arguments={}) for name in names
    }


def test_more_requests_are_signed_than_names_fit_into_one_call(monkeypatch: pytest.MonkeyPatch, key: Path) -> None:
    room = signing.FILES_OF_A_CALL * len(f"{uuid.uuid4()}\0" + "pointer.")
    monkeypatch.setattr(signing, "FILES_OF_A_CALL", 2)
    forms = forms_of(5)

    signatures = signing.sign_with(key, forms)

    assert signatures.keys() == forms.keys()
    assert len(set(signatures.values())) == len(forms)
    assert room < os.sysconf("SC_ARG_MAX") / 2, "the environment takes some of it, too"


def test_nothing_is_signed_that_has_expired_even_while_the_passphrase_was_typed(
    site: LocalEndpoint, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host(site)
    early, late = (request(site, "check", "--host", "web1", "--sign-later") for _ in range(2))

    def sign_slowly(key: Path, forms: Mapping[str, str]) -> dict[str, str]:
        with closing(Database(site.database, connections=1)) as database:  # this is another process
            expire(database)
        return signing.sign_with(key, forms)

    monkeypatch.setattr(requests, "sign_with", sign_slowly)
    refused = [site.run("requests", "sign", one["id"], "--with", str(key)) for one in (early, late)]

    assert [(one.returncode, "expired at" in one.stderr) for one in refused] == [(2, True)] * 2
    assert statuses(site, early) == statuses(site, late) == ["expired"]


def test_nobody_is_told_to_repeat_a_request_that_is_done_and_needs_no_signature(site: LocalEndpoint, key: Path) -> None:
    web = host(site)
    made = request(site, "check", "--host", "web1")
    (found,) = web.offered()
    web.step(found["id"], "done")
    expire(site.opened)

    refused = site.run("requests", "sign", made["id"], "--with", str(key))

    assert (refused.returncode, "expired" in refused.stderr) == (2, False)
    assert "waits for a signature" in refused.stderr


def test_whoever_interrupts_at_the_passphrase_sees_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(_forms: object) -> dict[str, str]:
        raise KeyboardInterrupt

    with as_caller(interrupted) as sign, pytest.raises(EndpointError):
        sign(forms_of(1))

    assert capfd.readouterr() == ("", "")


def test_an_id_from_the_database_is_no_path_for_the_process_of_the_person(tmp_path: Path) -> None:
    outside = tmp_path / "cron.d"
    work = Work(verb=Verb.CHECK)
    terms = Terms(created_at="", expires_at="", requested_by="anna", comment="")
    form = request_form(work, terms, identity=str(outside), host_id="h", arguments={})

    with as_caller(partial(write_forms, tmp_path / "forms")) as sign, pytest.raises(UsageError):
        sign({str(outside): form})

    assert not outside.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["reboot", "--all"],
        ["check"],
        ["check", "--all", "--host", "web1"],
        ["check", "--all", "--when", "window"],
        ["check", "--all", "--reboot", "no"],
        ["check", "--all", "--fix", "openssl"],
        ["upgrade-fixes", "--all"],
        ["upgrade-fixes", "--all", "--fix", "--force-all"],
        ["upgrade-fixes", "--all", "--fix", "openssl;id"],
        ["upgrade-fixes", "--all", "--fix", "cve-2026-1"],
        ["upgrade-security", "--host", "web1", "web2", "--plan", "0123456789ab"],
        ["reboot-if-required", "--host", "web1", "--plan", "0123456789ab"],
        ["check", "--all", "--at-once", "0"],
        ["check", "--all", "--expires", "31d"],
        ["check", "--all", "--comment", "two\nlines"],
        ["check", "--all", "--comment", "c" * 201],
    ],
    ids=" ".join,
)
def test_what_no_host_could_do_is_a_usage_error(site: LocalEndpoint, arguments: list[str]) -> None:
    for name in ("web1", "web2"):
        host(site, name)

    assert site.run("request", *arguments).returncode == 2
    assert "nothing has been requested" in site.run("requests", "list").stdout


def test_metrics_count_what_is_open_and_what_waits_for_a_person(site: LocalEndpoint) -> None:
    hosts = [host(site, f"web{number}") for number in range(3)]
    made = request(site, "check", "--all", "--at-once", "2")
    found = [one for each in hosts[:2] for one in each.offered()]
    hosts[0].step(found[0]["id"], "failed")

    page = site.client(site.token("--admin")).get("/v1/metrics").body.decode()

    assert counted(show(site, made["id"])) == {"queued": 1, "delivered": 1, "failed": 1}
    assert 'maestro_endpoint_requests_open{status="delivered"} 1\n' in page
    assert 'maestro_endpoint_requests_open{status="queued"} 1\n' in page
    assert 'status="failed"' not in page
    assert "maestro_endpoint_deployments_stopped 1\n" in page
    assert promtool("check", "metrics", content=page) == (0, "")


@pytest.mark.parametrize("step", ["done", "failed"])
def test_a_deployment_that_has_ended_neither_is_active_nor_waits_for_a_person(site: LocalEndpoint, step: str) -> None:
    web = host(site)
    request(site, "check", "--host", "web1")
    client = site.client(site.token("--admin"))
    before = client.get("/metrics").body.decode()
    web.step(web.offered()[0]["id"], step)

    page = client.get("/metrics").body.decode()

    assert "maestro_endpoint_deployments_active 1\n" in before
    assert "maestro_endpoint_deployments_active 0\n" in page
    assert "maestro_endpoint_deployments_stopped 0\n" in page


def test_the_list_has_the_latest_deployment_first(site: LocalEndpoint) -> None:
    host(site)
    made = [request(site, verb, "--host", "web1") for verb in ("check", "send-report")]

    listed: Any = json.loads(site.run("requests", "list", "--json").stdout)
    text = site.run("requests", "list").stdout

    jsonschema.validate(listed, strict("maestro.deployments-1"))
    assert {one["id"] for one in listed["deployments"]} == {one["id"] for one in made}
    assert "1 queued" in text
    for wrong in ("abc", "ffffffff-0000", "x" * 8, "%%%%"):
        assert site.run("requests", "show", wrong).returncode == 2


def test_root_signs_with_its_own_key_though_the_database_belongs_to_another_user(
    kind: str, site: LocalEndpoint, key: Path, tmp_path: Path
) -> None:
    if kind != "sqlite":
        pytest.skip("only the owner of a file matters")
    host(site)
    request(site, "check", "--host", "web1", "--sign-later")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        directory = Path(name)
        directory.chmod(0o755)
        place = directory / "database"
        place.mkdir()
        with closing(sqlite3.connect(tmp_path / "endpoint.db")) as live, closing(sqlite3.connect(place / "db")) as copy:
            live.backup(copy)
        for path in (place, place / "db"):
            shutil.chown(path, "nobody")
        config = directory / "config.toml"
        write_config(config, f"sqlite:///{place}/db")
        program = "import os, sys; from endpoint.cli.main import main; code = main(sys.argv[1:]); print(os.geteuid()); "
        command = [sys.executable, "-c", f"{program}sys.exit(code)", "request", "check", "--host", "web1"]
        more = ["--sign-with", str(key), "--config", str(config)]
        done = subprocess.run([*command, *more], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
        with closing(sqlite3.connect(place / "db")) as copy:
            signatures = copy.execute("SELECT signature FROM requests WHERE status = 'queued'").fetchall()

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == str(pwd.getpwnam("nobody").pw_uid)
    assert [text.startswith("-----BEGIN SSH SIGNATURE-----") for (text,) in signatures] == [True]
