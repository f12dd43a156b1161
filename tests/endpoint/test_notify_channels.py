"""Notifications reach a webhook and a mailbox as they should, and every failure is one line."""

import json
import socket
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import structlog

from endpoint.config.model import Config
from endpoint.config.notify import NotifyConfig
from endpoint.config.read import read_config
from endpoint.core.notify.model import Notification, NotificationKind, Subject, notification_document
from endpoint.core.notify.webhook import WebhookTemplate, sign
from endpoint.errors import ConfigError
from endpoint.notify import mail as mail_room
from endpoint.notify import post as post_room
from endpoint.notify.mail import mail_of, send_mail
from endpoint.notify.post import post
from tests.endpoint.conftest import MakeEndpoint
from tests.endpoint.test_notify_core import HOSTILE, SCHEMA
from tests.support.endpoint_server import free_port
from tests.support.receivers import mail_server, read_mail, webhook

ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def document(name: str = "web1") -> dict[str, Any]:
    subject = Subject(id="host", name=name, detail=name)
    return notification_document(
        Notification(id=ID, kind=NotificationKind.SILENT, at=1_800_000_000.0, subjects=[subject], count=1)
    )


def test_a_receiver_verifies_the_signature_over_what_it_got(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")

    with webhook() as receiver:
        failure = post(NotifyConfig(webhook_url=receiver.url, secret_file=str(secret)), document())

    (got,) = receiver.got
    assert failure is None
    assert got.headers["Maestro-Signature"] == f"v1={sign(b's3cret', got.body, int(got.headers['Maestro-Timestamp']))}"
    assert json.loads(got.body) == document()


def test_matrix_is_put_with_its_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken\n")

    with webhook() as receiver:
        config = NotifyConfig(webhook_url=receiver.url, template=WebhookTemplate.MATRIX, token_file=str(token))
        assert post(config, document()) is None

    assert [(got.method, got.path, got.headers["Authorization"]) for got in receiver.got] == [
        ("PUT", f"/hook/{ID}", "Bearer t0ken")
    ]


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (500, {}, 0.0),
        (429, {"Retry-After": "120"}, 120.0),
        (404, {}, 0.0),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, 0.0),
        (799, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
    ],
    ids=["error", "busy", "missing", "redirect", "odd"],
)
def test_any_other_answer_is_a_failure_and_no_redirect_is_followed(
    status: int, headers: dict[str, str], wait: float
) -> None:
    with webhook() as receiver:
        receiver.answers = [(status, headers)]
        failure = post(NotifyConfig(webhook_url=receiver.url), document())

    assert len(receiver.got) == 1
    assert failure is not None
    assert str(status) in failure.reason
    assert failure.retry_after_s == wait


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": "2"}, b""),
        ({"Transfer-Encoding": "chunked"}, b"zz\r\n"),
        ({"Content-Encoding": "gzip"}, b"\x00"),
        ({"Content-Length": "no number"}, b"ok"),
    ],
    ids=["cut short", "bad chunk", "no gzip", "no length"],
)
def test_a_status_of_success_is_the_delivery_whatever_body_follows_it(headers: dict[str, str], body: bytes) -> None:
    with webhook() as receiver:
        receiver.answers, receiver.body = [(200, headers)], body
        failure = post(NotifyConfig(webhook_url=receiver.url), document())

    assert (failure, len(receiver.got)) == (None, 1)


