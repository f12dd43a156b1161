"""Requests of the endpoint at the worker: real socket, real peer, real TLS, real signatures; only the jobs pretend.

The unprivileged half may be anybody who got in over the network. It can hold requests back; it can make nothing happen.
"""

import base64
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.requests.wire import canonical_form
from agent.core.schemas import Document
from agent.host import ssh_signature
from agent.host.process.run import ProgramResult
from agent.host.ssh_signature import find_signer
from agent.state.store import REQUESTS, SIGNED_REQUESTS, Store
from agent.state.timestamps import utc_now
from agent.worker import runner
from agent.worker.jobs import run_request
from agent.worker.protocol import JobAnswer, JobRequest
from tests.core.requests.given_request import DAY, document, request_id
from tests.core.requests.test_ending import RUN, outcome
from tests.support.carrier import ConfirmingEndpoint, Page, Signer, Worker, confirming, working

ALL = [
    *("check", "send-report", "upgrade-security", "upgrade-fixes"),
    *("reboot-if-required", "apply-docker", "apply-weave"),
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConfirmingEndpoint]:
    with confirming(tmp_path_factory.mktemp("endpoint")) as found:
        yield found


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signer]:
    directory = tmp_path_factory.mktemp("people")
    return {name: Signer.make(directory, name) for name in ("ann", "eve")}


