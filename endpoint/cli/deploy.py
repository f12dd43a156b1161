"""`maestro-endpoint deploy`: several steps for a selection of hosts, as on the page of the same name."""

import argparse
import json
import uuid
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.config.read import read_config
from endpoint.core.deploy.new_deployment import new_deployment
from endpoint.core.deploy.order import DeployOrder
from endpoint.core.deploy.preview import Preview, preview
from endpoint.core.deploy.preview_report import preview_document
from endpoint.core.deploy.selection import selection_query
from endpoint.core.deploy.texts import left_out_text
from endpoint.core.deployment_report import deployment_document
from endpoint.core.people import local_person
from endpoint.core.text import clean
from endpoint.errors import RefusedError, UsageError
from endpoint.store.database import Database
from endpoint.store.deploy_candidates import DeployCandidates
from endpoint.store.deployment_pages import DeploymentPages
from endpoint.store.deployments import DeploymentStore
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.session import open_database

_FLAGS = ("docker", "weave", "exact")


def run(arguments: argparse.Namespace) -> None:
    """Create a deployment, or show what it would do."""
    config, now, name = read_config(arguments.config), datetime.now(timezone.utc), calling_person()
    with open_database(config) as database:
        fleet = FleetPages(database, config.fleet.settings)
        try:
            order = _order(arguments)
            query = selection_query(arguments.query)
            found = DeployCandidates(database, fleet).find(order, query, local_person(name).scope, now)
        except RefusedError as error:
            raise UsageError(error.detail) from error
        shown = preview(order, query, found, sign=config.requests.signed)
        if arguments.dry_run:
            print(json.dumps(preview_document(shown, now), indent=2) if arguments.json else "\n".join(_lines(shown)))
        else:
            _create(database, shown, name, now, as_json=arguments.json)


def _order(arguments: argparse.Namespace) -> DeployOrder:
    fields = [
        ("upgrade", arguments.upgrade),
        ("fixes", " ".join(arguments.fix or ())),
        ("reboot", arguments.reboot),
        ("when", arguments.when),
        ("at_once", arguments.at_once),
        ("stop_after", str(arguments.stop_after)),
        ("expires", arguments.expires),
        ("comment", arguments.comment),
        ("sign", "yes" if arguments.sign_later else "no"),
    ]
    return DeployOrder.parse([*fields, *((name, "yes" if getattr(arguments, name) else "no") for name in _FLAGS)])


def _create(database: Database, shown: Preview, name: str, now: datetime, *, as_json: bool) -> None:
    if not shown.hosts:
        raise UsageError("; ".join(["no host is left", *_left_out(shown)]))
    identity = str(uuid.uuid4())
    new = new_deployment(shown, identity=identity, person=name, now=now, new_id=lambda: str(uuid.uuid4()))
    DeploymentStore(database).create(new.record, new.requests)
    view = DeploymentPages(database).show(identity, local_person(name), limit=None)
    if as_json and view is not None:
        document = deployment_document(view.record, view.requests, view.names, view.actions, now)
        print(json.dumps(document, indent=2))
        return
    print("\n".join([f"{identity}: {len(shown.hosts)} hosts, {new.record.at_once} at once", *_left_out(shown)]))
    if shown.waiting:
        print(f"to sign: `maestro-endpoint requests sign {identity[:8]} --with KEY`")


def _lines(shown: Preview) -> list[str]:
    rows = [
        f"{clean(host.label)}  {step.work.verb.value}: {clean(step.brings)}"
        + (f", plan {step.plan_id}" if step.plan_id else "")
        + (", waits for a signature" if host.waits_for_signature else "")
        for host in shown.hosts
        for step in host.steps
    ]
    return [*(rows or ["no host is left"]), *_left_out(shown)]


def _left_out(shown: Preview) -> list[str]:
    return [f"left out, {number}: {left_out_text(why)}" for why, number in shown.reasons.items()]