def test_a_body_that_does_not_come_is_not_waited_for_for_long_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is there before it is read, however slow the machine is: the short limit is that of the body alone."""
    monkeypatch.setattr(post_room, "_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        with client, server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")

            def connect(_address: object, timeout: float, *_: object) -> socket.socket:
                client.settimeout(timeout)
                return client

            monkeypatch.setattr(socket, "create_connection", connect)
            failure = post(NotifyConfig(webhook_url="http://127.0.0.1/"), document())
            request = connection.recv(65536)

    assert failure is None
    assert request.startswith(b"POST / HTTP/1.1\r\n")


def test_a_receiver_that_is_away_or_speaks_something_else_is_a_failure_without_the_secret_url() -> None:
    away = post(NotifyConfig(webhook_url=f"http://127.0.0.1:{free_port()}/s3cret"), document())
    with mail_server() as server:
        other = post(NotifyConfig(webhook_url=f"http://{server.address}/s3cret"), document())

    for failure in (away, other):
        assert failure is not None
        assert "s3cret" not in failure.reason


def test_a_missing_secret_is_a_failure_and_nothing_is_sent(tmp_path: Path) -> None:
    with webhook() as receiver:
        failure = post(NotifyConfig(webhook_url=receiver.url, secret_file=str(tmp_path / "none")), document())

    assert failure is not None
    assert receiver.got == []


@pytest.mark.parametrize("token", ["se\ncret", "se\u20accret", "se\x01cret"], ids=["lines", "not-ascii", "control"])
def test_a_token_that_is_no_header_field_is_a_failure_that_does_not_quote_it(token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token)

    failure = post(NotifyConfig(webhook_url="http://127.0.0.1:9/", token_file=str(file)), document())

    assert failure is not None
    assert "token_file" in failure.reason
    assert "cret" not in failure.reason


def test_a_mail_server_gets_one_mail_with_a_stable_id() -> None:
    with mail_server() as server:
        config = NotifyConfig(mail_to=("ops@example.org", "root"), mail_from="fleet@example.org", smtp=server.address)
        failures = [send_mail(config, document()) for _ in range(2)]

    assert failures == [None, None]
    assert server.recipients == ["ops@example.org", "root"] * 2
    assert {mail["Message-ID"] for mail in server.mails} == {f"<{ID}@maestro-endpoint>"}
    mail = server.mails[0]
    assert mail["Subject"] == "[maestro] host silent: web1"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "web1: web1" in mail.get_content()


def test_one_recipient_that_is_refused_is_logged_and_the_others_get_the_mail_once() -> None:
    with mail_server() as server, structlog.testing.capture_logs() as logged:
        server.refused = "old@example.org"
        config = NotifyConfig(mail_to=("old@example.org", "ops@example.org"), smtp=server.address)
        assert send_mail(config, document()) is None

    assert [(entry["event"], entry["address"]) for entry in logged] == [("mail.refused", "old@example.org")]
    assert len(server.mails) == 1


def test_a_host_adds_no_header_and_no_recipient_to_a_mail() -> None:
    config = NotifyConfig(mail_to=("ops@example.org",), mail_from="fleet@example.org")
    mail = read_mail(mail_of(config, document(HOSTILE)).as_bytes())

    assert mail["Bcc"] is None
    assert mail["To"] == "ops@example.org"
    assert str(mail["Subject"]).isprintable()
    assert mail.get_content_type() == "text/plain"


def test_a_mail_server_that_refuses_or_is_away_is_a_failure() -> None:
    with mail_server() as server:
        server.answer = "451 4.7.1 greylisted\x07"
        refused = send_mail(NotifyConfig(mail_to=("root",), smtp=server.address), document())
    away = send_mail(NotifyConfig(mail_to=("root",), smtp=f"127.0.0.1:{free_port()}"), document())

    for failure in (refused, away):
        assert failure is not None
        assert failure.reason.isprintable()
    assert server.mails == []


@pytest.mark.parametrize("to_quit", ["421 4.4.2 shutting down", "250 ok", "no number", ""])
def test_a_mail_that_was_taken_is_delivered_whatever_the_server_says_to_quit(to_quit: str) -> None:
    with mail_server() as server:
        server.to_quit = to_quit
        failure = send_mail(NotifyConfig(mail_to=("root",), smtp=server.address), document())

    assert (failure, len(server.mails)) == (None, 1)


def test_a_mail_that_was_refused_is_a_failure_with_that_reason_whatever_the_server_says_to_quit() -> None:
    with mail_server() as server:
        server.answer, server.to_quit = "554 5.7.1 spam", "421 4.4.2 shutting down"
        failure = send_mail(NotifyConfig(mail_to=("root",), smtp=server.address), document())

    assert failure is not None
    assert "554" in failure.reason


def test_a_refusal_of_one_notification_is_told_from_one_of_all() -> None:
    statuses = (400, 401, 403, 404, 408, 413, 422, 429, 500)
    failures = []
    with webhook() as receiver:
        for status in statuses:
            receiver.answers = [(status, {})]
            failures.append(post(NotifyConfig(webhook_url=receiver.url), document()))

    found = [status for status, failure in zip(statuses, failures, strict=True) if failure and failure.of_this_one]
    assert None not in failures
    assert found == [400, 413, 422]


def test_a_mail_that_is_refused_for_ever_is_told_from_one_that_may_be_taken_later() -> None:
    failures = []
    with mail_server() as server:
        for server.answer in ("554 5.7.1 rejected by the filter", "451 4.7.1 later"):
            failures.append(send_mail(NotifyConfig(mail_to=("root",), smtp=server.address), document()))

    assert [failure and failure.of_this_one for failure in failures] == [True, False]


def test_a_mail_server_elsewhere_needs_an_encrypted_connection() -> None:
    with mail_server("127.0.0.2") as server:
        failure = send_mail(NotifyConfig(mail_to=("root",), smtp=server.address), document())

    assert failure is not None
    assert "STARTTLS" in failure.reason
    assert server.mails == []


def test_sendmail_gets_the_mail_on_its_standard_input(tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\ncat >{tmp_path}/mail\n')
    program.chmod(0o755)
    config = NotifyConfig(mail_to=("root",), mail_from="fleet@example.org", sendmail=str(program))

    assert send_mail(config, document()) is None
    assert (tmp_path / "arguments").read_text() == "-t -oi\n"
    assert read_mail((tmp_path / "mail").read_bytes())["To"] == "root"


def test_a_sendmail_that_delivers_in_the_background_has_taken_the_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_room, "_TIMEOUT_S", 4.0)
    program = tmp_path / "sendmail"
    program.write_text("#!/bin/sh\ncat >/dev/null\nsleep 8 &\n")
    program.chmod(0o755)

    assert send_mail(NotifyConfig(mail_to=("root",), sendmail=str(program)), document()) is None


@pytest.mark.parametrize("script", ["echo no space >&2; exit 75", "kill -9 $$"], ids=["fails", "is-killed"])
def test_a_sendmail_that_fails_is_a_failure(script: str, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    program.chmod(0o755)

    failure = send_mail(NotifyConfig(mail_to=("root",), sendmail=str(program)), document())
    assert failure is not None
    assert ("no space" in failure.reason) == ("no space" in script)
    assert send_mail(NotifyConfig(mail_to=("root",), sendmail=str(tmp_path / "none")), document()) is not None


def test_notify_test_sends_on_each_channel_and_fails_if_one_does(make_endpoint: MakeEndpoint) -> None:
    with webhook() as receiver, mail_server() as server:
        settings = {"webhook_url": receiver.url, "mail_to": ["ops@example.org"], "smtp": server.address}
        endpoint = make_endpoint(notify=settings)
        done = endpoint.run("notify", "test")
        receiver.answers = [(500, {})]
        failed = endpoint.run("notify", "test")

    assert (done.returncode, failed.returncode) == (0, 1)
    assert done.stdout.splitlines() == ["webhook: sent", "mail: sent"]
    jsonschema.validate(json.loads(receiver.got[0].body), SCHEMA)
    assert len(server.mails) == 2


def test_notify_test_without_a_channel_is_a_usage_error(make_endpoint: MakeEndpoint) -> None:
    assert make_endpoint().run("notify", "test").returncode == 2


@pytest.mark.parametrize(
    "settings",
    [
        'webhook_url = "ftp://x/"',
        'webhook_url = "https://user@x/"',
        'webhook_url = "https://x/\\u0001"',
        'webhook_url = "https://x/\\u00e9"',
        'template = "teams"',
        'secret_file = "/nonexistent"',
        'token_file = "/nonexistent"',
        'mail_to = "ops@example.org"',
        'mail_to = ["a@b, c@d"]',
        'mail_to = ["a\\nBcc: b"]',
        'mail_from = "a b"',
        'smtp = "localhost"',
        'events = ["silence"]',
        "events = [1]",
        'overdue_after = "soon"',
        'overdue_after = "999999999d"',
    ],
)
def test_an_invalid_setting_is_a_configuration_error_that_names_it(settings: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[notify]\n{settings}\n")

    with pytest.raises(ConfigError, match=rf"notify\.{settings.partition(' ')[0]}|notify\.mail_to, mail_from"):
        read_config(file)


def test_nobody_is_notified_by_default() -> None:
    assert not Config().notify.is_on
    assert Config().notify.overdue is not None
    assert NotifyConfig(overdue_after="never").overdue is None
