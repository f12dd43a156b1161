"""A browser without JavaScript, in this process: keeps cookies, sends forms with their tokens."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from html import unescape
from itertools import count
from urllib.parse import urlencode

from flask import Flask

from endpoint.core.people import PersonRole, Scope
from endpoint.store.people.sessions import Sessions
from endpoint.store.people.users import Users
from tests.support.endpoint_server import Answer, Requests
from tests.support.local_endpoint import LocalEndpoint

_TOKEN = re.compile(r'name="form_token" value="([^"]*)"')
_NUMBERS = count(1)


@dataclass(kw_only=True)
class Visitor(Requests):
    """One browser; it follows no redirect."""

    app: Flask
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = "192.0.2.7"
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Headers of each request, as a proxy adds them."""
    connection: socket.socket | None = None
    """Where requests arrive; None: over TCP."""

    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in (*self.fixed.items(), *headers.items())}
        if self.cookies and "Cookie" not in fields:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            data=data,
            headers=fields,
            environ_overrides={"REMOTE_ADDR": self.address, "gunicorn.socket": self.connection},
        )
        for line in answer.headers.getlist("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return Answer(status=answer.status_code, headers=dict(answer.headers), body=answer.data)

    def form_token(self, page: str) -> str:
        """Return the token of the first form on a page."""
        found = _TOKEN.search(self.get(page).body.decode())
        assert found, f"{page} has no form"
        return unescape(found[1])

    def submit(self, path: str, values: Mapping[str, object], *, page: str | None = None, **headers: str) -> Answer:
        """Open a page with a form, fill it in and send it."""
        return self.post_form(path, {"form_token": self.form_token(page or path), **values}, **headers)

    def post_form(self, path: str, values: Mapping[str, object], **headers: str) -> Answer:
        """Send a form as it is."""
        data = urlencode(values, doseq=True).encode()
        fields = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        return self.send("POST", path, data, **fields)


def visitor(
    endpoint: LocalEndpoint,
    role: PersonRole = PersonRole.ADMIN,
    *,
    tags: set[str] | None = None,
    may_reboot: bool = False,
    name: str | None = None,
) -> Visitor:
    """Return a browser in which a new person is logged in."""
    made = Visitor(app=endpoint.app)
    now, own_name = datetime.now(timezone.utc), name or f"person-{next(_NUMBERS)}"
    scope = Scope(tags=frozenset(tags) if tags is not None else None)
    Users(endpoint.opened).add(own_name, role, scope, now, may_reboot=may_reboot)
    sessions = Sessions(endpoint.opened, lifetime=timedelta(hours=1), idle=timedelta(hours=1))
    made.cookies["maestro"] = sessions.start(own_name, made.address, now)
    return made
