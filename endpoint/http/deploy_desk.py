"""Orders of people, the same for pages and API: preview, create, cancel and resume, within rights and scope."""

import uuid
from datetime import datetime, timezone

from endpoint.config.model import Config
from endpoint.core.deploy.new_deployment import new_deployment
from endpoint.core.deploy.order import DeployOrder
from endpoint.core.deploy.preview import Preview, preview
from endpoint.core.host_id import UUID
from endpoint.core.host_query import HostQuery
from endpoint.core.people import Person, Right
from endpoint.errors import RefusedError, UsageError
from endpoint.http.people.gate import address
from endpoint.store.database import Database
from endpoint.store.deploy_candidates import DeployCandidates
from endpoint.store.deployment_pages import DeploymentPages, DeploymentView, is_of, may_resume
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.request_queries import Listed

_NO_REBOOT = "this needs the right to reboot hosts; an administrator can give it"


class DeployDesk:
    """All that people do with deployments."""

    def __init__(self, config: Config, database: Database, fleet: FleetPages) -> None:
        self.fleet = fleet
        self.pages = DeploymentPages(database)
        self._signed = config.requests.signed
        self._candidates = DeployCandidates(database, self.fleet)
        self._store = DeploymentStore(database)

    def preview(self, order: DeployOrder, query: HostQuery, person: Person, now: datetime) -> Preview:
        """Return what an order would do with the hosts of a query in the person's scope.

        Raises:
            RefusedError: 400, too many hosts; 403, the person may not reboot hosts.
        """
        if order.reboot and not person.may(Right.REBOOT):
            raise RefusedError(403, _NO_REBOOT)
        found = self._candidates.find(order, query, person.scope, now)
        return preview(order, query, found, sign=self._signed)

    def create(self, shown: Preview, identity: str, person: Person, now: datetime) -> None:
        """Store a deployment under an id that its preview had; a second time changes nothing.

        Raises:
            RefusedError: 400, the id is none, or no host is left; 409, another deployment has the id.
        """
        if not UUID.fullmatch(identity):
            raise RefusedError(400, "id: must be a UUID")
        if not shown.hosts:
            raise RefusedError(400, "no host is left: see the reasons in the preview")
        try:
            new = new_deployment(
                shown, identity=identity, person=person.name, now=now, new_id=lambda: str(uuid.uuid4())
            )
        except UsageError as error:
            raise RefusedError(400, str(error)) from error
        stored = self._store.create(new.record, new.requests, address=address() or None)
        if not stored and not self.is_created(identity, person):
            raise RefusedError(409, "id: there is another deployment with it")

    def is_created(self, identity: str, person: Person) -> bool:
        """Return whether the person has created a deployment under this id: a form or a call was sent twice.

        Then it is that one, whatever the hosts would do by now.
        """
        found = self.pages.show(identity, person, limit=1) if UUID.fullmatch(identity) else None
        return found is not None and is_of(found.record, person)

    def list(self, person: Person, offset: int) -> tuple[tuple[Listed, ...], int]:
        """Return a page of the deployments in the person's scope, and how many there are; as in `view`."""
        self._store.expire(datetime.now(timezone.utc))
        return self.pages.list(person, offset=offset)

    def view(self, deployment: str, person: Person, **page: object) -> DeploymentView:
        """Return a deployment as the person sees it; what has expired has ended in it.

        Raises:
            RefusedError: 404, it is unknown, or has no host in the scope.
        """
        if UUID.fullmatch(deployment):
            self._store.expire(datetime.now(timezone.utc))
            found = self.pages.show(deployment, person, **page)  # type: ignore[arg-type]
            if found is not None:
                return found
        raise RefusedError(404, "there is no such deployment")

    def cancel(self, deployment: str, person: Person, *, request: str | None = None, lost: bool = False) -> int:
        """Cancel a deployment, or the request of one host; return how many hosts still report how it ended.

        Of a deployment with hosts outside of the scope, the requests of those in it are cancelled.

        Raises:
            RefusedError: 403, 404; 409, there is nothing to cancel.
        """
        view = self._view_of_deployer(deployment, person)
        visible = self.pages.requests_in_scope(deployment, person)
        if request is not None and request not in visible:
            raise RefusedError(409, "nothing to cancel: this request has ended, or is none of this deployment")
        actor = self._actor(person)
        try:
            wanted = visible if request is None else (request,)
            every = request is None and view.is_whole
            return self._store.cancel(deployment, None if every else frozenset(wanted), actor, lost=lost)
        except UsageError as error:
            raise RefusedError(409, str(error)) from error

    def resume(self, deployment: str, person: Person) -> None:
        """Go on with a deployment that has stopped.

        Raises:
            RefusedError: 403, 404; 409, it is not stopped, or has expired.
        """
        view = self._view_of_deployer(deployment, person)
        if not may_resume(view, person):
            raise RefusedError(403, _NO_REBOOT)
        if not view.is_whole:
            raise RefusedError(403, "it has hosts outside of your scope: whoever sees all of them can resume it")
        try:
            self._store.resume(deployment, self._actor(person))
        except UsageError as error:
            raise RefusedError(409, str(error)) from error

    def _view_of_deployer(self, deployment: str, person: Person) -> DeploymentView:
        view = self.view(deployment, person, limit=1)
        if not person.may(Right.DEPLOY):
            raise RefusedError(403, "this needs the right to deploy")
        return view

    @staticmethod
    def _actor(person: Person) -> Actor:
        return Actor(name=person.name, at=datetime.now(timezone.utc), address=address() or None)
