"""Single sign-on: the proxy in front names the person in a header, which counts on a unix socket only."""

import socket

from flask import request

from endpoint.config.model import Config
from endpoint.core.group_rights import rights_of
from endpoint.core.people import Person, PersonVia, person_name
from endpoint.errors import RefusedError
from endpoint.store.database import Database
from endpoint.store.people.users import Users


class ProxyPeople:
    """Finds the person that the proxy has authenticated."""

    def __init__(self, config: Config, database: Database) -> None:
        self._people = config.people
        self._users = Users(database)

    def person(self) -> Person | None:
        """Return the person; None: the proxy names none, or its header does not count.

        The rights are those of the groups, or those of `user add` if no group grants any.

        Raises:
            RefusedError: 403: the person has no rights here.
            StoreError: the database does not answer.
        """
        text = request.headers.get(self._people.header, "") if self._people.header else ""
        if not text or not _on_unix_socket():
            return None
        name = person_name(text)
        if name is None:
            raise RefusedError(403, "the proxy sends no name of a person")
        user = self._users.find(name)
        if user is not None and user.disabled_at is not None:
            raise RefusedError(403, "this person is disabled")
        groups = request.headers.get(self._people.groups_header, "") if self._people.groups_header else ""
        rights = rights_of((group.strip() for group in groups.split(",")), self._people.groups) or user
        if rights is None:
            raise RefusedError(403, "this person has no rights here; an administrator can give them")
        return Person(
            name=name, role=rights.role, may_reboot=rights.may_reboot, scope=rights.scope, via=PersonVia.PROXY
        )


def _on_unix_socket() -> bool:
    connection = request.environ.get("gunicorn.socket")
    return isinstance(connection, socket.socket) and connection.family == socket.AF_UNIX
