"""Sends one notification as mail: by SMTP to a mail server, or by sendmail(1)."""

import smtplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from endpoint import log
from endpoint.config.notify import NotifyConfig, mail_server
from endpoint.core.text import clean
from endpoint.core.timestamps import parse_utc
from endpoint.notify.delivery import DeliveryFailure

_TIMEOUT_S = 20.0
_MAX_SUBJECT = 180
_MAX_SAID = 4096


def send_mail(config: NotifyConfig, document: Mapping[str, Any]) -> DeliveryFailure | None:
    """Send it; None: the mail server, or sendmail, has taken it."""
    try:
        made = mail_of(config, document)
        if config.sendmail:
            return _by_sendmail(config.sendmail, made)
        _by_smtp(config, made)
    except (OSError, ValueError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        reason = clean(" ".join(f"{type(error).__name__}: {error}".split()), 300)
        return DeliveryFailure(reason=reason, of_this_one=_refuses_content(error))
    return None


def _refuses_content(error: Exception) -> bool:
    """Return whether a mail server refused for ever what it got with DATA, as a filter of contents does."""
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500  # noqa: PLR2004 - RFC 5321, 4.2.1


def mail_of(config: NotifyConfig, document: Mapping[str, Any]) -> EmailMessage:
    """Return the mail; the same notification has the same Message-ID each time.

    Raises:
        ValueError: an address is invalid.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"] = config.mail_from or f"maestro-endpoint@{socket.gethostname()}"
    mail["To"] = ", ".join(config.mail_to)
    mail["Subject"] = f"[maestro] {clean(document['summary'], _MAX_SUBJECT)}"
    mail["Date"] = parse_utc(document["created_at"])
    mail["Message-ID"] = f"<{document['id']}@maestro-endpoint>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers
    mail["X-Maestro-Kind"] = document["kind"]
    link = f"\n\n{document['link']}" if document["link"] else ""
    mail.set_content(f"{document['summary']}\n\n{document['text']}{link}\n")
    return mail


def _by_smtp(config: NotifyConfig, mail: EmailMessage) -> None:
    host, port = mail_server(config.smtp)
    # Without a name it would ask the DNS for this machine's, and wait for it.
    with closing(smtplib.SMTP(host, port, local_hostname=socket.gethostname(), timeout=_TIMEOUT_S)) as server:
        try:
            if host not in {"localhost", "127.0.0.1", "::1"}:
                server.starttls(context=ssl.create_default_context())
            refused = server.send_message(mail)
        finally:
            # The mail was taken, or refused, before this: what the server says to QUIT changes nothing of it.
            with suppress(OSError):
                server.quit()
    # The others have it: sending it again would not help this one.
    for address, (code, text) in refused.items():
        log.event("mail.refused", address=address, detail=clean(f"{code} {text.decode('utf-8', 'replace')}", 300))


def _by_sendmail(program: str, mail: EmailMessage) -> DeliveryFailure | None:
    text = mail.as_bytes(policy=mail.policy.clone(linesep="\n"))
    # Not a pipe: what delivers in the background would hold it open, long after the mail was taken.
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [program, "-t", "-oi"],
            input=text,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            timeout=_TIMEOUT_S,
            check=False,
        )
        errors.seek(0)
        said = " ".join(errors.read(_MAX_SAID).decode("utf-8", "replace").split())
    if done.returncode == 0:
        return None
    return DeliveryFailure(reason=clean(f"{program} ended with {done.returncode}: {said}", 300))
