"""`maestro-endpoint request`: queue a request for each of several hosts."""

import argparse
import json
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from endpoint.cli.person import calling_person
from endpoint.cli.signing import Sign, as_caller, sign_with
from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.core.deploy.new_deployment import MAX_LEFT_OUT, NewRequest
from endpoint.core.deployment_report import DeploymentRecord, LeftOutRecord, RequestRecord, deployment_document
from endpoint.core.deployment_text import counts_text, left_out_lines, work_text
from endpoint.core.deployments import RequestStatus
from endpoint.core.fleet import fleet_document
from endpoint.core.host_choice import Choice, Wanted, choose
from endpoint.core.request_arguments import Terms, Verb, Work, request_arguments, request_form, spread
from endpoint.core.timestamps import format_utc
from endpoint.store.database import Database
from endpoint.store.deployments import DeploymentStore
from endpoint.store.queries import FleetQueries
from endpoint.store.session import open_database
from endpoint.store.tags import HostTags

_MAX_NAMES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """A deployment that is not stored yet."""

    record: DeploymentRecord
    left_out: tuple[LeftOutRecord, ...]
    """All of them; the record has the first ones."""
    requests: tuple[NewRequest, ...]


def run(arguments: argparse.Namespace) -> None:
    """Queue the requests, or show what would be queued."""
    config, now, person = read_config(arguments.config), datetime.now(timezone.utc), calling_person()
    key = None if arguments.dry_run else arguments.sign_with
    with (
        as_caller(partial(sign_with, key)) if key is not None else nullcontext() as sign,
        open_database(config) as database,
    ):
        choice = _choose(arguments, config, database, now)
        new = _make(arguments, choice, person, now, signed=config.requests.signed)
        if not arguments.dry_run:
            DeploymentStore(database).create(new.record, _signed(sign, new.requests))
    document = _document(new, choice, now, signed=arguments.sign_with is not None)
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(_lines(document, choice, dry=arguments.dry_run)))


def _choose(arguments: argparse.Namespace, config: Config, database: Database, now: datetime) -> Choice:
    streams = FleetQueries(database).streams(now, config.fleet.expire_after)
    rows = fleet_document(streams, now, config.fleet.silent_after)["hosts"]
    wanted = Wanted(names=tuple(arguments.host or ()), tags=tuple(arguments.tag or ()), everyone=arguments.all)
    return choose(rows, HostTags(database).all(), wanted)


def _make(arguments: argparse.Namespace, choice: Choice, person: str, now: datetime, *, signed: bool) -> _New:
    """Return the deployment; `signed`: no host gets what nobody has signed."""
    work = Work(
        verb=Verb(arguments.verb),
        fixes=tuple(arguments.fix or ()),
        when=arguments.when,
        reboot=arguments.reboot,
        plan_id=arguments.plan,
    )
    details = request_arguments(work, len(choice.hosts))
    created = now.replace(microsecond=0)
    expires = created + arguments.expires
    terms = Terms(
        created_at=format_utc(created), expires_at=format_utc(expires), requested_by=person, comment=arguments.comment
    )
    left_out = tuple(
        LeftOutRecord(host_id=host.host_id, host=host.name, why=why.value) for host, why in choice.left_out
    )
    record = DeploymentRecord(
        id=str(uuid.uuid4()),
        verb=arguments.verb,
        arguments=details,
        plan_id=work.plan_id,
        comment=terms.comment,
        requested_by=person,
        created_s=created.timestamp(),
        expires_s=expires.timestamp(),
        at_once=arguments.at_once,
        stop_after=arguments.stop_after,
        left_out=left_out[:MAX_LEFT_OUT],
    )
    requests = []
    for host in choice.hosts:
        identity = str(uuid.uuid4())
        form = request_form(work, terms, identity=identity, host_id=host.host_id, arguments=details)
        waits = arguments.sign_with is None and (arguments.sign_later or signed or host.asks_for_signature)
        status = RequestStatus.WAITING_SIGNATURE if waits else RequestStatus.QUEUED
        requests.append(NewRequest(id=identity, host_id=host.host_id, form=form, signature=None, status=status))
    return _New(record=record, left_out=left_out, requests=tuple(requests))


def _signed(sign: Sign | None, requests: tuple[NewRequest, ...]) -> tuple[NewRequest, ...]:
    if sign is None:
        return requests
    signatures = sign({request.id: request.form for request in requests})
    return tuple(replace(request, signature=signatures[request.id]) for request in requests)


def _document(new: _New, choice: Choice, now: datetime, *, signed: bool) -> dict[str, Any]:
    requests = [
        RequestRecord(id=one.id, host_id=one.host_id, status=one.status, signed=signed, changed_s=new.record.created_s)
        for one in new.requests
    ]
    names = {host.host_id: host.name for host in choice.hosts if host.name is not None}
    return deployment_document(replace(new.record, left_out=new.left_out), requests, names, (), now)


def _lines(document: Mapping[str, Any], choice: Choice, *, dry: bool) -> list[str]:
    done = "would queue" if dry else f"{document['id']}:"
    lines = [
        f"{done} {work_text(document)} for {len(choice.hosts)} host{'s' if len(choice.hosts) != 1 else ''}, "
        f"{document['at_once']} at once, until {document['expires_at']}: {counts_text(document['counts'])}"
    ]
    if dry:
        lines += [f"  {host.label}" for host in choice.hosts]
    elif document["counts"]["waiting-signature"]:
        lines.append(f"to sign: `maestro-endpoint requests sign {document['id'][:8]} --with KEY`")
    deaf = [host.label for host in choice.hosts if not host.takes_requests]
    if deaf:
        lines.append(f"queued until they take requests, which they do not now: {spread(deaf, _MAX_NAMES)}")
    return lines + left_out_lines(document)
