"""Logging in: limits first, then one hash of the password whatever the name, then the code."""

import ipaddress
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from threading import BoundedSemaphore

from endpoint import log
from endpoint.core.passwords import NOBODY, fault_of_password, hash_password, is_outdated, is_password
from endpoint.core.people import person_name
from endpoint.core.totp import matching_step
from endpoint.errors import LaterError, RefusedError
from endpoint.http.people.gate import address
from endpoint.store.database import Database
from endpoint.store.people.login_attempts import LoginAttempts
from endpoint.store.people.logins import Logins, Proved, Secrets
from endpoint.store.people.users import LinkPurpose

_PER_NAME, _PER_ADDRESS = 10, 30
"""Failures in 15 minutes. An address may be that of an office; a one-time link passes by the limit of a name."""
_HASHING = BoundedSemaphore(2)
"""Hashes that this process makes at the same time: each takes 16 MiB and a processor."""
_WAIT_S = 2.0
_SECRET_BYTES = 20
_WRONG = "name, password or code is wrong"
_CHANGED = "another request has changed this meanwhile"
_USED_LINK = "this link is not valid, or no longer: ask an administrator for another one"


class LoginDesk:
    """Checks what a person enters, and starts sessions."""

    def __init__(self, database: Database) -> None:
        self._logins = Logins(database)
        self._attempts = LoginAttempts(database)

    def log_in(self, name: str, password: str, code: str) -> str:
        """Return the secret of a new session.

        Raises:
            LaterError: 429 after too many failures, 503 while too many people log in.
            RefusedError: 403: anything of it is wrong; the message does not say what.
            StoreError: the database does not answer.
        """
        known = person_name(name)
        limits = {f"name {name.strip().lower()[:256]}": _PER_NAME, **_address_limit()}
        with self._attempt(limits):
            now = datetime.now(timezone.utc)
            found = self._logins.secrets(known) if known is not None else None
            stored = found.password if found is not None and found.password is not None else NOBODY
            right = self._is_password(password, stored)
            proved = self._proved(found, code, now) if found is not None and right else None
            if proved is not None and is_outdated(stored):
                proved = self._with_password(proved, password)
            session = self._logins.start(proved) if proved is not None else None
            if session is None:
                # Only a name that there is: in a hurry people enter the password there.
                log.event("login.refused", person=found.name if found is not None else None, address=address())
                raise RefusedError(403, _WRONG)
        return session

    def link(self, secret: str) -> tuple[Secrets, LinkPurpose]:
        """Return whose one-time link it is, and for what.

        Raises:
            RefusedError: 404: it is not valid, for whatever reason.
            StoreError: the database does not answer.
        """
        found = self._logins.link(secret, datetime.now(timezone.utc))
        if found is None:
            raise RefusedError(404, _USED_LINK)
        return found

    def use_link(self, secret: str, password: str, code: str) -> str:
        """Use a link up; return the secret of a new session.

        Raises:
            LaterError: as `log_in`.
            RefusedError: 403: the code is wrong; 404: the link is not valid; 422: the password is too weak.
            StoreError: the database does not answer.
        """
        found, purpose = self.link(secret)
        if purpose is LinkPurpose.PASSWORD:
            _require_strong(password, found.name)
        limits = {f"code {found.name}": _PER_NAME} if found.totp is not None else {}
        with self._attempt(limits):
            proved = self._proved(found, code, datetime.now(timezone.utc))
            if proved is None:
                raise RefusedError(403, "the code is wrong, or was used before")
            if purpose is LinkPurpose.PASSWORD:
                proved = self._with_password(proved, password)
            session = self._logins.use_link(secret, proved)
            if session is None:
                raise RefusedError(404, _USED_LINK)
        return session

    def confirm(self, name: str, password: str, code: str) -> Proved:
        """Check the password, and the code if the person uses codes, before the own login is changed.

        Raises:
            LaterError: as `log_in`.
            RefusedError: 403: one of them is wrong.
            StoreError: the database does not answer.
        """
        limits = {f"name {name}": _PER_NAME}
        with self._attempt(limits):
            found = self._logins.secrets(name)
            right = self._is_password(password, (found.password if found is not None else None) or NOBODY)
            proved = self._proved(found, code, datetime.now(timezone.utc)) if found is not None and right else None
            if proved is None:
                raise RefusedError(403, "the password or the code is wrong")
        return proved

    def change_password(self, proved: Proved, password: str) -> str:
        """Set a new password, which ends all sessions; return the secret of a new one.

        Raises:
            LaterError: 503, as `log_in`.
            RefusedError: 403: the code was used by now; 422: the password is too weak.
            StoreError: the database does not answer.
        """
        _require_strong(password, proved.name)
        session = self._logins.set_password(self._with_password(proved, password))
        if session is None:
            raise RefusedError(403, "the code was used before")
        return session

    def totp_secret(self, name: str) -> bytes | None:
        """Return the proposed secret of a person who uses no codes, a new one at the first call; None: codes are used.

        Raises:
            StoreError: the database does not answer.
        """
        found = self._logins.secrets(name)
        if found is None or found.totp is not None:
            return None
        if found.totp_pending is None:
            self._logins.propose_totp(name, secrets.token_bytes(_SECRET_BYTES))
            found = self._logins.secrets(name)
        return found.totp_pending if found is not None else None

    def enable_totp(self, name: str, password: str, code: str) -> None:
        """Require codes from the next login on.

        Raises:
            LaterError: as `log_in`.
            RefusedError: 403: the password is wrong, or the code is none of the secret that is proposed now.
            StoreError: the database does not answer.
        """
        proved = self.confirm(name, password, "")
        pending = self.totp_secret(name)
        step = matching_step(pending, code, proved.at.timestamp(), None) if pending is not None else None
        if pending is None or step is None:
            raise RefusedError(403, "the code does not fit: check the clock of the device that makes it")
        if not self._logins.enable_totp(replace(proved, step=step), pending):
            raise RefusedError(403, _CHANGED)

    def disable_totp(self, name: str, password: str, code: str) -> None:
        """Require no codes from now on.

        Raises:
            LaterError: as `log_in`.
            RefusedError: 403: the password or the code is wrong, or codes were changed or given up by now.
            StoreError: the database does not answer.
        """
        if not self._logins.disable_totp(self.confirm(name, password, code)):
            raise RefusedError(403, _CHANGED)

    @contextmanager
    def _attempt(self, limits: dict[str, int]) -> Iterator[None]:
        """Count an attempt, and leave it counted only if it was refused: else it succeeded, or nothing was compared.

        Raises:
            LaterError: 429 after too many failures.
        """
        wait = self._attempts.begin(limits, datetime.now(timezone.utc)) if limits else 0
        if wait > 0:
            log.event("login.limited", address=address())
            raise LaterError(429, f"too many failed logins: try again in {-(-wait // 60)} minutes", wait)
        has_failed = False
        try:
            yield
        except RefusedError as refused:
            has_failed = not isinstance(refused, LaterError)
            raise
        finally:
            if limits and not has_failed:
                self._attempts.take_back(limits)

    def _proved(self, found: Secrets, code: str, now: datetime) -> Proved | None:
        step = None
        if found.totp is not None:
            step = matching_step(found.totp, code, now.timestamp(), found.totp_step)
            if step is None:
                return None
        return Proved(of=found, step=step, address=address(), at=now)

    def _is_password(self, password: str, stored: str) -> bool:
        with _turn():
            return is_password(password, stored)

    def _with_password(self, proved: Proved, password: str) -> Proved:
        with _turn():
            hashed = hash_password(password, secrets.token_bytes(16))
        return replace(proved, password=hashed)


@contextmanager
def _turn() -> Iterator[None]:
    if not _HASHING.acquire(timeout=_WAIT_S):
        raise LaterError(503, "too many people log in at once", 5)
    try:
        yield
    finally:
        _HASHING.release()


def _require_strong(password: str, name: str) -> None:
    fault = fault_of_password(password, name)
    if fault is not None:
        raise RefusedError(422, fault)


def _address_limit() -> dict[str, int]:
    """Return the limit of the address; of IPv6 a network counts, of which each customer has one at least."""
    try:
        found = ipaddress.ip_address(address())
    except ValueError:
        return {}  # a unix socket without a proxy's header
    network = ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False)  # noqa: PLR2004 - IPv6
    return {f"address {network}": _PER_ADDRESS}