@pytest.fixture
def worker(tmp_path: Path, endpoint: ConfirmingEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Return a worker that allows all verbs and confirms them with the endpoint."""
    endpoint.documents.clear()
    endpoint.asked.clear()
    with working(tmp_path, monkeypatch) as found:
        found.configure(endpoint={"url": endpoint.url, "ca_file": endpoint.ca_file}, requests={"allow": ALL})
        found.answer = JobAnswer(exit_code=0, document=outcome("updated"))
        yield found


@pytest.fixture
def signing(worker: Worker, people: dict[str, Signer], tmp_path: Path) -> Worker:
    """Have it accept only what ann has signed."""
    file = tmp_path / "signers"
    file.write_text(people["ann"].line)
    worker.configure(requests={"allow": ALL, "signers": str(file)})
    return worker


def test_a_confirmed_request_runs_once(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request(plan_id="0123456789ab", arguments={"reboot": "if-required"})
    endpoint.has(request)

    assert worker.carry(request)["exit_code"] == 0
    assert worker.did == [], "it is on record, and nothing has happened"
    assert worker.run_due()["exit_code"] == 0
    assert worker.carry(request)["exit_code"] == 0
    assert worker.run_due()["exit_code"] == 2, "nothing is due"

    assert worker.states() == ["received", "accepted", "running", "done"]
    (job,) = worker.did
    assert (job.kind, job.plan_id, job.packages) == (JobKind.UPGRADE, "0123456789ab", ())
    assert job.options == {JobOption.REBOOT_IF_REQUIRED}
    assert (job.refresh, job.in_window, job.request_id) == (True, False, request_id())
    assert job.requested_by == f"request {request_id()} by jörg"
    assert worker.book.entries[0].last.run == RUN


def test_the_reboot_of_a_request_that_has_begun_in_time_follows_however_long_the_upgrade_took(
    worker: Worker, endpoint: ConfirmingEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    reboot = JobRequest(kind=JobKind.REBOOT, state_dir=str(worker.directory))
    worker.answers[JobKind.UPGRADE] = JobAnswer(exit_code=0, document=outcome("updated"), follow_up=reboot)
    worker.answers[JobKind.REBOOT] = JobAnswer(exit_code=0)
    request = worker.request(arguments={"reboot": "if-required"})
    endpoint.has(request)
    worker.carry(request)
    monkeypatch.setattr(runner, "utc_now", lambda: utc_now() + 2 * DAY)

    worker.run_due()

    assert [job.kind for job in worker.did] == [JobKind.UPGRADE, JobKind.REBOOT]
    assert worker.states()[-1] == "done"


def test_every_verb_is_one_job(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    wanted: list[tuple[str, dict[str, Any], JobKind, tuple[str, ...]]] = [
        ("check", {}, JobKind.CHECK, ()),
        ("upgrade-security", {}, JobKind.UPGRADE, ()),
        ("upgrade-fixes", {"fixes": ["openssl", "CVE-2026-1234"]}, JobKind.UPGRADE, ("openssl", "CVE-2026-1234")),
        ("reboot-if-required", {"when": "now"}, JobKind.REBOOT, ()),
        ("apply-docker", {}, JobKind.DOCKER_UPGRADE, ()),
        ("apply-weave", {}, JobKind.WEAVE_UPGRADE, ()),
    ]
    for number, (verb, arguments, _, _) in enumerate(wanted):
        request = worker.request(number, verb=verb, arguments=arguments)
        endpoint.has(request)
        worker.carry(request)
        worker.run_due()

    assert [(job.kind, job.packages) for job in worker.did] == [(kind, packages) for _, _, kind, packages in wanted]
    assert worker.did[3].options == {JobOption.IF_REQUIRED}


@pytest.mark.parametrize(("codes", "state"), [([5, 5, 0], "done"), ([5, 1, 0], "failed")], ids=["sent", "not-sent"])
def test_a_report_is_sent_after_the_exporter_that_the_arrival_has_started(
    worker: Worker, endpoint: ConfirmingEndpoint, monkeypatch: pytest.MonkeyPatch, codes: list[int], state: str
) -> None:
    left = iter(codes)
    monkeypatch.setattr(run_request, "_BUSY_POLL_S", 0.0)
    monkeypatch.setattr(run_request, "send_report", lambda _store, **_limits: ProgramResult(code=next(left), output=""))
    request = worker.request(verb="send-report", arguments={})
    endpoint.has(request)

    worker.carry(request)
    worker.run_due()

    assert worker.states() == ["received", "accepted", "running", state]


@pytest.mark.parametrize("found", [404, "other", {}], ids=["unknown", "other", "empty"])
def test_what_the_endpoint_does_not_have_never_runs(
    worker: Worker, endpoint: ConfirmingEndpoint, found: object
) -> None:
    request = worker.request()
    endpoint.has(request, {**request, "comment": "other"} if found == "other" else found or {"id": 1})

    worker.carry(request)
    endpoint.has(request)
    worker.carry(request)

    assert worker.run_due()["exit_code"] == 2
    assert (worker.states(), worker.why()) == (["received", "refused"], "not-confirmed")
    assert worker.did == []


@pytest.mark.parametrize("answer", [500, 503, 401, 302, Page(404), Page(405), Page(200)], ids=str)
def test_an_endpoint_that_cannot_answer_leaves_the_request_for_later(
    worker: Worker, endpoint: ConfirmingEndpoint, answer: object
) -> None:
    """Nor does a proxy answer for it, while it is down."""
    request = worker.request()
    endpoint.has(request, answer)

    assert worker.carry(request)["exit_code"] == 1
    assert not (worker.directory / "requests.json").exists()

    endpoint.has(request)
    worker.carry(request)
    assert worker.states() == ["received", "accepted"]


def test_an_endpoint_with_another_certificate_confirms_nothing(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.configure(endpoint={"url": endpoint.url})

    assert worker.carry(request)["exit_code"] == 1
    assert endpoint.asked == []


def test_without_tls_nothing_is_confirmed(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.configure(endpoint={"url": endpoint.url.replace("https", "http")})

    worker.carry(request)

    assert (worker.why(), worker.did) == ("not-confirmed", [])


def test_a_signed_request_runs_without_the_endpoint(
    signing: Worker, people: dict[str, Signer], endpoint: ConfirmingEndpoint
) -> None:
    signing.carry(people["ann"].sign(signing.request()))
    signing.run_due()

    assert signing.states()[-1] == "done"
    assert signing.book.entries[0].signed_by == "ann@example.org"
    assert endpoint.asked == []
    assert len(signing.did) == 1


def test_no_request_runs_that_no_named_person_has_signed_as_it_is(
    signing: Worker, people: dict[str, Signer], endpoint: ConfirmingEndpoint
) -> None:
    """Not even if the endpoint has it: who owns the endpoint does not own this machine."""
    ann = people["ann"]
    forged = {
        "unsigned": [signing.request(1)],
        "signer-unknown": [people["eve"].sign(signing.request(2))],
        "bad-signature": [
            {**ann.sign(signing.request(3)), "comment": "changed afterwards"},
            {**signing.request(4), "signature": ann.sign(signing.request(3))["signature"]},
            ann.sign(signing.request(5), "file"),
            {
                **signing.request(6),
                "signature": "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
            },
        ],
    }
    for request in (one for many in forged.values() for one in many):
        endpoint.has(request)
        signing.carry(request)
        assert signing.run_due()["exit_code"] == 2

    found = [entry.last.why.value if entry.last.why else "" for entry in signing.book.entries]
    assert found == [why for why, many in forged.items() for _ in many]
    assert signing.did == []


def test_a_signers_file_that_somebody_else_can_change_counts_for_nothing(
    signing: Worker, people: dict[str, Signer]
) -> None:
    os.chown(str(signing.settings["requests"]["signers"]), 65534, 65534)

    signing.carry(people["ann"].sign(signing.request()))

    assert (signing.why(), signing.did) == ("signer-unknown", [])


def test_a_host_without_ssh_keygen_says_so(
    signing: Worker, people: dict[str, Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_signature, "_PROGRAM", "/nonexistent/ssh-keygen")

    signing.carry(people["ann"].sign(signing.request()))

    assert signing.why() == "signer-unknown"
    assert "openssh-client" in signing.book.entries[0].last.detail


@pytest.mark.parametrize("action", ["check-novalidate", "find-principals", "verify"])
@pytest.mark.parametrize("fault", ["kill -9 $$", "sleep 60"], ids=["killed", "too-slow"])
def test_no_verdict_of_ssh_keygen_is_none_against_a_request(
    signing: Worker,
    people: dict[str, Signer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    action: str,
    fault: str,
) -> None:
    """As while the machine is short of memory or of time: when it arrives, and when it would begin."""
    failing = tmp_path / "ssh-keygen"
    failing.write_text(f'#!/bin/sh\n[ "$2" != {action} ] || {fault}\nexec ssh-keygen "$@"\n')
    failing.chmod(0o755)
    request = people["ann"].sign(signing.request())

    def failed(ask: Callable[[], Any]) -> bool:
        with monkeypatch.context() as short:
            short.setattr(ssh_signature, "_PROGRAM", str(failing))
            short.setattr(ssh_signature, "_LIMIT_S", 0.5)
            return bool(ask()["exit_code"] == 1)

    assert failed(lambda: signing.carry(request))
    assert not signing.store.has(REQUESTS)
    signing.carry(request)
    assert failed(signing.run_due)
    assert (signing.states(), signing.did) == (["received", "accepted"], [])
    signing.run_due()

    assert signing.states()[-1] == "done"


def test_one_without_a_verdict_of_ssh_keygen_does_not_hold_up_the_next(
    signing: Worker, people: dict[str, Signer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "ssh-keygen"
    failing.write_text(
        '#!/bin/sh\nexport MESSAGE="$(cat)"\ncase "$MESSAGE" in *upgrade-security*) kill -9 $$;; esac\n'
        'printf %s "$MESSAGE" | exec ssh-keygen "$@"\n'
    )
    failing.chmod(0o755)
    for request in (signing.request(), signing.request(2, verb="check")):
        signing.carry(people["ann"].sign(request))

    monkeypatch.setattr(ssh_signature, "_PROGRAM", str(failing))
    signing.run_due()

    assert [entry.state.value for entry in signing.book.entries] == ["accepted", "done"]


def test_a_key_that_has_left_the_file_starts_nothing(signing: Worker, people: dict[str, Signer]) -> None:
    signing.carry(people["ann"].sign(signing.request()))
    Path(str(signing.settings["requests"]["signers"])).write_text(people["eve"].line)

    signing.run_due()

    assert (signing.states(), signing.why()) == (["received", "accepted", "refused"], "signer-unknown")
    assert signing.did == []


@pytest.mark.parametrize(
    "comment",
    [
        "see https://jira.example.org/browse/OPS-12?focusedCommentId=4711",
        "rotate token: OPS-12",
        "ask ops:ann@example.org",
    ],
)
def test_a_request_is_checked_again_as_it_was_signed_whatever_the_record_leaves_out_of_it(
    signing: Worker, people: dict[str, Signer], comment: str
) -> None:
    signing.carry(people["ann"].sign(signing.request(comment=comment)))
    (entry,) = json.loads(Path(signing.store.path(REQUESTS)).read_text())["requests"]
    signing.run_due()

    assert comment != entry["request"]["comment"], "everybody may read it"
    assert (signing.states()[-1], len(signing.did)) == ("done", 1)


def test_others_can_read_no_credential_of_a_request_during_its_life(
    signing: Worker, people: dict[str, Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, private, write = b"focusedCommentId=47110815", Path(signing.store.path(SIGNED_REQUESTS)), Store.write
    shifted = (base64.b64encode(bytes(shift) + secret) for shift in range(3))
    forms = {form.lower() for form in (secret, secret.hex().encode(), *(text[4:-4] for text in shifted))}
    looks: list[bool] = []

    def watched(store: Store, name: str, document: Document, *, mode: int = 0o644) -> None:
        write(store, name, document, mode=mode)
        files = [path for path in signing.directory.rglob("*") if path.is_file()]
        shown = [path for path in files if path.stat().st_mode & 0o077]
        assert [path for path in shown for form in forms if form in path.read_bytes().lower()] == []
        looks.append(private in files and private not in shown)

    monkeypatch.setattr(Store, "write", watched)
    signing.carry(people["ann"].sign(signing.request(comment=f"see https://jira.example.org/OPS?{secret.decode()}")))
    signing.run_due()

    assert (signing.states()[-1], all(looks), private.exists()) == ("done", True, False)


def test_a_key_may_have_expired_since_its_request_was_accepted(people: dict[str, Signer], tmp_path: Path) -> None:
    file, request, day = tmp_path / "signers", people["ann"].sign(document()), timedelta(days=1)
    now = datetime.now().astimezone()
    file.write_text(people["ann"].line.replace("namespaces", f'valid-before="{now - day:%Y%m%d%H%M%S}",namespaces'))

    found = [
        find_signer(canonical_form(request), request["signature"], str(file), "maestro-request", at)
        for at in (None, now, now - 2 * day)
    ]

    unknown = ssh_signature.SignatureFault.UNKNOWN_SIGNER
    assert found == [unknown, unknown, "ann@example.org"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (
            'git@example.org namespaces="git" {key}\nann@example.org namespaces="maestro-request" {key}',
            "ann@example.org",
        ),
        ('old@example.org valid-before="20200101" {key}\n' * 9 + "*@example.org {key}", "*@example.org"),
        ('# of 2026\n\nann namespaces="git" {key}\n\nann namespaces="maestro-*" {key}', "ann"),
        ('eve@example.org,ann@example.org namespaces="git" {key}', None),
        ('ann@example.org valid-before="20200101",namespaces="maestro-request" {key}', None),
    ],
    ids=["another-namespace-first", "expired-lines-first", "comments-and-patterns", "another-namespace", "expired"],
)
def test_the_first_line_that_accepts_a_signature_says_whose_it_is(
    people: dict[str, Signer], tmp_path: Path, lines: str, found: str | None
) -> None:
    file, request = tmp_path / "signers", people["ann"].sign(document())
    key = people["ann"].line.partition('" ')[2].strip()
    file.write_text(f"{people['eve'].line}{lines.format(key=key)}\n")

    signer = find_signer(canonical_form(request), request["signature"], str(file), "maestro-request")

    assert signer == (found or ssh_signature.SignatureFault.UNKNOWN_SIGNER)


def test_a_request_whose_signature_cannot_be_checked_for_want_of_space_comes_again(
    signing: Worker, people: dict[str, Signer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    request = people["ann"].sign(signing.request())
    with monkeypatch.context() as full:
        full.setattr("tempfile.tempdir", str(tmp_path / "missing"))
        assert signing.carry(request)["exit_code"] == 1
    assert not signing.store.has(REQUESTS)

    signing.carry(request)

    assert signing.states() == ["received", "accepted"]


def test_a_verb_that_root_has_not_allowed_never_runs(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    worker.configure(requests={"allow": ["check"]})
    request = worker.request()
    endpoint.has(request)

    worker.carry(request)
    worker.run_due()

    assert (worker.why(), worker.did, endpoint.asked) == ("not-allowed", [], [])


def test_a_host_that_allows_nothing_does_not_even_read_requests(worker: Worker) -> None:
    worker.configure(requests={"allow": []})

    assert worker.carry(worker.request())["exit_code"] == 2
    assert not (worker.directory / "requests.json").exists()


def test_what_is_no_longer_allowed_when_it_is_due_is_refused(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.carry(request)
    worker.configure(requests={"allow": ["check"]})

    worker.run_due()

    assert (worker.states()[-1], worker.why(), worker.did) == ("refused", "not-allowed", [])


def test_the_unprivileged_half_makes_nothing_happen_by_itself(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    """Everything that it can write to the socket, with a request that the endpoint does have, and without one."""
    request = worker.request(verb="check")
    lines: list[dict[str, object]] = [
        {"job": "run-request"},
        {"job": "upgrade", "plan_id": "0123456789ab"},
        {"job": "upgrade", "scope": "all"},
        {"job": "upgrade", "packages": ["openssl"]},
        {"job": "upgrade", "options": ["reboot-if-required"]},
        {"job": "reboot"},
        {"job": "docker-upgrade"},
        {"job": "upgrade", "request": request},
        {"job": "run-request", "request": request},
        {"job": "run-request", "request_id": request["id"]},
        {"job": "request"},
        {"job": "request", "request": request, "requests_cancelled": [request["id"]]},
        {"job": "request", "request": "x"},
        {"job": "request", "request": {}},
        {"job": "request", "request": {"id": "x"}},
        {"job": "request", "request": {**request, "id": "../../etc/passwd"}},
        {"job": "request", "requests_cancelled": ["../../etc/passwd"]},
        {"job": "request", "request": request, "requested_by": "root"},
        {"job": "request", "request": {**request, "padding": "x" * 40_000}},
        {"job": "request", "request": {**request, "arguments": {"fixes": ["-o=Dpkg::Pre-Invoke::=id"]}}},
        {"job": "request", "request": request, "config": "/mine.toml"},
        {"job": "request", "request": request, "state_dir": "/mine"},
    ]
    for line in lines:
        assert worker.send(**line)["exit_code"] in {0, 2}, line
        worker.run_due()

    assert worker.did == []
    assert {entry.state.value for entry in worker.book.entries} == {"refused"}
    wanted = f"/v1/hosts/{request['host_id']}/requests/{request['id']}"
    assert set(endpoint.asked) == {wanted}, "root fetches nothing that this user could choose"


def test_the_record_cannot_be_written_by_the_unprivileged_half(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.carry(request)

    for name in ("requests.json", "requests.lock", "signed-requests.json", "accepted-config.json"):
        found = (worker.directory / name).stat()
        assert (found.st_uid, found.st_mode & 0o022) == (0, 0), name


def test_it_can_cancel_what_has_not_begun_and_nothing_else(worker: Worker, endpoint: ConfirmingEndpoint) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.carry(request)

    worker.send(job="request", requests_cancelled=[request["id"]])

    assert worker.run_due()["exit_code"] == 2
    assert (worker.states()[-1], worker.did) == ("cancelled", [])


@pytest.mark.parametrize(
    ("answer", "state", "why"),
    [
        (JobAnswer(exit_code=6, error="the plan is another", nothing_done=True), "refused", "plan-changed"),
        (JobAnswer(exit_code=10, document=outcome("degraded")), "done", ""),
        (JobAnswer(exit_code=5, document=outcome("busy")), "failed", "busy-too-long"),
    ],
    ids=["plan-changed", "degraded", "busy"],
)
def test_how_its_job_ended_is_on_record(
    worker: Worker, endpoint: ConfirmingEndpoint, answer: JobAnswer, state: str, why: str
) -> None:
    request = worker.request()
    endpoint.has(request)
    worker.carry(request)
    worker.answer = answer

    assert worker.run_due()["exit_code"] == 0, "the job that begins requests has done its work"
    assert (worker.states()[-1], worker.why()) == (state, why)
