"""`maestro-endpoint demo`: an invented fleet on pages of this machine, to look at before any host is enrolled."""

import argparse
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from endpoint.config.model import Config
from endpoint.config.read import read_config
from endpoint.core.demo.deployments import demo_actions, demo_deployments
from endpoint.core.demo.exploited import demo_catalogue
from endpoint.core.demo.fixes import demo_fixes
from endpoint.core.demo.history import Exposure, ExposureDay, demo_batch, demo_events, exposure_days, exposures
from endpoint.core.demo.report import demo_report, seen_at
from endpoint.core.demo.roster import MOST_HOSTS, DemoHost, Mood, roster
from endpoint.core.demo.troubles import open_fixes
from endpoint.core.messages import Batch, read_message
from endpoint.core.people import WHOLE_FLEET, PersonRole
from endpoint.errors import EndpointError, UsageError
from endpoint.http.server import serve
from endpoint.store.advisory_load import AdvisoryLoader
from endpoint.store.database import Database
from endpoint.store.demo_past import DemoPast
from endpoint.store.ingest import Ingest
from endpoint.store.people.users import LinkPurpose, Users
from endpoint.store.session import open_database
from endpoint.store.tags import HostTags

_LAST_PORT = 65535
_PERSON = "demo"
_PLAIN = set("\"'\\?#%")
_CONFIG = """\
# Written by `maestro-endpoint demo`: invented hosts, which report only once. Not for a fleet.
[server]
listen = "127.0.0.1:{port}"

[database]
url = "sqlite:///{directory}/demo.db"

[fleet]
silent_after_s = 43200
"""


def run(arguments: argparse.Namespace) -> None:
    """Invent the fleet, print the address, and serve until Ctrl-C."""
    if not 1 <= arguments.port <= _LAST_PORT:
        raise UsageError(f"--port: must be between 1 and {_LAST_PORT}")
    if not 1 <= arguments.hosts <= MOST_HOSTS:
        raise UsageError(f"--hosts: must be between 1 and {MOST_HOSTS}")
    _require_free(arguments.port)
    os.umask(0o077)
    with _directory(arguments.dir) as directory:
        config = _config(directory, arguments.port)
        with open_database(config) as database:
            link = fill(database, arguments.hosts, datetime.now(timezone.utc))
        print(_instructions(arguments, directory, link), flush=True)
        serve(config)


def fill(database: Database, count: int, now: datetime) -> str:
    """Store an invented fleet and its past in an empty database; return the secret of a link that logs in.

    Raises:
        StoreError: the database does not answer.
    """
    hosts, fixes = roster(count), demo_fixes(now)
    ingest, tags = Ingest(database), HostTags(database)
    past: list[Exposure] = []
    for host in hosts:
        open_now = open_fixes(host, fixes, now)
        of_host = exposures(host, fixes, open_now, now)
        events = demo_events(host, of_host, now)
        batch = _batch(demo_batch(host, demo_report(host, open_now, now, events=len(events)), events))
        ingest.put(batch, seen_at(host, now), takes_requests=host.mood is not Mood.ENDED)
        tags.change(host.host_id, add=host.tags, remove=())
        past += of_host
    writer, deployments = DemoPast(database), demo_deployments(hosts, now)
    writer.exposures(past, {tag: _days(hosts, past, tag, now) for tag in ("", *_tags(hosts))})
    writer.deployments(deployments, demo_actions(deployments, now))
    AdvisoryLoader(database).load_kev(demo_catalogue(fixes, now), Path("demo"), now)
    users = Users(database)
    users.add(_PERSON, PersonRole.ADMIN, WHOLE_FLEET, now, may_reboot=True)
    return users.link(_PERSON, LinkPurpose.LOGIN, now)


def _batch(document: dict[str, Any]) -> Batch:
    return Batch(
        host_id=document["host_id"],
        instance_id=document["instance_id"],
        agent_version=document["agent_version"],
        messages=tuple(read_message(raw, None) for raw in document["messages"]),
        sent_at=document["sent_at"],
    )


def _tags(hosts: Sequence[DemoHost]) -> list[str]:
    return sorted({tag for host in hosts for tag in host.tags})


def _days(hosts: Sequence[DemoHost], past: Sequence[Exposure], tag: str, now: datetime) -> Sequence[ExposureDay]:
    with_tag = {host.host_id for host in hosts if not tag or tag in host.tags}
    return exposure_days(len(with_tag), [one for one in past if one.host.host_id in with_tag], now)


def _config(directory: Path, port: int) -> Config:
    if not str(directory).isprintable() or _PLAIN & set(str(directory)):
        raise UsageError(f"--dir: {str(directory)!r} contains quotes or other special characters")
    for old in directory.glob("demo.db*"):
        old.unlink()
    file = directory / "demo.toml"
    file.write_text(_CONFIG.format(port=port, directory=directory), encoding="utf-8")
    return read_config(file)


@contextmanager
def _directory(chosen: Path | None) -> Iterator[Path]:
    """Yield the directory of all files; one that was not chosen is deleted at the end."""
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="maestro-demo-") as made:
        yield Path(made)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EndpointError(f"port {port}: {error.strerror}; choose another one with --port") from error


def _instructions(arguments: argparse.Namespace, directory: Path, link: str) -> str:
    files = f"all its files are in {directory}" if arguments.dir else "nothing of it stays"
    return f"""\
{arguments.hosts} invented hosts. Open this address in a browser of this machine; it logs in once:

    http://127.0.0.1:{arguments.port}/login/{link}

From another machine: ssh -L {arguments.port}:127.0.0.1:{arguments.port} THIS-MACHINE, and the same address.
Ctrl-C stops it; {files}.
"""
