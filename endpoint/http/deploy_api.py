"""Deployments over the API, with a person's token: the same as on the pages, in JSON."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from flask import Response, request

from endpoint.config.model import Config
from endpoint.core.deploy.order import NAMES, DeployOrder, order_pairs
from endpoint.core.deploy.preview_report import preview_document
from endpoint.core.deploy.selection import selection_query
from endpoint.core.deployment_report import deployment_document, deployments_document
from endpoint.core.host_query import HostQuery
from endpoint.core.json_body import parse_json
from endpoint.core.people import Person, Right
from endpoint.core.whole_number import whole_number
from endpoint.errors import RefusedError
from endpoint.http.deploy_desk import DeployDesk
from endpoint.http.exchange import json_answer, read_body
from endpoint.http.pages.site import PageRoute
from endpoint.http.people.gate import Gate
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages

_MAX_OFFSET = 1_000_000
_OTHERS = frozenset({"selection", "hosts", "preview", "dry_run", "id"})


class DeployApi:
    """The handlers of `/v1/deployments`."""

    def __init__(self, config: Config, database: Database, gate: Gate, fleet: FleetPages) -> None:
        self._gate = gate
        self._desk = DeployDesk(config, database, fleet)

    def routes(self) -> Sequence[PageRoute]:
        """Return the addresses."""
        one = "/v1/deployments/<deployment>"
        return (
            PageRoute(path="/v1/deployments", endpoint="api-deployments", handler=self.list),
            PageRoute(path="/v1/deployments", endpoint="api-deploy", handler=self.create, methods=("POST",)),
            PageRoute(path=one, endpoint="api-deployment", handler=self.show),
            PageRoute(path=f"{one}/cancel", endpoint="api-cancel", handler=self.cancel, methods=("POST",)),
            PageRoute(path=f"{one}/resume", endpoint="api-resume", handler=self.resume, methods=("POST",)),
        )

    def list(self) -> Response:
        """Return `maestro.deployments/1`, the latest first; `from` skips some."""
        person, offset = self._gate.person(), whole_number(request.args.get("from", "0"), _MAX_OFFSET)
        if offset is None:
            raise RefusedError(400, f"from: must be between 0 and {_MAX_OFFSET}")
        found, _ = self._desk.list(person, offset)
        return json_answer(deployments_document(found, datetime.now(timezone.utc)))

    def show(self, deployment: str) -> Response:
        """Return `maestro.deployment/1`."""
        return self._document(deployment, self._gate.person())

    def create(self) -> Response:
        """Return `maestro.deployment-preview/1` for a dry run; else create, and return `maestro.deployment/1`.

        With `preview`, the digest of a preview, only what that has shown is created. A call that is repeated with the
        same `id` returns what the first one has created.
        """
        person, now = self._gate.person(Right.DEPLOY), datetime.now(timezone.utc)
        body = _object(NAMES | _OTHERS)
        order, query = DeployOrder.parse(order_pairs(body)), _selection(body)
        identity, dry = body.get("id", str(uuid.uuid4())), _flag(body, "dry_run")
        if not isinstance(identity, str):
            raise RefusedError(400, "id: must be a UUID")
        if not dry and self._desk.is_created(identity, person):
            return self._document(identity, person)
        shown = self._desk.preview(order, query, person, now)
        if dry:
            return json_answer(preview_document(shown, now))
        if body.get("preview") not in (None, shown.digest):
            raise RefusedError(409, "this is not what the preview has shown: make another one")
        self._desk.create(shown, identity, person, now)
        return self._document(identity, person)

    def cancel(self, deployment: str) -> Response:
        """Cancel it, or with `request` the request of one host; return `maestro.deployment/1`."""
        person = self._gate.person(Right.DEPLOY)
        body = _object(frozenset({"request", "lost"}))
        one = body.get("request")
        if not isinstance(one, str | None):
            raise RefusedError(400, "request: must be the id of a request")
        self._desk.cancel(deployment, person, request=one, lost=_flag(body, "lost"))
        return self._document(deployment, person)

    def resume(self, deployment: str) -> Response:
        """Go on with it; return `maestro.deployment/1`."""
        person = self._gate.person(Right.DEPLOY)
        self._desk.resume(deployment, person)
        return self._document(deployment, person)

    def _document(self, deployment: str, person: Person) -> Response:
        now, view = datetime.now(timezone.utc), self._desk.view(deployment, person, limit=None)
        return json_answer(deployment_document(view.record, view.requests, view.names, view.actions, now))


def _object(known: frozenset[str]) -> Mapping[str, Any]:
    """Return the body of the request: a JSON object with known members.

    Raises:
        RefusedError: 400, 411, 413 or 415.
    """
    found: Any = parse_json(read_body())
    if not isinstance(found, dict):
        raise RefusedError(400, "the body must be an object")
    unknown = sorted(found.keys() - known)
    if unknown:
        raise RefusedError(400, f"{unknown[0][:64]!a}: is not known; known are {', '.join(sorted(known))}")
    return found


def _flag(body: Mapping[str, Any], name: str) -> bool:
    if not isinstance(body.get(name, False), bool):
        raise RefusedError(400, f"{name}: must be true or false")
    return bool(body.get(name, False))


def _selection(body: Mapping[str, Any]) -> HostQuery:
    """Return the query for the hosts: an address' query, or a list of host ids; one of them must be given."""
    selection, hosts = body.get("selection"), body.get("hosts")
    if (selection is None) == (hosts is None):
        raise RefusedError(400, "selection: give either this, the query of a list of hosts, or hosts")
    if isinstance(selection, str):
        return selection_query(selection)
    if isinstance(hosts, list) and hosts and all(isinstance(one, str) for one in hosts):
        return HostQuery.of_hosts(hosts)
    raise RefusedError(400, "hosts: must be a list of host ids, selection a text")
