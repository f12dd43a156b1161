"""`/locks`: the reboot slots, who holds one and who waits; a person may release one."""

from collections.abc import Sequence
from datetime import datetime, timezone

from flask import Response, request

from endpoint.core.audit import AuditAction
from endpoint.core.lock_report import client_hosts, locks_document
from endpoint.core.lock_view import client_host, hosts_of, slot_view
from endpoint.core.locks import Holder
from endpoint.core.people import Person, Right
from endpoint.core.timestamps import format_utc
from endpoint.errors import RefusedError, UsageError
from endpoint.http.pages.site import PageContext, PageRoute
from endpoint.store.host_names import HostNames
from endpoint.store.lock_queries import ByPerson, LockQueries
from endpoint.store.queries import FleetQueries

_MAX_WHY = 256


class LocksPage:
    """The page, and its form."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._queries = LockQueries(context.database)
        self._streams = FleetQueries(context.database)
        self._names = HostNames(context.database)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        return (
            PageRoute(path="/locks", endpoint="locks-page", handler=self.page),
            PageRoute(
                path="/locks/release",
                endpoint="locks-release",
                handler=self.release,
                methods=("POST",),
                typed={"why": "Why, for the record, the slot is released"},
            ),
        )

    def page(self) -> Response:
        """Return the page."""
        context, now = self._context, datetime.now(timezone.utc)
        person = context.gate.person()
        locks = self._queries.locks(now)
        streams = self._streams.streams(now, context.config.fleet.expire_after, host_ids=client_hosts(locks))
        document = locks_document(locks, streams, now, context.config.locks.settings)
        visible = self._names.visible(hosts_of(document), person.scope)
        view = slot_view(document, visible, limited=not person.scope.is_whole)
        return context.site.render(
            "locks.html", now=now, view=view, visible=visible, may_release=person.may(Right.REBOOT)
        )

    def release(self) -> Response:
        """Release the slot of a host that cannot do it itself."""
        gate, now = self._context.gate, datetime.now(timezone.utc)
        person = gate.person(Right.REBOOT)
        gate.check_form()
        why = request.form.get("why", "").strip()
        if not why or len(why) > _MAX_WHY or not why.isprintable():
            raise RefusedError(400, f"why: printable text of at most {_MAX_WHY} characters is needed")
        holder = self._holder(person, now)
        host = client_host(holder.client_id, holder.host_id)

        def release() -> None:
            self._queries.release(holder, ByPerson(name=person.name, why=why, at=now))
            gate.note(person, AuditAction.SLOT_RELEASED, holder.client_id, f"group {holder.group}: {why}", host_id=host)

        try:
            gate.together(release)
        except UsageError as error:
            raise RefusedError(409, str(error)) from error
        return Response(status=303, headers={"Location": "/locks"})

    def _holder(self, person: Person, now: datetime) -> Holder:
        """Return the holder that the form names.

        Raises:
            RefusedError: 404, it holds no slot, or is not in the person's scope; 409, it has taken another one since.
        """
        group, client = request.form.get("group", ""), request.form.get("client", "")
        groups = self._queries.locks(now).groups
        found = [one for each in groups if each.name == group for one in each.holders if one.client_id == client]
        host = client_host(found[0].client_id, found[0].host_id) if found else None
        seen = person.scope.is_whole or (host is not None and host in self._names.visible([host], person.scope))
        if not found or not seen:
            raise RefusedError(404, "no such slot is held")
        since = format_utc(datetime.fromtimestamp(found[0].since_s, timezone.utc))
        if request.form.get("since", since) != since:
            raise RefusedError(409, "the host has taken the slot again since this page was made: look at it again")
        return found[0]
