"""`maestro-endpoint requests`: list, show, sign, cancel and resume deployments."""

import argparse
import json
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from endpoint.cli.person import calling_person
from endpoint.cli.signing import as_caller, read_signatures, sign_with, write_forms
from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.core.deployment_report import deployment_document, deployments_document
from endpoint.core.deployment_text import list_lines, show_lines
from endpoint.core.deployments import RequestStatus
from endpoint.core.fleet import fleet_document
from endpoint.core.requests import SIGNATURE_NAMESPACE
from endpoint.core.signing_text import signing_text
from endpoint.errors import UsageError
from endpoint.store.database import Database
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.queries import FleetQueries
from endpoint.store.request_queries import RequestQueries
from endpoint.store.session import open_database


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `requests` was given."""
    config = read_config(arguments.config)
    person = Actor(name=calling_person(), at=datetime.now(timezone.utc))
    if arguments.action == "sign":
        _sign(arguments, config, person)
        return
    with open_database(config) as database:
        DeploymentStore(database).expire(person.at)
        if arguments.action == "list":
            document = deployments_document(RequestQueries(database).list(), person.at)
            print(json.dumps(document, indent=2) if arguments.json else "\n".join(list_lines(document, person.at)))
        elif arguments.action == "show":
            _show(arguments, config, database, person.at)
        elif arguments.action == "cancel":
            _cancel(arguments, database, person)
        else:
            deployment = _deployment(database, arguments.id)
            DeploymentStore(database).resume(deployment, person)
            print(f"resumed: {deployment}")


def _show(arguments: argparse.Namespace, config: Config, database: Database, now: datetime) -> None:
    queries = RequestQueries(database)
    record, requests, actions = queries.show(queries.find(arguments.id)[0])
    streams = FleetQueries(database).streams(now, config.fleet.expire_after)
    rows = fleet_document(streams, now, config.fleet.silent_after)["hosts"]
    names = {row["host_id"]: row["name"] for row in rows if row["name"]}
    document = deployment_document(record, requests, names, actions, now)
    print(json.dumps(document, indent=2) if arguments.json else "\n".join(show_lines(document, now)))


def _sign(arguments: argparse.Namespace, config: Config, person: Actor) -> None:
    """Sign here, or write what is to be signed for a machine that has the key, or read what that one has signed."""
    work = (
        partial(sign_with, arguments.key)
        if arguments.key is not None
        else partial(write_forms, arguments.write)
        if arguments.write is not None
        else partial(read_signatures, arguments.read)
    )
    with as_caller(work) as sign, open_database(config) as database:
        DeploymentStore(database).expire(person.at)
        deployment = _deployment(database, arguments.id)
        forms = RequestQueries(database).documents(deployment, RequestStatus.WAITING_SIGNATURE)
        if not forms:
            _, requests, _ = RequestQueries(database).show(deployment)
            if any(one.status is RequestStatus.EXPIRED and not one.signed for one in requests):
                DeploymentStore(database).sign(deployment, {}, person)  # says when it expired
            raise UsageError("no request of it waits for a signature")
        if arguments.read is None:
            print(f"to sign: {signing_text(forms)}", flush=True)
        signatures = sign(forms)
        # As of now: a person may have taken long to type a passphrase.
        signed = DeploymentStore(database).sign(deployment, signatures, replace(person, at=datetime.now(timezone.utc)))
    if arguments.write is not None:
        print(
            f"written: {len(forms)} files; to sign them: `ssh-keygen -Y sign -f KEY -n {SIGNATURE_NAMESPACE} FILE...`"
        )
    else:
        print(f"signed: {signed} of {len(forms)} requests of {deployment}")


def _cancel(arguments: argparse.Namespace, database: Database, person: Actor) -> None:
    deployment, request = RequestQueries(database).find(arguments.id)
    only = None if request is None else frozenset({request})
    left = DeploymentStore(database).cancel(deployment, only, person, lost=arguments.lost)
    print(f"cancelled: {request or deployment}")
    if left:
        print(f"already delivered: {left}; those hosts get the cancellation, and may have started by then")


def _deployment(database: Database, text: str) -> str:
    deployment, request = RequestQueries(database).find(text)
    if request is not None:
        raise UsageError(f"{request} is the request of one host; its deployment is {deployment}")
    return deployment
